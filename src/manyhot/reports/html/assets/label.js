// One label: its threshold to move, and what that does.

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
    const { labels } = page;
    this.j = j;
    this.marks = [];
    const share = labels.prevalence[j];
    const interval = labels.f1_low[j] === null ? "" : ` [${number(labels.f1_low[j])}, ${number(labels.f1_high[j])}]`;
    const facts = `${counted(labels.support[j], "row")} of ${whole(labels.n_known[j])} known ${labels.support[j] === 1 ? "carries" : "carry"} it (${percent(share)}); F1 ${number(labels.f1[j])}${interval}, average precision ${number(labels.average_precision[j])}, ROC-AUC ${number(labels.roc_auc[j])}.`;
    const parts = [el("h3", { id: "label-name" }, name(labels.label[j])), el("p", {}, facts)];
    if (thresholds.isMovable) {
      this.slider = slider({ id: "threshold", label: "Threshold", value: thresholds.value(j), onmove: (place) => thresholds.move(j, place) });
      this.reset = el("button", { type: "button", id: "reset", onclick: () => thresholds.move(j, FORCE) }, `Back to ${number(thresholds.inForce[j])}`);
      this.figures = outputs([["precision", "Precision"], ["recall", "Recall"], ["f1", "F1"], ["predicted", "Predicted rows"], ["wrong", "False positives"], ["missed", "False negatives"]]);
      parts.push(el("div", { class: "controls" }, this.slider.node, this.reset), this.figures.node);
    }
    const charts = labels.support[j] > 0 ? [this.ratesChart(), this.precisionRecall()] : [el("p", {}, "No row is known to carry this label, so there is nothing to draw of precision and recall.")];
    parts.push(el("div", { class: "charts four" }, charts, this.histogram(), this.reliability()), this.mistakes());
    this.node.replaceChildren(...parts.flat());
    this.update();
  }

  update() {
    if (!this.thresholds.isMovable) return;
    const { thresholds, j } = this;
    const now = thresholds.now(j);
    const value = thresholds.value(j);
    this.slider.show(value);
    this.reset.disabled = !thresholds.isMoved(j);
    this.figures.show({
      precision: datum(now.precision),
      recall: datum(now.recall),
      f1: datum(now.f1),
      predicted: datum(now.predicted, `${whole(now.predicted)} of ${whole(thresholds.known[j])}`),
      wrong: datum(now.predicted - now.hits, whole(now.predicted - now.hits)),
      missed: datum(thresholds.support[j] - now.hits, whole(thresholds.support[j] - now.hits)),
    });
    for (const mark of this.marks) mark(value, now);
  }

  // A line at the threshold, across a chart with probabilities from left to right.
  line(at) {
    if (!this.thresholds.isMovable) return;
    const line = svg("line", { class: "threshold", y1: at.top, y2: at.bottom });
    at.root.append(line);
    this.marks.push((value) => {
      line.setAttribute("x1", at.sx(value));
      line.setAttribute("x2", at.sx(value));
    });
  }

  curve() {
    const { thresholds, j } = this;
    const found = [];
    for (let k = 0; k <= thresholds.steps; k++) {
      const { hits, predicted } = thresholds.at(j, k);
      found.push({ threshold: k / thresholds.steps, ...rates(hits, predicted, thresholds.support[j]) });
    }
    return found;
  }

  ratesChart() {
    const points = this.curve();
    const at = frame({ title: "Precision, recall and F1 at each threshold", x: { low: 0, high: 1, name: "threshold" }, y: { low: 0, high: 1 } });
    for (const key of ["precision", "recall", "f1"]) at.root.append(path(at, points.map((point) => [point.threshold, point[key]]), { class: `line ${key}` }));
    this.line(at);
    return figure("At each threshold", at.root, legend(["precision", "precision"], ["recall", "recall"], ["f1", "F1"]));
  }

  precisionRecall() {
    const points = this.curve();
    const share = this.page.labels.prevalence[this.j];
    const at = frame({ title: "Precision by recall", x: { low: 0, high: 1, name: "recall" }, y: { low: 0, high: 1 } });
    at.root.append(path(at, [[0, share], [1, share]], { class: "baseline" }));
    at.root.append(path(at, points.map((point) => [point.recall, point.precision]), { class: "line precision" }));
    const dot = svg("circle", { class: "kept", r: 5 });
    if (this.thresholds.isMovable) at.root.append(dot);
    this.marks.push((_, now) => {
      const isThere = now.predicted > 0;
      dot.toggleAttribute("hidden", !isThere);
      dot.setAttribute("cx", at.sx(isThere ? now.recall : 0));
      dot.setAttribute("cy", at.sy(isThere ? now.precision : 0));
      dot.setAttribute("visibility", isThere ? "visible" : "hidden");
    });
    return figure("Precision-recall curve", at.root, legend(["kept", "the threshold shown"], ["baseline", "predicting it for every row"]));
  }

  histogram() {
    const { thresholds, j } = this;
    const bins = 40;
    const size = thresholds.steps / bins;
    const sums = { positives: new Array(bins).fill(0), negatives: new Array(bins).fill(0) };
    for (let k = 0; k <= thresholds.steps; k++) {
      const counts = thresholds.between(j, k);
      const bin = Math.min(bins - 1, Math.floor(k / size));
      sums.positives[bin] += counts.positives;
      sums.negatives[bin] += counts.negatives;
    }
    const at = frame({ title: "Rows by their probability: those with the label above, those without below", x: { low: 0, high: 1, name: "probability" }, y: { low: -1, high: 1, ticks: [] }, left: 14 });
    for (const [kind, side] of [["positives", 1], ["negatives", -1]]) {
      const most = Math.max(1, ...sums[kind]);
      sums[kind].forEach((rows, bin) => {
        if (!rows) return;
        const height = Math.sqrt(rows / most) * 0.94;
        const [top, bottom] = side > 0 ? [at.sy(height), at.sy(0)] : [at.sy(0), at.sy(-height)];
        const from = at.sx(bin / bins);
        const bar = svg("rect", { class: kind, x: from + 0.5, width: at.sx((bin + 1) / bins) - from - 1, y: top, height: Math.max(1, bottom - top) });
        bar.append(svg("title", {}, `${number(bin / bins)} to ${number((bin + 1) / bins)}: ${counted(rows, "row")} ${side > 0 ? "with" : "without"} the label`));
        at.root.append(bar);
      });
      const words = `${kind === "positives" ? "with" : "without"}: up to ${whole(most)} a bar`;
      at.root.append(svg("text", { class: "inside", x: at.right, y: side > 0 ? at.top + 8 : at.bottom - 4, "text-anchor": "end" }, words));
    }
    this.line(at);
    return figure("Rows by their probability", at.root, legend(["positives", "with the label (up)"], ["negatives", "without (down)"]));
  }

  reliability() {
    const bins = this.page.reliability[this.j];
    const at = frame({ title: "Share of rows that carry the label, by probability", x: { low: 0, high: 1, name: "mean probability" }, y: { low: 0, high: 1 } });
    at.root.append(path(at, [[0, 0], [1, 1]], { class: "baseline" }));
    at.root.append(path(at, bins.map(([score, share]) => [score, share]), { class: "line recall" }));
    for (const [score, share, count, low, high] of bins) {
      at.root.append(svg("line", { class: "interval own", x1: at.sx(score), x2: at.sx(score), y1: at.sy(low), y2: at.sy(high) }));
      const dot = svg("circle", { class: "bin", cx: at.sx(score), cy: at.sy(share), r: 3 });
      dot.append(svg("title", {}, `${counted(count, "row")}: mean probability ${number(score)}, ${number(share)} carry it [${number(low)}, ${number(high)}]`));
      at.root.append(dot);
    }
    return figure("Calibration curve", at.root, legend(["recall", "equally many rows each, 95 % intervals"], ["baseline", "probabilities that are frequencies"]));
  }

  mistakes() {
    const { false_positives: falsePositives, false_negatives: falseNegatives } = this.page.rows.errors.labels[this.j];
    if (!falsePositives.length && !falseNegatives.length) return el("p", {}, "No errors for this label.");
    const list = (title, entries) => el("div", {}, el("h4", {}, title), entries.length ? el("ul", { class: "cards" }, entries.map(([row, score]) => rowCard(this.page, row, this.j, score))) : el("p", {}, "None."));
    return el("div", { class: "mistakes" }, list("False positives", falsePositives), list("False negatives", falseNegatives));
  }
}
