"""Columns of categories: cells as text, and levels as numbers: two values are one, more have an input a level."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

MAX_LEVELS = 1000  # levels of one categorical column that get an input of their own; the rarer ones share one
MIN_ROWS = 2  # rows a level needs for an input of its own
ROWS_PER_INPUT = 4  # rows for each input of a level; where there are fewer, inputs are smaller


def cells_as_text(column: pl.Series) -> pl.Series:
    """Return cells as text; 1 and 1.0 are one text."""
    if column.dtype.is_float():
        whole = column.round(0)
        if bool(((whole == column) | column.is_null() | column.is_nan()).all()):
            column = column.fill_nan(None).cast(pl.Int64)
    return column.cast(pl.String)


def level_texts(column: pl.Series) -> np.ndarray:
    """Return levels as text (n,), missing ones as the empty text."""
    return cells_as_text(column).fill_null("").to_numpy().astype(str)


@dataclass(frozen=True)
class Category:
    """How the cells of one column become numbers."""

    levels: list[str]  # the levels with a value of their own, sorted
    has_other: bool  # whether training had other cells, missing ones among them
    # which of two values is the rarer one, 0 or 1: of two levels, or of one level and all other cells, in this
    # order. None where every level has an input
    rarer: int | None = None
    share: float = 0.0  # how often the rarer of the two values is the cell, by weight

    @property
    def is_pair(self) -> bool:
        """Whether cells become one number, scaled like other numbers."""
        return self.rarer is not None

    @property
    def width(self) -> int:
        """Inputs beside the numbers."""
        return 0 if self.is_pair else len(self.levels) + self.has_other

    def pair_numbers(self, cells: np.ndarray) -> np.ndarray:
        """Encode text (n,) as float64 (n,): 1 for the rarer of the two values, 0 for the other one, NaN for neither."""
        positions = self._positions(cells)
        return np.where(positions > 1, np.nan, positions == self.rarer)

    def one_hot(self, cells: np.ndarray, size: float = 1.0) -> np.ndarray:
        """Encode text (n,) as float32 (n, width), 0 and `size`: a column a level, in order, and one for others."""
        positions = self._positions(cells)
        result = np.zeros((len(cells), self.width), dtype=np.float32)
        is_there = positions < self.width
        result[np.flatnonzero(is_there), positions[is_there]] = size
        return result

    def _positions(self, cells: np.ndarray) -> np.ndarray:
        """Find each cell among the levels, int64 (n,); their number for any other cell."""
        if not self.levels:
            return np.zeros(len(cells), dtype=np.int64)
        levels = np.asarray(self.levels, dtype=str)
        positions = np.minimum(np.searchsorted(levels, cells), len(levels) - 1)
        return np.where(levels[positions] == cells, positions, len(levels))

    def to_spec(self) -> dict[str, Any]:
        """Describe as JSON values, but for `has_other`, which a table stores for all its categories together."""
        pair = {} if self.rarer is None else {"rarer": self.rarer, "share": self.share}
        return {"levels": self.levels, **pair}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], has_other: int) -> Category:
        """Rebuild what `to_spec` described; without "rarer", two levels have an input each, as in older files."""
        return cls(list(spec["levels"]), bool(has_other), spec.get("rarer"), spec.get("share", 0.0))


def fit_category(cells: np.ndarray, weights: np.ndarray) -> Category:
    """Learn levels from text (n,), "" for missing, and which of two values is the rarer one; ties go to the second."""
    values, inverse = np.unique(cells, return_inverse=True)
    counts = np.bincount(inverse, weights=weights, minlength=len(values))
    indices = np.flatnonzero((counts >= MIN_ROWS) & (values != ""))
    indices = np.sort(indices[np.argsort(-counts[indices], kind="stable")][:MAX_LEVELS])
    levels, has_other = [str(level) for level in values[indices]], len(indices) < len(values)
    if len(levels) != 2 and not (len(levels) == 1 and has_other):
        return Category(levels, has_other)
    first = float(counts[indices[0]])
    second = float(counts[indices[1]] if len(levels) == 2 else counts.sum() - counts[indices[0]])
    rarer = 0 if first < second else 1
    return Category(levels, has_other, rarer, min(first, second) / (first + second))


def insert_pairs(
    numbers: np.ndarray, categories: Sequence[Category], levels: Sequence[np.ndarray], order: np.ndarray | None
) -> np.ndarray:
    """Join numbers (n, k) and the p categories of two values, in `order`, as float64 (n, k + p)."""
    if order is None:
        return numbers
    pairs = [one.pair_numbers(cells) for one, cells in zip(categories, levels, strict=True) if one.is_pair]
    return np.column_stack([numbers, *pairs])[:, order]


def level_size(categories: Sequence[Category], n_rows: float) -> float:
    """Return the input of a level that is there: 1, or less so that all squares count for a quarter of the rows."""
    width = sum(category.width for category in categories)
    return min(1.0, math.sqrt(n_rows / (ROWS_PER_INPUT * max(width, 1))))
