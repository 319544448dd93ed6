// Rows that the model is wrong on, each once, and labels that look mislabelled.

const SHOWN = 12;
const KINDS = [
  ["false_positives", "False positives", "+"],
  ["false_negatives", "False negatives", "−"],
  ["label_errors", "Likely label errors", "⚑"],
];

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
      suspects.map((entry) => line("⚑", `${Math.min(99, Math.round(100 * entry.suspicion))} % likely mislabelled`, suspicionWords(page, entry))),
      line("✓", "Correct", row.correct.length ? labelNames(page, row.correct) : "none"),
      row.predicted_unknown.length ? line("?", "Predicted, truth unknown", labelNames(page, row.predicted_unknown)) : null,
      row.unknown ? line("?", "Unknown", counted(row.unknown, "label")) : null,
    ),
  );
}

function suspicionWords(page, entry) {
  const context = number(entry.expected, 2) === number(entry.score, 2) ? "" : ` (${number(entry.expected, 2)} given its other labels)`;
  return ["marked ", entry.recorded ? null : "not ", labelLink(entry.label, page.labels.label[entry.label]), `, predicted ${number(entry.score, 2)}${context}`];
}

// The rows of all lists, each once, with its kinds and how bad it is.
function rankedRows(page) {
  const { errors, label_errors: labelErrors } = page.rows;
  const found = new Map();
  const add = (row, kind, weight) => {
    if (!found.has(row)) found.set(row, { row, kinds: new Set(), weights: {} });
    const entry = found.get(row);
    entry.kinds.add(kind);
    entry.weights[kind] = Math.max(weight, entry.weights[kind] ?? 0);
    entry.weights.all = Math.max(weight, entry.weights.all ?? 0);
  };
  for (const { row, score } of errors.false_positives) add(row, "false_positives", score);
  for (const { row, score } of errors.false_negatives) add(row, "false_negatives", 1 - score);
  for (const { row, suspicion } of labelErrors) add(row, "label_errors", suspicion);
  return [...found.values()];
}

function showRows(page) {
  const { errors, label_errors_note: note, has_contents: hasContents } = page.rows;
  const rows = rankedRows(page);
  const totals = { false_positives: errors.n_false_positives, false_negatives: errors.n_false_negatives, label_errors: page.rows.n_label_errors };
  const list = el("ul", { class: "cards", id: "error-rows" });
  const count = el("p", { role: "status", id: "error-count", class: "faint" });
  const more = el("button", { type: "button", id: "error-more" });
  const cards = new Map();
  let kind = "all", isWhole = false;
  const show = () => {
    const found = rows.filter((entry) => kind === "all" || entry.kinds.has(kind)).sort((a, b) => b.weights[kind] - a.weights[kind] || a.row - b.row);
    const shown = isWhole ? found : found.slice(0, SHOWN);
    list.replaceChildren(...shown.map(({ row }) => {
      if (!cards.has(row)) cards.set(row, rowCard(page, row));
      return cards.get(row);
    }));
    const total = kind === "all" ? "" : ` The data have ${whole(totals[kind])} ${KINDS.find(([key]) => key === kind)[1].toLowerCase()} in all.`;
    count.textContent = found.length ? `${whole(shown.length)} of the ${counted(found.length, "worst row")}, the worst first.${total}` : `No rows.${total}`;
    more.hidden = shown.length === found.length;
    more.textContent = `Show ${whole(found.length - shown.length)} more`;
  };
  more.addEventListener("click", () => {
    isWhole = true;
    show();
  });
  const choice = (key, title) => el("label", {}, el("input", { type: "radio", name: "error-kind", value: key, id: `errors-${key}`, checked: key === "all", onchange: () => {
    [kind, isWhole] = [key, false];
    show();
  } }), " ", title);
  const choices = [["all", "All errors"], ...KINDS.map(([key, title, icon]) => [key, `${icon} ${title} (${whole(totals[key])})`])];
  const hint = page.file ? "" : " To see the rows themselves, write a report on a file: manyhot report MODEL FILE.";
  document.getElementById("rows-view").append(...[
    el("h3", {}, "Rows with errors"),
    hasContents ? null : el("p", {}, `Rows have the id of their file, or their number.${hint}`),
    el("p", {}, el("b", {}, "Likely label errors. "), note),
    el("fieldset", { class: "choices" }, el("legend", {}, "Show"), choices.map(([key, title]) => choice(key, title))),
    count,
    list,
    more,
  ].filter(Boolean));
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
