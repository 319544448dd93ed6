"""The thresholds of all labels that together have the highest micro F1."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from manyhot import validation
from manyhot.data.targets import Targets
from manyhot.decisions.thresholds.base import Decision
from manyhot.decisions.thresholds.cuts import best_cut, columns, cuts_of
from manyhot.decisions.thresholds.labelwise import constant_thresholds
from manyhot.decisions.thresholds.shrinkage import (
    JOINT_SHRINK,
    answered_at,
    best_shared,
    candidates,
    shrunk,
    towards_half,
)
from manyhot.decisions.thresholds.thresholds import Thresholds
from manyhot.evaluation.metrics.score import Entries, blocks, scored


class F1Micro(Decision):
    """The thresholds of all labels that together maximise F1 over all entries in one pot, exactly.

    F = 2 hits / (answered + positives) is at least some value r exactly where 2 hits - r * answered, a sum over labels,
    is at least r * positives; so the thresholds that maximise each label's 2 hits - r * answered reach at least r
    whenever any do. Starting anywhere and setting r to the F they reach, r rises strictly until no choice of thresholds
    has a higher F, and stops there after finitely many steps because there are finitely many cuts.

    The thresholds for micro Jaccard, F / (2 - F), are the same.

    Args:
        shrink: How many positives the best shared threshold counts for in each label's own, from 0 (off).

    Raises:
        InputError: `shrink` below 0.

    Source:
        Dinkelbach (1967), On nonlinear fractional programming; Fan, Lin (2007), A study on threshold selection for
        multi-label classification, section 3, find a local optimum by cyclic search instead.
    """

    name: ClassVar[str] = "f1_micro"

    def __init__(self, shrink: float = JOINT_SHRINK) -> None:
        self.shrink = validation.number(shrink=shrink, low=0.0)

    def fit(self, scores: np.ndarray, targets: Targets) -> Self:
        """Find all thresholds, in n log(n) per label."""
        entries = scored(targets, scores)
        found, varies, support = constant_thresholds(entries)
        kept = []
        for column in columns(entries, np.flatnonzero(varies)):
            cuts = cuts_of(column.values, column.scores)
            kept.append((cuts.hits.astype(np.int32), cuts.answered.astype(np.int32)))
        fixed_hits, fixed_answered = _fixed(entries, found, ~varies)
        top, bottom = _highest_ratio(kept, fixed_hits, fixed_answered, int(support.sum()))
        del kept
        at = candidates(entries, varies) if self.shrink else np.zeros(0)
        all_hits, all_answered = np.zeros(len(at), dtype=np.int64), np.zeros(len(at), dtype=np.int64)
        for column in columns(entries, np.flatnonzero(varies)):
            cuts = cuts_of(column.values, column.scores)
            best = best_cut(_gain(cuts.hits, cuts.answered, top, bottom), cuts.thresholds)
            found[column.label] = cuts.thresholds[best]
            if self.shrink:
                hits, answered = answered_at(column.values, column.scores, at)
                all_hits, all_answered = all_hits + hits, all_answered + answered
        if self.shrink and varies.any():
            f1 = 2 * all_hits / (all_answered + support[varies].sum())
            shared = best_shared(entries, varies, at, f1)
            centre = towards_half(shared, int(support.sum()), self.shrink)
            found = shrunk(found, support, entries.known_per_label(), centre, self.shrink)
        self.thresholds, self.spread = Thresholds(found), None
        return self


def _fixed(entries: Entries, thresholds: np.ndarray, labels: np.ndarray) -> tuple[int, int]:
    """Hits and answers of the labels whose thresholds are given."""
    hits = answered = 0
    for part in blocks(*entries.shape):
        yes = np.greater_equal(entries.answers[part], thresholds) & labels
        yes = yes if entries.known is None else yes & entries.known[part]
        hits += int(np.count_nonzero(yes & entries.values[part]))
        answered += int(np.count_nonzero(yes))
    return hits, answered


def _gain(hits: np.ndarray, answered: np.ndarray, top: int, bottom: int) -> np.ndarray:
    """2 hits - answered * top / bottom, times `bottom` to stay whole."""
    return 2 * bottom * hits.astype(np.int64) - top * answered.astype(np.int64)


def _highest_ratio(
    kept: list[tuple[np.ndarray, np.ndarray]], fixed_hits: int, fixed_answered: int, positives: int
) -> tuple[int, int]:
    """The highest 2 hits / (answered + positives) over all choices of one cut per label, as top and bottom."""
    top, bottom = 0, 1
    while True:
        hits, answered = fixed_hits, fixed_answered
        for each_hits, each_answered in kept:
            best = int(np.argmax(_gain(each_hits, each_answered, top, bottom)))
            hits, answered = hits + int(each_hits[best]), answered + int(each_answered[best])
        reached_top, reached_bottom = 2 * hits, answered + positives
        if reached_top * bottom <= top * reached_bottom:
            return top, bottom
        top, bottom = reached_top, reached_bottom
