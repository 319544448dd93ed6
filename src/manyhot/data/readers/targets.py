"""Targets out of the columns of a table, or out of any 0/1 matrix with names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot.data.indicators import UNKNOWN_WORDS, is_indicator_text, parse_indicator_column, stack_indicators
from manyhot.data.label_cells import LabelCells, parse_label_cells, whole_number
from manyhot.data.labels import MAX_HINTS, UNSEEN_ADVICE, LabelSpace
from manyhot.data.pixel_targets import PixelTargets
from manyhot.data.readers.label_columns import looks_like_indicator, match_columns, names_one_column
from manyhot.data.readers.label_names import name_label_sets, name_labels, naming_hint
from manyhot.data.readers.options import ReadOptions
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.validation import did_you_mean, join_names

_NUMBERS = r"^\s*([+-]?\d+(\.0*)?\s*(,\s*[+-]?\d+\s*)*)?$"
MAX_NOTES = 8


@dataclass(frozen=True)
class ExtractedTargets:
    """What was found of the labels."""

    targets: Targets | PixelTargets | sp.csr_matrix | None  # CSR with `sparse_targets`
    space: LabelSpace | None
    columns: tuple[str, ...] = ()  # no features, because they belong to the labels
    notes: tuple[str, ...] = ()


def extract_labels(
    frame: pl.DataFrame, options: ReadOptions, file_labels: Sequence[str] | None = None, blank_is_empty: bool = False
) -> ExtractedTargets:
    """The targets of a table, and which of its columns are no features."""
    columns = find_columns(frame, options, file_labels)
    known_columns = [c for c in _known_labels(options) if c in frame.columns]
    used_columns = tuple(dict.fromkeys([*columns, *known_columns]))
    if not columns:
        return ExtractedTargets(None, None, used_columns)
    if _has_label_sets(frame, columns, options, file_labels):
        targets, space, notes = try_labels(_targets_from_sets, frame[columns[0]], blank_is_empty, options=options)
    else:
        targets, space, notes = try_labels(_targets_from_columns, frame[list(columns)], options=options)
    return ExtractedTargets(targets, space, used_columns, notes)


def _known_labels(options: ReadOptions) -> tuple[str, ...]:
    """The labels of a trained model, without those whose columns it takes as features."""
    return tuple(name for name in options.known_labels or () if name not in options.column_types)


def try_labels(read: Callable[..., Any], *args: Any, options: ReadOptions) -> Any:
    """What `read(*args, options)` finds of labels, last of it the notes; only these where it may fail and does."""
    try:
        return read(*args, options)
    except InputError as error:
        if options.require_labels:
            raise
        return None, None, (f"the labels in this file were not used: {error}",)


def find_columns(
    frame: pl.DataFrame, options: ReadOptions, file_labels: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The label columns, in order; none only where labels are not required."""
    names = frame.columns
    spec = options.labels
    if spec is None:
        candidates = file_labels if file_labels is not None else _known_labels(options)
        matches = tuple(name for name in candidates if name in names)
        if matches or not options.require_labels:
            return matches
        raise InputError(_no_labels_message(frame, options), argument="labels")
    return match_columns(spec, names, "labels", is_strict=options.require_labels)


def reorder_targets(
    targets: Targets, found: Sequence[str], options: ReadOptions, is_closed: bool = False
) -> tuple[Targets, LabelSpace, tuple[str, ...]]:
    """Targets of labels in the order that a trained model asks for, or in their own."""
    # where label sets are closed, a label that no row names is absent; a column that is not there leaves it unknown
    names, naming_notes = name_labels(
        found, options, lambda label: np.flatnonzero(targets.values[:, list(found).index(label)])
    )
    if options.known_labels is None:
        return targets, LabelSpace(names), naming_notes
    space = LabelSpace(options.known_labels)
    unseen = {
        name: n_rows
        for name, n_rows in zip(names, targets.support().tolist(), strict=True)
        if name not in space.names and (n_rows or not is_closed)
    }
    if unseen and options.unknown_labels == "error":
        name, n_rows = next(iter(unseen.items()))
        raise InputError(
            f"the label {name!r} ({n_rows} rows) was not there in training{did_you_mean(name, space.names)}; "
            f"{UNSEEN_ADVICE}{naming_hint(name, space.names)}"
        )
    notes = [*naming_notes, *(_unseen_notes(unseen) if options.unknown_labels == "report" else ())]
    position_of = {name: j for j, name in enumerate(names)}
    missing = [name for name in space.names if name not in position_of]
    if missing and not is_closed:
        notes.append(f"unknown in every row, because there is no such column: {join_names(missing)}")
    columns = [position_of.get(name, -1) for name in space.names]
    return targets.select_labels(columns, is_closed), space, tuple(notes)


def _has_label_sets(
    frame: pl.DataFrame, columns: Sequence[str], options: ReadOptions, file_labels: Sequence[str] | None
) -> bool:
    """Whether the one label column holds label sets; a column of nothing but 0 and 1 is one label."""
    if options.labels is None or len(columns) > 1 or not names_one_column(options.labels, columns[0]):
        return False
    column = frame[columns[0]]
    names = options.label_names or {}
    is_numbered = whole_number(columns[0]) in names
    if (
        isinstance(column.dtype, (pl.List, pl.Array, pl.Struct))
        or options.sep is not None
        or options.label_order is not None
    ):
        return True
    if options.label_names is not None and not is_numbered and columns[0] not in (options.known_labels or ()):
        return True
    if options.known_labels is not None:
        return columns[0] not in options.known_labels and not is_numbered
    if file_labels is not None or column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return False
    cells = column.cast(pl.String).drop_nulls()
    return not (is_indicator_text(cells) | cells.str.strip_chars().str.to_lowercase().is_in(UNKNOWN_WORDS)).all()


def _targets_from_columns(frame: pl.DataFrame, options: ReadOptions) -> tuple[Targets, LabelSpace, tuple[str, ...]]:
    parsed = [parse_indicator_column(column) for column in frame]
    found, guesses = stack_indicators(parsed, frame.shape)
    targets, space, notes = reorder_targets(found, frame.columns, options)
    return targets, space, (*guesses, *notes)


def _targets_from_sets(
    column: pl.Series, blank_is_empty: bool, options: ReadOptions
) -> tuple[Targets | sp.csr_matrix, LabelSpace, tuple[str, ...]]:
    if not column.dtype.is_nested():
        column = column.cast(pl.String)
        column = column.fill_null("") if blank_is_empty else column
    try:
        order = options.known_labels or options.label_order
        cells = _parse_cells(column, options, order)
        if not (order or cells.names):
            raise InputError("no row has any label, so there is nothing to learn")
        if cells.sets is None and not options.sparse_targets:
            return _targets_from_indicators(cells, options)
        sets, found, naming_notes = name_label_sets(_closed_sets(cells), cells.names, options)
        options, notes = replace(options, label_names=None, known_labels=order), (*cells.notes, *naming_notes)
        if options.sparse_targets:
            sparse, space, more = encode_label_sets(_require_known(sets), found, options)
            return sparse, space, (*notes, *more)
        space = LabelSpace(order or found)
        targets, unseen = space.encode(sets, options.unknown_labels, _unseen_advice(found, space.names))
        notes += _unseen_notes(unseen)
    except InputError as error:
        raise InputError(error.message, row=error.row, column=error.column or column.name) from None
    return targets, space, notes


def _parse_cells(column: pl.Series, options: ReadOptions, order: Sequence[str] | None) -> LabelCells:
    """The cells of a column of label sets; with `label_names`, numbers need no `sep` where commas separate them."""
    names, sep = order, options.sep
    if options.label_names is not None:
        names = sorted(map(str, options.label_names), key=int)
        if sep is None and not column.dtype.is_nested():
            sep = "," if column.str.contains(_NUMBERS).all() else None
    return parse_label_cells(column.to_list(), sep, names=names, column=column.name)


def _targets_from_indicators(cells: LabelCells, options: ReadOptions) -> tuple[Targets, LabelSpace, tuple[str, ...]]:
    """Targets of a column of mappings or of rows of 0 and 1, in the order that was asked for."""
    assert cells.targets is not None
    if options.known_labels is None and options.label_order is not None:
        options = replace(options, known_labels=tuple(options.label_order))
    targets, space, notes = reorder_targets(cells.targets, cells.names, options)
    return targets, space, (*cells.notes, *notes)


def _closed_sets(cells: LabelCells) -> Sequence[Sequence[str] | None]:
    """Label sets, also of indicators; a row with an unknown one is unknown."""
    if cells.sets is not None:
        return cells.sets
    assert cells.targets is not None
    return [
        [cells.names[j] for j in np.flatnonzero(values)] if known.all() else None
        for values, known in zip(cells.targets.values, cells.targets.known_mask(), strict=True)
    ]


def _require_known(sets: Sequence[Sequence[str] | None]) -> list[Sequence[str]]:
    known = []
    for row, names in enumerate(sets, 1):
        if names is None:
            raise InputError("the labels are unknown; with very many labels all must be known", row=row)
        known.append(names)
    return known


def encode_label_sets(
    sets: Sequence[Sequence[str] | None], found: Sequence[str], options: ReadOptions
) -> tuple[sp.csr_matrix, LabelSpace, tuple[str, ...]]:
    """Label sets -> CSR bool (n, l) in the order that a trained model asks for, or in their own."""
    sets, names, naming_notes = name_label_sets(sets, found, options)
    space = LabelSpace(options.known_labels or names)
    can_fail = options.known_labels is not None and options.unknown_labels == "error"
    advice = _unseen_advice(names, space.names[:MAX_HINTS]) if can_fail else ""
    rows, columns, unseen = space.find(sets, options.unknown_labels, advice)
    targets = sp.csr_matrix((np.ones(len(rows), bool), (rows, columns)), shape=(len(sets), len(space)))
    notes = _unseen_notes(unseen)
    if len(notes) > MAX_NOTES:
        notes = (*notes[:MAX_NOTES], f"so are {len(notes) - MAX_NOTES} further labels")
    return targets, space, (*naming_notes, *notes)


def _unseen_advice(found: Sequence[str], names: Sequence[str]) -> str:
    hint = next((text for name in found if (text := naming_hint(name, names))), "")
    return UNSEEN_ADVICE + hint


def _unseen_notes(unseen: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(
        f"the label {name!r} was not there in training and is left out ({n_rows} rows have it)"
        for name, n_rows in unseen.items()
    )


def _no_labels_message(frame: pl.DataFrame, options: ReadOptions) -> str:
    if options.known_labels is not None:
        return (
            f"there are no label columns: expected {join_names(options.known_labels)}; "
            "name the column that holds the label sets, or the columns"
        )
    flags = [name for name in frame.columns if looks_like_indicator(frame[name])]
    sets = [name for name in frame.columns if _looks_like_sets(frame[name])]
    message = (
        "nothing says which columns are labels; give a glob ('label_*'), a list (a,b,c) or one column of label sets"
    )
    if flags:
        message += (
            f"; columns of 0 and 1 are {join_names(flags)}: for example {_suggest_labels_flag(flags, frame.columns)}"
        )
    if sets:
        message += f"; {join_names(sets)} may hold label sets: for example --labels {sets[0]} --sep SEPARATOR"
    return message if flags or sets else message + f"; the columns are {join_names(frame.columns)}"


def _looks_like_sets(column: pl.Series) -> bool:
    if isinstance(column.dtype, (pl.List, pl.Array)):
        return True
    if column.dtype != pl.String:
        return False
    cells = column.drop_nulls()
    return len(cells) > 0 and bool((cells.str.contains(r"^\s*\[.*\]\s*$") | cells.str.contains(r"\w\|\w")).any())


def _suggest_labels_flag(flags: Sequence[str], names: Sequence[str]) -> str:
    """A glob when one beginning is shared by these columns and no others, otherwise a list."""
    for mark in ("_", ".", "-", ":"):
        start = flags[0].split(mark)[0] + mark
        if len(flags) > 1 and [n for n in names if n.startswith(start)] == list(flags):
            return f"--labels '{start}*'"
    return f"--labels '{','.join(flags[:5])}'"
