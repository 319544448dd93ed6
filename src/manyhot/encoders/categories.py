"""Cells of categories as text, and levels as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl


def cells_as_text(column: pl.Series) -> pl.Series:
    """Cells as text; 1 and 1.0 are one text."""
    if column.dtype.is_float():
        whole = column.round(0)
        if bool(((whole == column) | column.is_null() | column.is_nan()).all()):
            column = column.fill_nan(None).cast(pl.Int64)
    return column.cast(pl.String)


def level_texts(column: pl.Series) -> np.ndarray:
    """Levels as text, missing ones as the empty text."""
    return cells_as_text(column).fill_null("").to_numpy().astype(str)


def pair_numbers(cells: np.ndarray, levels: Sequence[str]) -> np.ndarray:
    """Which of two levels, float64 (n, 1): 0 or 1, NaN for neither."""
    return np.where(cells == levels[1], 1.0, np.where(cells == levels[0], 0.0, np.nan))[:, None]


def one_hot(cells: np.ndarray, levels: list[str], has_other: bool) -> np.ndarray:
    """A column for each level, in order, and one for all others, float32."""
    result = np.zeros((len(cells), len(levels) + has_other), dtype=np.float32)
    sorted_levels = np.asarray(levels, dtype=str)
    position = np.searchsorted(sorted_levels, cells) if levels else np.zeros(len(cells), dtype=np.int64)
    position = np.minimum(position, max(len(levels) - 1, 0))
    is_known = sorted_levels[position] == cells if levels else np.zeros(len(cells), dtype=bool)
    result[np.flatnonzero(is_known), position[is_known]] = 1
    if has_other:
        result[~is_known, -1] = 1
    return result
