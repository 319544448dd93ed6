"""Which labels are predicted in place of which."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from manyhot.data.targets import Targets
from manyhot.reports.html.co_occurrence import beyond_chance

MAX_CONFUSIONS = 20
MIN_ROWS = 3


def confused_labels(targets: Targets, decisions: np.ndarray) -> list[dict[str, Any]]:
    """Pairs of a missed label and one wrongly predicted in the same rows, beyond what chance gives, most first."""
    known = targets.known_mask()
    missed = csr_array((~decisions & targets.values & known).astype(np.int32))
    wrong = csr_array((decisions & ~targets.values & known).astype(np.int32))
    n_missed, n_wrong = missed.sum(axis=0), wrong.sum(axis=0)
    both = (missed.T @ wrong).tocoo()
    first, second, rows = both.row, both.col, both.data
    expected = n_missed[first] * n_wrong[second] / max(1, len(decisions))
    order = np.lexsort((second, first, expected - rows))
    is_clear = beyond_chance(rows, expected, int((n_missed > 0).sum()) * int((n_wrong > 0).sum())) & (rows >= MIN_ROWS)
    order = order[is_clear[order]][:MAX_CONFUSIONS]
    return [
        {
            "missed": int(first[i]),
            "predicted": int(second[i]),
            "rows": int(rows[i]),
            "n_missed": int(n_missed[first[i]]),
            "expected": float(expected[i]),
        }
        for i in order
    ]
