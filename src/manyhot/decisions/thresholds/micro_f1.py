"""The thresholds of all labels that together have the highest micro F1."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from manyhot import validation
from manyhot.decisions.thresholds.base import Decision
from manyhot.decisions.thresholds.cuts import best_cut, compute_cuts
from manyhot.decisions.thresholds.labelwise import constant_thresholds
from manyhot.decisions.thresholds.shrinkage import (
    JOINT_SHRINK,
    best_shared_threshold,
    count_predictions,
    shrink_to_shared,
    threshold_candidates,
)
from manyhot.evaluation.metrics import counts
from manyhot.evaluation.metrics.classification import label_counts
from manyhot.evaluation.metrics.score import Entries


class F1Micro(Decision):
    """The thresholds of all labels that together maximise F1 over all entries together, exactly."""

    # F = 2 hits / (answered + positives) is at least r exactly where the sum over labels of 2 hits - r * answered is at
    # least r * positives. With r set to the F that the best cuts reach, it rises until no choice has a higher F.
    # Source: Dinkelbach (1967), On nonlinear fractional programming

    meaning: ClassVar[str] = "the thresholds that together have the highest micro F1"

    def __init__(self, shrink: float = JOINT_SHRINK) -> None:
        self.shrink = validation.number(shrink=shrink, low=0.0)

    def find_thresholds(self, entries: Entries) -> np.ndarray:
        """Find all thresholds, in n log(n) per label."""
        thresholds, varying, support = constant_thresholds(entries)
        cut_counts = []
        for column in entries.columns(np.flatnonzero(varying)):
            cuts = compute_cuts(column.values, column.scores)
            cut_counts.append((cuts.hits.astype(np.int32), cuts.n_predicted.astype(np.int32)))
        at_thresholds = replace(entries, predictions=np.greater_equal(entries.predictions, thresholds))
        constant_hits, constant_predicted = (int(found[~varying].sum()) for found in label_counts(at_thresholds))
        numerator, denominator = _maximize_ratio(cut_counts, constant_hits, constant_predicted, int(support.sum()))
        del cut_counts
        candidates = threshold_candidates(entries, varying) if self.shrink else np.zeros(0)
        total_hits, total_predicted = np.zeros((2, len(candidates)), dtype=np.int64)
        for column in entries.columns(np.flatnonzero(varying)):
            cuts = compute_cuts(column.values, column.scores)
            best = best_cut(_gain(cuts.hits, cuts.n_predicted, numerator, denominator), cuts.thresholds)
            thresholds[column.label] = cuts.thresholds[best]
            if self.shrink:
                hits, n_predicted = count_predictions(column.values, column.scores, candidates)
                total_hits, total_predicted = total_hits + hits, total_predicted + n_predicted
        if self.shrink and varying.any():
            f1 = counts.f1(total_hits, total_predicted, support[varying].sum())
            shared = best_shared_threshold(entries, varying, candidates, f1)
            return shrink_to_shared(thresholds, entries, shared, self.shrink)
        return thresholds


def _gain(hits: np.ndarray, n_predicted: np.ndarray, numerator: int, denominator: int) -> np.ndarray:
    """2 hits - answered * top / bottom, times `denominator` to stay whole."""
    return 2 * denominator * hits.astype(np.int64) - numerator * n_predicted.astype(np.int64)


def _maximize_ratio(
    cut_counts: list[tuple[np.ndarray, np.ndarray]], constant_hits: int, constant_predicted: int, positives: int
) -> tuple[int, int]:
    """The highest 2 hits / (answered + positives) over all choices of one cut per label, as top and bottom."""
    numerator, denominator = 0, 1
    while True:
        hits, n_predicted = constant_hits, constant_predicted
        for label_hits, label_predicted in cut_counts:
            best = int(np.argmax(_gain(label_hits, label_predicted, numerator, denominator)))
            hits, n_predicted = hits + int(label_hits[best]), n_predicted + int(label_predicted[best])
        new_numerator, new_denominator = 2 * hits, n_predicted + positives
        if new_numerator * denominator <= numerator * new_denominator:
            return numerator, denominator
        numerator, denominator = new_numerator, new_denominator
