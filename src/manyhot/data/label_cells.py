"""Single cells that speak of labels: one label set, one delimited text, one indicator.

What the labels are and in which order they stand is the matter of `labels.py`; here is only what a cell says.
"""

from __future__ import annotations

import json
import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np

from manyhot.errors import InputError

_YES = {"1", "true", "yes", "1.0"}
_NO = {"0", "false", "no", "0.0"}
_UNKNOWN = {"?", "", "nan", "null", "none", "na"}


def label_names(names: Any, *, row: int | None = None) -> list[str]:
    """One label set as text, in its own order; whole numbers become their digits.

    Raises:
        InputError: A plain string (it would be split into characters), or something that is no collection of names.
    """
    if isinstance(names, (str, bytes)):
        raise InputError(
            f"got the text {names!r} where a set of labels belongs; write [{names!r}] for one label, "
            "or split it first (sep='|' for a delimited column)",
            row=row,
        )
    if not isinstance(names, Iterable):
        raise InputError(f"got {names!r}, expected a set or list of label names", row=row)
    result = []
    for name in names:
        if isinstance(name, str) and name:
            result.append(str(name))
        elif isinstance(name, numbers.Integral) and not isinstance(name, (bool, np.bool_)):
            result.append(str(int(name)))
        else:
            raise InputError(f"got {name!r} inside a label set, expected non-empty text", row=row)
    return result


def parse_label_sets(
    cells: Iterable[Any], sep: str | None = None, *, column: str | None = None
) -> list[list[str] | None]:
    """Cells of one column -> label sets.

    A cell is a delimited text (`sad|quiet`), a JSON list (`["sad", "quiet"]`), or already a list. An empty text
    is the empty set; null and `?` mean that the whole set is unknown. Blanks around names are dropped.

    Args:
        cells: The cells.
        sep: What stands between two names; None when every cell is a JSON list or a list.
        column: The column's name, for messages.

    Raises:
        InputError: A text that is no JSON list although no separator was given, or a broken JSON list.
    """
    sets: list[list[str] | None] = []
    for i, cell in enumerate(cells):
        if cell is None or (isinstance(cell, float) and np.isnan(cell)):
            sets.append(None)
        elif isinstance(cell, str):
            sets.append(_parse_label_set(cell.strip(), sep, row=i + 1, column=column))
        else:
            sets.append(label_names(cell, row=i + 1))
    return sets


def _parse_label_set(text: str, sep: str | None, *, row: int, column: str | None) -> list[str] | None:
    if text == "?":
        return None
    if not text:
        return []
    if sep is not None:
        return [name for name in (part.strip() for part in text.split(sep)) if name]
    if not text.startswith("["):
        raise InputError(
            f"got the text {text!r} where a set of labels belongs; give the separator "
            "(for example sep='|', or --sep '|') or write a JSON list",
            row=row,
            column=column,
        )
    try:
        names = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{text!r} is no JSON list ({error.msg})", row=row, column=column) from None
    return label_names(names, row=row)


def parse_indicator(column: Any, *, name: str | None = None, file: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """One indicator column -> (values, known), both bool (n,).

    Accepts 0/1, true/false, yes/no as numbers, booleans or text; null, NaN and `?` mean unknown.

    Raises:
        InputError: Any other value, with its row.
    """
    array = np.asarray(column)
    if array.dtype == np.bool_:
        return array.copy(), np.ones(array.shape, dtype=bool)
    if array.dtype.kind in "iuf":
        known = ~np.isnan(array) if array.dtype.kind == "f" else np.ones(array.shape, dtype=bool)
        invalid = np.flatnonzero(known & (array != 0) & (array != 1))
        if invalid.size:
            raise InputError(
                f"a target is {array[invalid[0]]!s}, expected 0, 1 or unknown (empty, NaN, ?)",
                row=int(invalid[0]) + 1,
                column=name,
                file=file,
            )
        return known & (array == 1), known
    values = np.zeros(array.shape, dtype=bool)
    known = np.ones(array.shape, dtype=bool)
    for i, cell in enumerate(array):
        cell_text = _normalize_cell(cell)
        if cell_text in _UNKNOWN:
            known[i] = False
        elif cell_text in _YES:
            values[i] = True
        elif cell_text not in _NO:
            raise InputError(
                f"a target is {cell!r}, expected 0, 1, true, false or unknown (empty, NaN, ?)",
                row=i + 1,
                column=name,
                file=file,
            )
    return values, known


def _normalize_cell(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, numbers.Real) and not isinstance(cell, (bool, np.bool_)):
        value = float(cell)
        return "nan" if np.isnan(value) else str(int(value)) if value == int(value) else repr(cell)
    return str(cell).strip().lower()
