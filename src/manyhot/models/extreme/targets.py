"""Targets of very many labels in any form -> CSR and names; a label that is not listed does not hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import scipy.sparse as sp

from manyhot.data.indicators import value_advice
from manyhot.data.labels import LabelSpace
from manyhot.data.samples import Samples
from manyhot.data.target_conversion import (
    as_space,
    as_targets,
    column_name,
    parse_target_cells,
    plain_targets,
    unseen_labels,
    warn_of_guesses,
)
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.validation import shorten

EXPECTED = "a CSR matrix (n, l) of 0 and 1 or one label set per row"


def parse_extreme_targets(
    y: Any, labels: Sequence[Any] | LabelSpace | None = None
) -> tuple[LabelSpace, sp.csr_matrix, tuple[str, ...]]:
    """Names, CSR bool (n, l), and notes, of a matrix, a frame or one label set, mapping or list of 0 and 1 per row."""
    space = None if labels is None else as_space(labels)
    name = None if isinstance(y, Targets) else column_name(y)
    y = y if isinstance(y, Targets) else plain_targets(y)
    if isinstance(y, nw.DataFrame) or (isinstance(y, np.ndarray) and y.dtype.kind == "O" and y.ndim == 2):
        space, targets = as_targets(y, space)
        return space, _known_matrix(targets), targets.notes
    matrix = _as_matrix(y)
    if matrix is not None:
        width = matrix.shape[1]
        if space is not None and len(space) != width:
            raise InputError(f"y has {width} columns but {len(space)} labels are named", argument="y")
        return space or LabelSpace(tuple(f"label_{j}" for j in range(width))), matrix, ()
    return _from_cells(y, space, column=name)


def align_scored_extreme_targets(y: Any, labels: LabelSpace) -> tuple[sp.csr_matrix, np.ndarray]:
    """Targets for scoring, and which rows, bool (n,), have a label that the model does not know."""
    y = y if isinstance(y, Targets) else plain_targets(y)
    unseen = None if isinstance(y, Targets) else unseen_labels(y, labels)
    if unseen is None:
        targets = parse_extreme_targets(y, labels)[1]
        return targets, np.zeros(targets.shape[0], dtype=bool)
    return _from_cells(y, labels, is_open=True)[1], unseen


def resolve_extreme_targets(
    samples: Samples | None, y: Any, labels: Sequence[str] | None
) -> tuple[Any, Sequence[str] | None]:
    """y, or the targets that samples carry, and the names of the labels where they are known."""
    if y is not None:
        return y, labels
    if samples is None:
        raise InputError(f"requires y to be passed, but the target y is None; expected {EXPECTED}", argument="y")
    if samples.labels is None:
        raise InputError("these samples have no labels", argument="y")
    return samples.targets if samples.sparse_targets is None else samples.sparse_targets, samples.labels.names


def _as_matrix(y: Any) -> sp.csr_matrix | None:
    """A matrix of targets in the one form that training takes; None where y is no matrix."""
    if isinstance(y, Targets):
        return _known_matrix(y)
    if sp.issparse(y):
        return _canonical(sp.csr_matrix(y))
    if not isinstance(y, np.ndarray) or (y.dtype.kind == "O" and y.ndim == 1):
        return None
    if y.ndim != 2 or y.dtype.kind not in "biuf":
        raise InputError(f"got {y.dtype} values of shape {y.shape}, expected {EXPECTED}", argument="y")
    return _canonical(sp.csr_matrix(y))


def _canonical(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """CSR bool of its own: explicit zeros gone, an entry stored twice kept once, columns sorted."""
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(f"got shape {matrix.shape}, expected (n, l) with a row and a label at least", argument="y")
    if matrix.dtype.kind not in "biuf":
        raise InputError(f"got {matrix.dtype} values, expected 0 and 1", argument="y")
    wrong = np.flatnonzero((matrix.data != 0) & (matrix.data != 1))
    if len(wrong):
        place = int(wrong[0])
        row = int(np.searchsorted(matrix.indptr, place, side="right"))
        value = matrix.data[place]
        advice = "; with very many labels all targets must be known" if np.isnan(value) else value_advice(str(value))
        raise InputError(
            f"a target is {value!s}, expected 0 or 1{advice}", row=row, column=str(matrix.indices[place]), argument="y"
        )
    clean = sp.csr_matrix((matrix.data != 0, matrix.indices, matrix.indptr), shape=matrix.shape, copy=True)
    clean.sum_duplicates()
    clean.eliminate_zeros()
    return clean


def _known_matrix(targets: Targets) -> sp.csr_matrix:
    if targets.known is not None:
        raise InputError("some targets are unknown, and with very many labels all must be known", argument="y")
    return _canonical(sp.csr_matrix(targets.values))


def _from_cells(
    y: Any, space: LabelSpace | None, is_open: bool = False, column: str | None = None
) -> tuple[LabelSpace, sp.csr_matrix, tuple[str, ...]]:
    """Label sets, mappings or lists of 0 and 1, one per row; names outside an open space are left out."""
    if isinstance(y, (str, bytes)) or not isinstance(y, Iterable):
        raise InputError(f"got {shorten(y)}, expected {EXPECTED}", argument="y")
    cells = parse_target_cells(y, space, column)
    if cells.sets is None:
        space, targets = as_targets(y, space, "ignore" if is_open else "error", column)
        return space, _known_matrix(targets), targets.notes
    warn_of_guesses(cells.notes)
    if not cells.sets:
        raise InputError(f"got no row, expected {EXPECTED}", argument="y")
    sets = cells.sets
    if None in sets:
        raise InputError("the labels are unknown; leave the row out", row=sets.index(None) + 1, argument="y")
    if space is None:
        if not cells.names:
            raise InputError("no row has any label, so there is nothing to learn", argument="y")
        space = LabelSpace(cells.names, cells.is_integer)
    rows, columns, _ = space.find(sets, "ignore" if is_open else "error", "leave it out, or fit anew with it")
    matrix = sp.csr_matrix((np.ones(len(rows), bool), (rows, columns)), shape=(len(sets), len(space)))
    return space, _canonical(matrix), cells.notes
