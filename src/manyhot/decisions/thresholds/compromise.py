"""The default decision: thresholds that gain F1 and exact match where that costs few wrong answers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.stats import rankdata

from manyhot import validation
from manyhot.data.targets import Targets
from manyhot.decisions.thresholds.base import Decision
from manyhot.decisions.thresholds.cuts import best_cut, midpoint
from manyhot.decisions.thresholds.labelwise import constant_thresholds
from manyhot.decisions.thresholds.samplewise import sort_by_frequency
from manyhot.decisions.thresholds.shrinkage import scale_logits
from manyhot.decisions.thresholds.thresholds import ALWAYS, NEVER, Thresholds
from manyhot.evaluation.chance import is_rank_surplus
from manyhot.evaluation.metrics import counts as count_metrics
from manyhot.evaluation.metrics.paired import decision_differences
from manyhot.evaluation.metrics.score import Column, Entries, blocks

HALF = 0.5
MAX_ROUNDS = 3
# Scores whose sum is above this many times the positives are no calibrated probabilities: 0.5 is too low for them
MAX_SCORE_SUM = 1.25
# More scores than this need no confirmation, and it would take long
MAX_CONFIRMED_SCORES = 300_000
CONFIRMED_BY = ("f1_macro", "f1_micro", "f1_samples")
# How far the thresholds go from 0.5 (a factor of their logits), tried in turn until the wrong answers are few enough
STEPS = (1.0, 0.8, 0.6, 0.4, 0.2)


class Auto(Decision):
    """Maximise macro F1 + exact match - 0.15 * wrong answers (1 for those at 0.5), with thresholds of 0.5 or less."""

    # Label by label, the others' thresholds as they stand. Each entry counts half by its target and half by its score,
    # a calibrated probability, which steadies the counts of rare labels; these are also pulled towards 0.5. For
    # calibrated scores the best threshold for F1 is half the F1 that it gives (Lipton, Elkan, Naryanaswamy (2014),
    # Optimal thresholding of classifiers to maximize F1 measure), hence never above 0.5.
    # Chosen on training parts and generated data, see docs/decisions/0052-default-decision.md.

    is_confirmed: ClassVar[bool] = True
    meaning: ClassVar[str] = (
        "thresholds tuned per label to beat a cutoff of 0.5 on F1 and exact match, without adding many wrong "
        "predictions"
    )

    def __init__(
        self, error_cost: float = 0.15, exact_match: float = 1.0, shrink: float = 5.0, max_errors: float = 1.2
    ) -> None:
        self.error_cost = validation.number(error_cost=error_cost, low=0.0)
        self.exact_match = validation.number(exact_match=exact_match, low=0.0)
        self.shrink = validation.number(shrink=shrink, low=0.0)
        self.max_errors = validation.number(max_errors=max_errors, low=1.0)

    @property
    def is_one_half(self) -> bool:
        """Whether every threshold is 0.5."""
        return self.thresholds is not None and bool((self.thresholds.values == HALF).all())

    def find_thresholds(self, entries: Entries) -> np.ndarray:
        """Find all thresholds, in n log(n) per label and round."""
        constant, varying, support = constant_thresholds(entries)
        start = np.where(support > 0, np.where(varying, HALF, constant), HALF)
        n_wrong = count_wrong(entries, start)
        if not varying.any():
            return start
        search = _Search(self, entries, start, n_wrong, int(varying.sum()))
        order = sort_by_frequency(entries, varying)
        for _ in range(MAX_ROUNDS):
            has_moved = [search.move(column) for column in entries.columns(order)]
            if not any(has_moved):
                break
        return self._limit_errors(entries, search.thresholds, varying, int(n_wrong.sum()))

    def confirm(self, scores: np.ndarray, targets: Targets, folds: np.ndarray, counts: np.ndarray) -> None:
        """Go back to 0.5 if the three F1 of the rows of each fold, decided without them, gain nothing over 0.5."""
        if scores.size > MAX_CONFIRMED_SCORES:
            return
        decided = np.zeros(scores.shape, dtype=bool)
        for fold in np.unique(folds):
            rows = np.repeat(np.arange(len(scores)), counts * (folds != fold))
            refit = type(self)(**self.settings()).fit(scores[rows], targets.take(rows))
            decided[folds == fold] = refit.apply(scores[folds == fold])
        rows = np.repeat(np.arange(len(scores)), counts)
        differences = decision_differences(targets.take(rows), decided[rows], scores[rows] >= HALF)
        if not sum(differences[name].value for name in CONFIRMED_BY) > 0:
            values = self.require_fitted(self.thresholds).values
            self.thresholds = Thresholds(np.where((values > ALWAYS) & (values < NEVER), HALF, values))

    def describe(self) -> str:
        """One sentence on how labels are decided."""
        if self.is_one_half:
            return "Decision: auto, 0.5 for every label: lower thresholds did not raise F1 on held-out rows."
        return super().describe()

    def _limit_errors(self, entries: Entries, thresholds: np.ndarray, varying: np.ndarray, n_wrong: int) -> np.ndarray:
        """Thresholds brought nearer to 0.5 until there are at most `max_errors` times the wrong answers of 0.5."""
        for step in STEPS:
            nearer = np.where(varying, scale_logits(thresholds, step), thresholds)
            if int(count_wrong(entries, nearer).sum()) <= self.max_errors * n_wrong:
                return nearer
        return np.where(varying, HALF, thresholds)


class _Search:
    """Thresholds on the way to their best places, and the wrong answers of each row with them."""

    # Counts are whole numbers, `unit` for one entry, so that the order of rows changes nothing.

    def __init__(
        self, decision: Auto, entries: Entries, thresholds: np.ndarray, n_wrong: np.ndarray, n_varying: int
    ) -> None:
        n_rows = entries.shape[0]
        self.decision, self.thresholds, self.n_wrong = decision, thresholds.copy(), n_wrong.copy()
        self.unit = 2.0 ** (50 - max(10, int(np.ceil(np.log2(max(2, n_rows))))))
        self.error_cost = decision.error_cost * n_varying / max(1, int(n_wrong.sum()))
        self.exact_match = decision.exact_match * n_varying / n_rows
        self.highest = HALF if is_calibrated(entries) else 1.0

    def move(self, column: Column) -> bool:
        """Move one label's threshold to its best place given the others; whether it has moved."""
        old = self.thresholds[column.label]
        new = self._best_threshold(column)
        was_wrong, is_wrong = ((column.scores >= threshold) != column.values for threshold in (old, new))
        self.n_wrong[column.rows] += is_wrong.astype(np.int32) - was_wrong
        self.thresholds[column.label] = new
        return bool(new != old)

    def _best_threshold(self, column: Column) -> float:
        if not ranks_better_than_chance(column):
            return HALF
        order = np.argsort(-column.scores)
        scores = column.scores[order].astype(np.float64)
        last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True))
        cuts = np.append(1.0, midpoint(np.append(scores, 0.0)[last + 1], scores[last]))
        n_predicted = np.append(0, last + 1)
        cuts[n_predicted == np.count_nonzero(scores >= HALF)] = HALF
        quality = self._quality(column, order, last, n_predicted)
        allowed = np.flatnonzero(cuts <= self.highest)
        best = allowed[best_cut(quality[allowed], cuts[allowed])]
        n_positives = np.count_nonzero(column.values)
        return float(scale_logits(cuts[best], n_positives / (n_positives + self.decision.shrink)))

    def _quality(self, column: Column, order: np.ndarray, last: np.ndarray, n_predicted: np.ndarray) -> np.ndarray:
        """What is maximised, of each cut, from the one that predicts nothing downwards, but for a constant."""
        positive = np.rint(self.unit / 2 * (column.values + column.scores.astype(np.float64))).astype(np.int64)
        was_wrong = (column.scores >= self.thresholds[column.label]) != column.values
        is_rest_right = self.n_wrong[column.rows] == was_wrong
        hits, exact = (
            np.append(0, np.cumsum(values[order])[last])
            for values in (positive, is_rest_right * (2 * positive - int(self.unit)))
        )
        predicted, positives = n_predicted * self.unit, int(positive.sum())
        n_wrong = (predicted + positives - 2.0 * hits) / self.unit
        f1 = count_metrics.f1(hits, predicted, positives, 0.0)
        return f1 + self.exact_match * exact / self.unit - self.error_cost * n_wrong


def ranks_better_than_chance(column: Column) -> bool:
    """Whether positives score clearly higher than negatives, by `evaluation.chance`."""
    # Where scores tell nothing, thresholds would be as low as a label is rare, and what a few members say out of fold
    # would pass them more often than what all of them say of a new row.
    n_positives, n = int(np.count_nonzero(column.values)), len(column.values)
    rank_sum = float(rankdata(column.scores)[column.values].sum())
    return bool(is_rank_surplus(rank_sum - n_positives * (n + 1) / 2, n_positives, n))


def count_wrong(entries: Entries, thresholds: np.ndarray) -> np.ndarray:
    """Wrong answers of each row, int32 (n,)."""
    n_wrong = np.zeros(entries.shape[0], dtype=np.int32)
    for part in blocks(*entries.shape):
        predicted = np.greater_equal(entries.predictions[part], thresholds)
        n_wrong[part] = ((predicted != entries.values[part]) & entries.known[part]).sum(axis=1)
    return n_wrong


def is_calibrated(entries: Entries) -> bool:
    """Whether the scores promise about as many positives as there are, or fewer."""
    total = sum(
        float(np.rint(2.0**20 * entries.predictions[part].astype(np.float64)).sum(where=entries.known[part]))
        for part in blocks(*entries.shape)
    )
    return total / 2.0**20 <= MAX_SCORE_SUM * max(1, int(entries.values.sum(dtype=np.int64)))
