"""Columns of one label each: which cells mean yes, which no, and which leave it unknown."""

from __future__ import annotations

import numbers
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from manyhot.data.targets import Targets
from manyhot.errors import InputError

YES_WORDS = ("1", "true", "yes", "1.0", "y", "t")
NO_WORDS = ("0", "false", "no", "0.0", "n", "f")
UNKNOWN_WORDS = ("?", "", "nan", "null", "none", "na", "n/a", "<na>", "#n/a")
MARKS = ("x", "✓", "✔")  # What a person puts into a cell for yes where an empty cell means no
_ONE, _ZERO = r"^\+?1([.,]0*)?$", r"^[+-]?0+([.,]0*)?$"
_WORDS = {*YES_WORDS, *NO_WORDS, *UNKNOWN_WORDS}
_EXPECTED = "expected 0, 1, true, false, yes, no, y, n or unknown (empty, NaN, ?)"
_MISSING_TYPES = ("NAType", "NaTType")


class Indicator(NamedTuple):
    """One label of n rows."""

    values: np.ndarray  # bool (n,), where it holds
    known: np.ndarray  # bool (n,), where that is known
    note: str = ""


def is_missing(cell: Any) -> bool:
    """Whether a cell is None, NaN, `pd.NA` or not a time."""
    return (
        cell is None
        or (isinstance(cell, (float, np.floating)) and cell != cell)
        or type(cell).__name__ in _MISSING_TYPES
    )


def parse_indicator_column(column: pl.Series) -> Indicator:
    """One column of indicators."""
    if column.dtype == pl.Boolean or column.dtype == pl.Null:
        return Indicator(column.cast(pl.Boolean).fill_null(False).to_numpy(), column.is_not_null().to_numpy())
    note = ""
    if column.dtype.is_numeric():
        cells = column.cast(pl.Float64).fill_nan(None)
        positive, negative, missing = cells == 1, cells == 0, cells.is_null()
        invalid = ~(positive | negative | missing).fill_null(False)
    elif column.dtype in (pl.String, pl.Categorical, pl.Enum):
        cells = column.cast(pl.String).str.strip_chars().str.to_lowercase()
        positive, negative = cells.is_in(YES_WORDS), cells.is_in(NO_WORDS)
        missing = cells.is_null() | cells.is_in(UNKNOWN_WORDS).fill_null(True)
        invalid = ~(positive | negative | missing).fill_null(False)
        if invalid.any():
            positive, negative = positive | cells.str.contains(_ONE), negative | cells.str.contains(_ZERO)
            invalid = ~(positive | negative | missing).fill_null(False)
        if invalid.any() and cells.filter(invalid).is_in(MARKS).all() and not (positive | negative).any():
            negative, positive = cells.is_null() | (cells == "").fill_null(True), invalid
            missing, mark = missing & ~negative, cells.filter(invalid)[0]
            invalid = invalid & False
            note = f"column {column.name!r} holds {mark!r} or nothing: {mark!r} was read as yes, nothing as no"
    else:
        raise InputError(f"holds {column.dtype}, expected 0, 1 or unknown in a label column", column=column.name)
    wrong = invalid.arg_true()
    if len(wrong):
        row = int(wrong[0])
        raise InputError(
            f"a target is {column[row]!r}, {_EXPECTED}{value_advice(str(column[row]))}",
            row=row + 1,
            column=column.name or None,
        )
    return Indicator(positive.fill_null(False).to_numpy(), (~missing).to_numpy(), note)


def parse_indicator(column: Any, *, name: str | None = None) -> Indicator:
    """One indicator column of any kind."""
    array = np.asarray(column)
    if array.dtype == np.bool_:
        return Indicator(array.copy(), np.ones(array.shape, dtype=bool))
    if array.dtype.kind not in "iuf":
        texts = pl.Series(name or "", [_cell_text(cell) for cell in array.tolist()], dtype=pl.String)
        return parse_indicator_column(texts)
    targets = parse_numbers(array[:, None], [name], "empty, NaN, ?")
    return Indicator(targets.values[:, 0], targets.known_mask()[:, 0])


def parse_numbers(
    numbers: np.ndarray, names: Sequence[str | None], unknown: str = "NaN", argument: str | None = None
) -> Targets:
    """Numbers 0, 1 and NaN, (n, ..., l) -> targets; `unknown` says how a person writes what is not known."""
    known = ~np.isnan(numbers) if numbers.dtype.kind == "f" else np.ones(numbers.shape, dtype=bool)
    invalid = np.argwhere(known & (numbers != 0) & (numbers != 1))
    if len(invalid):
        place = tuple(invalid[0])
        value = str(numbers[place])
        raise InputError(
            f"a target is {value.removesuffix('.0')}, expected 0, 1 or unknown ({unknown}){value_advice(value)}",
            row=int(place[0]) + 1,
            column=names[place[-1]],
            argument=argument,
        )
    return Targets(known & (numbers == 1), known)


def stack_indicators(parsed: Sequence[Indicator], shape: Sequence[int]) -> tuple[Targets, tuple[str, ...]]:
    """The columns of all labels as targets of a shape (n, ..., l), and what was guessed."""
    values, known = (np.stack(part, axis=-1).reshape(shape) for part in list(zip(*parsed, strict=True))[:2])
    return Targets(values, known), tuple(one.note for one in parsed if one.note)


def is_indicator_text(column: pl.Series) -> pl.Series:
    """Which cells of a column of text say yes or no, null where there is none."""
    cells = column.cast(pl.String).str.strip_chars().str.to_lowercase()
    return cells.is_in((*YES_WORDS, *NO_WORDS)) | cells.str.contains(_ONE) | cells.str.contains(_ZERO)


def is_indicator_word(text: str) -> bool:
    """Whether a text says yes, no or unknown."""
    word = text.strip().lower()
    return word in _WORDS or re.match(_ONE, word) is not None or re.match(_ZERO, word) is not None


def value_advice(value: str) -> str:
    """The way out where a cell says neither yes nor no, to append to an error."""
    if value in ("-1", "-1.0"):
        return "; where -1 means no, write 0, and where it means unknown, leave it empty"
    return "; write 1 for yes and 0 for no"


def _cell_text(cell: Any) -> str | None:
    if is_missing(cell):
        return None
    if isinstance(cell, numbers.Real) and not isinstance(cell, (bool, np.bool_)):
        value = float(cell)
        return str(int(value)) if value == int(value) else repr(cell)
    return str(cell)
