"""How far a score stands from its threshold, in logit space and with the sign of the answer."""

from __future__ import annotations

import numpy as np

from manyhot.evaluation.metrics.score import blocks


def logit(values: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), float64; -inf at 0 and inf at 1."""
    p = np.asarray(values, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.log(p) - np.log1p(-p)


def signed_margins(scores: np.ndarray, thresholds: np.ndarray, decisions: np.ndarray) -> np.ndarray:
    """logit(score) - logit(threshold), scores (n, l), thresholds (l,) or (n, 1); 0 or more where decided yes."""
    # Rounding may give the wrong sign, and two infinities have no difference: then 0, or the smallest negative number.
    margins = np.empty_like(scores)
    smallest_negative = -np.finfo(scores.dtype).smallest_normal
    row_thresholds = np.broadcast_to(thresholds, scores.shape)
    for part in blocks(*scores.shape):
        with np.errstate(invalid="ignore"):
            differences = logit(scores[part]) - logit(row_thresholds[part])
        differences = np.where(np.isnan(differences), 0.0, differences).astype(scores.dtype)
        predicted = decisions[part]
        margins[part] = np.where(
            predicted, np.maximum(differences, 0), np.where(differences < 0, differences, smallest_negative)
        )
    return margins
