"""Targets out of the columns of a table, or out of any 0/1 matrix with names.

It finds the label columns that `ReadOptions.labels` speaks of, and orders what it read as a trained model asks. It
knows nothing of files or features. Start reading at `take_labels`; `reorder_targets` is what sparse formats call.
"""

from __future__ import annotations

import ast
import fnmatch
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot.data.label_cells import sets_from_text
from manyhot.data.labels import LabelSpace
from manyhot.data.pixel_targets import PixelTargets
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.sparse_targets import LabelSets, arrange_sets
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.validation import did_you_mean

_YES = ["1", "true", "yes", "1.0"]
_NO = ["0", "false", "no", "0.0"]
_UNKNOWN = ["?", "", "nan", "null", "none", "na"]
_LONGEST_LITERAL = 100_000


@dataclass(frozen=True)
class ExtractedTargets:
    """What was found of the labels.

    Args:
        targets: (n, l), or None; CSR with `sparse_targets` where the labels are sets.
        space: Names of the l labels, or None.
        columns: The columns of the frame that are no features because they belong to the labels.
        notes: What the user should know.
    """

    targets: Targets | PixelTargets | sp.csr_matrix | None
    space: LabelSpace | None
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Indicators:
    """Targets before they are put into an order.

    Args:
        values: bool (n, l).
        known: bool (n, l).
        names: l names.
        is_closed: Whether a label that is not named is absent (formats of label sets) and not unknown (columns).
    """

    values: np.ndarray
    known: np.ndarray
    names: tuple[str, ...]
    is_closed: bool


def take_labels(
    frame: pl.DataFrame, options: ReadOptions, own: Sequence[str] | None = None, blank_is_empty: bool = False
) -> ExtractedTargets:
    """The targets of a table, and which of its columns are no features.

    Args:
        frame: All columns.
        options: `labels`, `sep`, `known_labels`, `label_order`, `require_labels` and `unknown_labels` are used.
        own: Label columns that the file itself names; `options.labels` goes before them.
        blank_is_empty: Whether an empty cell in a column of label sets is the empty set (CSV), not unknown.

    Returns:
        Targets, labels and the columns they came from.

    Raises:
        InputError: No such column, no labels where they are required, or a target that is none.
    """
    columns = find_columns(frame, options, own)
    known_there = [c for c in options.known_labels or () if c in frame.columns and c not in options.kinds]
    used = tuple(dict.fromkeys([*columns, *known_there]))
    if not columns:
        return ExtractedTargets(None, None, used)
    try:
        if _holds_sets(frame, columns, options, own):
            targets, space, notes = _from_sets(frame[columns[0]], options, blank_is_empty)
        else:
            targets, space, notes = reorder_targets(_indicators(frame, columns), options)
    except InputError as error:
        if options.require_labels:
            raise
        return ExtractedTargets(None, None, used, (f"the labels in this file were not used: {error}",))
    return ExtractedTargets(targets, space, used, notes)


def find_columns(frame: pl.DataFrame, options: ReadOptions, own: Sequence[str] | None = None) -> tuple[str, ...]:
    """The label columns, in order; none only where labels are not required.

    Raises:
        InputError: A column that is not there, a glob that matches nothing, or nothing that says where labels are.
    """
    names = frame.columns
    spec = options.labels
    if spec is None:
        candidates = own if own is not None else options.known_labels or ()
        found = tuple(name for name in candidates if name in names)
        if found or not options.require_labels:
            return found
        raise InputError(_no_labels_message(frame, options), argument="labels")
    if spec in names:
        return (spec,)
    if any(mark in spec for mark in "*?["):
        found = tuple(name for name in names if fnmatch.fnmatchcase(name, spec))
        wrong = f"no column matches {spec!r}; the columns are {_listed(names)}"
    elif "," in spec:
        listed = [part.strip() for part in spec.split(",") if part.strip()]
        missing = [name for name in listed if name not in names]
        twice = next((name for name in listed if listed.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"the label {twice!r} is listed more than once", argument="labels")
        found = () if missing and options.require_labels else tuple(name for name in listed if name in names)
        wrong = f"there is no column {missing[0]!r}{did_you_mean(missing[0], names)}" if missing else "is an empty list"
    else:
        found = ()
        wrong = f"there is no column {spec!r}{did_you_mean(spec, names) or f'; the columns are {_listed(names)}'}"
    if not found and options.require_labels:
        raise InputError(wrong, argument="labels")
    return found


def reorder_targets(indicators: Indicators, options: ReadOptions) -> tuple[Targets, LabelSpace, tuple[str, ...]]:
    """Indicators -> targets in the order that a trained model asks for, or in their own.

    Args:
        indicators: Values and names as read.
        options: `known_labels` and `unknown_labels` are used.

    Returns:
        Targets (n, l), their labels, and notes on labels that were left out or missing.

    Raises:
        InputError: A label that training did not have, when that is an error.
    """
    names = indicators.names
    if options.known_labels is None:
        return Targets(indicators.values, indicators.known), LabelSpace(names), ()
    space = LabelSpace(options.known_labels)
    place = {name: j for j, name in enumerate(names)}
    notes = []
    for j, name in enumerate(names):
        if name in space.names:
            continue
        n_rows = int(indicators.values[:, j].sum())
        if indicators.is_closed and not n_rows:
            continue
        if options.unknown_labels == "error":
            raise InputError(
                f"the label {name!r} ({n_rows} rows) was not there in training{did_you_mean(name, space.names)}; "
                "say unknown_labels='ignore' or 'report' to go on without it"
            )
        if options.unknown_labels == "report":
            notes.append(_unseen_note(name, n_rows))
    values = np.zeros((len(indicators.values), len(space)), dtype=bool)
    known = np.full(values.shape, indicators.is_closed)
    absent = [name for name in space.names if name not in place]
    here = [j for j, name in enumerate(space.names) if name in place]
    there = [place[space.names[j]] for j in here]
    values[:, here] = indicators.values[:, there]
    known[:, here] = indicators.known[:, there]
    if absent and not indicators.is_closed:
        notes.append(f"unknown in every row, because there is no such column: {_listed(absent)}")
    return Targets(values, known), space, tuple(notes)


def indicator_of(column: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """One indicator column -> (values, known), both bool (n,).

    Raises:
        InputError: Anything but 0/1, true/false, yes/no or unknown, with its row.
    """
    if column.dtype == pl.Boolean or column.dtype == pl.Null:
        return column.cast(pl.Boolean).fill_null(False).to_numpy(), column.is_not_null().to_numpy()
    if column.dtype.is_numeric():
        numbers = column.cast(pl.Float64).fill_nan(None)
        yes, no, gap = numbers == 1, numbers == 0, numbers.is_null()
    elif column.dtype in (pl.String, pl.Categorical, pl.Enum):
        cells = column.cast(pl.String).str.strip_chars().str.to_lowercase()
        yes, no = cells.is_in(_YES), cells.is_in(_NO)
        gap = cells.is_null() | cells.is_in(_UNKNOWN).fill_null(True)
    else:
        raise InputError(f"holds {column.dtype}, expected 0, 1 or unknown in a label column", column=column.name)
    wrong = (~(yes | no | gap).fill_null(False)).arg_true()
    if len(wrong):
        row = int(wrong[0])
        raise InputError(
            f"a target is {column[row]!r}, expected 0, 1 or unknown (empty, NaN, ?)", row=row + 1, column=column.name
        )
    return yes.fill_null(False).to_numpy(), (~gap).to_numpy()


def indicators_from_matrix(numbers: np.ndarray, names: Sequence[str], is_closed: bool = False) -> Indicators:
    """A matrix of 0, 1 and NaN (unknown), (n, l) -> indicators.

    Raises:
        InputError: Any other value, with row and column.
    """
    known = ~np.isnan(numbers)
    wrong = np.argwhere(known & (numbers != 0) & (numbers != 1))
    if len(wrong):
        row, column = (int(k) for k in wrong[0])
        raise InputError(
            f"a target is {numbers[row, column]:g}, expected 0, 1 or unknown (NaN, ?)",
            row=row + 1,
            column=names[column],
        )
    return Indicators(known & (numbers == 1), known, tuple(names), is_closed)


def _indicators(frame: pl.DataFrame, columns: Sequence[str]) -> Indicators:
    pairs = [indicator_of(frame[name]) for name in columns]
    return Indicators(
        np.stack([values for values, _ in pairs], axis=1),
        np.stack([known for _, known in pairs], axis=1),
        tuple(columns),
        is_closed=False,
    )


def _holds_sets(frame: pl.DataFrame, columns: Sequence[str], options: ReadOptions, own: Sequence[str] | None) -> bool:
    """Whether the one label column holds label sets; a column of nothing but 0 and 1 is one label."""
    if options.labels is None or len(columns) > 1 or options.labels != columns[0]:
        return False
    column = frame[columns[0]]
    if isinstance(column.dtype, (pl.List, pl.Array)) or options.sep is not None or options.label_order is not None:
        return True
    if options.known_labels is not None:
        return columns[0] not in options.known_labels
    if own is not None or column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return False
    cells = column.cast(pl.String).str.strip_chars().str.to_lowercase().drop_nulls()
    return not cells.is_in(_YES + _NO + _UNKNOWN).all()


def _from_sets(
    column: pl.Series, options: ReadOptions, blank_is_empty: bool
) -> tuple[Targets | sp.csr_matrix, LabelSpace, tuple[str, ...]]:
    if not column.dtype.is_nested():
        column = column.cast(pl.String)
        column = column.fill_null("") if blank_is_empty else column
    cells = column.to_list()
    if options.sep is None:
        cells = [_from_literal(cell) for cell in cells]
    try:
        sets = sets_from_text(cells, options.sep, column=column.name)
        order = options.known_labels or options.label_order
        names = order or sorted({name for found in sets if found is not None for name in found})
        if not names:
            raise InputError("no row carries any label, so there is nothing to learn")
        if options.sparse_targets:
            return arrange_sets(LabelSets(_all_known(sets), tuple(names)), options)
        space = LabelSpace(tuple(names))
        targets, unseen = space.encode(sets, options.unknown_labels)
    except InputError as error:
        raise InputError(error.message, row=error.row, column=column.name) from None
    notes = tuple(_unseen_note(name, count) for name, count in sorted(unseen.items()))
    return targets, space, notes


def _all_known(sets: Sequence[list[str] | None]) -> list[list[str]]:
    known = [names for names in sets if names is not None]
    if len(known) < len(sets):
        row = next(i for i, names in enumerate(sets) if names is None) + 1
        raise InputError("the labels are unknown; with very many labels all must be known", row=row)
    return known


def _from_literal(cell: object) -> object:
    """A list as Python writes it, `['a', 'b']`, as a list; anything else as it is."""
    if not isinstance(cell, str) or not cell.lstrip().startswith("[") or "'" not in cell:
        return cell
    try:
        json.loads(cell)
    except json.JSONDecodeError:
        pass
    else:
        return cell
    if len(cell) > _LONGEST_LITERAL:
        return cell
    try:
        value = ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return cell
    return value if isinstance(value, list) else cell


def _unseen_note(name: str, n_rows: int) -> str:
    return f"the label {name!r} was not there in training and is left out ({n_rows} rows carry it)"


def _no_labels_message(frame: pl.DataFrame, options: ReadOptions) -> str:
    if options.known_labels is not None:
        return (
            f"there are no label columns: expected {_listed(options.known_labels)}; "
            "name the column that holds the label sets, or the columns"
        )
    flags = [name for name in frame.columns if _looks_like_indicator(frame[name])]
    sets = [name for name in frame.columns if _looks_like_sets(frame[name])]
    message = (
        "nothing says which columns are labels; give a glob ('label_*'), a list (a,b,c) or one column of label sets"
    )
    if flags:
        message += f"; columns of 0 and 1 are {_listed(flags)}: for example {_suggested(flags, frame.columns)}"
    if sets:
        message += f"; {_listed(sets)} may hold label sets: for example --labels {sets[0]} --sep SEPARATOR"
    return message if flags or sets else message + f"; the columns are {_listed(frame.columns)}"


def _looks_like_indicator(column: pl.Series) -> bool:
    if column.dtype == pl.Boolean:
        return True
    if not (column.dtype.is_numeric() or column.dtype == pl.String):
        return False
    cells = column.cast(pl.String).str.strip_chars().str.to_lowercase().drop_nulls()
    cells = cells.filter(~cells.is_in(_UNKNOWN))
    return len(cells) > 0 and bool(cells.is_in(_YES + _NO).all())


def _looks_like_sets(column: pl.Series) -> bool:
    if isinstance(column.dtype, (pl.List, pl.Array)):
        return True
    if column.dtype != pl.String:
        return False
    cells = column.drop_nulls()
    return len(cells) > 0 and bool((cells.str.contains(r"^\s*\[.*\]\s*$") | cells.str.contains(r"\w\|\w")).any())


def _suggested(flags: Sequence[str], names: Sequence[str]) -> str:
    """A glob when one beginning is shared by these columns and no others, otherwise a list."""
    for mark in ("_", ".", "-", ":"):
        start = flags[0].split(mark)[0] + mark
        if len(flags) > 1 and [n for n in names if n.startswith(start)] == list(flags):
            return f"--labels '{start}*'"
    return f"--labels '{','.join(flags[:5])}'"


def _listed(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
