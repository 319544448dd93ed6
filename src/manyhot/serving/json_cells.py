"""One cell of a row of JSON: its meaning, and what to say where it has none."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import polars as pl

from manyhot.data.image_decoding import BadImageError, read_header, suppress_warnings
from manyhot.data.number_cells import NumberFormat, parse_numbers
from manyhot.data.readers.column_types import words_to_boolean
from manyhot.data.readers.columns import to_text
from manyhot.serving.errors import ApiError
from manyhot.serving.limits import Limits
from manyhot.validation import did_you_mean, shorten

NUMBERS: frozenset[type] = frozenset({float, int, type(None)})
ENTRIES: frozenset[type] = frozenset({float, int})
MAX_EXACT_INTEGER = 2**53  # whole numbers below are exact in 64 bits of a float, as a reader has them
MAX_NUMBER = 2**1023
MISSING_MARK = "?"  # a cell that stands for a missing value


def check_width(row: Mapping[str, Any], columns: Sequence[str], limits: Limits, i: int) -> None:
    """Refuse a row with far more columns than the model has."""
    max_columns = 2 * len(columns) + limits.max_columns
    if len(row) > max_columns:
        raise ApiError(422, f"has {len(row)} columns, expected at most {max_columns}", row=i + 1, argument="rows")


def missing_column_error(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], first: int = 0) -> ApiError:
    """What to say of the first row that lacks a column."""
    for i, row in enumerate(rows, first):
        name = next((name for name in columns if name not in row), None)
        if name is not None:
            hint = did_you_mean(name, [column for column in islice(row, 1000) if column not in columns])
            return ApiError(422, f"missing field; send null if the value is unknown{hint}", row=i + 1, column=name)
    raise AssertionError("no column is missing")


def not_object_error(row: Any, i: int) -> ApiError:
    """What to say of a row that is no object."""
    return ApiError(422, f"got {shorten(row)}, expected an object with a cell a column", row=i + 1, argument="rows")


def not_number_error(
    cells: Sequence[Any], names: Sequence[str], i: int, allowed: frozenset[type] = NUMBERS
) -> ApiError:
    """What to say of the first cell whose type is none of those allowed."""
    name, cell = next((n, c) for n, c in zip(names, cells, strict=True) if type(c) not in allowed)
    return ApiError(422, f"got {shorten(cell)}, expected a number{_or_null(cell)}", row=i + 1, column=name)


def fill_row(
    matrix: np.ndarray, index: int, cells: Sequence[Any], names: Sequence[str], row: int | None = None
) -> None:
    """One row of cells as numbers; null as NaN."""
    try:
        matrix[index] = cells
    except OverflowError:
        name = next(
            name for name, cell in zip(names, cells, strict=True) if type(cell) is int and abs(cell) > MAX_NUMBER
        )
        raise _too_large_error(index if row is None else row, name) from None


def check_finite(values: np.ndarray, names: Sequence[str], row: int | None = None) -> np.ndarray:
    """The numbers, refused where one of them is infinite, as 1e999 is."""
    if np.isinf(values).any():
        i, j = np.argwhere(np.isinf(values))[0].tolist()
        raise _too_large_error(i if row is None else row, names[j])
    return values


def _too_large_error(i: int, name: str) -> ApiError:
    return ApiError(422, "got a number beyond what 64 bits hold, expected a finite one", row=i + 1, column=name)


def _or_null(cell: Any) -> str:
    return "" if cell is None else ", or null if the value is unknown"


def text_to_number(cell: str, number_format: NumberFormat, name: str, i: int) -> float | None:
    """A text in a column that trained on numbers written as text; None for missing."""
    numbers, is_invalid = parse_numbers(pl.Series([cell], dtype=pl.String), number_format)
    if is_invalid[0]:
        raise ApiError(422, f"got {shorten(cell)}, expected {number_format.describe()}", row=i + 1, column=name)
    return numbers[0]


def to_boolean(cell: Any, name: str, i: int) -> float | None:
    """A cell of a boolean column: 1, 0 or None."""
    if cell is None:
        return None
    if isinstance(cell, str):
        truth = words_to_boolean(pl.Series([cell], dtype=pl.String))[0]
        if truth is not None or cell.strip() in ("", MISSING_MARK):
            return None if truth is None else float(truth)
    if isinstance(cell, (bool, int, float)) and cell in (0, 1):
        return float(cell)
    raise ApiError(422, f"got {shorten(cell)}, expected true, false, 1, 0 or null", row=i + 1, column=name)


def cell_to_text(cell: Any, name: str, i: int) -> str | None:
    """A cell as text in the form that `readers.columns.to_text` gives; None for missing."""
    if type(cell) is str:
        if not cell or cell[0].isspace() or cell[-1].isspace():
            return to_text(pl.Series([cell], dtype=pl.String))[0]
        return None if cell == MISSING_MARK else cell
    if cell is None:
        return None
    if type(cell) is bool:
        return "true" if cell else "false"
    if type(cell) is int and abs(cell) < MAX_EXACT_INTEGER:
        return str(cell)
    if type(cell) in (int, float) and abs(cell) < MAX_NUMBER:
        return to_text(pl.Series([float(cell)], dtype=pl.Float64))[0]
    raise ApiError(422, f"got {shorten(cell)}, expected text, a number, true, false or null", row=i + 1, column=name)


def to_image_bytes(cell: Any, name: str, i: int, limits: Limits) -> bytes:
    """The content of an image file: as it is, or as base64 with or without "data:image/png;base64," before it."""
    if isinstance(cell, str):
        if cell.startswith("data:"):
            cell = cell.partition(",")[2]
        try:
            cell = base64.b64decode(cell, validate=True)
        except (binascii.Error, ValueError):
            raise ApiError(
                422, "is not base64; expected the content of an image file", row=i + 1, column=name
            ) from None
    if not isinstance(cell, bytes):
        raise ApiError(422, f"got {shorten(cell)}, expected an image file as base64", row=i + 1, column=name)
    try:
        with suppress_warnings():
            header = read_header(cell)
    except BadImageError as error:
        raise ApiError(422, f"the image ({len(cell)} bytes) {error}", row=i + 1, column=name) from None
    if header.height * header.width > limits.max_pixels:
        pixels = header.height * header.width
        raise ApiError(
            413, f"the image has {pixels} pixels, expected at most {limits.max_pixels}", row=i + 1, column=name
        )
    return cell
