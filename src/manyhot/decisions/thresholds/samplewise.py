"""Thresholds for F1 and Jaccard between the predicted and the true label set of each row, counted in whole numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from manyhot import validation
from manyhot.decisions.thresholds.base import Decision
from manyhot.decisions.thresholds.cuts import best_cut, compute_cuts
from manyhot.decisions.thresholds.labelwise import constant_thresholds
from manyhot.decisions.thresholds.shrinkage import (
    JOINT_SHRINK,
    best_shared_threshold,
    shrink_to_shared,
    threshold_candidates,
)
from manyhot.evaluation.metrics.counts import f1, jaccard
from manyhot.evaluation.metrics.score import Column, Entries, blocks

MAX_ROUNDS = 20
# A round over all labels that gains less than this, in the mean over rows, is the last.
MIN_GAIN = 1e-6


class SamplewiseDecision(Decision):
    """The best shared threshold, then label by label until nothing improves: a local optimum."""

    # No single threshold can be moved to a better place. With shrink = 0 the result is never worse on the fitted scores
    # than any one threshold for all labels.

    row_values: ClassVar[Callable[..., np.ndarray]]  # the metric of each row, from its hits, predictions and positives

    def __init__(self, shrink: float = JOINT_SHRINK) -> None:
        self.shrink = validation.number(shrink=shrink, low=0.0)

    def find_thresholds(self, entries: Entries) -> np.ndarray:
        """Find all thresholds, in n log(n) per label and round."""
        thresholds, varying, _ = constant_thresholds(entries)
        if varying.any():
            scale = float(2 ** (50 - max(10, int(np.ceil(np.log2(max(2, entries.shape[0])))))))
            candidates = threshold_candidates(entries, varying)
            shared = best_shared_threshold(
                entries, varying, candidates, self._shared_quality(entries, thresholds, varying, candidates, scale)
            )
            thresholds[varying] = shared
            self._coordinate_ascent(entries, thresholds, varying, scale)
            return shrink_to_shared(thresholds, entries, shared, self.shrink)
        return thresholds

    def _scaled_values(
        self, hits: np.ndarray, n_predicted: np.ndarray, positives: np.ndarray, scale: float
    ) -> np.ndarray:
        """The metric of each row in whole steps, int64; the highest where nothing is answered and nothing positive."""
        return np.rint(self.row_values(hits, n_predicted, positives, default=1.0) * scale).astype(np.int64)

    def _shared_quality(
        self, entries: Entries, thresholds: np.ndarray, varying: np.ndarray, candidates: np.ndarray, scale: float
    ) -> np.ndarray:
        """The sum over rows at each candidate for the labels that vary, int64 (c,), but for a constant."""
        change = np.zeros(len(candidates) + 1)
        for part in blocks(entries.shape[0], 4 * entries.shape[1]):
            scores, values = entries.predictions[part], entries.values[part]
            known = entries.known[part]
            always = known & ~varying & np.greater_equal(scores, thresholds)
            moving = known & varying
            order = np.argsort(-scores, axis=1)
            moving, hit = np.take_along_axis(moving, order, 1), np.take_along_axis(values & varying, order, 1)
            positives = values.sum(axis=1, dtype=np.int64)[:, None]
            n_predicted = always.sum(axis=1)[:, None] + np.cumsum(moving, axis=1)
            hits = (always & values).sum(axis=1)[:, None] + np.cumsum(hit, axis=1)
            before = self._scaled_values(hits - hit, n_predicted - moving, positives, scale)
            gain = self._scaled_values(hits, n_predicted, positives, scale) - before
            position = np.searchsorted(candidates, np.take_along_axis(scores, order, 1), side="right")
            change += np.bincount(position[moving], weights=gain[moving], minlength=len(candidates) + 1)
        return np.cumsum(change[::-1])[-2::-1].astype(np.int64)

    def _coordinate_ascent(self, entries: Entries, thresholds: np.ndarray, varying: np.ndarray, scale: float) -> None:
        """Move the thresholds of the labels that vary, one after another, each to its best place."""
        n = entries.shape[0]
        positives = entries.values.sum(axis=1, dtype=np.int32)
        hits, n_predicted = np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int32)
        for part in blocks(*entries.shape):
            predicted = np.greater_equal(entries.predictions[part], thresholds) & entries.known[part]
            hits[part] = (predicted & entries.values[part]).sum(axis=1)
            n_predicted[part] = predicted.sum(axis=1)
        label_order = sort_by_frequency(entries, varying)
        for _ in range(MAX_ROUNDS):
            total_gain = 0
            for column in entries.columns(label_order):
                total_gain += self._update_threshold(column, thresholds, (hits, n_predicted, positives), scale)
            if total_gain <= MIN_GAIN * scale * n:
                return

    def _update_threshold(
        self, column: Column, thresholds: np.ndarray, counts: tuple[np.ndarray, np.ndarray, np.ndarray], scale: float
    ) -> int:
        """Move one label's threshold to its best place given the others; keep the counts of rows; return the gain."""
        rows = column.rows
        hits, n_predicted, positives = (count[rows] for count in counts)
        predicted = column.scores >= thresholds[column.label]
        hits, n_predicted = hits - (predicted & column.values), n_predicted - predicted
        gain = self._scaled_values(hits + column.values, n_predicted + 1, positives, scale)
        gain -= self._scaled_values(hits, n_predicted, positives, scale)
        order = np.argsort(column.scores)
        cumulative_gain = np.append(np.cumsum(gain[order][::-1])[::-1], 0)  # by how many entries stay below the cut
        cuts = compute_cuts(column.values, column.scores, order)
        quality = cumulative_gain[len(column.scores) - cuts.n_predicted]
        best = best_cut(quality, cuts.thresholds)
        improvement = int(quality[best]) - int(gain[predicted].sum())
        if improvement <= 0:
            return 0
        thresholds[column.label] = cuts.thresholds[best]
        predicted = column.scores >= cuts.thresholds[best]
        counts[0][rows] = hits + (predicted & column.values)
        counts[1][rows] = n_predicted + predicted
        return improvement


class F1Samples(SamplewiseDecision):
    """The thresholds of all labels that together maximise the mean F1 of rows, up to a local optimum."""

    meaning: ClassVar[str] = "the thresholds that together have the highest mean F1 of rows"
    row_values = staticmethod(f1)


class JaccardSamples(SamplewiseDecision):
    """The thresholds of all labels that together maximise the mean Jaccard index of rows, up to a local optimum."""

    meaning: ClassVar[str] = "the thresholds that together have the highest mean Jaccard index of rows"
    row_values = staticmethod(jaccard)


def sort_by_frequency(entries: Entries, labels: np.ndarray) -> np.ndarray:
    """The chosen labels by known positives, then known entries and highest score: an order that knows no places."""
    highest = np.zeros(len(labels))
    for part in blocks(*entries.shape):
        in_part = entries.predictions[part].max(axis=0, initial=0.0, where=entries.known[part])
        np.maximum(highest, in_part, out=highest)
    order = np.lexsort((-highest, -entries.known_per_label(), -entries.values.sum(axis=0, dtype=np.int64)))
    return order[labels[order]]
