"""One threshold for all labels, tuned for micro F1: one for each of very many labels would rest on a few rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from manyhot.evaluation.metrics import TopK, counts
from manyhot.evaluation.metrics.at_k import top_k_hits


class Counts(NamedTuple):
    """What answers came to."""

    n_predicted: int
    n_correct: int
    n_positives: int

    @property
    def f1(self) -> float:
        """Micro F1: 2 n_correct / (n_predicted + n_positives); 0 where there is neither."""
        return float(counts.f1(self.n_correct, self.n_predicted, self.n_positives, default=0.0))

    @property
    def precision(self) -> float | None:
        """Share of the answers that hold; None without answers."""
        return float(counts.precision(self.n_correct, self.n_predicted)) if self.n_predicted else None

    @property
    def recall(self) -> float | None:
        """Share of the labels that hold that are answered; None where none holds."""
        return float(counts.recall(self.n_correct, self.n_positives)) if self.n_positives else None


def hits(targets: sp.csr_matrix, top: TopK) -> np.ndarray:
    """Whether each answer holds, bool (n, k)."""
    return top_k_hits(targets, top.labels)


def best_threshold(scores: np.ndarray, is_correct: np.ndarray, n_positives: int) -> float:
    """The threshold of the highest micro F1; of equally good ones the highest."""
    order = np.argsort(-scores, axis=None, kind="stable")
    ranked, n_correct = scores.ravel()[order], np.cumsum(is_correct.ravel()[order])
    is_last = np.append(ranked[1:] < ranked[:-1], True)  # equal scores are answered together
    f1 = np.where(is_last, counts.f1(n_correct, np.arange(1, len(n_correct) + 1), n_positives), -1.0)
    best = int(np.argmax(f1)) if len(f1) else 0
    return float(ranked[best]) if len(f1) and n_correct[best] else 1.0


def counts_at(threshold: float, scores: np.ndarray, is_correct: np.ndarray, n_positives: int) -> Counts:
    """What answering at a threshold comes to; arguments as for `best_threshold`."""
    is_predicted = scores >= threshold
    return Counts(int(is_predicted.sum()), int((is_correct & is_predicted).sum()), n_positives)


def cross_fitted_counts(targets: sp.csr_matrix, top: TopK) -> Counts:
    """What a threshold comes to that was tuned on the other half of the rows, over both halves."""
    is_correct, per_row = hits(targets, top), np.diff(targets.indptr)
    halves = [np.arange(len(per_row)) % 2 == k for k in (0, 1)]
    total = np.zeros(3, np.int64)
    for fitted, measured in (halves, halves[::-1]):
        threshold = best_threshold(top.scores[fitted], is_correct[fitted], int(per_row[fitted].sum()))
        n_positives = int(per_row[measured].sum())
        total += np.array(counts_at(threshold, top.scores[measured], is_correct[measured], n_positives))
    return Counts(*(int(count) for count in total))
