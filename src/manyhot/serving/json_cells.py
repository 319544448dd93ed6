"""One cell of a row of JSON: its meaning, and what to say where it has none."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
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
TOO_LARGE = "got a number beyond what 64 bits hold, expected a finite one"
MISSING_MARK = "?"  # a cell that stands for a missing value


def cell_error(message: str, i: int, name: str, status: int = 422) -> ApiError:
    """What is wrong with a cell of the i-th row."""
    return ApiError(status, message, row=i + 1, column=name)


def row_error(message: str, i: int) -> ApiError:
    """What is wrong with the i-th row."""
    return ApiError(422, message, row=i + 1, argument="rows")


def check_width(row: Mapping[str, Any], columns: Sequence[str], limits: Limits, i: int) -> None:
    """Refuse a row with far more columns than the model has."""
    max_columns = 2 * len(columns) + limits.max_columns
    if len(row) > max_columns:
        raise row_error(f"has {len(row)} columns, expected at most {max_columns}", i)


def check_columns(row: Mapping[str, Any], columns: Sequence[str], i: int) -> None:
    """Refuse a row that lacks a column."""
    if not all(map(row.__contains__, columns)):
        name = next(name for name in columns if name not in row)
        unknown = [column for column in islice(row, 1000) if column not in columns]
        typed = next((column for column in unknown if did_you_mean(column, [name])), None)
        hint = "" if typed is None else f"; the row has {shorten(typed)}: did you mean {name!r}?"
        raise cell_error(f"missing field; send null if the value is unknown{hint}", i, name)


def to_numbers(
    rows: Iterable[Sequence[Any]], n_rows: int, names: Sequence[str], allowed: frozenset[type] = NUMBERS, first: int = 0
) -> np.ndarray:
    """Rows of cells as numbers (n_rows, f), null as NaN; refuses other types, and what is infinite, as 1e999 is."""
    matrix = np.empty((n_rows, len(names)))
    for k, cells in enumerate(rows):
        if not allowed.issuperset(map(type, cells)):
            name, cell = next((n, c) for n, c in zip(names, cells, strict=True) if type(c) not in allowed)
            hint = "" if cell is None else ", or null if the value is unknown"
            raise cell_error(f"got {shorten(cell)}, expected a number{hint}", first + k, name)
        try:
            matrix[k] = cells
        except OverflowError:
            pairs = zip(names, cells, strict=True)
            name = next(name for name, cell in pairs if type(cell) is int and abs(cell) > MAX_NUMBER)
            raise cell_error(TOO_LARGE, first + k, name) from None
    if np.isinf(matrix).any():
        k, j = np.argwhere(np.isinf(matrix))[0].tolist()
        raise cell_error(TOO_LARGE, first + k, names[j])
    return matrix


def text_to_number(cell: str, number_format: NumberFormat, name: str, i: int) -> float | None:
    """A text in a column that trained on numbers written as text; None for missing."""
    numbers, is_invalid = parse_numbers(pl.Series([cell], dtype=pl.String), number_format)
    if is_invalid[0]:
        raise cell_error(f"got {shorten(cell)}, expected {number_format.describe()}", i, name)
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
    raise cell_error(f"got {shorten(cell)}, expected true, false, 1, 0 or null", i, name)


def cell_to_text(cell: Any, name: str, i: int, limits: Limits) -> str | None:
    """A cell as text in the form that `readers.columns.to_text` gives; None for missing."""
    if type(cell) is str:
        check_text(cell, name, i, limits)
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
    raise cell_error(f"got {shorten(cell)}, expected text, a number, true, false or null", i, name)


def check_text(text: str, name: str, i: int, limits: Limits) -> None:
    """Refuse a text that is too long; each character is 1 to 4 bytes."""
    if 4 * len(text) > limits.max_text_bytes:
        n_bytes = len(text.encode("utf-8", errors="replace"))
        if n_bytes > limits.max_text_bytes:
            message = f"the text has {n_bytes} bytes, expected at most {limits.max_text_bytes}"
            raise cell_error(message, i, name, 413)


def to_image_bytes(cell: Any, name: str, i: int, limits: Limits) -> bytes:
    """The content of an image file: as it is, or as base64 with or without "data:image/png;base64," before it."""
    if isinstance(cell, str):
        if cell.startswith("data:"):
            cell = cell.partition(",")[2]
        try:
            cell = base64.b64decode(cell, validate=True)
        except ValueError:
            raise cell_error("is not base64; expected the content of an image file", i, name) from None
    if not isinstance(cell, bytes):
        raise cell_error(f"got {shorten(cell)}, expected an image file as base64", i, name)
    try:
        with suppress_warnings():
            header = read_header(cell)
    except BadImageError as error:
        raise cell_error(f"the image ({len(cell)} bytes) {error}", i, name) from None
    n_pixels = header.height * header.width
    if n_pixels > limits.max_pixels:
        raise cell_error(f"the image has {n_pixels} pixels, expected at most {limits.max_pixels}", i, name, 413)
    return cell
