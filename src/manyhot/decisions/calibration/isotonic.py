"""Isotonic maps: steps joined by straight lines, as many as the data ask for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression


class Curve(NamedTuple):
    """A map through points; level beyond the first and the last."""

    x: np.ndarray  # float64 (k,), scores, strictly rising
    y: np.ndarray  # float64 (k,), never falling, above 0 and below 1

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Scores (n,) through the map, float64 (n,); never in another order, though often tied."""
        x = np.clip(scores.astype(np.float64), self.x[0], self.x[-1])
        if len(self.x) == 1:
            return np.full(len(x), self.y[0])
        left = np.clip(np.searchsorted(self.x, x, side="right") - 1, 0, len(self.x) - 2)
        fraction = (x - self.x[left]) / (self.x[left + 1] - self.x[left])
        return self.y[left] + (self.y[left + 1] - self.y[left]) * fraction


def fit_curve(scores: np.ndarray, values: np.ndarray, weights: np.ndarray) -> Curve:
    """Weighted least-squares fit of one label among rising maps; scores ascending, weights above 0."""
    # Kept 1 / (total weight + 2) away from 0 and 1, so that one surprise does not make the log loss infinite.
    # Source: Zadrozny, Elkan (KDD 2002). The margin is ours, after Laplace's rule of succession
    x = scores.astype(np.float64)
    first = np.flatnonzero(np.append(True, x[1:] != x[:-1]))
    total = np.add.reduceat(weights, first)
    fitted = isotonic_regression(np.add.reduceat(weights * values, first) / total, weights=total).x
    margin = 1 / (total.sum() + 2)
    y = np.clip(fitted, margin, 1 - margin)
    is_flat = y[1:] == y[:-1]
    is_corner = ~(np.append(False, is_flat) & np.append(is_flat, False))
    return Curve(x[first][is_corner], y[is_corner])
