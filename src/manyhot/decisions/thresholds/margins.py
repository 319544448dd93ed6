"""How far a score stands from its threshold, in logit space and with the sign of the answer."""

from __future__ import annotations

import numpy as np

from manyhot.evaluation.metrics.score import blocks


def logit(values: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), float64; -inf at 0 and inf at 1."""
    p = np.asarray(values, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.log(p) - np.log1p(-p)


def signed_margins(scores: np.ndarray, limits: np.ndarray, answered: np.ndarray) -> np.ndarray:
    """logit(score) - logit(limit), at least 0 exactly where answered.

    Rounding may give a difference the wrong sign, and two infinities have none: such a margin becomes 0 where the
    label is answered and the smallest negative number where it is not.

    Args:
        scores: Float (n, l) in [0, 1].
        limits: Float in [0, 1], broadcast against the scores: (l,) or (n, 1).
        answered: bool (n, l).

    Returns:
        Float (n, l) of the scores' own type, finite or infinite, never NaN.
    """
    margins = np.empty_like(scores)
    least = -np.finfo(scores.dtype).smallest_normal
    per_row = np.broadcast_to(limits, scores.shape)
    for part in blocks(*scores.shape):
        with np.errstate(invalid="ignore"):
            found = logit(scores[part]) - logit(per_row[part])
        found = np.where(np.isnan(found), 0.0, found).astype(scores.dtype)
        yes = answered[part]
        margins[part] = np.where(yes, np.maximum(found, 0), np.where(found < 0, found, least))
    return margins
