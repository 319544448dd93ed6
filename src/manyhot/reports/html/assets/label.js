// One label: its figures, its threshold to move, and what that does.

class LabelPanel {
  constructor(page, thresholds) {
    this.page = page;
    this.thresholds = thresholds;
    this.node = el("div", { class: "panel", id: "label" });
    this.j = null;
    thresholds.subscribe((j) => {
      if (this.j !== null && (j === null || j === this.j)) this.update();
    });
  }

  choose(j) {
    const { page, thresholds } = this;
    this.j = j;
    this.marks = [];
    const parts = [el("h3", { id: "label-name", tabindex: -1 }, name(page.labels.label[j])), el("p", {}, labelFacts(page, j))];
    if (thresholds.isMovable) {
      this.slider = slider({ id: "threshold", label: "Threshold", value: thresholds.value(j), onmove: (place) => thresholds.move(j, place) });
      this.reset = el("button", { type: "button", id: "reset", onclick: () => thresholds.move(j, FORCE) }, `Reset to ${number(thresholds.inForce[j])}`);
      this.figures = outputs([["precision", "Precision"], ["recall", "Recall"], ["f1", "F1"], ["predicted", "Predicted rows"]]);
      this.counts = confusionTable();
      const preset = presets("preset", (kind, bound) => {
        const place = thresholds.preset(j, kind, bound);
        if (place === null) return kind === "f1" ? "No threshold does better than predicting the label for every row." : `No threshold reaches a ${kind} of ${bound}.`;
        thresholds.move(j, place);
        const { predicted } = thresholds.now(j);
        return kind === "precision" && predicted < FEW_ROWS ? `Only ${counted(predicted, "row")} ${predicted === 1 ? "gets" : "get"} the label there: too few to be sure of its precision.` : "";
      });
      this.preset = preset;
      this.basis = el("p", { class: "faint basis" });
      this.printed = el("p", { class: "printed" });
      parts.push(el("div", { class: "controls" }, this.slider.node, this.reset), preset.node, this.printed, this.basis, el("div", { class: "measured" }, this.figures.node, this.counts.node));
    }
    parts.push(labelCharts(page, thresholds, j, this.marks), labelErrors(page, j));
    this.node.replaceChildren(...parts);
    this.update();
  }

  update() {
    const { thresholds, j } = this;
    if (!thresholds.isMovable) return;
    const now = thresholds.now(j);
    const value = thresholds.value(j);
    this.slider.show(value);
    this.printed.replaceChildren("Threshold ", el("b", {}, number(value)));
    this.reset.disabled = !thresholds.isMoved(j);
    this.basis.textContent = basisWords(this.page, thresholds.isMoved(j));
    this.preset.clear();
    this.figures.show({
      precision: datum(now.precision),
      recall: datum(now.recall),
      f1: datum(now.f1),
      predicted: datum(now.predicted, `${whole(now.predicted)} of ${whole(thresholds.known[j])}`),
    });
    this.counts.show(thresholds, j, now);
    for (const mark of this.marks) mark(value, now);
  }
}

function labelFacts(page, j) {
  const { labels } = page;
  const interval = labels.f1_low[j] === null ? "" : ` (95% interval ${number(labels.f1_low[j])} to ${number(labels.f1_high[j])})`;
  const below = page.summary.below_constant.includes(j) ? ", which it does not beat" : "";
  const ranking = page.summary.unranked.includes(j) ? ` Its rows are ranked no better than by chance (0.5): ${page.makes_scores ? "the features probably do not carry this label" : "no threshold helps"}.` : "";
  return `${whole(labels.support[j])} of ${counted(labels.n_known[j], "row")} ${labels.support[j] === 1 ? "has" : "have"} this label (${percent(labels.prevalence[j])}). ${page.thresholds.is_cross_fitted ? "Cross-fitted F1" : "F1"} ${number(labels.f1[j])}${interval}; predicting the label for every row has ${number(labels.constant_f1[j])}${below}. Average precision ${number(labels.average_precision[j])}, ROC-AUC ${number(labels.roc_auc[j])}.${ranking}`;
}

// On which rows the figures beside a threshold are, and what to make of them.
function basisWords(page, isMoved) {
  const rows = `On all ${counted(page.report.data.rows, "row")} at the threshold shown`;
  if (isMoved) return `${rows}. Chosen on these rows, it is likely to do worse on new ones, the more so the fewer rows have the label.`;
  return page.thresholds.is_cross_fitted ? `${rows}, which was tuned on these same rows: expect the cross-fitted F1 on new ones.` : `${rows}.`;
}

// Counts of right and wrong rows, two by two.
function confusionTable() {
  const cell = (id, title) => {
    const place = el("output", { id: `out-${id}` });
    return { place, node: el("td", { class: id }, place, el("span", { class: "faint" }, title)) };
  };
  const cells = { hits: cell("hits", "true positives"), missed: cell("missed", "false negatives"), wrong: cell("wrong", "false positives"), rejected: cell("rejected", "true negatives") };
  const node = el("table", { class: "confusion" },
    el("caption", { class: "hidden" }, "Rows by label and prediction"),
    el("thead", {}, el("tr", {}, el("td"), el("th", { scope: "col" }, "Predicted"), el("th", { scope: "col" }, "Not predicted"))),
    el("tbody", {},
      el("tr", {}, el("th", { scope: "row" }, "Has the label"), cells.hits.node, cells.missed.node),
      el("tr", {}, el("th", { scope: "row" }, "Does not"), cells.wrong.node, cells.rejected.node)));
  const show = (thresholds, j, now) => {
    const wrong = now.predicted - now.hits;
    const counts = { hits: now.hits, missed: thresholds.support[j] - now.hits, wrong, rejected: thresholds.known[j] - thresholds.support[j] - wrong };
    for (const [key, count] of Object.entries(counts)) cells[key].place.replaceChildren(datum(count, whole(count)));
  };
  return { node, show };
}

const MAX_LABEL_ERRORS = 4; // of each kind in a label's panel
const FEW_ROWS = 20; // predictions whose precision is hardly known

// The worst errors of one label, and the way to the others.
function labelErrors(page, j) {
  const { labels, label_counts: totals } = page.rows.errors;
  const list = (kind, title, order) => {
    const entries = labels[j][kind].slice(0, MAX_LABEL_ERRORS);
    const total = totals[kind][j];
    const head = el("h4", {}, total > entries.length ? `${title}: ${entries.length} of ${whole(total)}, ${order}` : `${title}: ${whole(total)}`);
    return el("div", {}, head, entries.length ? el("ul", { class: "cards" }, entries.map(([row]) => rowCard(page, row))) : null);
  };
  if (!totals.false_positives[j] && !totals.false_negatives[j]) return el("p", {}, "No errors for this label.");
  const more = el("button", { type: "button", class: "more-errors", onclick: () => page.showErrors(j) }, "More rows with errors of this label");
  const basis = page.thresholds.is_cross_fitted ? el("p", { class: "faint" }, "Of the cross-fitted decisions: each row decided by thresholds tuned on other rows, so the numbers differ from those above, and a probability near the threshold may fall on the other side.") : null;
  const shown = ["false_positives", "false_negatives"].flatMap((kind) => labels[j][kind].slice(0, MAX_LABEL_ERRORS).map(([row]) => row));
  const flag = shown.some((row) => page.suspectsOf.has(row)) ? el("p", { class: "faint" }, "⚑ The record may be wrong, not the prediction: the model's estimate, explained under ", el("a", { href: "#suspicious" }, "Suspicious labels"), ".") : null;
  return el("div", {},
    basis,
    flag,
    el("div", { class: "halves" }, list("false_positives", "False positives", "the most probable first"), list("false_negatives", "False negatives", "the least probable first")),
    el("p", { class: "buttons" }, more));
}
