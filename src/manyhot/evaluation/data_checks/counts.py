"""How often labels occur, and occur together, among entries that are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.special import gammaln

from manyhot.data.targets import Targets
from manyhot.evaluation.chance import more_than_chance
from manyhot.evaluation.metrics.counts import ratio

CHUNK_ROWS = 8192


@dataclass(frozen=True)
class PairCounts:
    """Row counts for every ordered pair of labels (a, b), int64 (l, l), over rows where both are known."""

    both: np.ndarray  # rows with a and b
    first: np.ndarray  # rows with a where b is known
    rows: np.ndarray  # rows where both are known

    @property
    def second(self) -> np.ndarray:
        """int64 (l, l), rows with b where a is known."""
        return self.first.T

    def expected(self) -> np.ndarray:
        """float64 (l, l), rows with both if labels had nothing to do with each other; 0 where nothing is known."""
        return ratio(self.first.astype(float) * self.second, self.rows, 0.0)

    def above_chance(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """bool (p,), which pairs of columns (i, j) are in more common rows than unrelated labels would be."""
        n_labels = len(self.both)
        n_pairs = n_labels * (n_labels - 1) // 2  # of all labels, chosen or not
        return more_than_chance(self.both[i, j], self.first[i, j], self.second[i, j], self.rows[i, j], n_pairs)


def count_pairs(targets: Targets, columns: np.ndarray) -> PairCounts:
    """Count the pairs of the labels `columns`, int (c,); only positives are multiplied where everything is known."""
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
    """Log probability that `n_drawn` rows drawn blindly from `n_rows` all fall among `n_matching` ones."""
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
