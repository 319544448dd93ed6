"""Hits and answers of every label at 1001 thresholds, so that a page can move a threshold and stay exact."""

from __future__ import annotations

import numpy as np

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics.score import blocks, score_entries

STEPS = 1000
# The thresholds 0, 0.001, ..., 1: each is the float64 that its three decimals stand for
GRID = np.arange(STEPS + 1) / STEPS


def count_by_threshold(targets: Targets, scores: np.ndarray) -> np.ndarray:
    """Positives and all known entries by the last threshold of `GRID` that their score reaches, int64 (2, l, 1001)."""
    entries = score_entries(targets, scores)
    n_labels, width = entries.shape[1], STEPS + 1
    counts = np.zeros((2, n_labels * width), dtype=np.int64)
    for part in blocks(*entries.shape):
        part_scores = entries.predictions[part].astype(np.float64)  # decisions compare float64 too
        positions = np.searchsorted(GRID, part_scores, side="right") - 1 + width * np.arange(n_labels)
        counts[0] += np.bincount(positions[entries.values[part]], minlength=n_labels * width)
        counts[1] += np.bincount(positions[entries.known[part]], minlength=n_labels * width)
    return counts.reshape(2, n_labels, width)
