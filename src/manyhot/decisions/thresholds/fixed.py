"""Decisions that learn nothing from the data: one half, and the k highest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from manyhot import validation
from manyhot.data.targets import Targets
from manyhot.decisions.thresholds.base import Decision
from manyhot.decisions.thresholds.margins import signed_margins
from manyhot.decisions.thresholds.thresholds import Thresholds, fitting
from manyhot.errors import InputError
from manyhot.evaluation.metrics.score import blocks, scored


class Half(Decision):
    """Yes where the score is at least 0.5, whatever the data say."""

    name: ClassVar[str] = "half"

    def fit(self, scores: np.ndarray, targets: Targets) -> Self:
        """Take the number of labels; nothing is learned."""
        entries = scored(targets, scores)
        self.thresholds = Thresholds(np.full(entries.shape[1], 0.5))
        return self


class TopK(Decision):
    """The k highest scores of each row; of equal scores, the labels that come first.

    Args:
        k: Labels per row, 1 or more; where there are fewer labels, all are answered.

    Raises:
        InputError: k is no whole number from 1.
    """

    name: ClassVar[str] = "top_k"

    def __init__(self, k: int) -> None:
        self.k = validation.integer(k=k, low=1)
        self.n_labels: int | None = None

    def fit(self, scores: np.ndarray, targets: Targets) -> Self:
        """Take the number of labels; nothing is learned."""
        self.n_labels = scored(targets, scores).shape[1]
        return self

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Scores -> decisions: yes for exactly min(k, l) labels along the label axis."""
        width = self.fitted(self.n_labels)
        array = fitting(scores, width)
        if self.k >= width:
            return np.ones(array.shape, dtype=bool)
        rows = array.reshape(-1, width)
        decisions = np.zeros(rows.shape, dtype=bool)
        for part in blocks(len(rows), width):
            block = rows[part]
            limit = np.partition(block, width - self.k, axis=1)[:, width - self.k, None]
            sure, tied = block > limit, block == limit
            room = self.k - sure.sum(axis=1, keepdims=True)
            decisions[part] = sure | (tied & (np.cumsum(tied, axis=1) <= room))
        return decisions.reshape(array.shape)

    def margins(self, scores: np.ndarray) -> np.ndarray:
        """How far each score stands above the lowest one answered in its row, in logits; see `Decision.margins`."""
        answered = self.apply(scores)
        width = self.fitted(self.n_labels)
        rows = fitting(scores, width).reshape(-1, width)
        answered = answered.reshape(rows.shape)
        limits = rows.min(axis=1, keepdims=True, where=answered, initial=1)
        return signed_margins(rows, limits, answered).reshape(np.shape(scores))

    def to_spec(self) -> dict[str, Any]:
        """Everything `from_spec` needs, as plain JSON values."""
        return {"name": self.name, **self.settings(), "n_labels": self.fitted(self.n_labels)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """The same decision again."""
        settings, n_labels = cls.parts(spec, "n_labels")
        decision = cls(**settings)
        decision.n_labels = validation.integer(n_labels=n_labels, low=1)
        return decision

    def with_thresholds(self, thresholds: Thresholds) -> Self:
        """Refused: the k highest scores are answered whatever they are."""
        raise InputError(
            f"'top_k' answers {self.k} labels per row and has no thresholds; decide with 'f1_macro' or 'half' to edit",
            argument="thresholds",
        )
