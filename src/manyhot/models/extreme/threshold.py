"""One threshold for all labels, tuned for micro F1 on the first answers of each row.

A threshold of its own for each of very many labels would rest on a handful of rows or none; one for all rests on all
of them. Start reading at `best_threshold`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from manyhot.evaluation.metrics import Top
from manyhot.evaluation.metrics.sparse_lookup import places


class Counts(NamedTuple):
    """What answers came to.

    Attributes:
        answered: Answers.
        right: How many of them hold.
        positives: Labels that hold, answered or not.
    """

    answered: int
    right: int
    positives: int

    @property
    def f1(self) -> float:
        """Micro F1: 2 right / (answered + positives); 0 where there is neither."""
        total = self.answered + self.positives
        return 2 * self.right / total if total else 0.0

    @property
    def precision(self) -> float | None:
        """Share of the answers that hold; None without answers."""
        return self.right / self.answered if self.answered else None

    @property
    def recall(self) -> float | None:
        """Share of the labels that hold that are answered; None where none holds."""
        return self.right / self.positives if self.positives else None


def hits(targets: sp.csr_matrix, top: Top) -> np.ndarray:
    """Whether each answer holds, bool (n, k).

    Args:
        targets: CSR bool (n, l).
        top: The first k answers of each row.
    """
    found: np.ndarray = places(targets, "targets").has(slice(0, targets.shape[0]), top.labels)
    return found


def best_threshold(scores: np.ndarray, is_right: np.ndarray, n_positives: int) -> float:
    """The threshold of the highest micro F1; of equally good ones the highest.

    Args:
        scores: float (n, k), of the first answers of each row, in [0, 1].
        is_right: bool (n, k), whether they hold.
        n_positives: Labels that hold in these rows, among the answers or not.

    Returns:
        A score: answers at least as high are given. 1 where no answer holds.
    """
    order = np.argsort(-scores, axis=None, kind="stable")
    ranked, right = scores.ravel()[order], np.cumsum(is_right.ravel()[order])
    is_last = np.append(ranked[1:] < ranked[:-1], True)  # equal scores are answered together
    f1 = np.where(is_last, 2 * right / (np.arange(1, len(right) + 1) + n_positives), -1.0)
    best = int(np.argmax(f1)) if len(f1) else 0
    return float(ranked[best]) if len(f1) and right[best] else 1.0


def counts_at(threshold: float, scores: np.ndarray, is_right: np.ndarray, n_positives: int) -> Counts:
    """What answering at a threshold comes to; arguments as for `best_threshold`."""
    is_answered = scores >= threshold
    return Counts(int(is_answered.sum()), int((is_right & is_answered).sum()), n_positives)


def honest_counts(targets: sp.csr_matrix, top: Top) -> Counts:
    """What a threshold comes to that was tuned on the other half of the rows, over both halves.

    Args:
        targets: CSR bool (n, l).
        top: The first answers of each row.
    """
    is_right, per_row = hits(targets, top), np.diff(targets.indptr)
    halves = [np.arange(len(per_row)) % 2 == k for k in (0, 1)]
    total = np.zeros(3, np.int64)
    for fitted, measured in (halves, halves[::-1]):
        threshold = best_threshold(top.scores[fitted], is_right[fitted], int(per_row[fitted].sum()))
        n_positives = int(per_row[measured].sum())
        total += np.array(counts_at(threshold, top.scores[measured], is_right[measured], n_positives))
    return Counts(*(int(count) for count in total))
