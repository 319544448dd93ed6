"""Columns of numbers and booleans of a frame as one matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from manyhot.errors import InputError


def frame_numbers(features: pl.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Return columns as float64 (n, k), NaN for missing cells and columns; raise `InputError` at any other cell."""
    if not names:  # a frame of no columns has no rows either
        return np.zeros((len(features), 0))
    schema = features.schema
    if all(name in schema and (schema[name].is_numeric() or schema[name] == pl.Boolean) for name in names):
        # all at once where nothing is text: for a few rows, the columns one by one would take most of the time
        matrix = features.select(pl.col(names).cast(pl.Float64)).to_numpy()
        if not np.isinf(matrix).any():
            return matrix
    result = np.full((len(features), len(names)), np.nan)
    for j, name in enumerate(names):
        if name in features.columns:
            result[:, j] = _as_numbers(features[name])
    return result


def _as_numbers(column: pl.Series) -> np.ndarray:
    try:
        numbers = column.cast(pl.Float64).to_numpy()
    except pl.exceptions.InvalidOperationError:
        cells = column.cast(pl.String)
        invalid = cells.cast(pl.Float64, strict=False).is_null() & cells.is_not_null()
        row = int(invalid.arg_max() or 0)
        raise InputError(f"got {cells[row]!r}, expected a number", row=row + 1, column=column.name) from None
    infinite = np.flatnonzero(np.isinf(numbers))
    if infinite.size:
        raise InputError("got infinity, expected a finite number", row=int(infinite[0]) + 1, column=column.name)
    return numbers
