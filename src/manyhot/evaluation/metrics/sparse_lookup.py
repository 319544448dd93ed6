"""Places of a large sparse matrix of yes/no, checked, and fast to ask whether a label of a row is among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from manyhot.errors import InputError


@dataclass(frozen=True)
class SparsePositions:
    """The entries of a matrix (n, l) that are set."""

    keys: np.ndarray  # int64 (p,), row * l + label, ascending and distinct
    starts: np.ndarray  # int64 (n + 1,), where the keys of each row begin, and the end
    width: int  # l

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and labels."""
        return len(self.starts) - 1, self.width

    def per_row(self) -> np.ndarray:
        """Entries of each row, int64 (n,)."""
        return np.diff(self.starts)

    def per_label(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Entries of each label, int64 (l,), in the rows of a bool mask (n,), or in all."""
        keys = self.keys if rows is None else self.keys[np.repeat(rows, self.per_row())]
        return np.bincount(keys % max(self.width, 1), minlength=self.width)

    def entries_of(self, part: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Some rows: line within the part, label, and place within the line of each entry, int64 (q,) each."""
        start = self.starts[part.start]
        lines, labels = np.divmod(self.keys[start : self.starts[part.stop]], max(self.width, 1))
        return lines - part.start, labels, start + np.arange(len(lines)) - self.starts[lines]

    def contains(self, part: slice, labels: np.ndarray) -> np.ndarray:
        """Whether labels (m, k) of the m rows `part` are set, bool (m, k); False for -1."""
        row_keys = self.keys[self.starts[part.start] : self.starts[part.stop]]
        queries = np.arange(part.start, part.stop, dtype=np.int64)[:, None] * self.width + labels
        return _contains(row_keys, queries) & (labels >= 0)

    def difference(self, other: SparsePositions) -> SparsePositions:
        """The entries that are not among those of the other (of the same shape)."""
        is_remaining = ~_contains(other.keys, self.keys)
        counts = np.concatenate([[0], np.cumsum(is_remaining, dtype=np.int64)])
        return SparsePositions(self.keys[is_remaining], counts[self.starts], self.width)


def sparse_positions(matrix: Any, name: str) -> SparsePositions:
    """Positions of the ones in a sparse or dense matrix of 0 and 1 (n, l); memory grows with their number only."""
    is_sparse = sp.issparse(matrix)
    array: Any = matrix if is_sparse else np.asarray(matrix)
    if array.ndim != 2:
        raise InputError(f"got shape {array.shape}, expected (n, l)", argument=name)
    if array.dtype.kind not in ("biuf" if is_sparse else "biu"):
        expected = "bool or numbers" if is_sparse else "bool or whole numbers (make others sparse first)"
        raise InputError(f"got {array.dtype} values, expected {expected}", argument=name)
    csr = array.tocsr() if is_sparse else sp.csr_matrix(array)
    if not ((csr.data == 0) | (csr.data == 1)).all():
        raise InputError("got a value that is neither 0 nor 1", argument=name)
    n, width = csr.shape
    rows = np.repeat(np.arange(n, dtype=np.int64), np.diff(csr.indptr))
    keys = (rows * width + csr.indices)[csr.data != 0]
    if not (keys[1:] > keys[:-1]).all():  # labels out of order, or one of them twice
        keys = np.unique(keys)
    return SparsePositions(keys, np.searchsorted(keys, np.arange(n + 1, dtype=np.int64) * width), width)


def _contains(keys: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Whether each of the wanted is among the ascending keys, bool in the shape of wanted."""
    if not len(keys):
        return np.zeros(queries.shape, dtype=bool)
    is_member: np.ndarray = keys[np.minimum(np.searchsorted(keys, queries), len(keys) - 1)] == queries
    return is_member
