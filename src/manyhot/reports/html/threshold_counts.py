"""Hits and answers of every label at 1001 thresholds, so that a page can move a threshold and stay exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics.score import blocks, score_entries

STEPS = 1000
# the thresholds 0, 0.001, ..., 1: each is the float64 that its three decimals stand for
GRID = np.arange(STEPS + 1) / STEPS


@dataclass(frozen=True, eq=False)
class Counts:
    """Known entries by the place of their score between the thresholds."""

    positives: np.ndarray  # int64 (l, 1001), positives with a score from this threshold up to the next
    entries: np.ndarray  # int64 (l, 1001), all known entries there

    def at(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        """Hits and answers of each label at the threshold `GRID[place]`, int64 (l,) each."""
        return self.positives[:, place:].sum(axis=1), self.entries[:, place:].sum(axis=1)

    def packed(self) -> bytes:
        """Both as uint32, little-endian, one label after another: positives, then entries."""
        return np.stack([self.positives, self.entries]).astype("<u4").tobytes()


def count(targets: Targets, scores: np.ndarray) -> Counts:
    """Count known entries between the thresholds of `GRID`; scores are compared as float64, as decisions do."""
    entries = score_entries(targets, scores)
    n_labels, width = entries.shape[1], STEPS + 1
    counts = np.zeros((2, n_labels * width), dtype=np.int64)
    for part in blocks(*entries.shape):
        part_scores = entries.predictions[part].astype(np.float64)
        positions = np.searchsorted(GRID, part_scores, side="right") - 1 + width * np.arange(n_labels)
        known = ... if entries.known is None else entries.known[part]
        counts[0] += np.bincount(positions[entries.values[part]], minlength=n_labels * width)
        counts[1] += np.bincount(positions[known].ravel(), minlength=n_labels * width)
    positives, all_known = counts.reshape(2, n_labels, width)
    return Counts(positives, all_known)
