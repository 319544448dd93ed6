"""Differences between two ways to decide on the same rows, with their standard errors."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import counts
from manyhot.evaluation.metrics.classification import label_counts, row_statistics
from manyhot.evaluation.metrics.score import Entries, blocks, decision_entries

CLEAR = 1.96
"""Standard errors beyond which a difference is clear: 95 % of a normal distribution."""
PAIRED_METRICS = ("f1_macro", "f1_micro", "f1_samples", "jaccard_samples", "subset_accuracy", "hamming_loss")


class Difference(NamedTuple):
    """How much higher a metric is with the first decisions than with the second."""

    value: float  # NaN where nothing could be scored
    standard_error: float

    @property
    def is_clear(self) -> bool:
        """Whether 0 lies outside the 95 % interval."""
        return abs(self.value) > CLEAR * self.standard_error


def decision_differences(targets: Targets, first: np.ndarray, second: np.ndarray) -> dict[str, Difference]:
    """Compare two sets of decisions on the same targets, label axis last, by `PAIRED_METRICS`; rows are the units."""
    # The metrics are means or ratios of sums over rows, so the error of their difference follows from what each row
    # adds to first order, without any resampling.
    # Source: Efron, Tibshirani (1993), An introduction to the bootstrap, section 22.6: the infinitesimal jackknife
    entries = [decision_entries(targets, decisions) for decisions in (first, second)]
    has_known = entries[0].known_per_row() > 0
    n_rows = int(has_known.sum())
    if not n_rows:
        return dict.fromkeys(PAIRED_METRICS, Difference(math.nan, math.nan))
    label_totals = [_label_totals(one) for one in entries]
    squares = np.zeros(len(PAIRED_METRICS))
    means = [_means(one, total, has_known) for one, total in zip(entries, label_totals, strict=True)]
    for part in blocks(*entries[0].shape):
        influences = [
            _influences(one, total, mean, part) * has_known[part]
            for one, total, mean in zip(entries, label_totals, means, strict=True)
        ]
        squares += ((influences[0] - influences[1]) ** 2).sum(axis=1)
    found = zip(PAIRED_METRICS, means[0] - means[1], np.sqrt(squares), strict=True)
    return {name: Difference(float(difference), float(error)) for name, difference, error in found}


class _LabelTotals(NamedTuple):
    """What one set of decisions gives for each label."""

    hits: np.ndarray  # int64 (l,)
    n_answers: np.ndarray  # int64 (l,), predicted and actual positives together
    n_known: int
    n_rows: int  # with a known entry
    has_positive: np.ndarray  # bool (l,)


def _label_totals(entries: Entries) -> _LabelTotals:
    hits, n_predicted = label_counts(entries)
    positives = entries.values.sum(axis=0, dtype=np.int64)
    n_known = entries.known_per_row()
    return _LabelTotals(hits, n_predicted + positives, int(n_known.sum()), int((n_known > 0).sum()), positives > 0)


def _means(entries: Entries, totals: _LabelTotals, has_known: np.ndarray) -> np.ndarray:
    """The metrics themselves, float64 (6,)."""
    row_sums = np.zeros(3)
    for part in blocks(*entries.shape):
        row_sums += np.stack(row_statistics(entries, part)) @ has_known[part]
    equal, f1, jaccard = row_sums / totals.n_rows
    macro = counts.masked_mean(counts.ratio(2 * totals.hits, totals.n_answers, 0.0), totals.has_positive)
    n_wrong = (totals.n_answers - 2 * totals.hits).sum()
    micro = counts.ratio(2 * totals.hits.sum(), totals.n_answers.sum())
    return np.array([macro, micro, f1, jaccard, equal, n_wrong / totals.n_known])


def _influences(entries: Entries, totals: _LabelTotals, means: np.ndarray, part: slice) -> np.ndarray:
    """What each row of a part adds to each metric, to first order, float64 (6, r)."""
    values, decisions = entries.values[part], entries.predictions[part] & entries.known[part]
    _, micro, _, _, _, wrong = means
    label_f1 = counts.ratio(2 * totals.hits, totals.n_answers, 0.0)
    weights = counts.ratio(1.0, totals.n_answers * totals.has_positive * max(1, totals.has_positive.sum()), 0.0)
    hits, n_answers = decisions & values, decisions.astype(np.int8) + values
    by_label = hits @ (2 * weights) - n_answers @ (label_f1 * weights)
    row_hits, row_answers = hits.sum(axis=1), n_answers.sum(axis=1, dtype=np.int64)
    by_entry = counts.ratio(2 * row_hits - np.nan_to_num(micro) * row_answers, totals.n_answers.sum(), 0.0)
    equal, f1, jaccard = np.stack(row_statistics(entries, part)) - means[[4, 2, 3]][:, None]
    n_wrong = row_answers - 2 * row_hits
    by_error = (n_wrong - wrong * entries.known[part].sum(axis=1)) / totals.n_known
    by_row = np.stack([f1, jaccard, equal]) / totals.n_rows
    return np.stack([by_label, by_entry, *by_row, by_error])
