"""Decisions that learn nothing from the data: a fixed threshold, and the k highest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from manyhot import validation
from manyhot.data.targets import Targets
from manyhot.decisions.thresholds.base import Decision
from manyhot.decisions.thresholds.thresholds import Thresholds
from manyhot.errors import InputError
from manyhot.evaluation.metrics.score import Entries, blocks, check_scores, score_entries


class Fixed(Decision):
    """Yes where the score is at least a fixed threshold in [0, 1]."""

    meaning: ClassVar[str] = "a threshold of {threshold:g} for every label"
    learns_from_scores: ClassVar[bool] = False

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = validation.number(threshold=threshold, low=0.0, high=1.0)

    def find_thresholds(self, entries: Entries) -> np.ndarray:
        """The same for every label; nothing is learned."""
        return np.full(entries.shape[1], self.threshold)


class TopK(Decision):
    """The k highest scores of each row; of equal scores, the labels that come first."""

    meaning: ClassVar[str] = "the {k} highest scores of each row"
    learns_from_scores: ClassVar[bool] = False
    config_fields: ClassVar[Mapping[str, str]] = {"k": "top_k"}

    def __init__(self, k: int) -> None:
        self.k = validation.integer(k=k, low=1)
        self.n_labels: int | None = None

    def fit(self, scores: np.ndarray, targets: Targets) -> Self:
        """Take the number of labels; nothing is learned."""
        self.n_labels = score_entries(targets, scores).shape[1]
        return self

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Scores -> decisions: yes for exactly min(k, l) labels along the label axis."""
        n_labels = self.require_fitted(self.n_labels)
        array = check_scores(scores, n_labels=n_labels)
        if self.k >= n_labels:
            return np.ones(array.shape, dtype=bool)
        rows = array.reshape(-1, n_labels)
        decisions = np.zeros(rows.shape, dtype=bool)
        for part in blocks(len(rows), n_labels):
            block = rows[part]
            kth_score = np.partition(block, n_labels - self.k, axis=1)[:, n_labels - self.k, None]
            above, tied = block > kth_score, block == kth_score
            n_tied = self.k - above.sum(axis=1, keepdims=True)
            decisions[part] = above | (tied & (np.cumsum(tied, axis=1) <= n_tied))
        return decisions.reshape(array.shape)

    def limits(self, scores: np.ndarray, decisions: np.ndarray) -> np.ndarray:
        """The lowest score answered in each row, (n, 1)."""
        return scores.min(axis=1, keepdims=True, where=decisions, initial=1)

    def to_spec(self) -> dict[str, Any]:
        """Everything `from_spec` needs, as plain JSON values."""
        return {"name": self.name, **self.settings(), "n_labels": self.require_fitted(self.n_labels)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """The same decision again."""
        settings, n_labels = cls.split_spec(spec, "n_labels")
        decision = cls(**settings)
        decision.n_labels = validation.integer(n_labels=n_labels, low=1)
        return decision

    def with_thresholds(self, thresholds: Thresholds) -> Self:
        """Refused: the k highest scores are answered whatever they are."""
        raise InputError(
            f"'top_k' answers {self.k} labels per row and has no thresholds; decide with 'f1_macro' or 'fixed' to edit",
            argument="thresholds",
        )
