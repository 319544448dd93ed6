"""Targets from label sets, arrays, frames and sparse matrices."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import scipy.sparse as sp

from manyhot.data.label_cells import label_names, parse_indicator
from manyhot.data.labels import LabelSpace, UnknownLabels
from manyhot.data.targets import Targets, check_size
from manyhot.errors import InputError


def as_targets(
    Y: Any, labels: Sequence[str] | None = None, unknown_labels: UnknownLabels = "error"
) -> tuple[LabelSpace, Targets, dict[str, int]]:
    """Any form of Y -> its label space and targets.

    Args:
        Y: A multi-hot array (n, l) or a deeper one with the label axis last, a scipy sparse matrix, a pandas or
            polars frame of indicator columns, or a sequence of label sets. NaN, None and `?` mean unknown.
        labels: The names and their order. None: the frame's column names, the sorted names found in label sets
            (whole numbers by value), or `label_0`, `label_1`, ... for arrays.
        unknown_labels: What to do with names outside `labels` in label sets.

    Returns:
        The label space, the targets, and the unseen names with their counts (only for "report").

    Raises:
        InputError: What does not describe label sets, with its row and column.
    """
    if labels is not None:
        labels = LabelSpace(tuple(labels)).names
    if sp.issparse(Y):
        check_size(*Y.shape[:2])
        return (*_from_array(Y.toarray(), labels), {})
    frame = nw.from_native(Y, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return (*_from_frame(frame, labels), {})
    if isinstance(frame, nw.Series):
        Y = frame.to_list()
    if isinstance(Y, np.ndarray) and Y.ndim >= 2:
        return (*_from_array(Y, labels), {})
    if isinstance(Y, (str, bytes)) or not isinstance(Y, Iterable):
        raise InputError(
            f"got {type(Y).__name__}, expected an array (n, l), a frame or a list of label sets", argument="Y"
        )
    cells = list(Y)
    if cells and all(isinstance(c, numbers.Number) and not isinstance(c, np.bool_) for c in cells if c is not None):
        if labels is None and isinstance(Y, np.ndarray):
            raise InputError(
                f"got one number per row (shape {Y.shape}), expected targets of shape (n, l) or one label set per row; "
                "reshape a single label to (n, 1)",
                argument="Y",
            )
        raise InputError("got one number per row, expected one label set per row", argument="Y")
    if cells and all(_is_indicator_row(c) for c in cells) and len({len(c) for c in cells}) == 1 and len(cells[0]) > 0:
        return (*_from_array(np.asarray(cells, dtype=object), labels), {})
    sets = [None if _is_missing(c) else label_names(c, row=i + 1) for i, c in enumerate(cells)]
    is_integer = _are_integers(cells)
    if labels is None:
        found = {name for names in sets if names is not None for name in names}
        labels = sorted(found, key=int) if is_integer else sorted(found)
        if not labels:
            raise InputError("no row has any label, so there is nothing to learn", argument="Y")
    space = LabelSpace(tuple(labels), is_integer)
    targets, unseen = space.encode(sets, unknown_labels)
    return space, targets, unseen


def unseen_labels(Y: Any, space: LabelSpace) -> np.ndarray | None:
    """Which label sets name a label outside a space, bool (n,); None where Y is not a sequence of label sets."""
    if sp.issparse(Y) or isinstance(Y, (str, bytes)) or not isinstance(Y, Iterable) or getattr(Y, "ndim", 1) > 1:
        return None
    frame = nw.from_native(Y, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return None
    cells = frame.to_list() if isinstance(frame, nw.Series) else list(Y)
    if all(isinstance(cell, numbers.Number) or _is_indicator_row(cell) for cell in cells):
        return None
    known = set(space.names)
    return np.array([not _is_missing(cell) and not known.issuperset(label_names(cell)) for cell in cells], dtype=bool)


def _are_integers(cells: Sequence[Any]) -> bool:
    """Whether every label in these sets is a whole number."""
    labels = [label for cell in cells if not _is_missing(cell) for label in cell]
    return bool(labels) and all(isinstance(label, numbers.Integral) for label in labels)


def _is_missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and np.isnan(cell)) or (isinstance(cell, str) and cell == "?")


def _is_indicator_row(cell: Any) -> bool:
    """A list like [0, 1, None]; a set of whole numbers is a label set, not a row of indicators."""
    if not isinstance(cell, (list, tuple, np.ndarray)):
        return False
    return all(
        value is None
        or isinstance(value, (bool, np.bool_))
        or (isinstance(value, numbers.Real) and (np.isnan(float(value)) or value in (0, 1)))
        for value in cell
    )


def _from_frame(frame: nw.DataFrame, labels: Sequence[str] | None) -> tuple[LabelSpace, Targets]:
    names = [str(name) for name in frame.columns]
    if labels is not None and sorted(labels) != sorted(names):
        missing = sorted(set(labels) - set(names))
        extra = sorted(set(names) - set(labels))
        raise InputError(f"the frame's columns are not the labels: missing {missing}, extra {extra}", argument="Y")
    order = list(labels) if labels is not None else names
    space = LabelSpace(tuple(order))
    position = {name: k for k, name in enumerate(names)}
    pairs = []
    columns = list(frame.iter_columns())
    for name in order:
        series = columns[position[name]]
        has_gap = bool(series.is_null().any())
        cells = np.asarray(series.to_list(), dtype=object) if has_gap else series.to_numpy()
        pairs.append(parse_indicator(cells, name=name))
    values = np.stack([v for v, _ in pairs], axis=1) if pairs else np.zeros((len(frame), 0), bool)
    known = np.stack([k for _, k in pairs], axis=1) if pairs else values.copy()
    return space, Targets(values, known)


def _from_array(Y: np.ndarray, labels: Sequence[str] | None) -> tuple[LabelSpace, Targets]:
    n_labels = Y.shape[-1]
    if labels is not None and len(labels) != n_labels:
        raise InputError(f"Y has {n_labels} columns but {len(labels)} labels are named", argument="Y")
    space = LabelSpace(tuple(labels) if labels is not None else tuple(f"label_{j}" for j in range(n_labels)))
    if Y.dtype.kind in "biuf":
        known = ~np.isnan(Y) if Y.dtype.kind == "f" else np.ones(Y.shape, dtype=bool)
        invalid = np.argwhere(known & (Y != 0) & (Y != 1))
        if len(invalid):
            first = tuple(invalid[0])
            raise InputError(
                f"a target is {Y[first]!s}, expected 0, 1 or unknown (NaN)",
                row=int(first[0]) + 1,
                column=space.names[first[-1]],
                argument="Y",
            )
        return space, Targets(known & (Y == 1), known)
    pairs = [parse_indicator(Y[..., j].reshape(-1), name=space.names[j]) for j in range(n_labels)]
    values = np.stack([v for v, _ in pairs], axis=-1).reshape(Y.shape)
    known = np.stack([k for _, k in pairs], axis=-1).reshape(Y.shape)
    return space, Targets(values, known)
