"""Which labels are predicted in place of which."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from manyhot.data.targets import Targets
from manyhot.evaluation.chance import more_than_chance
from manyhot.reports.html.co_occurrence import MAX_TESTED

MAX_CONFUSIONS = 20
MIN_ROWS = 3
MAX_PAIR_ROWS = 24  # rows that are kept of each pair, those most wrong


def confused_labels(targets: Targets, scores: np.ndarray, decisions: np.ndarray) -> list[dict[str, Any]]:
    """Pairs of a missed label and one wrongly predicted in the same rows, beyond what chance gives, most first."""
    known = targets.known_mask()
    missed = csr_array((~decisions & targets.values & known).astype(np.int32))
    wrong = csr_array((decisions & ~targets.values & known).astype(np.int32))
    n_missed, n_wrong = missed.sum(axis=0), wrong.sum(axis=0)
    both = (missed.T @ wrong).tocoo()
    first, second, rows = both.row, both.col, both.data
    expected = n_missed[first] * n_wrong[second] / max(1, len(decisions))
    order = np.lexsort((second, first, expected - rows))
    order = order[rows[order] >= MIN_ROWS][:MAX_TESTED]
    n_pairs = int((n_missed > 0).sum()) * int((n_wrong > 0).sum())
    marginals = n_missed[first[order]], n_wrong[second[order]]
    order = order[more_than_chance(rows[order], *marginals, len(decisions), n_pairs)][:MAX_CONFUSIONS]
    return [
        {
            "missed": int(first[i]),
            "predicted": int(second[i]),
            "rows": int(rows[i]),
            "n_missed": int(n_missed[first[i]]),
            "expected": float(expected[i]),
            "worst": _worst_rows(missed, wrong, scores, int(first[i]), int(second[i])),
        }
        for i in order
    ]


def _worst_rows(missed: csr_array, wrong: csr_array, scores: np.ndarray, first: int, second: int) -> list[int]:
    """The rows that a pair counts, those first where the wrong label scores furthest above the missed one."""
    rows = np.intersect1d(missed[:, [first]].nonzero()[0], wrong[:, [second]].nonzero()[0])
    distances = scores[rows, second] - scores[rows, first]
    return rows[np.argsort(-distances, kind="stable")][:MAX_PAIR_ROWS].tolist()
