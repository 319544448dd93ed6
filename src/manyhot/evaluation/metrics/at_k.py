"""Metrics of the first k answers of each row, for so many labels that no matrix (n, l) fits into memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from manyhot.display import ROWS_SHOWN, section, short_repr, table
from manyhot.evaluation.metrics.score import Score, blocks

# Of the propensities, for most data sets of the paper: a is 0.5 to 0.6, b 0.4 to 2.6
A, B = 0.55, 1.5


@dataclass(frozen=True)
class TopK:
    """The labels with the highest scores of each row, best first."""

    labels: np.ndarray  # integers (n, k), each once in a row
    scores: np.ndarray  # float (n, k), never rising along a row

    def __repr__(self) -> str:
        n_rows, k = self.labels.shape
        return short_repr("TopK", f"labels and scores of {n_rows} rows, the {k} highest of each")

    def _repr_html_(self) -> str:
        n_rows, k = self.labels.shape
        rows = [
            (row, *(f"{label} ({score:.3f})" for label, score in zip(self.labels[row], self.scores[row], strict=True)))
            for row in range(min(n_rows, ROWS_SHOWN))
        ]
        return section(table(("row", *(f"rank {j + 1}" for j in range(k))), rows, n_rows))


def compute_top_k_metrics(
    targets: sp.csr_matrix, top: TopK, ks: Sequence[int], propensities: np.ndarray
) -> dict[str, Score]:
    """Score the first k answers of each row against CSR bool targets (n, l), for each k: `precision_at_1` and so on."""
    # As published, rows without a positive count 0 in precision, recall and nDCG. The propensity-scored metrics leave
    # them out, and are sums over all rows divided by the same sum for the best possible answers.
    # Source: Bhatia and others, The extreme classification repository; Jain, Prabhu, Varma (KDD 2016), equations 6 and
    # 7; Järvelin, Kekäläinen (2002)
    n, width = targets.shape
    weights, k = 1.0 / np.asarray(propensities, dtype=np.float64), max(ks)
    frequent = np.argsort(-_per_label(targets), kind="stable")[: top.labels.shape[1]]
    sums = _metric_sums(targets, top.labels, weights, k)
    baseline_sums = _metric_sums(targets, np.broadcast_to(frequent, top.labels.shape), weights, k)
    best_sums = dict.fromkeys(("precision", "recall", "ndcg"), np.full(k, float(n))) | _best_sums(targets, weights, k)
    n_positive_rows = int((np.diff(targets.indptr) > 0).sum())

    def score(name: str, k: int) -> Score:
        n_rows = n_positive_rows if name in ("psp", "psndcg") else n
        if n_rows == 0:
            return Score(math.nan, 0, 0)
        value, baseline = (float(part[name][k - 1] / best_sums[name][k - 1]) for part in (sums, baseline_sums))
        return Score(value, width, n_rows, baseline)

    return {f"{name}_at_{k}": score(name, k) for name in best_sums for k in ks}


def label_propensities(targets: sp.csr_matrix) -> np.ndarray:
    """Chance that a positive of each label was recorded, float64 (l,), from its frequency in the training targets."""
    # Source: Jain, Prabhu, Varma (KDD 2016), section 4: p = 1 / (1 + C (N_l + b)^-a) with C = (log N - 1) (b + 1)^a
    scale = (math.log(targets.shape[0]) - 1.0) * (B + 1.0) ** A
    return 1.0 / (1.0 + scale * (_per_label(targets) + B) ** -A)


def top_k_hits(targets: sp.csr_matrix, labels: np.ndarray) -> np.ndarray:
    """Whether each label (n, k) of a row holds in CSR bool targets (n, l), bool (n, k)."""
    return targets[np.arange(len(labels))[:, None], labels].toarray()


def _per_label(targets: sp.csr_matrix) -> np.ndarray:
    return np.bincount(targets.indices, minlength=targets.shape[1])


def _row_blocks(targets: sp.csr_matrix, n_places: int) -> Iterable[slice]:
    n = targets.shape[0]
    return blocks(n, n_places + targets.nnz // max(n, 1))


def _discounts(k: int) -> np.ndarray:
    return 1.0 / np.log2(np.arange(2, k + 2))


def _ideal(n_positives: np.ndarray, k: int) -> np.ndarray:
    """The best discounted gain at each of the first k places, float64 (m, k); 1 for a row without positives."""
    n_reached = np.minimum(np.arange(1, k + 1), np.maximum(n_positives, 1)[:, None])
    gains: np.ndarray = np.cumsum(_discounts(k))[n_reached - 1]
    return gains


def _metric_sums(targets: sp.csr_matrix, top: np.ndarray, weights: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """Each metric at the first 1 to k places, summed over rows, float64 (k,); a row without positives adds 0."""
    sums = {name: np.zeros(k) for name in ("precision", "recall", "ndcg", "psp", "psndcg")}
    n_positives, width = np.diff(targets.indptr), targets.shape[1]
    for part in _row_blocks(targets, top.shape[1]):
        labels = top[part].astype(np.int64)[:, :k]
        hits = top_k_hits(targets[part], labels).astype(np.float64)
        n_hits, ideal = np.cumsum(hits, axis=1), _ideal(n_positives[part], k)
        sums["precision"] += (n_hits / np.minimum(np.arange(1, k + 1), width)).sum(axis=0)
        sums["recall"] += (n_hits / np.maximum(n_positives[part], 1)[:, None]).sum(axis=0)
        sums["ndcg"] += (np.cumsum(hits * _discounts(k), axis=1) / ideal).sum(axis=0)
        _add_weighted(sums, hits * weights[labels], ideal)
    return sums


def _add_weighted(sums: dict[str, np.ndarray], gains: np.ndarray, ideal: np.ndarray) -> None:
    """Add some rows' weighted gains (m, k) at each place to both propensity-scored sums."""
    sums["psp"] += np.cumsum(gains, axis=1).sum(axis=0)
    sums["psndcg"] += (np.cumsum(gains * _discounts(gains.shape[1]), axis=1) / ideal).sum(axis=0)


def _best_sums(targets: sp.csr_matrix, weights: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """What `_metric_sums` gives for the best possible answers: a row's positives from the heaviest on."""
    sums = {"psp": np.zeros(k), "psndcg": np.zeros(k)}
    for part in _row_blocks(targets, k):
        rows = targets[part]
        n_positives = np.diff(rows.indptr)
        line = np.repeat(np.arange(len(n_positives)), n_positives)
        place = np.arange(rows.nnz) - rows.indptr[line]
        order = np.lexsort((-weights[rows.indices], line))  # lines stay where they were, so `place` holds as it is
        in_top_k = place < k
        gains = np.zeros((len(n_positives), k))
        gains[line[in_top_k], place[in_top_k]] = weights[rows.indices[order]][in_top_k]
        _add_weighted(sums, gains, _ideal(n_positives, k))
    return sums
