"""One cell of a row of JSON: its meaning, and what to say where it has none.

Start reading at `text_of` and `no_number`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import polars as pl

from manyhot.data.image_decoding import BadImageError, header_of, quiet
from manyhot.data.readers.columns import words
from manyhot.serving.errors import ApiError
from manyhot.serving.limits import Limits
from manyhot.validation import did_you_mean, shown

NUMBERS: frozenset[type] = frozenset({float, int, type(None)})
ENTRIES: frozenset[type] = frozenset({float, int})
MAX_WHOLE = 2**53
"""Whole numbers below are exact in 64 bits of a float, as a reader has them."""
MAX_NUMBER = 2**1023
MARK = "?"
"""A cell that says that nobody knows."""


def check_width(row: Mapping[str, Any], used: Sequence[str], limits: Limits, i: int) -> None:
    """Refuse a row with far more columns than the model has."""
    most = 2 * len(used) + limits.max_columns
    if len(row) > most:
        raise ApiError(422, f"has {len(row)} columns, at most {most} are taken", row=i + 1, argument="rows")


def missing(rows: Sequence[Mapping[str, Any]], used: Sequence[str], first: int = 0) -> ApiError:
    """What to say of the first row that lacks a column."""
    for i, row in enumerate(rows, first):
        name = next((name for name in used if name not in row), None)
        if name is not None:
            hint = did_you_mean(name, [other for other in islice(row, 1000) if other not in used])
            return ApiError(422, f"is not there; say null where it is missing{hint}", row=i + 1, column=name)
    raise AssertionError("no column is missing")


def no_object(row: Any, i: int) -> ApiError:
    """What to say of a row that is no object."""
    return ApiError(422, f"got {shown(row)}, expected an object with a cell a column", row=i + 1, argument="rows")


def no_number(cells: Sequence[Any], names: Sequence[str], i: int, allowed: frozenset[type] = NUMBERS) -> ApiError:
    """What to say of the first cell whose type is none of those allowed."""
    name, cell = next((n, c) for n, c in zip(names, cells, strict=True) if type(c) not in allowed)
    return ApiError(422, f"got {shown(cell)}, expected a number{_or_null(cell)}", row=i + 1, column=name)


def fill(found: np.ndarray, place: int, cells: Sequence[Any], names: Sequence[str], row: int | None = None) -> None:
    """One row of cells as numbers; null as NaN."""
    try:
        found[place] = cells
    except OverflowError:
        name = next(
            name for name, cell in zip(names, cells, strict=True) if type(cell) is int and abs(cell) > MAX_NUMBER
        )
        raise _too_large(place if row is None else row, name) from None


def finite(found: np.ndarray, names: Sequence[str], row: int | None = None) -> np.ndarray:
    """The numbers, refused where one of them is infinite, as 1e999 is."""
    if np.isinf(found).any():
        i, j = np.argwhere(np.isinf(found))[0].tolist()
        raise _too_large(i if row is None else row, names[j])
    return found


def _too_large(i: int, name: str) -> ApiError:
    return ApiError(422, "got a number beyond what 64 bits hold, expected a finite one", row=i + 1, column=name)


def _or_null(cell: Any) -> str:
    return "" if cell is None else ", or null where it is missing"


def yes_no(cell: Any, name: str, i: int) -> float | None:
    """A cell of a boolean column: 1, 0 or None."""
    if cell is None:
        return None
    if isinstance(cell, (bool, int, float)) and cell in (0, 1):
        return float(cell)
    raise ApiError(422, f"got {shown(cell)}, expected true, false, 1, 0 or null", row=i + 1, column=name)


def text_of(cell: Any, name: str, i: int) -> str | None:
    """A cell as text in the form that `read.columns.words` gives; None for missing."""
    if type(cell) is str:
        if not cell or cell[0].isspace() or cell[-1].isspace():
            return words(pl.Series([cell], dtype=pl.String))[0]
        return None if cell == MARK else cell
    if cell is None:
        return None
    if type(cell) is bool:
        return "true" if cell else "false"
    if type(cell) is int and abs(cell) < MAX_WHOLE:
        return str(cell)
    if type(cell) in (int, float) and abs(cell) < MAX_NUMBER:
        return words(pl.Series([float(cell)], dtype=pl.Float64))[0]
    raise ApiError(422, f"got {shown(cell)}, expected text, a number, true, false or null", row=i + 1, column=name)


def image_of(cell: Any, name: str, i: int, limits: Limits) -> bytes:
    """The content of an image file: as it is, or as base64 with or without "data:image/png;base64," before it."""
    if isinstance(cell, str):
        if cell.startswith("data:"):
            cell = cell.partition(",")[2]
        try:
            cell = base64.b64decode(cell, validate=True)
        except (binascii.Error, ValueError):
            raise ApiError(422, "is no base64; expected the content of an image file", row=i + 1, column=name) from None
    if not isinstance(cell, bytes):
        raise ApiError(422, f"got {shown(cell)}, expected an image file as base64", row=i + 1, column=name)
    try:
        with quiet():
            found = header_of(cell)
    except BadImageError as error:
        raise ApiError(422, f"the image ({len(cell)} bytes) {error}", row=i + 1, column=name) from None
    if found.height * found.width > limits.max_pixels:
        pixels = found.height * found.width
        raise ApiError(
            413, f"the image has {pixels} pixels, at most {limits.max_pixels} are taken", row=i + 1, column=name
        )
    return cell
