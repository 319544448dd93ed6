// All labels in a table that can be sorted and filtered; the name of a label chooses it.

const COLUMNS = [
  ["label", "Label", "Name of the label"],
  ["support", "Rows", "Rows with the label"],
  ["threshold", "Threshold", "Predicted from this probability upwards"],
  ["precision", "Precision", "Share of predicted rows that have the label, of these rows at this threshold"],
  ["recall", "Recall", "Share of rows with the label that are predicted, of these rows at this threshold"],
  ["f1", "F1", "Balance of precision and recall, of these rows at this threshold"],
  ["fitted_f1", "F1, cross-fitted", "F1 with each row decided by a threshold that was tuned on other rows: what to expect on new rows"],
  ["average_precision", "AP", "Average precision: how well rows are ranked, over all thresholds"],
  ["brier", "Brier", "Mean squared difference between probability and label; lower is better"],
  ["ece", "ECE", "Expected calibration error: how far probabilities are from observed frequencies; lower is better"],
];

const MOVES = ["threshold", "precision", "recall", "f1"];
// Beside the F1 at the threshold shown there is another one only where thresholds were tuned on these rows.
const tableColumns = (page) => COLUMNS.filter(([key]) => key !== "fitted_f1" || page.thresholds.is_cross_fitted);

class LabelTable {
  constructor(page, thresholds, onchoose) {
    this.labels = page.labels;
    this.columns = tableColumns(page);
    this.below = new Set(page.summary.below_constant);
    this.thresholds = thresholds;
    this.onchoose = onchoose;
    this.sorted = { key: "support", isUp: false };
    this.rows = this.labels.label.map((_, j) => this.row(j));
    this.body = el("tbody");
    this.heads = new Map();
    const heads = this.columns.map(([key, title, words], k) => {
      const button = el("button", { type: "button", title: words, onclick: () => this.sortBy(key) }, title, el("span", { class: "arrow", "aria-hidden": "true" }));
      const printed = el("span", { class: "printed" }, title); // browsers repeat no head with a button on every page
      const head = el("th", { scope: "col", class: k ? `figure ${key}` : null }, button, printed);
      this.heads.set(key, head);
      return head;
    });
    this.filter = el("input", { type: "search", id: "filter", autocomplete: "off", oninput: () => this.show() });
    this.count = el("span", { role: "status", id: "shown", class: "faint" });
    const table = el("table", { class: "labels" }, el("caption", { class: "hidden" }, "All labels; a column head sorts, a name shows the label below"), el("thead", {}, el("tr", {}, heads)), this.body);
    const unsure = this.below.size ? el("p", { class: "faint" }, "✕: F1 no better than predicting the label for every row.") : null;
    this.node = el("div", {},
      el("p", { class: "filter" }, el("label", { for: "filter" }, "Filter by name"), this.filter, this.count),
      el("div", { class: "scroll tall", tabindex: 0, role: "region", "aria-label": "All labels" }, table),
      ...(unsure ? [unsure] : []),
      el("p", { class: "faint", id: "label-columns" }, "AP: average precision, how well rows are ranked over all thresholds. Lower is better for the others: Brier, the mean squared difference between probability and label; ECE, the expected calibration error, how far probabilities are from observed frequencies, with its 95% interval."),
    );
    thresholds.subscribe((j) => (j === null ? this.updateAll() : this.update(j)));
    this.rows.forEach((_, j) => this.fill(j));
    this.show();
  }

  row(j) {
    const button = el("button", { type: "button", class: "choose", onclick: () => this.onchoose(j) }, name(this.labels.label[j]));
    const cells = this.columns.slice(1).map(([key]) => el("td", { class: `figure ${key}` }));
    return { node: el("tr", { "data-label": j }, el("th", { scope: "row" }, button), cells), cells, button };
  }

  // What column `key` says of label j now; NaN for nothing.
  value(key, j) {
    if (key === "label") return this.labels.label[j];
    if (key === "threshold") return this.thresholds.value(j) ?? NaN;
    if (MOVES.includes(key)) return this.thresholds.now(j)[key];
    if (key === "fitted_f1") return this.labels.f1[j] ?? NaN;
    return this.labels[key][j] ?? NaN;
  }

  // Every cell of a row.
  fill(j) {
    const { cells } = this.rows[j];
    const flagged = this.columns.some(([key]) => key === "fitted_f1") ? "fitted_f1" : "f1";
    this.columns.slice(1).forEach(([key], k) => {
      cells[k].append(el("data"));
      if (key === "ece" && this.labels.ece_low[j] !== null) {
        cells[k].append(el("span", { class: "faint" }, ` (${number(this.labels.ece_low[j])} to ${number(this.labels.ece_high[j])})`));
      }
      if (key === flagged && this.below.has(j)) {
        const words = "no better than predicting the label for every row";
        cells[k].append(el("span", { class: "below", title: words }, " ✕", el("span", { class: "hidden" }, ` ${words}`)));
      }
      this.write(cells[k], key, this.value(key, j));
    });
  }

  write(cell, key, value) {
    const place = cell.firstChild;
    place.value = Number.isNaN(value) ? "" : String(value);
    place.textContent = key === "support" ? whole(value) : number(value);
    if (key === "f1") cell.style.setProperty("--value", Number.isNaN(value) ? 0 : value);
  }

  // The cells that a threshold changes.
  update(j) {
    const { node, cells } = this.rows[j];
    const isMoved = this.thresholds.isMoved(j);
    node.classList.toggle("moved", isMoved);
    cells[1].title = isMoved ? `changed from ${number(this.thresholds.inForce[j])}` : "";
    this.columns.slice(1).forEach(([key], k) => {
      if (MOVES.includes(key)) this.write(cells[k], key, this.value(key, j));
    });
  }

  // All rows, once for each picture that the screen shows.
  updateAll() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.rows.forEach((_, j) => this.update(j));
    });
  }

  sortBy(key) {
    this.sorted = { key, isUp: this.sorted.key === key ? !this.sorted.isUp : key === "label" };
    this.show();
  }

  show() {
    const { key, isUp } = this.sorted;
    for (const [name, head] of this.heads) {
      if (name === key) head.setAttribute("aria-sort", isUp ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    }
    const wanted = this.filter.value.trim().toLocaleLowerCase();
    const found = this.labels.label.map((_, j) => j).filter((j) => this.labels.label[j].toLocaleLowerCase().includes(wanted));
    const collator = new Intl.Collator("en", { numeric: true });
    const values = this.labels.label.map((_, j) => this.value(key, j));
    found.sort((a, b) => {
      if (key === "label") return (isUp ? 1 : -1) * collator.compare(values[a], values[b]) || a - b;
      const [isNoneA, isNoneB] = [Number.isNaN(values[a]), Number.isNaN(values[b])];
      if (isNoneA || isNoneB) return isNoneA - isNoneB || a - b;
      return (isUp ? 1 : -1) * (values[a] - values[b]) || a - b;
    });
    this.body.replaceChildren(...found.map((j) => this.rows[j].node));
    const all = this.labels.label.length;
    this.count.textContent = found.length === all ? counted(all, "label") : `${whole(found.length)} of ${counted(all, "label")}`;
  }

  choose(j) {
    this.rows.forEach(({ button }, k) => (k === j ? button.setAttribute("aria-current", "true") : button.removeAttribute("aria-current")));
  }
}
