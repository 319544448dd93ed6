"""How often labels occur, and occur together, among entries that are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.special import gammaln

from manyhot.data.targets import Targets

CHUNK_ROWS = 8192


@dataclass(frozen=True)
class PairCounts:
    """Rows counted for every ordered pair of labels (a, b), over rows where both are known.

    Args:
        both: int64 (l, l), rows with a and b.
        first: int64 (l, l), rows with a where b is known; `first.T` are those with b where a is known.
        rows: int64 (l, l), rows where both are known.
    """

    both: np.ndarray
    first: np.ndarray
    rows: np.ndarray

    @property
    def second(self) -> np.ndarray:
        """int64 (l, l), rows with b where a is known."""
        return self.first.T

    def expected(self) -> np.ndarray:
        """float64 (l, l), rows with both if labels had nothing to do with each other; 0 where nothing is known."""
        products = self.first.astype(float) * self.second
        return np.divide(products, self.rows, out=np.zeros(self.rows.shape), where=self.rows > 0)


def count_pairs(targets: Targets, columns: np.ndarray) -> PairCounts:
    """Count the pairs of some labels.

    Args:
        targets: Targets (n, l).
        columns: int (c,), the labels to pair.

    Returns:
        Counts (c, c). With everything known only the positives are multiplied, as sparse matrices.
    """
    values = targets.values[:, columns]
    positives = sp.csr_matrix(values).astype(np.int64)
    both = (positives.T @ positives).toarray()
    shape = both.shape
    if targets.known is None:
        support = values.sum(axis=0, dtype=np.int64)
        return PairCounts(both, np.broadcast_to(support[:, None], shape), np.full(shape, len(values), dtype=np.int64))
    first, rows = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for start in range(0, len(values), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        known = targets.known[part][:, columns].astype(np.float32)
        first += (values[part].astype(np.float32).T @ known).astype(np.int64)
        rows += (known.T @ known).astype(np.int64)
    return PairCounts(both, first, rows)


def log_hypergeometric(n_drawn: np.ndarray, n_matching: np.ndarray, n_rows: np.ndarray) -> np.ndarray:
    """Log probability that all of `n_drawn` rows, picked blindly out of `n_rows`, are among the `n_matching` ones.

    Args:
        n_drawn: Whole numbers from 0 to rows, any shape.
        n_matching: Whole numbers from 0 to rows, same shape.
        n_rows: Whole numbers, same shape.

    Returns:
        float64, at most 0; -inf where it cannot happen. (Hypergeometric: C(fitting, drawn) / C(rows, drawn).)
    """
    n_drawn, n_matching, n_rows = (np.asarray(x, dtype=float) for x in (n_drawn, n_matching, n_rows))
    possible = n_drawn <= n_matching
    n_spare = np.where(possible, n_matching - n_drawn, 0.0)
    log_probability = (
        gammaln(n_matching + 1)
        - gammaln(n_spare + 1)
        - gammaln(n_rows + 1)
        + gammaln(np.maximum(n_rows - n_drawn, 0.0) + 1)
    )
    return np.where(possible, np.minimum(log_probability, 0.0), -np.inf)
