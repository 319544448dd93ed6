"""Which labels occur together, so that it can be read with six labels and with a thousand."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from manyhot.data.targets import Targets
from manyhot.evaluation.data_checks.counts import PairCounts, count_pairs

MAX_MATRIX_LABELS = 24  # labels of the matrix: all, or the most frequent
MAX_PAIRED_LABELS = 3000
MAX_PAIRS = 40
MIN_ROWS = 5
MAX_TESTED = 400  # pairs that stand out most, which a test then looks at


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


def _strongest_pairs(paired: np.ndarray, counts: PairCounts) -> list[dict[str, Any]]:
    expected = counts.expected()
    first, second = np.nonzero(np.triu(counts.both >= MIN_ROWS, 1))
    rows, chance_rows = counts.both[first, second], expected[first, second]
    residuals = (rows - chance_rows) / np.sqrt(np.maximum(chance_rows, 1e-9))
    order = np.lexsort((second, first, -residuals))[:MAX_TESTED]
    order = order[counts.above_chance(first[order], second[order])][:MAX_PAIRS]
    return [
        {
            "first": int(paired[first[i]]),
            "second": int(paired[second[i]]),
            "rows": int(rows[i]),
            "expected": float(chance_rows[i]),
        }
        for i in order
    ]
