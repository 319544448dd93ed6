"""One threshold for all labels that answers as many labels per row as the targets have."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from manyhot.decisions.thresholds.base import Decision
from manyhot.decisions.thresholds.cuts import midpoint
from manyhot.decisions.thresholds.thresholds import ALWAYS, NEVER
from manyhot.evaluation.metrics.score import Entries, blocks


class Cardinality(Decision):
    """One threshold for all labels, with the number of predictions nearest to that of the known positives."""

    # Of equally near cuts, the one whose threshold is nearest to 0.5, then the higher; 1 without a positive, 0 with
    # only them.
    # Source: Read, Pfahringer, Holmes (2008), PCut; here fitted once, so that the answer of a row is its own

    meaning: ClassVar[str] = "one threshold for all labels, with as many predictions as there are positives"
    has_shared_threshold: ClassVar[bool] = True

    def find_thresholds(self, entries: Entries) -> np.ndarray:
        """Find the threshold from a partition of one copy of the scores."""
        flat = entries.predictions[entries.known]
        positives = int(np.count_nonzero(entries.values))
        threshold = (
            NEVER if positives == 0 else ALWAYS if positives == len(flat) else _matching_threshold(flat, positives)
        )
        return np.full(entries.shape[1], threshold)


def _matching_threshold(flat: np.ndarray, n_wanted: int) -> float:
    """The threshold that answers nearest to the wanted number of scores, at least 1; reorders the scores."""
    flat.partition(len(flat) - n_wanted)
    score = flat[len(flat) - n_wanted]
    n_at_least = n_above = 0
    lower, upper = 0.0, 1.0
    for part in blocks(len(flat), 1):
        is_below, is_above = flat[part] < score, flat[part] > score
        n_at_least += int(np.count_nonzero(~is_below))
        n_above += int(np.count_nonzero(is_above))
        lower = max(lower, float(flat[part].max(initial=0, where=is_below)))
        upper = min(upper, float(flat[part].min(initial=1, where=is_above)))
    candidates = [(n_at_least - n_wanted, float(midpoint(lower, score)))]
    if score < 1:
        candidates.append((n_wanted - n_above, float(midpoint(score, upper))))
    return min(candidates, key=lambda cut: (cut[0], abs(cut[1] - 0.5), -cut[1]))[1]
