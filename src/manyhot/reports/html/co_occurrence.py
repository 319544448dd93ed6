"""Which labels occur together, so that it can be read with six labels and with a thousand."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from scipy.stats import poisson

from manyhot.data.targets import Targets
from manyhot.evaluation.data_checks.counts import PairCounts, count_pairs

MAX_MATRIX_LABELS = 24  # labels of the matrix: all, or the most frequent
MAX_PAIRED_LABELS = 3000
MAX_PAIRS = 40
MIN_ROWS = 5
LEVEL = 0.05  # of the test whether a pair is above chance


def co_occurrence(targets: Targets) -> dict[str, Any]:
    """Sizes of label sets, the matrix of frequent labels (indices, rows with both), the pairs above chance."""
    sizes = targets.values.sum(axis=1)
    if targets.known is not None:
        sizes = sizes[targets.known.any(axis=1)]
    support = targets.support()
    frequent = np.argsort(-support, kind="stable")
    frequent = frequent[support[frequent] > 0]
    paired = np.sort(frequent[:MAX_PAIRED_LABELS])
    selected = frequent[:MAX_MATRIX_LABELS]
    counts = count_pairs(targets, selected)
    order = _similarity_order(counts)
    reordered = np.ix_(order, order)
    return {
        "sizes": np.bincount(sizes).tolist() if len(sizes) else [],
        "matrix": {
            "labels": selected[order].tolist(),
            "rows": counts.both[reordered].tolist(),
            "known": np.asarray(counts.first)[reordered].tolist(),
        },
        "pairs": _strongest_pairs(paired, count_pairs(targets, paired)) if len(paired) else [],
        "paired": len(paired),
    }


def _similarity_order(counts: PairCounts) -> np.ndarray:
    """An order in which labels stand beside those that they occur with: leaves of a tree of average linkage."""
    n = len(counts.both)
    if n < 3:
        return np.arange(n)
    union = counts.first + counts.second - counts.both
    distance = 1 - np.divide(counts.both, union, out=np.zeros((n, n)), where=union > 0)
    np.fill_diagonal(distance, 0)
    return leaves_list(linkage(squareform(distance, checks=False), "average", optimal_ordering=True))


def beyond_chance(rows: np.ndarray, expected: np.ndarray, n_pairs: int) -> np.ndarray:
    """Which counts (p,) are more than chance gives, in a one-sided test of all `n_pairs` at 5 % together."""
    # Poisson tails with a Bonferroni correction: those of pairs drawn without replacement are lighter
    return poisson.sf(rows - 1, np.maximum(expected, 1e-9)) * max(1, n_pairs) <= LEVEL


def _strongest_pairs(paired: np.ndarray, counts: PairCounts) -> list[dict[str, Any]]:
    expected = counts.expected()
    first, second = np.nonzero(np.triu(counts.both >= MIN_ROWS, 1))
    rows, chance_rows = counts.both[first, second], expected[first, second]
    residuals = (rows - chance_rows) / np.sqrt(np.maximum(chance_rows, 1e-9))
    order = np.lexsort((second, first, -residuals))
    is_clear = beyond_chance(rows, chance_rows, len(paired) * (len(paired) - 1) // 2)
    order = order[is_clear[order]][:MAX_PAIRS]
    return [
        {
            "first": int(paired[first[i]]),
            "second": int(paired[second[i]]),
            "rows": int(rows[i]),
            "expected": float(chance_rows[i]),
        }
        for i in order
    ]
