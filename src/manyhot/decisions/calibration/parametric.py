"""The maps that have a formula: temperature, Platt and beta, in one family of three numbers per label."""

from __future__ import annotations

import numpy as np

from manyhot.config.training import BETA, PLATT, TEMPERATURE

# How many of the numbers (slope, shift, skew) each kind fits; the others stay 0
N_FREE = {TEMPERATURE: 1, PLATT: 2, BETA: 3}

IDENTITY = (1.0, 1.0, 0.0)
_LIMITS = np.array([5.0, 20.0, 2.0])


def max_logit(dtype: np.dtype) -> float:
    """The logit of the highest score below 1 that fitting tells from 1, for scores of a type."""
    margin = float(np.finfo(dtype).eps)
    return float(np.log1p(-margin) - np.log(margin))


def logits(scores: np.ndarray) -> np.ndarray:
    """Scores -> logits to fit on, float64; 0 and 1 are kept away by the spacing of the scores' type at 1."""
    margin = float(np.finfo(scores.dtype).eps)
    clipped = np.clip(scores.astype(np.float64), margin, 1 - margin)
    return np.log(clipped) - np.log1p(-clipped)


def clip_numbers(numbers: np.ndarray) -> np.ndarray:
    """(slope, shift, skew) cut to a range in which every map still tells scores apart, float64 (..., 3)."""
    return np.clip(numbers, -_LIMITS, _LIMITS)


def are_in_range(abc: np.ndarray) -> bool:
    """Whether all parameters, float64 (l, 3), are such as `clip_numbers` numbers give; rounding aside."""
    slopes, shift = abc[:, :2], abc[:, 2]
    if not (np.isfinite(abc).all() and (slopes > 0).all()):
        return False
    return bool(
        (np.abs(np.log(slopes)) <= _LIMITS[0] + _LIMITS[2] + 1e-9).all() and (np.abs(shift) <= _LIMITS[1]).all()
    )


def to_parameters(numbers: np.ndarray) -> np.ndarray:
    """(slope, shift, skew), the fitted numbers (..., 3), to the parameters (a, b, c); 0, 0, 0 is the identity."""
    # a = exp(slope + skew), b = exp(slope - skew), c = shift: any three numbers give an increasing map.
    slope, shift, skew = np.moveaxis(numbers, -1, 0)
    return np.stack([np.exp(slope + skew), np.exp(slope - skew), shift], axis=-1)


def apply_logit_maps(z: np.ndarray, abc: np.ndarray) -> np.ndarray:
    """a log p - b log(1 - p) + c for p = sigmoid(z), z float64 (..., l) and abc (l, 3)."""
    a, b, c = np.moveaxis(abc, -1, 0)
    if np.array_equal(a, b):
        return a * z + c
    neg_log_p = np.logaddexp(0.0, -z)
    return (b - a) * neg_log_p + b * z + c


def apply_maps(scores: np.ndarray, abc: np.ndarray) -> np.ndarray:
    """Scores (n, l) through their labels' maps (l, 3), in the type and order they had."""
    # 0 counts as the lowest normal number of its type, 1 as half a spacing above the highest score below it.
    limits = np.finfo(scores.dtype)
    values = np.maximum(scores.astype(np.float64), float(limits.tiny))
    a, b, c = np.moveaxis(abc, -1, 0)
    f = a * np.log(values)
    log_complement = np.log1p(-np.minimum(values, 0.5))
    is_high = values > 0.5  # where the distance to 1 is exact
    log_complement[is_high] = np.log(np.maximum(1.0 - values[is_high], float(limits.epsneg) / 2))
    f -= b * log_complement
    f += c
    return (1.0 / (1.0 + np.exp(-np.clip(f, -700.0, 700.0)))).astype(scores.dtype)
