"""A sparse matrix with names -> Samples, in a trained model's order of features when there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from manyhot.data.labels import LabelSpace
from manyhot.data.numbered_names import FlaggedNames, NumberedNames
from manyhot.data.readers.column_types import refuse_unknown
from manyhot.data.readers.label_columns import dropped_note, match_columns
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source
from manyhot.data.readers.targets import encode_label_sets, reorder_targets, try_labels
from manyhot.data.samples import ColumnKind, Samples
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.validation import did_you_mean


@dataclass(frozen=True)
class SparseRows:
    """What a sparse format found in a file."""

    matrix: sp.csr_matrix  # float64 CSR (n, f)
    names: Sequence[str]
    labels: Sequence[str] = ()  # names of the labels that the file has, in its order
    targets: Targets | None = None  # of these labels
    sets: Sequence[Sequence[str]] | None = None  # in place of targets, the labels of each row
    ids: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def sparse_samples(rows: SparseRows, source: Source, options: ReadOptions) -> Samples:
    """Targets in order, features in order, nothing infinite."""
    if not rows.matrix.get_shape()[0]:
        raise InputError("has no rows")
    if options.sample_weight is not None:
        raise InputError(
            "weights of rows come from a column of a dense table, not of a sparse file", argument="sample_weight"
        )
    targets, space, notes = try_labels(_targets, rows, options=options)
    _refuse_infinite(rows.matrix, rows.names)
    matrix, names, feature_notes = _align_features(rows.matrix, rows.names, options)
    column_types = _kinds(matrix, names, options)
    return Samples(
        features=matrix,
        feature_names=names if isinstance(names, NumberedNames) else tuple(names),
        column_types=column_types,
        targets=targets if isinstance(targets, Targets) else None,
        labels=space,
        ids=rows.ids,
        source=str(source.path),
        notes=(*source.notes, *rows.notes, *notes, *feature_notes),
        sparse_targets=None if isinstance(targets, Targets) else targets,
    )


def _targets(
    rows: SparseRows, options: ReadOptions
) -> tuple[Targets | sp.csr_matrix | None, LabelSpace | None, tuple[str, ...]]:
    if not rows.labels:
        if options.require_labels:
            raise InputError("no row has any label, so there is nothing to learn or to compare with")
        return None, None, ()
    if rows.targets is not None:
        return reorder_targets(rows.targets, rows.labels, options)
    sets = rows.sets or ()
    if options.sparse_targets:
        return encode_label_sets(sets, rows.labels, options)
    targets = LabelSpace(tuple(rows.labels)).encode(sets)[0]
    return reorder_targets(targets, rows.labels, options, is_closed=True)


def find_twin(rows: np.ndarray, columns: np.ndarray) -> int | None:
    """An entry whose row and column another one has, too; None where there is none."""
    order = np.lexsort((columns, rows))
    twins = np.flatnonzero((np.diff(rows[order]) == 0) & (np.diff(columns[order]) == 0))
    return int(order[twins[0]]) if twins.size else None


def _refuse_infinite(matrix: sp.csr_matrix, names: Sequence[str]) -> None:
    infinite = np.flatnonzero(np.isinf(matrix.data))
    if infinite.size:
        index = int(infinite[0])
        row = int(np.searchsorted(matrix.indptr, index, side="right"))
        raise InputError(
            f"got {matrix.data[index]:g}, expected a finite number", row=row, column=names[int(matrix.indices[index])]
        )


def _align_features(
    matrix: sp.csr_matrix, names: Sequence[str], options: ReadOptions
) -> tuple[sp.csr_matrix, Sequence[str], tuple[str, ...]]:
    refuse_unknown(options.column_types, options.feature_names or names)
    if not (options.column_types or options.drop is not None or options.feature_names is not None):
        return matrix, names, ()
    names = list(names)
    dropped = {} if options.drop is None else dict.fromkeys(match_columns(options.drop, names, "drop"))
    selected = list(options.feature_names) if options.feature_names is not None else names
    selected = [name for name in selected if options.column_types.get(name) != "ignored" and name not in dropped]
    if selected == names:
        return matrix, names, ()
    position_of = {name: j for j, name in enumerate(selected)}
    positions = np.array([position_of.get(name, -1) for name in names], dtype=np.int64)
    if (positions < 0).all() and names and selected:
        raise InputError(
            f"has none of the features that training had; its first is {names[0]!r}, expected names like "
            f"{selected[0]!r}{did_you_mean(names[0], selected)}"
        )
    entries = matrix.tocoo()
    columns = positions[entries.col]
    places = (entries.row[columns >= 0], columns[columns >= 0])
    aligned = sp.csr_matrix((entries.data[columns >= 0], places), shape=(matrix.get_shape()[0], len(selected)))
    n_left = int((positions < 0).sum())
    if dropped:
        return aligned, selected, (dropped_note(list(dropped)),)
    if options.feature_names is None or not n_left:
        return aligned, selected, ()
    return aligned, selected, (f"{n_left} features that training did not have are left out",)


def _kinds(matrix: sp.csr_matrix, names: Sequence[str], options: ReadOptions) -> Mapping[str, ColumnKind]:
    is_other = np.zeros(len(names), dtype=bool)
    is_other[matrix.indices[(matrix.data != 1) & (matrix.data != 0)]] = True
    if isinstance(names, NumberedNames):  # then no kinds are given, or names were aligned
        return FlaggedNames(names, is_other, ("boolean", "numeric"))
    column_types: dict[str, ColumnKind] = {
        name: "numeric" if other else "boolean" for name, other in zip(names, is_other, strict=True)
    }
    for name, kind in options.column_types.items():
        if kind in ("numeric", "boolean"):
            column_types[name] = kind
        elif kind != "ignored":
            raise InputError(f"got {kind!r}, but a sparse column can only be numeric, boolean or ignored", column=name)
    return column_types
