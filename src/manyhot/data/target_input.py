"""y in any form to a label space and targets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from manyhot.data.label_notation import looks_delimited
from manyhot.data.labels import LabelSpace
from manyhot.data.pixel_targets import PixelTargets, as_pixel_targets, is_pixel_targets
from manyhot.data.samples import Samples
from manyhot.data.target_conversion import as_space, as_targets, column_name, plain_targets, unseen_labels
from manyhot.data.targets import Targets
from manyhot.errors import InputError


def parse_targets(
    y: Any, names: Sequence[Any] | LabelSpace | None, classes: np.ndarray | None = None
) -> tuple[LabelSpace, Targets, np.ndarray | None]:
    """Targets of any form -> label space, targets, and the two classes when y was one binary target (n,)."""
    if isinstance(y, Targets):
        return as_space(names or [f"label_{j}" for j in range(y.n_labels)]), y, None
    name, y = column_name(y), plain_targets(y)
    column = _binary_target(y)
    if column is None:
        return (*as_targets(y, names, column=name), None)
    if classes is None:
        classes = _two_classes(column)
    invalid = np.flatnonzero(~np.isin(column, classes))
    if invalid.size:
        value = column[invalid[0]].item()
        raise InputError(f"got {value!r}, expected one of {classes.tolist()}", row=int(invalid[0]) + 1, argument="y")
    space = as_space(names if names is not None else [str(classes[1])])
    return space, Targets((column == classes[1])[:, None]), classes


def _binary_target(y: Any) -> np.ndarray | None:
    """One value per row (n,), or None when y, from `plain_targets`, is something else: label sets, indicators, gaps."""
    is_list = isinstance(y, (list, tuple)) and len(y) > 0 and _are_numbers(y)
    if not is_list and not (isinstance(y, np.ndarray) and y.ndim == 1):
        return None
    column = np.asarray(y)
    if column.dtype.kind == "O" and len(column):
        if all(isinstance(cell, str) for cell in column):
            column = column.astype(str)
        elif _are_numbers(column):
            column = np.asarray(column.tolist())
    if column.dtype.kind == "U" and looks_delimited(np.unique(column).tolist()):
        return None
    return column if column.dtype.kind in "biufU" and len(column) else None


def _are_numbers(cells: Iterable[Any]) -> bool:
    return all(isinstance(cell, (int, float, np.number, np.bool_)) for cell in cells)


def _two_classes(column: np.ndarray) -> np.ndarray:
    advice = "give one label set per row, or an array (n, l) of 0 and 1"
    if column.dtype.kind == "f":
        if np.isnan(column).any():
            raise InputError(f"Input y contains NaN in a binary target; {advice} where unknown is NaN", argument="y")
        if not np.isfinite(column).all():
            row = int(np.isinf(column).argmax()) + 1
            raise InputError(f"Input y contains infinity; {advice}", argument="y", row=row)
        if (column != np.rint(column)).any():
            raise InputError(f"Unknown label type: continuous values, one per row; {advice}", argument="y")
    classes = np.unique(column)
    if len(classes) > 2 and column.dtype.kind == "U":
        raise InputError(
            f"got the text {str(column[0])!r} where a set of labels belongs; write [{str(column[0])!r}] for one label, "
            "or split it first (y.str.split('|') for a delimited column)",
            row=1,
            argument="y",
        )
    if len(classes) > 2:
        raise InputError(
            "Only binary classification is supported. The type of the target is multiclass: "
            f"{len(classes)} different values, one per row; {advice}",
            argument="y",
        )
    if len(classes) < 2:
        raise InputError(f"y has one class only, {classes.tolist()}, so there is nothing to learn", argument="y")
    return classes


def resolve_targets(samples: Samples | None, y: Any, labels: Sequence[str] | None) -> tuple[Any, Sequence[str] | None]:
    """y, or the targets that samples carry, and the names of the labels where they are known."""
    if samples is not None and y is None:
        if samples.sparse_targets is not None:
            raise InputError(
                "these samples list very many labels; ExtremeMultiLabelClassifier takes them", argument="y"
            )
        if samples.targets is None or samples.labels is None:
            raise InputError("these samples have no labels", argument="y")
        return samples.targets, samples.labels.names
    if y is None:
        raise InputError(
            "requires y to be passed, but the target y is None; expected label sets or an array (n, l)", argument="y"
        )
    return y, labels


def parse_named_targets(X: Any, y: Any, labels: Sequence[str] | None) -> tuple[LabelSpace, Targets]:
    """Targets whose columns have names, as labels that are added need them."""
    y, names = resolve_targets(X if isinstance(X, Samples) else None, y, labels)
    if names is None and (sp.issparse(y) or (isinstance(y, np.ndarray) and y.dtype.kind in "biuf")):
        raise InputError("the columns of y have no names; say labels=[...]", argument="labels")
    return parse_targets(y, names)[:2]


def align_targets(X: Any, y: Any, space: LabelSpace, classes: np.ndarray | None = None) -> Targets:
    """Targets in the order of a model's labels: by name where y carries names, else column by column."""
    y, names = resolve_targets(X if isinstance(X, Samples) else None, y, None)
    if not isinstance(y, Targets):
        y = plain_targets(y)
    if isinstance(y, Targets):
        if names is None or tuple(names) == space.names:
            return _check_n_labels(y, space)
        return y.select_labels(_columns_of(space, names))
    is_numbers = sp.issparse(y) or (isinstance(y, np.ndarray) and (y.ndim > 1 or y.dtype.kind in "biuf"))
    return _check_n_labels(parse_targets(y, None if is_numbers else space, classes)[1], space)


def align_scored_targets(X: Any, y: Any, space: LabelSpace, classes: np.ndarray | None) -> tuple[Targets, np.ndarray]:
    """Targets for scoring (n, l), and bool (n,): rows whose label set has a label that the model does not know."""
    y = y if y is None or isinstance(y, Targets) else plain_targets(y)
    unseen = None if y is None or classes is not None else unseen_labels(y, space)
    if unseen is None:
        targets = align_targets(X, y, space, classes)
        return targets, np.zeros(targets.n_samples, dtype=bool)
    return as_targets(y, space, unknown_labels="ignore")[1], unseen


def align_pixel_targets(X: Any, y: Any, space: LabelSpace) -> PixelTargets:
    """Targets of pixels in the order of a model's labels: by name where y carries names, else column by column."""
    y, names = resolve_targets(X if isinstance(X, Samples) else None, y, None)
    if not is_pixel_targets(y):
        raise InputError("the model gives every pixel its labels, so targets are (n, h, w, l)", argument="y")
    n_labels = int(y.n_labels if isinstance(y, PixelTargets) else y[0].shape[-1])
    y_space, targets = as_pixel_targets(y, names or (space.names if len(space) == n_labels else None))
    return targets.reorder_labels(_columns_of(space, y_space.names))


def check_row_counts(features: Any, targets: Targets | sp.csr_matrix) -> None:
    """Raise where features and targets have different numbers of rows."""
    n_targets = targets.n_samples if isinstance(targets, Targets) else targets.shape[0]
    if n_targets != features.shape[0]:
        raise InputError(f"X has {features.shape[0]} rows but y has {n_targets}", argument="y")


def _columns_of(space: LabelSpace, names: Sequence[str]) -> list[int]:
    """Where the labels of a model stand among the names of all labels that y has."""
    if sorted(names) != sorted(space.names):
        raise InputError(f"the labels are {list(names)[:8]}, expected {list(space.names)[:8]}", argument="y")
    return [names.index(name) for name in space.names]


def _check_n_labels(targets: Targets, space: LabelSpace) -> Targets:
    if targets.n_labels != len(space):
        raise InputError(f"y has {targets.n_labels} labels, expected {len(space)}", argument="y")
    return targets
