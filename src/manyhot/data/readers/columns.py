"""One form per kind of column, and ids as text.

The same rows read from CSV, Parquet, JSONL or Arrow become the same columns here: numbers Float64, yes/no Boolean,
everything else String, missing always null.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from manyhot.data.readers.column_types import cast_column, is_finite
from manyhot.data.samples import ColumnKind
from manyhot.errors import InputError


def coerce_column(column: pl.Series, kind: ColumnKind, *, file: str | None = None, first_row: int = 0) -> pl.Series:
    """A column in the form of its kind.

    Args:
        column: As it came out of the file.
        kind: What it is.
        file: For messages.
        first_row: Rows of the file before the column's first, for messages.

    Returns:
        Float64 for numeric, Boolean for boolean, String for categorical, text and dates; an image is String (a path),
        Binary (a file's content) or Array (pixels); an ignored column in the type of its values, so that a model that
        knows more about it can still use it.

    Raises:
        InputError: A value that is not of that kind, or infinity, with its row.
    """
    if kind in ("numeric", "boolean"):
        numbers = _to_numbers(column, kind, file, first_row)
        return numbers if kind == "numeric" else _to_boolean(numbers, file, first_row)
    if kind == "ignored":
        values = cast_column(column)
        return values.dt.to_string() if values.dtype.is_temporal() else values
    if kind == "image" and isinstance(column.dtype, pl.Struct):  # as datasets on hubs have them: bytes and path
        return column.struct.field("bytes").alias(column.name)
    return column if kind == "image" and column.dtype in (pl.Binary, pl.Array) else to_text(column)


def to_text(column: pl.Series) -> pl.Series:
    """Cells as text: whole numbers as their digits, blanks around cells dropped, empty cells and `?` missing."""
    if column.dtype.is_float():
        values = column.drop_nulls().drop_nans()
        column = column.fill_nan(None)
        if len(values) and bool((values.round(0) == values).all()) and np.abs(values.to_numpy()).max() < 2**53:
            column = column.cast(pl.Int64)
    elif column.dtype.is_temporal():
        column = column.dt.to_string()
    cells = column.cast(pl.String).str.strip_chars()
    return cells.set(cells.is_in(["", "?"]).fill_null(True), None)


def row_ids(column: pl.Series, *, file: str | None = None, first_row: int = 0) -> np.ndarray:
    """The ids of all rows, text (n,).

    Raises:
        InputError: A row without id.
    """
    cells = to_text(column)
    missing = cells.is_null().arg_true()
    if len(missing):
        raise InputError(
            "has no id, expected one in every row; name another id column, or none",
            file=file,
            row=int(missing[0]) + 1 + first_row,
            column=column.name,
        )
    return np.asarray(cells.to_list(), dtype=str)


def refuse_infinite(column: pl.Series, *, file: str | None = None, first_row: int = 0) -> None:
    """Raise `InputError` with the row of the first infinity."""
    infinite = column.is_infinite().fill_null(False).arg_true()
    if len(infinite):
        raise InputError(
            f"got {column[int(infinite[0])]}, expected a finite number; leave the cell empty where there is none",
            file=file,
            row=int(infinite[0]) + 1 + first_row,
            column=column.name,
        )


def _to_numbers(column: pl.Series, kind: ColumnKind, file: str | None, first_row: int) -> pl.Series:
    values = cast_column(column)
    if values.dtype == pl.String and values.null_count() != len(values):
        missing = values.is_null() | values.str.to_lowercase().is_in(["na", "n/a", "nan", "null", "none", "-"])
        numbers = values.cast(pl.Float64, strict=False)
        invalid = (numbers.is_null() & ~missing).arg_true()
        if len(invalid):
            expected = "a number" if kind == "numeric" else "0 or 1, or true or false"
            raise InputError(
                f"got {values[int(invalid[0])]!r}, expected {expected}",
                file=file,
                row=int(invalid[0]) + 1 + first_row,
                column=column.name,
            )
        values = numbers
    if values.dtype.is_temporal():
        values = values.to_physical()
    if values.dtype.is_nested() or values.dtype in (pl.Binary, pl.Object):
        raise InputError(f"holds nested values ({values.dtype}), expected numbers", file=file, column=column.name)
    values = values.cast(pl.Float64)
    if is_finite(values):
        return values
    values = values.fill_nan(None)
    refuse_infinite(values, file=file, first_row=first_row)
    return values


def _to_boolean(numbers: pl.Series, file: str | None, first_row: int) -> pl.Series:
    invalid = ((numbers != 0) & (numbers != 1)).fill_null(False).arg_true()
    if len(invalid):
        raise InputError(
            f"got {numbers[int(invalid[0])]:g}, expected 0 or 1, or true or false; say that it is numeric if it is",
            file=file,
            row=int(invalid[0]) + 1 + first_row,
            column=numbers.name,
        )
    return numbers == 1
