// The four charts of one label. `marks` collects what moves with the threshold: functions of (threshold, figures).

function labelCharts(page, thresholds, j, marks) {
  const context = { page, thresholds, j, marks };
  const ofPositives = page.labels.support[j] > 0
    ? [ratesChart(context), precisionRecallChart(context)]
    : [el("p", {}, "No row is known to have this label, so precision and recall cannot be drawn.")];
  return el("div", { class: "charts" }, ofPositives, histogramChart(context), calibrationChart(context));
}

// A line at the threshold, across a chart with probabilities from left to right.
function thresholdLine({ thresholds, marks }, at) {
  if (!thresholds.isMovable) return;
  const line = svg("line", { class: "threshold", y1: at.top, y2: at.bottom });
  at.root.append(line);
  marks.push((value) => {
    line.setAttribute("x1", at.sx(value));
    line.setAttribute("x2", at.sx(value));
  });
}

function curve({ thresholds, j }) {
  const found = [];
  for (let k = 0; k <= thresholds.steps; k++) {
    const { hits, predicted } = thresholds.at(j, k);
    found.push({ threshold: k / thresholds.steps, ...rates(hits, predicted, thresholds.support[j]) });
  }
  return found;
}

const thresholdKey = ({ thresholds }) => (thresholds.isMovable ? [["threshold", "threshold"]] : []);

function ratesChart(context) {
  const points = curve(context);
  const at = frame({ title: "Precision, recall and F1 by threshold", x: { low: 0, high: 1, name: "threshold" }, y: { low: 0, high: 1, name: "value" } });
  for (const key of ["precision", "recall", "f1"]) at.root.append(path(at, points.map((point) => [point.threshold, point[key]]), { class: `line ${key}` }));
  thresholdLine(context, at);
  const words = (point) => `threshold ${number(point.threshold)}: precision ${number(point.precision)}, recall ${number(point.recall)}, F1 ${number(point.f1)}`;
  const said = readable(at, points.map((point) => [at.sx(point.threshold), Number.isNaN(point.f1) ? null : at.sy(point.f1), words(point)]));
  return figure("Metrics by threshold", at.root, legend(["precision", "precision"], ["recall", "recall"], ["f1", "F1"], ...thresholdKey(context)), said);
}

function precisionRecallChart(context) {
  const { page, thresholds, j, marks } = context;
  const points = curve(context);
  const share = page.labels.prevalence[j];
  const at = frame({ title: "Precision-recall curve", x: { low: 0, high: 1, name: "recall" }, y: { low: 0, high: 1, name: "precision" } });
  at.root.append(path(at, [[0, share], [1, share]], { class: "baseline" }));
  at.root.append(path(at, points.map((point) => [point.recall, point.precision]), { class: "line precision" }));
  const keys = [["baseline", "always predict it"]];
  if (thresholds.isMovable) {
    const dot = svg("circle", { class: "kept", r: 5 });
    at.root.append(dot);
    marks.push((_, now) => {
      const isThere = now.predicted > 0;
      dot.setAttribute("cx", at.sx(isThere ? now.recall : 0));
      dot.setAttribute("cy", at.sy(isThere ? now.precision : 0));
      dot.setAttribute("visibility", isThere ? "visible" : "hidden");
    });
    keys.unshift(["kept", "at the threshold"]);
  }
  const drawn = points.filter((point) => !Number.isNaN(point.precision) && !Number.isNaN(point.recall)).sort((a, b) => a.recall - b.recall);
  const said = readable(at, drawn.map((point) => [at.sx(point.recall), at.sy(point.precision), `recall ${number(point.recall)}, precision ${number(point.precision)} at threshold ${number(point.threshold)}`]));
  return figure("Precision-recall curve", at.root, legend(...keys), said);
}

function histogramChart(context) {
  const { thresholds, j } = context;
  const bins = 40;
  const size = thresholds.steps / bins;
  const sums = { positives: new Array(bins).fill(0), negatives: new Array(bins).fill(0) };
  for (let k = 0; k <= thresholds.steps; k++) {
    const counts = thresholds.between(j, k);
    const bin = Math.min(bins - 1, Math.floor(k / size));
    sums.positives[bin] += counts.positives;
    sums.negatives[bin] += counts.negatives;
  }
  const top = Math.log10(1 + Math.max(1, ...sums.positives, ...sums.negatives));
  const heights = [0];
  for (let rows = 1; Math.log10(1 + rows) <= top; rows *= 10) heights.push(rows);
  const kept = heights.filter((_, k) => k === 0 || (heights.length - 1 - k) % (heights.length > 4 ? 2 : 1) === 0);
  const scale = [...kept.slice(1).map((rows) => -Math.log10(1 + rows)).reverse(), ...kept.map((rows) => Math.log10(1 + rows))];
  const at = frame({
    title: "Rows by probability, on a logarithmic scale: those with the label upwards, those without downwards",
    x: { low: 0, high: 1, name: "probability" },
    y: { low: -top * 1.05, high: top * 1.05, name: "rows (log scale)", ticks: scale, format: (value) => short(Math.round(10 ** Math.abs(value) - 1)) },
  });
  for (const [kind, side] of [["positives", 1], ["negatives", -1]]) {
    sums[kind].forEach((rows, bin) => {
      if (!rows) return;
      const edges = [at.sy(0), at.sy(side * Math.log10(1 + rows))].sort((a, b) => a - b);
      const from = at.sx(bin / bins);
      const bar = svg("rect", { class: kind, x: from + 0.5, width: at.sx((bin + 1) / bins) - from - 1, y: edges[0], height: Math.max(1, edges[1] - edges[0]) });
      bar.append(svg("title", {}, `${number(bin / bins)} to ${number((bin + 1) / bins)}: ${counted(rows, "row")} ${side > 0 ? "with" : "without"} the label`));
      at.root.append(bar);
    });
  }
  thresholdLine(context, at);
  const said = readable(at, sums.positives.map((rows, bin) => [at.sx((bin + 0.5) / bins), null, `${number(bin / bins)} to ${number((bin + 1) / bins)}: ${counted(rows, "row")} with the label, ${whole(sums.negatives[bin])} without`]));
  return figure("Rows by probability", at.root, legend(["positives", "with the label (up)"], ["negatives", "without (down)"], ...thresholdKey(context)), said);
}

function calibrationChart({ page, j }) {
  return calibrationFigure("Calibration curve", page.reliability[j], "row");
}

// Bins [mean probability, share with the label, count, low, high] beside the diagonal.
function calibrationFigure(title, bins, noun, size = {}) {
  const at = frame({ title, x: { low: 0, high: 1, name: "mean probability" }, y: { low: 0, high: 1, name: "share with the label" }, ...size });
  at.root.append(path(at, [[0, 0], [1, 1]], { class: "baseline" }));
  for (const [score, , , low, high] of bins) {
    at.root.append(svg("line", { class: "interval", x1: at.sx(score), x2: at.sx(score), y1: at.sy(low), y2: at.sy(high) }));
  }
  at.root.append(path(at, bins.map(([score, share]) => [score, share]), { class: "line precision" }));
  for (const [score, share] of bins) at.root.append(svg("circle", { class: "bin", cx: at.sx(score), cy: at.sy(share), r: 3 }));
  const words = ([score, share, count, low, high]) => `mean probability ${number(score)}: ${percent(share)} of ${counted(count, noun)} had the label (95% interval ${percent(low)} to ${percent(high)})`;
  const said = readable(at, bins.map((bin) => [at.sx(bin[0]), at.sy(bin[1]), words(bin)]));
  return figure(title, at.root, legend(["bin", "bins of equal size"], ["range", "95% interval"], ["baseline", "perfectly calibrated"]), said);
}

// All labels together, under Scores.
function showCalibration(page) {
  const view = document.getElementById("calibration-view");
  if (!view) return;
  const bins = page.calibration.bins.map(({ score, share, count, low, high }) => [score, share, count, low, high]);
  view.append(calibrationFigure("Calibration curve of all labels together", bins, "prediction", { width: pageWidth(440), height: 300 }));
}
