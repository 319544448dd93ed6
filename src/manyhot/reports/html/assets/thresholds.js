// Which threshold each label has now, and what it predicts: counts that were made in Python, exactly.

const FORCE = -1; // the saved threshold, which need not be one of the slider's

class Thresholds {
  constructor(page, packed) {
    const { labels, thresholds, summary } = page;
    this.n = labels.label.length;
    this.steps = page.counts_steps;
    this.names = labels.label;
    this.support = labels.support;
    this.known = labels.n_known;
    this.inForce = labels.threshold;
    this.constantF1 = labels.constant_f1;
    this.unranked = new Set(summary.unranked);
    this.inForceCounts = thresholds;
    this.isMovable = !thresholds.obstacle;
    this.place = new Int32Array(this.n).fill(FORCE);
    this.listeners = [];
    const width = this.steps + 1;
    this.here = packed.slice(); // entries between two thresholds, for histograms
    for (let line = 0; line < 2 * this.n; line++) {
      for (let k = this.steps - 1; k >= 0; k--) packed[line * width + k] += packed[line * width + k + 1];
    }
    this.packed = packed; // hits, then predictions, from each threshold upwards
  }

  subscribe(listener) {
    this.listeners.push(listener);
  }

  // Hits and predictions of label j at the threshold k / steps.
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
    return this.isMoved(j) ? this.measured(j, this.at(j, this.place[j])) : this.saved(j);
  }

  // What label j gets with its saved threshold.
  saved(j) {
    return this.measured(j, { hits: this.inForceCounts.true_positives[j], predicted: this.inForceCounts.predicted[j] });
  }

  measured(j, counts) {
    return { ...counts, ...rates(counts.hits, counts.predicted, this.support[j]) };
  }

  // The place of a preset ("f1", "precision" or "recall", the latter two at least `bound`) for label j; null if no
  // threshold reaches it, or if the best F1 is hardly more than that of predicting the label for every row.
  preset(j, kind, bound) {
    if (kind === "f1" && this.unranked.has(j)) return null;
    const others = { f1: null, precision: "recall", recall: "precision" };
    let best = null, first = 0, last = 0;
    for (let k = 0; k <= this.steps; k++) {
      const found = this.measured(j, this.at(j, k));
      if (Number.isNaN(found[kind]) || (others[kind] && found[kind] < bound)) continue;
      const value = others[kind] ? found[others[kind]] : found.f1;
      if (Number.isNaN(value)) continue;
      if (best === null || value > best.value || (value === best.value && found.f1 > best.f1)) {
        best = { value, f1: found.f1 };
        first = last = k;
      } else if (value === best.value && found.f1 === best.f1 && k === last + 1) last = k;
    }
    if (best !== null && kind === "f1" && best.f1 <= this.constantF1[j]) return null;
    return best === null ? null : Math.floor((first + last) / 2); // the middle, away from the scores on both sides
  }

  // The threshold that all labels have, or null.
  shared() {
    const first = this.value(0);
    for (let j = 1; j < this.n; j++) if (this.value(j) !== first) return null;
    return first;
  }

  // All labels together, with the thresholds shown or the saved ones.
  all(which = "now") {
    let hits = 0, predicted = 0, positives = 0, sum = 0, present = 0;
    for (let j = 0; j < this.n; j++) {
      const now = this[which](j);
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

  // Several labels at once, each to its own place.
  moveEach(places) {
    for (const [j, place] of places) this.place[j] = place;
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

// As Python's table has them: no precision without a prediction, no recall and F1 without a positive.
function rates(hits, predicted, positives) {
  return {
    precision: predicted > 0 ? hits / predicted : NaN,
    recall: positives > 0 ? hits / positives : NaN,
    f1: positives > 0 ? (2 * hits) / (predicted + positives) : NaN,
  };
}
