"""Cells of label sets out of any door: one parser for the columns of files and for what Python brings."""

from __future__ import annotations

import numbers
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manyhot.data.indicators import UNKNOWN_WORDS, is_missing, parse_indicator, stack_indicators
from manyhot.data.label_notation import CLOSERS, NOT_NOTATION, is_certain, parse_notation, split_delimited
from manyhot.data.targets import Targets, check_size
from manyhot.errors import InputError
from manyhot.validation import join_names, shorten

_LONGEST_WORD = max(map(len, UNKNOWN_WORDS))
_SEPARATORS = ("|", ";", ",", "/", "\t")  # those that files have most often
_SHARE_SEPARATED = 0.5  # cells with another separator that make a note
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
_WRITTEN_NUMBER = re.compile(r"\s*([+-]?[0-9]{1,18})(?:\.0*)?\s*")


@dataclass(frozen=True)
class LabelCells:
    """What the cells of one column say."""

    names: tuple[str, ...]
    sets: list[list[str] | None] | None = None  # names of each row, None where unknown; None for indicators
    targets: Targets | None = None  # (n, l), of indicators
    is_integer: bool = False  # every label is a whole number, not text
    notes: tuple[str, ...] = ()


def label_names(names: Any, *, row: int | None = None, column: str | None = None) -> list[str]:
    """One label set as text, in its own order; whole numbers become their digits."""
    if isinstance(names, (str, bytes)):
        raise InputError(
            f"got the text {names!r} where a set of labels belongs; write [{names!r}] for one label, "
            "or split it first (y.str.split('|') for a delimited column)",
            row=row,
            column=column,
        )
    if not isinstance(names, Iterable):
        raise InputError(f"got {names!r}, expected a set or list of label names", row=row, column=column)
    result = []
    for name in names:
        if isinstance(name, str) and name:
            result.append(str(name))
        elif isinstance(name, numbers.Integral) and not isinstance(name, (bool, np.bool_)):
            result.append(str(int(name)))
        else:
            advice = "; write [] for a row without labels" if isinstance(name, str) else ""
            raise InputError(
                f"got {name!r} inside a label set, expected non-empty text{advice}", row=row, column=column
            )
    return result


def parse_label_cells(
    cells: Iterable[Any],
    sep: str | None = None,
    *,
    names: Sequence[str] | None = None,
    is_integer: bool = False,
    column: str | None = None,
) -> LabelCells:
    """Cells of one column -> label sets, or indicators where the cells are mappings or rows of 0 and 1."""
    # an empty text is the empty set; a missing cell, or a word for it that is no label elsewhere, is an unknown set
    raw, notes = _read_cells(list(cells), sep, names, column)
    known = [cell for cell in raw if cell is not None]
    if any(isinstance(cell, Mapping) and cell for cell in known):
        return _from_mappings(raw, notes, column)
    width = _indicator_width(known)
    if width and not is_integer and (names is None or width == len(names)):
        return _from_rows(raw, width, names, notes, column)
    if width > 2 and not is_integer and names is not None:
        raise InputError(
            f"lists {width} times 0 or 1 in every row, expected {len(names)}, one for each label", column=column
        )
    sets = [None if _is_unknown(cell) else label_names(cell, row=i + 1, column=column) for i, cell in enumerate(raw)]
    labels = [label for cell in raw if not _is_unknown(cell) for label in cell]
    are_integers = bool(labels) and all(isinstance(label, numbers.Integral) for label in labels)
    found = sort_names({name for label_set in sets if label_set is not None for name in label_set})
    return LabelCells(tuple(found), sets, is_integer=are_integers, notes=notes)


def sort_names(names: Collection[str]) -> list[str]:
    """Names in order: by value where all are whole numbers, else by letters."""
    return sorted(names, key=int if all(_WHOLE.fullmatch(name) for name in names) else None)


def whole_number(text: str) -> str | None:
    """The plain digits of a whole number, however it is written (`03`, `+3`, `3.0`); None for any other text."""
    match = _WRITTEN_NUMBER.fullmatch(text)
    return None if match is None else str(int(match[1]))


def _read_cells(
    cells: list[Any], sep: str | None, names: Sequence[str] | None, column: str | None
) -> tuple[list[Any], tuple[str, ...]]:
    """Each cell as a list, a mapping or None, and notes; texts are parsed."""
    raw: list[Any] = []
    words: dict[int, str] = {}
    uncertain: list[int] = []
    n_split = n_empty = 0
    for i, cell in enumerate(cells):
        if not isinstance(cell, str):
            raw.append(_plain(cell))
            continue
        text = cell.strip()
        value: Any = NOT_NOTATION
        if not text:
            value = []
            n_empty += 1
        elif len(text) <= _LONGEST_WORD and text.lower() in UNKNOWN_WORDS:
            words[i], value = text, None
        elif text[-1] in CLOSERS:
            try:
                value = parse_notation(text, sep)
            except InputError as error:
                raise InputError(error.message, row=i + 1, column=column) from None
            if sep is not None and value is not NOT_NOTATION and not is_certain(text):
                uncertain.append(i)
        if value is NOT_NOTATION:
            if sep is None:
                raise _no_notation(text, row=i + 1, column=column)
            value = split_delimited(text, sep)
            n_split += 1
        raw.append(value)
    if sep is not None and n_split and not set(sep) <= set("<> "):
        for i in uncertain:  # brackets that only some cells have belong to the names
            raw[i] = split_delimited(cells[i].strip(), sep)
    notes = (*_note_separators(cells, sep, column), *_note_empty(n_empty, column))
    return raw, (*_resolve_words(raw, words, names, column), *notes)


def _note_separators(cells: list[Any], sep: str | None, column: str | None) -> tuple[str, ...]:
    """A note where no cell has the separator, and many have another one."""
    if sep is None:
        return ()
    texts = []
    for cell in cells:
        text = cell.strip() if isinstance(cell, str) else ""
        if text and (sep in text or text[-1] in CLOSERS):
            return ()
        if text:
            texts.append(text)
    counts = {other: sum(other in text for text in texts) for other in _SEPARATORS if other != sep}
    other, n = max(counts.items(), key=lambda pair: pair[1])
    if n < max(2, _SHARE_SEPARATED * len(texts)):
        return ()
    place = "" if column is None else f" of column {column!r}"
    return (f"no cell{place} has the separator {sep!r}, but {n} have {other!r}; was --sep {other!r} meant?",)


def _note_empty(n: int, column: str | None) -> tuple[str, ...]:
    """A note on n empty cells of a file."""
    if column is None or not n:
        return ()
    cells_were = "1 empty cell was" if n == 1 else f"{n} empty cells were"
    return (f"{cells_were} read as no label in column {column!r}; write ? where the labels are not known",)


def _resolve_words(
    raw: list[Any], words: dict[int, str], names: Sequence[str] | None, column: str | None
) -> tuple[str, ...]:
    """Words for missing values that are labels elsewhere become labels; a note on the others."""
    counts = Counter(word for word in words.values() if word != "?")
    if not counts:
        return ()
    labels = set(names or ()) | {
        name for cell in raw if isinstance(cell, list) for name in cell if isinstance(name, str)
    }
    for i, word in words.items():
        if word in labels and word != "?":
            raw[i] = [word]
    unknown = {word: n for word, n in counts.items() if word not in labels}
    place = "" if column is None else f" of column {column!r}"
    listed = ", ".join(f"{word!r} ({n})" for word, n in unknown.items())
    advice = 'write ["None"] for a label of that name'
    return (f"cells{place} that hold {listed} were read as unknown label sets; {advice}",) if unknown else ()


def _plain(cell: Any) -> Any:
    """A cell of Python as a list, a mapping, None, or itself."""
    if is_missing(cell):
        return None
    if not isinstance(cell, (list, tuple, set, frozenset, Mapping)) and hasattr(cell, "__array__"):
        cell = np.asarray(cell).tolist()
    if (
        isinstance(cell, list)
        and cell
        and all(isinstance(item, dict) and set(item) == {"key", "value"} for item in cell)
    ):
        return {item["key"]: item["value"] for item in cell}
    return cell


def _no_notation(text: str, row: int, column: str | None) -> InputError:
    if text[0] in "[({<":
        return InputError(
            f"{shorten(text)} is no JSON list, no list or set as Python or numpy writes it, no {{a,b}} and no <a><b>",
            row=row,
            column=column,
        )
    return InputError(
        f"got the text {shorten(text)} where a set of labels belongs; give the separator (for example sep='|', or "
        f"--sep '|'; in Python y.str.split('|')), or write [{shorten(text)}] for one label",
        row=row,
        column=column,
    )


def _is_unknown(cell: Any) -> bool:
    """Whether the whole set is unknown: missing itself, or a list of nothing but missing values."""
    return cell is None or (isinstance(cell, (list, tuple)) and len(cell) > 0 and all(map(is_missing, cell)))


def _indicator_width(cells: Sequence[Any]) -> int:
    """How many 0, 1 or None every cell lists; 0 where the cells are something else."""
    if not cells or not isinstance(cells[0], (list, tuple)):
        return 0
    width = len(cells[0])
    is_rows = all(isinstance(cell, (list, tuple)) and len(cell) == width for cell in cells)
    return width if is_rows and all(_is_indicator(value) for cell in cells for value in cell) else 0


def _is_indicator(value: Any) -> bool:
    return (
        is_missing(value)
        or isinstance(value, (bool, np.bool_))
        or (isinstance(value, numbers.Real) and value in (0, 1))
    )


def _from_rows(
    raw: list[Any], width: int, names: Sequence[str] | None, notes: tuple[str, ...], column: str | None
) -> LabelCells:
    """Rows of 0, 1 and None; a column of [0] and [1] alone could as well be sets of numbers."""
    values = [value for cell in raw if cell is not None for value in cell]
    are_whole = all(isinstance(value, numbers.Integral) and not isinstance(value, (bool, np.bool_)) for value in values)
    if names is None and width == 1 and are_whole:
        raise InputError(
            "got lists of one number, [0] and [1]: one label that holds or not, or sets of the labels 0 and 1; "
            "for one label give an array (n, 1), for labels 0 and 1 write text: ['0'], ['1']",
            column=column,
        )
    table = np.full((len(raw), width), None, dtype=object)
    for i, cell in enumerate(raw):
        if cell is not None:
            table[i] = cell
    labels = tuple(names) if names is not None else tuple(f"label_{j}" for j in range(width))
    parsed = [parse_indicator(table[:, j], name=labels[j]) for j in range(width)]
    targets, guesses = stack_indicators(parsed, table.shape)
    notes = (*notes, *guesses)
    if column is not None:
        notes = (*notes, f"column {column!r} lists 0 and 1 for each of {width} labels: {join_names(labels)}")
    return LabelCells(labels, targets=targets, notes=notes)


def _from_mappings(raw: list[Any], notes: tuple[str, ...], column: str | None) -> LabelCells:
    rows: list[dict[str, Any]] = []
    keys: set[Any] = set()
    for i, cell in enumerate(raw):
        if cell is not None and not isinstance(cell, Mapping) and len(cell):
            raise InputError(
                f"got {shorten(cell)} beside mappings of labels; expected {{label: 0, 1 or None}} in every row",
                row=i + 1,
                column=column,
            )
        items = dict(cell) if isinstance(cell, Mapping) else {}
        keys.update(items)
        rows.append(dict(zip(label_names(items, row=i + 1, column=column), items.values(), strict=True)))
    names = sort_names({name for row in rows for name in row})
    check_size(len(rows), len(names))
    parsed = []
    for name in names:
        cells = ["?" if is_missing(row.get(name)) else row[name] for row in rows]
        parsed.append(parse_indicator(np.asarray(cells, dtype=object), name=name))
    targets, guesses = stack_indicators(parsed, (len(rows), len(names)))
    is_integer = all(isinstance(key, numbers.Integral) for key in keys)
    return LabelCells(tuple(names), None, targets, is_integer, (*notes, *guesses))
