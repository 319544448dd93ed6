"""The maps that have a formula: temperature, Platt and beta, in one family of three numbers per label."""

from __future__ import annotations

import numpy as np

FREE = {"temperature": 1, "platt": 2, "beta": 3}
"""How many of the numbers (slope, shift, skew) each kind fits; the others stay 0."""

IDENTITY = (1.0, 1.0, 0.0)
_MOST = np.array([5.0, 20.0, 2.0])


def widest(dtype: np.dtype) -> float:
    """The logit of the highest score below 1 that fitting tells from 1, for scores of a type."""
    margin = float(np.finfo(dtype).eps)
    return float(np.log1p(-margin) - np.log(margin))


def logits(scores: np.ndarray) -> np.ndarray:
    """Scores -> logits to fit on, float64; 0 and 1 are kept away by the spacing of the scores' type at 1."""
    margin = float(np.finfo(scores.dtype).eps)
    given = np.clip(scores.astype(np.float64), margin, 1 - margin)
    return np.log(given) - np.log1p(-given)


def bounded(numbers: np.ndarray) -> np.ndarray:
    """(slope, shift, skew) cut to a range in which every map still tells scores apart, float64 (..., 3)."""
    return np.clip(numbers, -_MOST, _MOST)


def in_reach(abc: np.ndarray) -> bool:
    """Whether all parameters, float64 (l, 3), are such as `bounded` numbers give; rounding aside."""
    slopes, shift = abc[:, :2], abc[:, 2]
    if not (np.isfinite(abc).all() and (slopes > 0).all()):
        return False
    return bool((np.abs(np.log(slopes)) <= _MOST[0] + _MOST[2] + 1e-9).all() and (np.abs(shift) <= _MOST[1]).all())


def parameters(numbers: np.ndarray) -> np.ndarray:
    """(slope, shift, skew), the numbers that are fitted -> (a, b, c), the parameters of the map.

    a = exp(slope + skew), b = exp(slope - skew), c = shift: any three numbers give an increasing map, and 0, 0, 0 is
    the identity.

    Args:
        numbers: float64 (..., 3).

    Returns:
        float64 (..., 3), a and b above 0.
    """
    slope, shift, skew = np.moveaxis(numbers, -1, 0)
    return np.stack([np.exp(slope + skew), np.exp(slope - skew), shift], axis=-1)


def mapped_logits(z: np.ndarray, abc: np.ndarray) -> np.ndarray:
    """a log p - b log(1 - p) + c for p = sigmoid(z).

    Args:
        z: float64 (..., l) or (l,).
        abc: Parameters, float64 (l, 3).

    Returns:
        float64, in the shape of z.
    """
    a, b, c = np.moveaxis(abc, -1, 0)
    if np.array_equal(a, b):
        return a * z + c
    lost = np.logaddexp(0.0, -z)
    return (b - a) * lost + b * z + c


def mapped(scores: np.ndarray, abc: np.ndarray) -> np.ndarray:
    """Scores through their labels' maps, in the order they had.

    Args:
        scores: float (n, l) in [0, 1]; 0 counts as the lowest normal number of its type, 1 as half a spacing above the
            highest score below it, so that both keep their place.
        abc: Parameters, float64 (l, 3), a and b above 0.

    Returns:
        float (n, l) in [0, 1], in the type of the scores.
    """
    kind = np.finfo(scores.dtype)
    wide = np.maximum(scores.astype(np.float64), float(kind.tiny))
    a, b, c = np.moveaxis(abc, -1, 0)
    f = a * np.log(wide)
    missing = np.log1p(-np.minimum(wide, 0.5))
    high = wide > 0.5  # where the distance to 1 is exact
    missing[high] = np.log(np.maximum(1.0 - wide[high], float(kind.epsneg) / 2))
    f -= b * missing
    f += c
    return (1.0 / (1.0 + np.exp(-np.clip(f, -700.0, 700.0)))).astype(scores.dtype)
