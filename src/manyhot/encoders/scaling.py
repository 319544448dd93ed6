"""The one formula for numbers: centred, scaled by quantiles, smoothly clipped; missing values become the centre.

A row of weight k counts exactly like k rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

CLIP = 3.0  # where the smooth clip bends; values end inside (-CLIP, CLIP)
NORMAL_IQR = 1.3489795003921634  # interquartile range of the standard normal distribution
MAX_ABS = 1e9  # beyond this the clip is flat in float32; it keeps squares from overflowing
# a sparse column whose usual size is so many times larger or smaller than that of all has a scale of its own
MAX_RATIO = 10.0
CHUNK_ROWS = 65536


@dataclass(frozen=True)
class Scale:
    """Centre and scale per column, float64 (f,)."""

    center: np.ndarray
    scale: np.ndarray

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Scale (n, f) numbers, NaN for missing, to float32 (n, f) in (-CLIP, CLIP), missing as 0."""
        # Source: z / sqrt(1 + (z / 3)^2), the smooth clip of Holzmueller et al. (2024), arXiv 2407.04491
        result = np.empty(values.shape, dtype=np.float32)
        for first in range(0, len(values), CHUNK_ROWS):
            with np.errstate(over="ignore"):  # what is too far becomes infinite, and is clipped
                z = np.clip((values[first : first + CHUNK_ROWS] - self.center) / self.scale, -MAX_ABS, MAX_ABS)
            z /= np.sqrt(1 + np.square(z / CLIP))
            z[np.isnan(z)] = 0.0
            result[first : first + CHUNK_ROWS] = z
        return result

    def apply_sparse(self, values: sp.csr_matrix) -> sp.csr_matrix:
        """Scale a CSR matrix whose centres are 0: zeros stay zeros, missing entries become zeros."""
        z = np.clip(values.data / self.scale[values.indices], -MAX_ABS, MAX_ABS)
        z = np.nan_to_num(z / np.sqrt(1 + np.square(z / CLIP)), nan=0.0).astype(np.float32)
        scaled = sp.csr_matrix((z, values.indices, values.indptr), shape=values.shape)
        scaled.eliminate_zeros()
        return scaled


def fit_scale(values: np.ndarray, weights: np.ndarray) -> Scale:
    """Fit the median and interquartile range of dense columns (n, f), NaN for missing; weights: float (n,), above 0."""
    # where the range is 0, half the full range is the scale; where that is 0, 1
    n_features = values.shape[1]
    center, scale = np.zeros(n_features), np.ones(n_features)
    for j in range(n_features):
        column = values[:, j]
        is_known = ~np.isnan(column)
        if not is_known.any():
            continue
        low, center[j], high = weighted_quantiles(column[is_known], weights[is_known], (0.25, 0.5, 0.75))
        spread = (high - low) / NORMAL_IQR
        if spread <= 0:
            spread = (np.nanmax(column) - np.nanmin(column)) / 2
        scale[j] = spread if spread > 0 and np.isfinite(spread) else 1.0
    return Scale(center, scale)


def fit_sparse_scale(values: sp.csr_matrix, weights: np.ndarray) -> Scale:
    """Fit the median size of all non-zeros, one scale for all columns of a CSR (n, f), which keep their proportions."""
    # a column whose own median is more than `MAX_RATIO` times as large or as small has its own scale
    scale = np.ones(values.shape[1])
    is_used = np.abs(values.data) > 0
    if not is_used.any():
        return Scale(np.zeros(values.shape[1]), scale)
    columns, sizes = values.indices[is_used], np.abs(values.data[is_used]).astype(float)
    entry_weights = np.repeat(weights, np.diff(values.indptr))[is_used]
    (overall_median,) = weighted_quantiles(sizes, entry_weights, (0.5,))
    order = np.lexsort((sizes, columns))
    columns, sizes, cumulative = columns[order], sizes[order], np.cumsum(entry_weights[order])
    starts = np.flatnonzero(np.diff(columns, prepend=-1))
    before = np.concatenate([[0.0], cumulative])[starts]
    totals = np.concatenate([before[1:], cumulative[-1:]]) - before
    middle = np.maximum(np.searchsorted(cumulative, before + totals / 2, side="left"), starts)
    column_medians = sizes[middle]
    has_other_units = (column_medians > MAX_RATIO * overall_median) | (column_medians < overall_median / MAX_RATIO)
    scale[columns[starts]] = np.where(has_other_units, column_medians, overall_median)
    return Scale(np.zeros(values.shape[1]), scale)


def row_weights(weights: np.ndarray | None, n_rows: int) -> np.ndarray:
    """Return weights of rows, float64 (n_rows,); ones when there are none."""
    return np.ones(n_rows) if weights is None else np.asarray(weights, dtype=float)


def weighted_quantiles(values: np.ndarray, weights: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Return the smallest values at or below which lie these shares of the weight, float64 (len(levels),)."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    indices = np.searchsorted(cumulative, np.asarray(levels) * cumulative[-1], side="left")
    return values[order][np.minimum(indices, len(values) - 1)]
