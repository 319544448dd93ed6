"""Thresholds for the measures of rows, F1 and Jaccard between the answered and the true label set of each row.

These are no sum over labels, so what is best for one label depends on the others. Everything is counted in whole
numbers, so that the order of rows cannot change a result. Start reading at `Rows.fit`; the cuts and their ties are
those of `separate.py`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self

import numpy as np

from manyhot import validation
from manyhot.data.targets import Targets
from manyhot.decisions.thresholds.base import Decision
from manyhot.decisions.thresholds.cuts import Column, best_cut, columns, cuts_of
from manyhot.decisions.thresholds.labelwise import constant_thresholds
from manyhot.decisions.thresholds.shrinkage import JOINT_SHRINK, best_shared, candidates, shrunk, towards_half
from manyhot.decisions.thresholds.thresholds import Thresholds
from manyhot.evaluation.metrics.score import Entries, blocks, scored

MAX_ROUNDS = 20
# A round over all labels that gains less than this, in the mean over rows, is the last.
MIN_GAIN = 1e-6


class Rows(Decision):
    """The part that F1 and Jaccard of rows share: the best shared threshold, then label by label.

    Each step gives one label the cut that is exactly the best given all others. The result is a local optimum: no
    single threshold can be moved to a better place, several at once perhaps can. With shrink = 0 it is never worse on
    the fitted scores than any one threshold for all labels. Labels take their turns from frequent to rare, again and
    again until a round gains less than a millionth, at most twenty times.

    Rows without a known entry do not count; an empty row answered with nothing counts 1, as in the measures. The value
    of a row is rounded to a whole number of steps of 2^-40 (larger ones above 1,024 rows, 2^-30 at a million).
    """

    shrink: float

    def __init__(self, shrink: float = JOINT_SHRINK) -> None:
        self.shrink = validation.number(shrink=shrink, low=0.0)

    @staticmethod
    @abstractmethod
    def row_values(hits: np.ndarray, answered: np.ndarray, positives: np.ndarray) -> np.ndarray:
        """The measure of each row, float64 in [0, 1]; 1 where nothing is answered and nothing positive."""

    def fit(self, scores: np.ndarray, targets: Targets) -> Self:
        """Find all thresholds, in n log(n) per label and round."""
        entries = scored(targets, scores)
        found, varies, support = constant_thresholds(entries)
        if varies.any():
            unit = float(2 ** (50 - max(10, int(np.ceil(np.log2(max(2, entries.shape[0])))))))
            at = candidates(entries, varies)
            shared = best_shared(entries, varies, at, self._shared_quality(entries, found, varies, at, unit))
            found[varies] = shared
            self._ascend(entries, found, varies, unit)
            centre = towards_half(shared, int(support.sum()), self.shrink)
            found = shrunk(found, support, entries.known_per_label(), centre, self.shrink)
        self.thresholds, self.spread = Thresholds(found), None
        return self

    def _whole(self, hits: np.ndarray, answered: np.ndarray, positives: np.ndarray, unit: float) -> np.ndarray:
        """The measure of each row in whole steps, int64."""
        return np.rint(self.row_values(hits, answered, positives) * unit).astype(np.int64)

    def _shared_quality(
        self, entries: Entries, fixed: np.ndarray, varies: np.ndarray, at: np.ndarray, unit: float
    ) -> np.ndarray:
        """The sum over rows at each candidate for the labels that vary, int64 (c,), but for a constant."""
        change = np.zeros(len(at) + 1)
        for part in blocks(entries.shape[0], 4 * entries.shape[1]):
            scores, values = entries.answers[part], entries.values[part]
            known = np.ones(values.shape, dtype=bool) if entries.known is None else entries.known[part]
            always = known & ~varies & np.greater_equal(scores, fixed)
            moving = known & varies
            order = np.argsort(-scores, axis=1)
            moving, hit = np.take_along_axis(moving, order, 1), np.take_along_axis(values & varies, order, 1)
            positives = values.sum(axis=1, dtype=np.int64)[:, None]
            answered = always.sum(axis=1)[:, None] + np.cumsum(moving, axis=1)
            hits = (always & values).sum(axis=1)[:, None] + np.cumsum(hit, axis=1)
            before = self._whole(hits - hit, answered - moving, positives, unit)
            gain = self._whole(hits, answered, positives, unit) - before
            place = np.searchsorted(at, np.take_along_axis(scores, order, 1), side="right")
            change += np.bincount(place[moving], weights=gain[moving], minlength=len(at) + 1)
        return np.cumsum(change[::-1])[-2::-1].astype(np.int64)

    def _ascend(self, entries: Entries, found: np.ndarray, varies: np.ndarray, unit: float) -> None:
        """Move the thresholds of the labels that vary, one after another, each to its best place."""
        n = entries.shape[0]
        positives = entries.values.sum(axis=1, dtype=np.int32)
        hits, answered = np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int32)
        for part in blocks(*entries.shape):
            yes = np.greater_equal(entries.answers[part], found)
            yes = yes if entries.known is None else yes & entries.known[part]
            hits[part] = (yes & entries.values[part]).sum(axis=1)
            answered[part] = yes.sum(axis=1)
        turns = _from_frequent_to_rare(entries, varies)
        for _ in range(MAX_ROUNDS):
            gained = 0
            for column in columns(entries, turns):
                gained += self._move(column, found, (hits, answered, positives), unit)
            if gained <= MIN_GAIN * unit * n:
                return

    def _move(
        self, column: Column, found: np.ndarray, counts: tuple[np.ndarray, np.ndarray, np.ndarray], unit: float
    ) -> int:
        """Move one label's threshold to its best place given the others; keep the counts of rows; return the gain."""
        rows = slice(None) if column.rows is None else column.rows
        hits, answered, positives = (count[rows] for count in counts)
        yes = column.scores >= found[column.label]
        hits, answered = hits - (yes & column.values), answered - yes
        gain = self._whole(hits + column.values, answered + 1, positives, unit)
        gain -= self._whole(hits, answered, positives, unit)
        order = np.argsort(column.scores)
        reached = np.append(np.cumsum(gain[order][::-1])[::-1], 0)  # by how many entries stay below the cut
        cuts = cuts_of(column.values, column.scores, order)
        quality = reached[len(column.scores) - cuts.answered]
        best = best_cut(quality, cuts.thresholds)
        gained = int(quality[best]) - int(gain[yes].sum())
        if gained <= 0:
            return 0
        found[column.label] = cuts.thresholds[best]
        yes = column.scores >= cuts.thresholds[best]
        counts[0][rows] = hits + (yes & column.values)
        counts[1][rows] = answered + yes
        return gained


class F1Samples(Rows):
    """The thresholds of all labels that together maximise the mean F1 of rows, as far as `Rows` finds them.

    Args:
        shrink: How many positives the best shared threshold counts for in each label's own, from 0 (off).

    Raises:
        InputError: `shrink` below 0.
    """

    name: ClassVar[str] = "f1_samples"

    @staticmethod
    def row_values(hits: np.ndarray, answered: np.ndarray, positives: np.ndarray) -> np.ndarray:
        """2 hits / (answered + positives)."""
        total = answered + positives
        return np.where(total > 0, 2 * hits / np.maximum(total, 1), 1.0)


class JaccardSamples(Rows):
    """The thresholds of all labels that together maximise the mean Jaccard index of rows, as far as `Rows` finds them.

    Args:
        shrink: How many positives the best shared threshold counts for in each label's own, from 0 (off).

    Raises:
        InputError: `shrink` below 0.
    """

    name: ClassVar[str] = "jaccard_samples"

    @staticmethod
    def row_values(hits: np.ndarray, answered: np.ndarray, positives: np.ndarray) -> np.ndarray:
        """hits / (answered + positives - hits)."""
        union = answered + positives - hits
        return np.where(union > 0, hits / np.maximum(union, 1), 1.0)


def _from_frequent_to_rare(entries: Entries, labels: np.ndarray) -> np.ndarray:
    """The chosen labels by known positives, then known entries and highest score: an order that knows no places."""
    highest = np.zeros(len(labels))
    for part in blocks(*entries.shape):
        known = True if entries.known is None else entries.known[part]
        np.maximum(highest, entries.answers[part].max(axis=0, initial=0.0, where=known), out=highest)
    order = np.lexsort((-highest, -entries.known_per_label(), -entries.values.sum(axis=0, dtype=np.int64)))
    return order[labels[order]]
