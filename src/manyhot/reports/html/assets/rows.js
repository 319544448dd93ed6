// Rows that the model is wrong on, each once, and labels that look mislabelled.

const SHOWN = 12;
const KINDS = [
  ["false_positives", "False positives", "+"],
  ["false_negatives", "False negatives", "−"],
  ["label_errors", "Suspicious labels", "⚑"],
  ["without_prediction", "No label predicted", "∅"],
];
const NOUNS = {
  all: "errors",
  false_positives: "false positives",
  false_negatives: "false negatives",
  label_errors: "suspicious labels",
  without_prediction: "rows without a predicted label",
};

// What a row is, as far as the page knows.
function rowContent(row) {
  const parts = [];
  if (row.image) parts.push(el("img", { src: `data:image/jpeg;base64,${row.image}`, alt: `Row ${row.id}`, decoding: "async" }));
  if (row.text) parts.push(el("blockquote", { dir: "auto" }, row.text));
  if (row.cells) parts.push(el("p", { class: "cells" }, row.cells.map(([column, value]) => [el("span", {}, el("bdi", { class: "faint" }, column), " ", el("bdi", {}, value)), " "])));
  return parts;
}

function labelNames(page, indices) {
  const shown = indices.slice(0, 12).map((j, k) => [k ? ", " : "", name(page.labels.label[j])]);
  return [shown, indices.length > 12 ? ` and ${indices.length - 12} more` : null];
}

// A row with all of its errors.
function rowCard(page, index) {
  const row = page.rowOf.get(index);
  const line = (icon, title, content) => el("li", {}, el("span", { class: "icon", "aria-hidden": "true" }, icon), el("span", {}, el("span", { class: "faint" }, `${title}: `), content));
  const scored = (entries) => entries.map(([j, score], k) => [k ? ", " : "", labelLink(j, page.labels.label[j]), ` ${number(score, 2)}`]);
  const suspects = page.suspectsOf.get(index) ?? [];
  return el("li", { class: "card", "data-row": index },
    el("p", {}, el("b", {}, "Row ", name(row.id))),
    rowContent(row),
    el("ul", { class: "verdicts" },
      row.false_positives.length ? line("+", "False positive", scored(row.false_positives)) : null,
      row.false_negatives.length ? line("−", "False negative", scored(row.false_negatives)) : null,
      suspects.map((entry) => line("⚑", `${Math.min(99, Math.round(100 * entry.suspicion))}% probability that the label is wrong`, suspicionWords(page, entry))),
      page.unlabelled.has(index) ? line("∅", "Predicted", "no label") : line("✓", "Correct", row.correct.length ? labelNames(page, row.correct) : "none"),
      row.predicted_unknown.length ? line("?", "Predicted, truth unknown", labelNames(page, row.predicted_unknown)) : null,
      row.unknown ? line("?", "Unknown", counted(row.unknown, "label")) : null,
    ),
  );
}

function suspicionWords(page, entry) {
  const context = number(entry.expected, 2) === number(entry.score, 2) ? "" : ` (${number(entry.expected, 2)} given its other labels)`;
  return [entry.recorded ? "labelled " : "not labelled ", labelLink(entry.label, page.labels.label[entry.label]), `, predicted ${number(entry.score, 2)}${context}`];
}

// Whether a row has a label that is not predicted, as far as its card says.
function isMissed(page, row, label) {
  return page.rowOf.get(row).false_negatives.some(([j]) => j === label);
}

// The rows of all lists, each once, with how bad it is of each kind; of one label, if one is chosen.
function rankedRows(page, label) {
  const { errors, label_errors: labelErrors, without_prediction: unlabelled } = page.rows;
  const found = new Map();
  const put = (row, kind, weight) => {
    if (!found.has(row)) found.set(row, { row, weights: {} });
    const { weights } = found.get(row);
    weights[kind] = Math.max(weight, weights[kind] ?? 0);
  };
  const add = (row, kind, weight) => {
    put(row, kind, weight);
    put(row, "all", weight);
  };
  const listed = (kind) => (label === null ? errors[kind].map(({ row, score }) => [row, score]) : errors.labels[label][kind]);
  for (const [row, score] of listed("false_positives")) add(row, "false_positives", score);
  for (const [row, score] of listed("false_negatives")) add(row, "false_negatives", 1 - score);
  for (const entry of labelErrors) if (label === null || entry.label === label) add(entry.row, "label_errors", entry.suspicion);
  unlabelled.forEach((row, k) => {
    if (label === null || isMissed(page, row, label)) put(row, "without_prediction", 1 - k / unlabelled.length); // no error of a row without labels
  });
  return [...found.values()];
}

// How many errors of each kind the data have, of all labels or of one; null where it is not known.
function errorTotals(page, label) {
  const { errors, label_errors: labelErrors, n_label_errors: nLabelErrors, without_prediction: unlabelled } = page.rows;
  const nUnlabelled = page.predictions.n_rows_without;
  if (label === null) return { false_positives: errors.n_false_positives, false_negatives: errors.n_false_negatives, label_errors: nLabelErrors, without_prediction: nUnlabelled };
  const known = (list, total, kind) => (list.length === total ? keptErrors(page, kind, label) : null);
  return {
    false_positives: errors.label_counts.false_positives[label],
    false_negatives: errors.label_counts.false_negatives[label],
    label_errors: known(labelErrors, nLabelErrors, "label_errors"),
    without_prediction: known(unlabelled, nUnlabelled, "without_prediction"),
  };
}

// How many of these errors the page keeps.
function keptErrors(page, kind, label) {
  const { errors, label_errors: labelErrors } = page.rows;
  if (kind === "all") return keptErrors(page, "false_positives", label) + keptErrors(page, "false_negatives", label);
  if (kind === "label_errors") return labelErrors.filter((entry) => label === null || entry.label === label).length;
  if (kind === "without_prediction") return page.rows.without_prediction.filter((row) => label === null || isMissed(page, row, label)).length;
  return (label === null ? errors : errors.labels[label])[kind].length;
}

// What a suspicious label is, how its percentage is read, and where all of them are.
function suspicionsIntroduction(page) {
  const { label_errors: kept, label_errors_note: note, n_label_errors: total, expected_label_errors: expected } = page.rows;
  const words = [el("b", {}, "Suspicious labels. "), "A recorded yes or no, of one row for one label, that the model finds unlikely. ", note];
  if (!total) return el("p", { id: "suspicious" }, words);
  const wrong = Math.max(1, Math.round(expected));
  const isWhole = kept.length === total;
  words.push(" The percentage beside it is the model's estimate of the probability that it is recorded wrongly: of ten labels at 90%, expect nine to be wrong. ");
  if (["unclear", "worse"].includes(page.summary.kind)) words.push(el("b", {}, "Do not rely on this list: "), "a model that is not clearly better than a constant prediction cannot contradict what is recorded. ");
  words.push(total === 1 ? "One is worth checking." : `${whole(total)} are worth checking, and by these estimates about ${whole(wrong)} of them ${wrong === 1 ? "is" : "are"} wrong.`);
  if (!isWhole) words.push(` The page has the ${whole(kept.length)} most probable${page.file ? "; correct these, and the next report has further ones" : ""}.`);
  if (!page.file) words.push(isWhole ? " As a table: " : " A table of all: ", el("code", {}, `manyhot label-errors ${quoted(page.model ?? "MODEL.manyhot")} -o suspicious.csv`), ".");
  return el("p", { id: "suspicious" }, words);
}

function showRows(page) {
  const { has_contents: hasContents } = page.rows;
  const list = el("ul", { class: "cards", id: "error-rows" });
  const count = el("p", { role: "status", id: "error-count", class: "faint" });
  const more = el("button", { type: "button", id: "error-more" });
  const cards = new Map();
  const titles = new Map();
  const chosenPair = el("p", { id: "error-pair", hidden: true });
  const kinds = KINDS.filter(([key]) => key !== "without_prediction" || page.predictions.n_rows_without);
  let kind = "all", label = null, pair = null, isWhole = false;
  const show = () => {
    chosenPair.hidden = pair === null;
    const rows = rankedRows(page, label);
    const totals = errorTotals(page, label);
    for (const [key, title, icon] of kinds) titles.get(key).textContent = ` ${icon} ${title}${totals[key] === null ? "" : ` (${whole(totals[key])})`}`;
    const filtered = rows.filter((entry) => kind in entry.weights).sort((a, b) => b.weights[kind] - a.weights[kind] || a.row - b.row);
    const found = pair === null ? filtered : pair.worst.map((row) => ({ row }));
    const shown = isWhole ? found : found.slice(0, SHOWN);
    list.replaceChildren(...shown.map(({ row }) => {
      if (!cards.has(row)) cards.set(row, rowCard(page, row));
      return cards.get(row);
    }));
    const of = label === null ? "" : ` of ${page.labels.label[label]}`;
    const total = pair !== null ? pair.rows : kind === "all" ? totals.false_positives + totals.false_negatives : totals[kind];
    const noun = pair !== null ? "such rows" : NOUNS[kind];
    const kept = pair === null ? keptErrors(page, kind, label) : pair.worst.length;
    const hasSuspects = kind === "all" && pair === null && rows.some((entry) => "label_errors" in entry.weights);
    const [order, worst] = kind === "without_prediction" ? ["those with most labels first", ""] : ["the worst first", "those with the worst "];
    let which = "";
    if (total !== null) which = `: ${whole(total)} ${noun}${of} in all`;
    if (kept < total) which = `: the page has ${worst}${whole(kept)} of ${whole(total)} ${noun}${of}${hasSuspects ? ", and all with a suspicious label that it keeps" : ""}`;
    count.textContent = found.length ? `Showing ${whole(shown.length)} of ${counted(found.length, "row")}, ${order}${which}.` : "No rows.";
    more.hidden = shown.length === found.length;
    more.textContent = `Show ${whole(found.length - shown.length)} more`;
  };
  more.addEventListener("click", () => {
    isWhole = true;
    show();
  });
  const choice = (key, title) => {
    titles.set(key, el("span", {}, ` ${title}`));
    return el("label", {}, el("input", { type: "radio", name: "error-kind", value: key, id: `errors-${key}`, checked: key === "all", onchange: () => {
      if (pair !== null || kind === "without_prediction") history.replaceState(null, "", "#errors"); // the address is no longer that of these rows
      [kind, pair, isWhole] = [key, null, false];
      show();
    } }), titles.get(key));
  };
  const select = el("select", { id: "error-label", onchange: () => {
    [label, pair, isWhole] = [select.value === "" ? null : Number(select.value), null, false];
    show();
  } }, el("option", { value: "" }, "all labels"), page.labels.label.map((text, j) => el("option", { value: j }, text)));
  const basis = page.thresholds.is_cross_fitted ? " Each row is decided by thresholds tuned on other rows, so numbers differ a little from those in a label's panel, and a probability near the threshold may fall on the other side." : "";
  const hint = page.file ? "" : " To see what is in the rows, run ";
  document.getElementById("rows-view").append(...[
    el("h3", {}, "Rows with errors"),
    el("p", {}, `${page.rows.row_names}${basis}${hasContents ? "" : hint}`, hasContents || page.file ? null : [el("code", {}, `manyhot report ${quoted(page.model ?? "MODEL.manyhot")} FILE`), "."]),
    suspicionsIntroduction(page),
    el("p", { class: "filter" }, el("label", { for: "error-label" }, "Errors of"), select),
    el("fieldset", { class: "choices" }, el("legend", {}, "Show"), choice("all", "All errors"), kinds.map(([key, title]) => choice(key, title))),
    chosenPair,
    count,
    list,
    more,
  ].filter(Boolean));
  const filterBy = (j, chosen, key = "all") => {
    [kind, label, pair, isWhole] = [key, j, chosen, false];
    select.value = j === null ? "" : String(j);
    document.getElementById(`errors-${key}`).checked = true;
    show();
  };
  page.showUnlabelled = () => {
    filterBy(null, null, "without_prediction");
    const chosen = document.getElementById("errors-without_prediction");
    chosen.scrollIntoView({ block: "center" });
    chosen.focus({ preventScroll: true });
  };
  page.showErrors = (j) => {
    filterBy(j, null);
    select.scrollIntoView({ block: "center" });
    select.focus({ preventScroll: true });
  };
  // The rows that a pair of confused labels counts, of its place in the table.
  page.showPair = (k) => {
    const chosen = page.rows.confusions[k];
    if (!chosen) return;
    const reset = el("button", { type: "button", onclick: () => filterBy(null, null) }, "Show all rows with errors");
    const linked = (j) => labelLink(j, page.labels.label[j]);
    chosenPair.replaceChildren("Rows where ", linked(chosen.missed), " was missed and ", linked(chosen.predicted), " wrongly predicted. ", reset);
    filterBy(null, chosen);
    chosenPair.setAttribute("tabindex", "-1");
    select.closest("p").scrollIntoView({ block: "start" });
    chosenPair.focus({ preventScroll: true });
  };
  page.showAllRows = () => {
    const before = isWhole;
    isWhole = true;
    show();
    return () => {
      isWhole = before;
      show();
    };
  };
  show();
}
