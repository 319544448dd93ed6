"""Out-of-fold scores and the rows that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from manyhot.data.targets import Targets
from manyhot.decisions.policy import UniqueScores, merge_equal_scores


@dataclass(frozen=True)
class TrainingRows:
    """What a model remembers of the rows that it was trained on, in their original order."""

    targets: Targets  # their targets (r, l)
    ids: np.ndarray  # their ids as text (r,)
    weights: np.ndarray  # float64 (r,), their weights
    fingerprints: np.ndarray  # uint64 (r,), a number for the features of each; see `duplicates.fingerprints`
    held_out: np.ndarray  # bool (r, m), which members were scored on the row and never trained on it

    def take(self, rows: np.ndarray) -> TrainingRows:
        """Some of the rows (indices or bool mask)."""
        arrays = (self.ids, self.weights, self.fingerprints, self.held_out)
        return TrainingRows(self.targets.take(rows), *(array[rows] for array in arrays))


@dataclass(frozen=True)
class OutOfFoldResults:
    """What the report rests on; can be left out of a saved file."""

    scores: np.ndarray  # float32 (n, l), raw out-of-fold scores of the rows of training that some member was held from
    rows: TrainingRows
    curves: np.ndarray  # float32 (m, epochs, 2), training and stopping loss
    best_epoch: np.ndarray  # int64 (m,)
    is_stale: bool = False

    @cached_property
    def scored_rows(self) -> TrainingRows:
        """The rows that belong to the scores."""
        is_scored = np.asarray(self.rows.held_out.any(axis=1))
        return self.rows if is_scored.all() else self.rows.take(is_scored)

    def unique_scores(self) -> UniqueScores:
        """The scores with the targets and weights of their rows, in an order of their own."""
        return merge_equal_scores(self.scores, self.targets, self.weights)

    @property
    def targets(self) -> Targets:
        """Targets of the scored rows (n, l)."""
        return self.scored_rows.targets

    @property
    def ids(self) -> np.ndarray:
        """Ids of the scored rows as text (n,)."""
        return self.scored_rows.ids

    @property
    def weights(self) -> np.ndarray:
        """Weights of the scored rows, float64 (n,)."""
        return self.scored_rows.weights


def concatenate_rows(first: TrainingRows, second: TrainingRows) -> TrainingRows:
    """The rows of both."""
    targets = Targets.concatenate([first.targets, second.targets])
    names = ("ids", "weights", "fingerprints", "held_out")
    return TrainingRows(targets, *(np.concatenate([getattr(rows, name) for rows in (first, second)]) for name in names))
