"""Rows whose features are equal and whose labels are not."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
import scipy.sparse as sp

from manyhot.data.deduplication import merge_duplicates
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.evaluation.data_checks.findings import Finding, make_finding, quote
from manyhot.validation import join_names

ROWS_SHOWN = 5
LABELS_SHOWN = 5
# With a smaller share of distinct rows the columns are too coarse to tell rows apart, and conflicts are no news
MIN_DISTINCT_SHARE = 0.5


def conflicting_rows(
    space: LabelSpace, targets: Targets, features: np.ndarray | sp.csr_matrix, ids: np.ndarray
) -> list[Finding]:
    """Report rows with equal features (`row_keys` or CSR) in which a label is known as both yes and no; one finding."""
    nonempty_rows = _nonempty_rows(features)
    if len(nonempty_rows) < 2 or features.shape[1] == 0:
        return []
    is_complete = len(nonempty_rows) == targets.n_samples
    nonempty = features if is_complete else features[nonempty_rows]
    no_targets = Targets(np.zeros((len(nonempty_rows), 1), dtype=bool))
    merged = merge_duplicates({"features": nonempty}, no_targets, np.ones(len(nonempty_rows)))
    is_shared = merged.weights[merged.inverse] > 1
    rows = nonempty_rows[is_shared]
    if not len(rows):
        return []
    _, groups = np.unique(merged.inverse[is_shared], return_inverse=True)
    values = targets.values[rows]
    negatives = ~values if targets.known is None else targets.known[rows] & ~values
    group_rows = sp.csr_matrix((np.ones(len(rows)), (groups, np.arange(len(rows)))))
    conflicts = (group_rows @ sp.csr_matrix(values, dtype=float)).minimum(
        group_rows @ sp.csr_matrix(negatives, dtype=float)
    )
    conflicts = sp.csr_matrix(conflicts > 0)
    is_clashing = np.asarray(conflicts.sum(axis=1)).ravel() > 0
    if not is_clashing.any():
        return []
    clashing = np.flatnonzero(is_clashing[groups])
    clashing = clashing[np.lexsort((rows[clashing], _first_rows(rows, groups)[groups[clashing]]))]
    n_clashes = np.asarray(conflicts.sum(axis=0)).ravel()
    labels = [space.names[j] for j in np.argsort(-n_clashes, kind="stable")[: int((n_clashes > 0).sum())]]
    example = rows[clashing[groups[clashing] == groups[clashing[0]]]]
    example_ids = " and ".join(str(row) for row in ids[example][:2])
    n_groups = int(is_clashing.sum())
    sentence = (
        f"{len(clashing)} rows, in {n_groups} {'group' if n_groups == 1 else 'groups'}, have the same features as "
        "another "
        f"row but not the same labels (rows {example_ids}; {_list_labels(labels)})."
    )
    is_coarse = len(merged.rows) < MIN_DISTINCT_SHARE * len(nonempty_rows)
    return [
        make_finding(
            "conflicting_rows",
            "note" if is_coarse else "warning",
            sentence,
            sentence.rstrip("."),
            labels=tuple(labels),
            rows=tuple(str(row) for row in ids[rows[clashing]][:ROWS_SHOWN]),
            n_rows=len(clashing),
            values={"groups": n_groups, "distinct_rows": len(merged.rows)},
        )
    ]


def row_keys(frame: pl.DataFrame) -> np.ndarray:
    """uint32 (n, w): equal exactly where the cells of two rows are; missing is 0 throughout."""
    keys: list[np.ndarray] = []
    for column in frame:
        if column.dtype == pl.Boolean or column.dtype.is_numeric():
            numbers = column.cast(pl.Float64).to_numpy(allow_copy=True) + 0.0
            pair = np.ascontiguousarray(numbers).view(np.uint32).reshape(-1, 2).copy()
            pair[:, 0] ^= np.uint32(0x80000000)
            pair[np.isnan(numbers)] = 0
            keys.append(pair)
        elif isinstance(column.dtype, pl.Array):
            keys.append(_digests(column))
        else:
            cells = column.cast(pl.String, strict=False)
            _, places = np.unique(cells.fill_null("").to_numpy().astype(object), return_inverse=True)
            codes = (places + 1).astype(np.uint32)
            codes[cells.is_null().to_numpy()] = 0
            keys.append(codes[:, None])
    return np.concatenate(keys, axis=1) if keys else np.zeros((len(frame), 0), dtype=np.uint32)


def _digests(column: pl.Series) -> np.ndarray:
    """uint32 (n, 4): a number for the content of each array, such as an image; 0 where there is none."""
    is_present = column.is_not_null().to_numpy()
    codes = np.zeros((len(column), 4), dtype=np.uint32)
    arrays = np.ascontiguousarray(column.drop_nulls().to_numpy())
    digests = b"".join(hashlib.blake2b(array.tobytes(), digest_size=16).digest() for array in arrays)
    codes[is_present] = np.frombuffer(digests, dtype=np.uint32).reshape(-1, 4)
    return codes


def _nonempty_rows(features: np.ndarray | sp.csr_matrix) -> np.ndarray:
    if isinstance(features, np.ndarray):
        return np.flatnonzero((features != 0).any(axis=1))
    return np.flatnonzero(np.diff(features.indptr) > 0)


def _first_rows(rows: np.ndarray, groups: np.ndarray) -> np.ndarray:
    first = np.full(groups.max() + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, groups, rows)
    return first


def _list_labels(labels: list[str]) -> str:
    names = join_names([quote(name) for name in labels], LABELS_SHOWN)
    return f"label{'' if len(labels) == 1 else 's'} {names}"
