// Which threshold each label has now, and what it answers: counts that were made in Python, exactly.

const FORCE = -1; // the threshold in force, which need not be one of the slider's

class Thresholds {
  constructor(page, packed) {
    const { labels, thresholds } = page;
    this.n = labels.label.length;
    this.steps = page.counts_steps;
    this.names = labels.label;
    this.support = labels.support;
    this.known = labels.n_known;
    this.inForce = labels.threshold;
    this.inForceCounts = thresholds;
    this.isMovable = !thresholds.obstacle;
    this.place = new Int32Array(this.n).fill(FORCE);
    this.listeners = [];
    const width = this.steps + 1;
    this.here = packed.slice(); // entries between two thresholds, for histograms
    for (let line = 0; line < 2 * this.n; line++) {
      for (let k = this.steps - 1; k >= 0; k--) packed[line * width + k] += packed[line * width + k + 1];
    }
    this.packed = packed; // hits, then answers, from each threshold upwards
  }

  subscribe(listener) {
    this.listeners.push(listener);
  }

  // Hits and answers of label j at the threshold k / steps.
  at(j, k) {
    const width = this.steps + 1;
    return { hits: this.packed[j * width + k], predicted: this.packed[(this.n + j) * width + k] };
  }

  // Positives and negatives of label j with a score from the threshold k up to the next.
  between(j, k) {
    const width = this.steps + 1;
    const positives = this.here[j * width + k];
    return { positives, negatives: this.here[(this.n + j) * width + k] - positives };
  }

  isMoved(j) {
    return this.place[j] !== FORCE;
  }

  value(j) {
    return this.isMoved(j) ? this.place[j] / this.steps : this.inForce[j];
  }

  // What label j gets now.
  now(j) {
    const counts = this.isMoved(j) ? this.at(j, this.place[j]) : { hits: this.inForceCounts.true_positives[j], predicted: this.inForceCounts.predicted[j] };
    return { ...counts, ...rates(counts.hits, counts.predicted, this.support[j]) };
  }

  // The threshold that all labels have, or null.
  shared() {
    const first = this.value(0);
    for (let j = 1; j < this.n; j++) if (this.value(j) !== first) return null;
    return first;
  }

  all() {
    let hits = 0, predicted = 0, positives = 0, sum = 0, present = 0;
    for (let j = 0; j < this.n; j++) {
      const now = this.now(j);
      hits += now.hits;
      predicted += now.predicted;
      positives += this.support[j];
      if (this.support[j] > 0) {
        sum += now.f1;
        present++;
      }
    }
    const micro = rates(hits, predicted, positives);
    const f1 = predicted + positives > 0 ? (2 * hits) / (predicted + positives) : NaN;
    return { hits, predicted, ...micro, f1, macro: present ? sum / present : NaN };
  }

  move(j, place) {
    this.place[j] = place;
    this.notify(j);
  }

  moveAll(place) {
    this.place.fill(place);
    this.notify(null);
  }

  notify(j) {
    for (const listener of this.listeners) listener(j);
  }

  moved() {
    const found = [];
    for (let j = 0; j < this.n; j++) if (this.isMoved(j)) found.push(j);
    return found;
  }
}

// As Python's table has them: no precision without an answer, no recall and F1 without a positive.
function rates(hits, predicted, positives) {
  return {
    precision: predicted > 0 ? hits / predicted : NaN,
    recall: positives > 0 ? hits / positives : NaN,
    f1: positives > 0 ? (2 * hits) / (predicted + positives) : NaN,
  };
}

const quoted = (text) => (/^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);

// The command that gives a model the thresholds that were moved.
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
      range.setAttribute("aria-valuetext", "not used, labels have thresholds of their own");
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

function outputs(list) {
  const places = new Map();
  const items = list.map(([key, title]) => {
    const place = el("output", { id: `out-${key}` });
    places.set(key, place);
    return el("div", {}, el("dt", {}, title), el("dd", {}, place));
  });
  const show = (values) => {
    for (const [key, shown] of Object.entries(values)) places.get(key).replaceChildren(shown);
  };
  return { node: el("dl", { class: "outputs" }, items), show };
}

// Overall figures, one threshold for all, and the way out of the page.
function thresholdsView(page, thresholds) {
  const { obstacle, caution } = page.thresholds;
  if (obstacle) return el("p", { class: "note", id: "obstacle" }, obstacle);
  const figures = outputs([
    ["all-precision", "Micro precision"],
    ["all-recall", "Micro recall"],
    ["all-f1", "Micro F1"],
    ["all-macro", "Macro F1"],
    ["all-predicted", "Predicted labels"],
    ["all-rows", "Predicted labels per row"],
  ]);
  const all = slider({ id: "threshold-all", label: "One threshold for all labels", value: thresholds.shared(), onmove: (place) => thresholds.moveAll(place) });
  const reset = el("button", { type: "button", id: "reset-all", onclick: () => thresholds.moveAll(FORCE) }, "Reset");
  const code = el("code", { id: "command" });
  const words = el("p", { id: "moved", role: "status" });
  const copied = el("span", { role: "status", class: "faint" });
  const copy = el("button", { type: "button", id: "copy", onclick: async () => {
    copied.textContent = (await copyText(code)) ? "Copied." : "Selected: copy it with your keyboard.";
  } }, "Copy the command");
  const download = el("button", { type: "button", id: "download", onclick: () => save("thresholds.json", asJson(thresholds)) }, "Download as JSON");
  const out = el("div", { class: "command" }, el("pre", { tabindex: 0, role: "region", "aria-label": "Command that sets the thresholds" }, code), el("p", { class: "buttons" }, copy, download, copied));
  const rows = page.report.data.rows;
  const update = () => {
    const now = thresholds.all();
    figures.show({
      "all-precision": datum(now.precision),
      "all-recall": datum(now.recall),
      "all-f1": datum(now.f1),
      "all-macro": datum(now.macro),
      "all-predicted": datum(now.predicted, whole(now.predicted)),
      "all-rows": datum(now.predicted / rows, number(now.predicted / rows, 2)),
    });
    all.show(thresholds.shared());
    const moved = thresholds.moved().length;
    words.textContent = moved ? `${counted(moved, "threshold")} moved. This command gives the model what is set here:` : "Showing saved thresholds.";
    code.textContent = moved ? command(thresholds, page.model) : "";
    out.hidden = moved === 0;
    copied.textContent = "";
  };
  thresholds.subscribe(update);
  update();
  return el("div", { class: "panel", id: "all-labels" },
    el("h3", {}, "Thresholds"),
    caution ? el("p", { class: "note" }, caution) : null,
    el("p", {}, "Every row is decided here by the thresholds that are shown, and all figures are exact for them. The table's and the scores' own figures can be a little lower: there each row is decided by thresholds that were fitted on other rows."),
    figures.node,
    el("div", { class: "controls" }, all.node, reset),
    words,
    out,
  );
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
