"""Targets from label sets, mappings, arrays, frames and sparse matrices."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import narwhals as nw
import numpy as np
import scipy.sparse as sp

from manyhot.data.indicators import is_missing, parse_indicator, parse_numbers, stack_indicators
from manyhot.data.label_cells import LabelCells, parse_label_cells
from manyhot.data.label_notation import looks_delimited
from manyhot.data.labels import UNSEEN_ADVICE, LabelSpace, UnknownLabels
from manyhot.data.targets import Targets, check_size
from manyhot.errors import InputError, ManyhotWarning
from manyhot.validation import did_you_mean, refuse_twin_columns

_COLLECTIONS = (list, tuple, set, frozenset, Mapping, np.ndarray)
_EXPECTED = "expected an array (n, l), a frame or a list of label sets"


def as_targets(
    Y: Any,
    labels: Sequence[Any] | LabelSpace | None = None,
    unknown_labels: UnknownLabels = "error",
    column: str | None = None,
) -> tuple[LabelSpace, Targets]:
    """Any form of Y -> label space and targets; what was guessed stands in the notes of these, and is warned of."""
    space = None if labels is None else as_space(labels)
    names = None if space is None else space.names
    column = column or column_name(Y)
    Y = plain_targets(Y)
    if sp.issparse(Y):
        check_size(*Y.shape[:2])
        Y = Y.toarray()
    is_frame = isinstance(Y, nw.DataFrame)
    if is_frame or (isinstance(Y, np.ndarray) and Y.ndim >= 2):
        found, targets = _from_frame(Y, names) if is_frame else _from_array(Y, names)
        warn_of_guesses(targets.notes)
        return space or found, targets
    cells = parse_target_cells(Y, space, column)
    warn_of_guesses(cells.notes)
    if space is None:
        if not cells.names:
            raise InputError("no row has any label, so there is nothing to learn", argument="y")
        space = LabelSpace(cells.names, cells.is_integer)
    if cells.targets is None:
        targets = space.encode(cells.sets or (), unknown_labels)[0]
    else:
        if unknown_labels == "error":
            _refuse_unseen(cells.names, space)
        position_of = {name: j for j, name in enumerate(cells.names)}
        targets = cells.targets.select_labels([position_of.get(name, -1) for name in space.names])
    return space, replace(targets, notes=cells.notes)


def column_name(Y: Any) -> str | None:
    """The name of a series, or of the only column of a frame; None for everything else."""
    refuse_twin_columns(Y, "y")
    table = nw.from_native(Y, pass_through=True, allow_series=True)
    if isinstance(table, nw.DataFrame) and len(table.columns) == 1:
        return str(table.columns[0])
    return str(table.name) if isinstance(table, nw.Series) and table.name not in (None, "") else None


def warn_of_guesses(notes: Sequence[str]) -> None:
    """Tell a person what was guessed of targets."""
    for note in notes:
        warnings.warn(note, ManyhotWarning, stacklevel=4)


def as_space(labels: Sequence[Any] | LabelSpace) -> LabelSpace:
    """Labels in their order; whole numbers are labels, too."""
    if isinstance(labels, LabelSpace):
        return labels
    names = list(labels)
    if names and all(isinstance(name, numbers.Integral) and not isinstance(name, (bool, np.bool_)) for name in names):
        return LabelSpace(tuple(str(int(name)) for name in names), is_integer=True)
    return LabelSpace(tuple(names))


def plain_targets(Y: Any) -> Any:
    """Y as a sparse matrix, a narwhals frame, an array or a list; whatever else can be an array becomes one."""
    if sp.issparse(Y):
        return Y
    refuse_twin_columns(Y, "y")
    frame = nw.from_native(Y, pass_through=True, allow_series=True)
    if isinstance(frame, nw.LazyFrame):
        raise InputError("got a lazy frame, expected its rows; call .collect() first", argument="y")
    if isinstance(frame, nw.DataFrame):
        if len(frame.columns) == 1:
            cells = frame.get_column(frame.columns[0]).to_list()
            texts = list({cell for cell in cells if isinstance(cell, str)})
            if looks_delimited(texts) or any(isinstance(cell, _COLLECTIONS) for cell in cells):
                return np.fromiter(cells, dtype=object, count=len(cells))
        return frame
    if isinstance(frame, nw.Series):
        return np.fromiter(frame.to_list(), dtype=object, count=len(frame))
    if isinstance(Y, np.ma.MaskedArray):
        dtype = float if Y.dtype.kind in "biuf" else object
        return np.ma.filled(Y.astype(dtype), np.nan if dtype is float else None)
    if isinstance(Y, Mapping):
        raise InputError(
            f"got a {type(Y).__name__}; for a dict of columns write pd.DataFrame(y), "
            "for mappings of labels give one for each row",
            argument="y",
        )
    if isinstance(Y, (list, tuple, str, bytes, set, frozenset)) or not hasattr(Y, "__array__"):
        return Y
    array = np.asarray(Y)
    return array.astype(np.float32) if array.dtype.kind == "V" and array.dtype.names is None else array


def parse_target_cells(Y: Any, space: LabelSpace | None, column: str | None = None) -> LabelCells:
    """A sequence of label sets, mappings or rows of 0 and 1, from `plain_targets`."""
    if isinstance(Y, (str, bytes)) or not isinstance(Y, Iterable):
        raise InputError(f"got {type(Y).__name__}, {_EXPECTED}", argument="y")
    shape = f" (shape {Y.shape})" if isinstance(Y, np.ndarray) else ""
    cells = list(Y)
    values = [cell for cell in cells if not is_missing(cell)]
    if values and all(isinstance(cell, numbers.Number) and not isinstance(cell, np.bool_) for cell in values):
        advice = "; reshape a single label to (n, 1)" if shape and space is None else ""
        raise InputError(
            f"got one number per row{shape}, expected targets of shape (n, l) or one label set per row{advice}",
            argument="y",
        )
    names, is_integer = (None, False) if space is None else (space.names, space.is_integer)
    return parse_label_cells(cells, names=names, is_integer=is_integer, column=column)


def unseen_labels(Y: Any, space: LabelSpace) -> np.ndarray | None:
    """Which label sets name a label outside a space, bool (n,); None where Y is not a sequence of label sets."""
    Y = plain_targets(Y)
    if not isinstance(Y, Iterable) or isinstance(Y, (str, bytes, nw.DataFrame)) or getattr(Y, "ndim", 1) > 1:
        return None
    cells = list(Y)
    if all(isinstance(cell, (numbers.Number, np.bool_)) for cell in cells):
        return None
    parsed = parse_target_cells(cells, space)
    known = set(space.names)
    if parsed.sets is not None:
        return np.array([names is not None and not known.issuperset(names) for names in parsed.sets], dtype=bool)
    if parsed.targets is None or parsed.names == space.names:
        return None
    return np.asarray(parsed.targets.values[:, [name not in known for name in parsed.names]].any(axis=1))


def _refuse_unseen(names: Sequence[str], space: LabelSpace) -> None:
    unseen = next((name for name in names if name not in space.names), None)
    if unseen is not None:
        hint = did_you_mean(unseen, space.names)
        raise InputError(f"the label {unseen!r} was not there in training{hint}; {UNSEEN_ADVICE}", argument="y")


def _from_frame(frame: nw.DataFrame, labels: Sequence[str] | None) -> tuple[LabelSpace, Targets]:
    names = [str(name) for name in frame.columns]
    if labels is not None and sorted(labels) != sorted(names):
        missing = sorted(set(labels) - set(names))
        extra = sorted(set(names) - set(labels))
        raise InputError(
            f"the frame's columns are not the labels: missing {missing}, extra {extra}; "
            "name them as the labels, or give an array (y.to_numpy()) to go by position",
            argument="y",
        )
    order = list(labels) if labels is not None else names
    space = LabelSpace(tuple(order))
    columns = dict(zip(names, frame.iter_columns(), strict=True))
    parsed = []
    for name in order:
        series = columns[name]
        has_gap = bool(series.is_null().any())
        cells = np.asarray(series.to_list(), dtype=object) if has_gap else series.to_numpy()
        parsed.append(parse_indicator(cells, name=name))
    targets, notes = stack_indicators(parsed, (len(frame), len(order)))
    return space, replace(targets, notes=notes)


def _from_array(Y: np.ndarray, labels: Sequence[str] | None) -> tuple[LabelSpace, Targets]:
    n_labels = Y.shape[-1]
    if labels is not None and len(labels) != n_labels:
        raise InputError(f"y has {n_labels} columns but {len(labels)} labels are named", argument="y")
    space = LabelSpace(tuple(labels) if labels is not None else tuple(f"label_{j}" for j in range(n_labels)))
    if Y.dtype.kind in "biuf":
        return space, parse_numbers(Y, space.names, argument="y")
    parsed = [parse_indicator(Y[..., j].reshape(-1), name=space.names[j]) for j in range(n_labels)]
    targets, notes = stack_indicators(parsed, Y.shape)
    return space, replace(targets, notes=notes)
