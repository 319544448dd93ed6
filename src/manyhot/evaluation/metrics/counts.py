"""F-measures, Jaccard, precision, recall and means from counts (numbers or arrays), `default` where a divisor is 0."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

Count: TypeAlias = np.ndarray | float


def ratio(part: Count, whole: Count, default: float = np.nan) -> np.ndarray:
    """Part / whole where the whole is above 0."""
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    result = np.full(np.broadcast_shapes(part.shape, whole.shape), default)
    return np.divide(part, whole, out=result, where=whole > 0)


def masked_mean(values: np.ndarray, mask: np.ndarray) -> float:
    """The mean of the marked ones; NaN where none is."""
    return float(values[mask].mean()) if mask.any() else np.nan


def precision(hits: Count, n_predicted: Count, default: float = np.nan) -> np.ndarray:
    """hits / n_predicted."""
    return ratio(hits, n_predicted, default)


def recall(hits: Count, n_positives: Count, default: float = np.nan) -> np.ndarray:
    """hits / n_positives."""
    return ratio(hits, n_positives, default)


def f_beta(hits: Count, n_predicted: Count, n_positives: Count, beta: float, default: float = np.nan) -> np.ndarray:
    """(1 + beta^2) hits / (n_predicted + beta^2 n_positives)."""
    return ratio((1 + beta**2) * hits, beta**2 * n_positives + n_predicted, default)


def f1(hits: Count, n_predicted: Count, n_positives: Count, default: float = np.nan) -> np.ndarray:
    """2 hits / (n_predicted + n_positives), which is also the Dice coefficient."""
    return ratio(2 * hits, n_predicted + n_positives, default)


def jaccard(hits: Count, n_predicted: Count, n_positives: Count, default: float = np.nan) -> np.ndarray:
    """hits / (n_predicted + n_positives - hits), which is also called intersection over union."""
    return ratio(hits, n_predicted + n_positives - hits, default)
