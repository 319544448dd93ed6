"""The cuts of one label just below a positive, and what each predicts; lower cuts add wrong predictions only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cuts:
    """The c cuts of one label that can be the best, from the lowest upwards."""

    hits: np.ndarray  # int64 (c,)
    n_predicted: np.ndarray  # int64 (c,)
    thresholds: np.ndarray  # float64 (c,), midway to the next lower known score
    n_positives: int
    highest: float  # highest known score


def compute_cuts(values: np.ndarray, scores: np.ndarray, order: np.ndarray | None = None) -> Cuts:
    """The cuts of one label with a positive; the last mostly predicts nothing. `order` is the argsort of the scores."""
    ascending = np.sort(scores) if order is None else scores[order]
    positive_scores = np.sort(scores[values]) if order is None else ascending[values[order]]
    first = np.flatnonzero(np.append(True, positive_scores[1:] != positive_scores[:-1]))
    hits, upper = len(positive_scores) - first, positive_scores[first]
    if upper[-1] < 1:
        hits, upper = np.append(hits, 0), np.append(upper, upper.dtype.type(1))
    below = np.searchsorted(ascending, upper, side="left")
    lower = np.where(below > 0, ascending[np.maximum(below - 1, 0)], 0)
    return Cuts(hits, len(scores) - below, midpoint(lower, upper), len(positive_scores), float(ascending[-1]))


def midpoint(lower: np.ndarray | float, upper: np.ndarray | float) -> np.ndarray:
    """Midway, above `lower` and at most `upper`: neighbouring floats have nothing between them. float64."""
    low, high = np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64)
    middle = low + (high - low) / 2
    return np.where(middle > low, middle, high)


def best_cut(quality: np.ndarray, thresholds: np.ndarray) -> int:
    """The cut of the highest quality; of equal ones the threshold nearest to 0.5, then the higher."""
    ties = np.flatnonzero(quality == quality.max())
    closeness = -np.abs(thresholds[ties] - 0.5)
    return int(ties[np.lexsort((thresholds[ties], closeness))[-1]])
