// What moves thresholds: sliders and presets, and the command and file that take the result out of the page.

const quoted = (text) => (/^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);

const MAX_NAMED = 3; // labels that a message names

// The command that saves the thresholds that were moved.
function command(thresholds, model) {
  const flags = thresholds.moved().map((j) => `--set ${quoted(`${thresholds.names[j]}=${thresholds.value(j).toFixed(3)}`)}`);
  const start = `manyhot thresholds ${quoted(model ?? "MODEL.manyhot")}`;
  return flags.length > 3 ? [start, ...flags].join(" \\\n  ") : [start, ...flags].join(" ");
}

const asJson = (thresholds) => JSON.stringify(Object.fromEntries(thresholds.moved().map((j) => [thresholds.names[j], thresholds.value(j)])), null, 2);

// A slider and a field for the same threshold.
function slider({ id, label, value, onmove }) {
  const range = el("input", { type: "range", id, min: 0, max: 1, step: 0.001 });
  const field = el("input", { type: "number", id: `${id}-number`, min: 0, max: 1, step: 0.001, "aria-label": `${label}, as a number` });
  const node = el("div", { class: "slider" }, el("label", { for: id }, label), range, field);
  const show = (threshold) => {
    node.classList.toggle("mixed", threshold === null);
    field.value = threshold === null ? "" : threshold.toFixed(3);
    if (threshold === null) {
      range.setAttribute("aria-valuetext", "labels have different thresholds");
      field.setAttribute("placeholder", "mixed");
      range.value = "0.5";
    } else {
      range.value = String(threshold);
      range.removeAttribute("aria-valuetext");
    }
  };
  const take = (text) => {
    const threshold = Number(text);
    if (text === "" || Number.isNaN(threshold)) return;
    onmove(Math.round(1000 * Math.min(1, Math.max(0, threshold))));
  };
  range.addEventListener("input", () => take(range.value));
  field.addEventListener("change", () => take(field.value));
  show(value);
  return { node, show };
}

// Buttons that choose thresholds: `onchoose(kind, bound)` returns a sentence on what it could not do, or "".
function presets(id, onchoose) {
  const said = el("span", { role: "status", class: "faint", id: `${id}-said` });
  const choose = (kind, bound) => {
    said.textContent = onchoose(kind, bound);
  };
  const bounded = (kind, title) => {
    const field = el("input", { type: "number", id: `${id}-${kind}-bound`, min: 0, max: 1, step: 0.01, value: "0.9", "aria-label": `${title} at least, bound` });
    const button = el("button", { type: "button", id: `${id}-${kind}`, onclick: () => {
      const bound = Number(field.value);
      if (field.value === "" || !(bound >= 0 && bound <= 1)) said.textContent = "Enter a number from 0 to 1.";
      else choose(kind, bound);
    } }, `${title} at least`);
    return el("span", { class: "bounded" }, button, field);
  };
  const best = el("button", { type: "button", id: `${id}-f1`, onclick: () => choose("f1") }, "Best F1");
  const node = el("p", { class: "presets" }, el("span", { class: "faint" }, id === "preset-all" ? "Presets for all labels:" : "Presets for this label:"), best, bounded("precision", "Precision"), bounded("recall", "Recall"), said);
  const clear = () => {
    said.textContent = "";
  };
  return { node, clear };
}

function outputs(list) {
  const places = new Map();
  const items = list.map(([key, title]) => {
    const place = el("output", { id: `out-${key}` });
    places.set(key, place);
    return el("div", {}, el("dt", {}, title), el("dd", {}, place));
  });
  const show = (values) => {
    for (const [key, shown] of Object.entries(values)) places.get(key).replaceChildren(...[shown].flat());
  };
  return { node: el("dl", { class: "outputs" }, items), show };
}

// Overall figures, one threshold for all, and the way out of the page.
function thresholdsView(page, thresholds) {
  const { obstacle, caution } = page.thresholds;
  if (obstacle) return el("p", { class: "note", id: "obstacle" }, obstacle);
  const figures = outputs([
    ["all-macro", "Macro F1"],
    ["all-f1", "Micro F1"],
    ["all-precision", "Micro precision"],
    ["all-recall", "Micro recall"],
    ["all-predicted", "Predicted labels"],
    ["all-rows", "Predicted labels per row"],
  ]);
  const all = slider({ id: "threshold-all", label: "One threshold for all labels", value: thresholds.shared(), onmove: (place) => thresholds.moveAll(place) });
  const reset = el("button", { type: "button", id: "reset-all", onclick: () => thresholds.moveAll(FORCE) }, "Reset");
  const preset = presets("preset-all", (kind, bound) => {
    const places = thresholds.names.map((_, j) => [j, thresholds.preset(j, kind, bound)]);
    const reached = places.filter(([, place]) => place !== null);
    thresholds.moveEach(reached);
    const left = places.filter(([, place]) => place === null).map(([j]) => thresholds.names[j]);
    const missing = left.length;
    const which = missing > MAX_NAMED ? counted(missing, "label") : left.join(", ");
    const keeps = missing === 1 ? "keeps its threshold" : "keep their thresholds";
    const why = kind === "f1" ? `${missing === 1 ? "has" : "have"} no F1 better than predicting the label for every row, and` : "cannot reach it and";
    const unsure = kind === "precision" ? reached.map(([j]) => j).filter((j) => thresholds.now(j).predicted < FEW_ROWS) : [];
    const few = unsure.length > MAX_NAMED ? counted(unsure.length, "label") : unsure.map((j) => thresholds.names[j]).join(", ");
    return [missing ? `${which} ${why} ${keeps}.` : "", few && `${few}: fewer than ${FEW_ROWS} rows predicted, too few to be sure of the precision.`].filter(Boolean).join(" ");
  });
  const code = el("code", { id: "command" });
  const words = el("p", { id: "moved", role: "status" });
  const copied = el("span", { role: "status", class: "faint" });
  const copy = el("button", { type: "button", id: "copy", onclick: async () => {
    copied.textContent = (await copyText(code)) ? "Copied." : "Selected: copy it with your keyboard.";
  } }, "Copy the command");
  const download = el("button", { type: "button", id: "download", onclick: () => save("thresholds.json", asJson(thresholds)) }, "Download as JSON");
  const out = el("div", { class: "command" }, el("pre", { tabindex: 0, role: "region", "aria-label": "Command that sets the thresholds" }, code), el("p", { class: "buttons" }, copy, download, copied));
  const rows = page.report.data.rows;
  const saved = thresholds.all("saved");
  const basis = el("p", { class: "faint basis" });
  const update = () => {
    preset.clear();
    const now = thresholds.all();
    const moved = thresholds.moved().length;
    const beside = (shown, value) => [shown, moved ? el("small", {}, ` saved ${value}`) : ""];
    figures.show({
      "all-precision": beside(datum(now.precision), number(saved.precision)),
      "all-recall": beside(datum(now.recall), number(saved.recall)),
      "all-f1": beside(datum(now.f1), number(saved.f1)),
      "all-macro": beside(datum(now.macro), number(saved.macro)),
      "all-predicted": beside(datum(now.predicted, whole(now.predicted)), whole(saved.predicted)),
      "all-rows": beside(datum(now.predicted / rows, number(now.predicted / rows, 2)), number(saved.predicted / rows, 2)),
    });
    all.show(thresholds.shared());
    words.textContent = moved ? `${counted(moved, "threshold")} changed. This command saves them in the model:` : "Showing saved thresholds.";
    basis.textContent = thresholdsBasis(page, moved);
    code.textContent = moved ? command(thresholds, page.model) : "";
    out.hidden = moved === 0;
    copied.textContent = "";
  };
  thresholds.subscribe(update);
  update();
  return el("div", { class: "panel", id: "all-labels" },
    el("h3", {}, "Thresholds of all labels"),
    basis,
    caution ? el("p", { class: "note" }, caution) : null,
    figures.node,
    preset.node,
    el("div", { class: "controls" }, all.node, reset),
    words,
    out,
    el("p", { class: "faint" }, "A preset gives each label a threshold of its own, tuned on these same rows. The best F1 of each label raises macro F1, which weights all labels equally; look at what it does to micro F1 and to the number of predicted labels."),
  );
}

// On which rows the overall figures are, and what to expect on others.
function thresholdsBasis(page, moved) {
  const rows = `On all ${counted(page.report.data.rows, "row")} at the thresholds shown`;
  if (moved) return `${rows}. Those that were changed were chosen on these rows, and are likely to do worse on new ones, rare labels most.`;
  if (!page.thresholds.is_cross_fitted) return `${rows}.`;
  const { f1_macro: macro, f1_micro: micro } = page.report.metrics.decision;
  return `${rows}, which were tuned on these same rows. Cross-fitted, with the saved thresholds: macro F1 ${number(macro.value)}, micro F1 ${number(micro.value)}; expect these on new rows.`;
}

async function copyText(node) {
  try {
    await navigator.clipboard.writeText(node.textContent);
    return true;
  } catch {
    const range = document.createRange();
    range.selectNodeContents(node);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    return false;
  }
}

function save(file, text) {
  const link = el("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: file });
  document.body.append(link);
  link.click();
  link.remove();
}
