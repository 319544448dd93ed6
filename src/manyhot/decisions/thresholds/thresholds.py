"""One threshold per label, applied, edited by name and read back from JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from manyhot import validation
from manyhot.data.labels import LabelSpace
from manyhot.errors import InputError
from manyhot.evaluation.metrics.score import check_scores

ALWAYS, NEVER = 0.0, 1.0


@dataclass(frozen=True, eq=False)
class Thresholds:
    """One threshold per label; a label is answered where its score is at least its threshold."""

    values: np.ndarray  # float64 (l,) in [0, 1], read-only

    def __post_init__(self) -> None:
        array = np.asarray(self.values)
        if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iuf":
            raise InputError(
                f"got {array.dtype} values of shape {array.shape}, expected one number per label", argument="thresholds"
            )
        values = array.astype(np.float64)
        invalid = np.flatnonzero(~((values >= 0) & (values <= 1)))
        if invalid.size:
            raise InputError(
                f"threshold {invalid[0]} is {values[invalid[0]]}, expected a number from 0 to 1", argument="thresholds"
            )
        values.setflags(write=False)
        object.__setattr__(self, "values", values)

    def __len__(self) -> int:
        return len(self.values)

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Decide for scores (n, l), or deeper with the label axis last."""
        array = check_scores(scores, n_labels=len(self))
        return np.greater_equal(array, self.values)  # an array of float64, so float32 scores are widened exactly

    def with_value(self, space: LabelSpace, name: str, value: float) -> Thresholds:
        """These thresholds with one label's changed: 0 is always yes, 1 is yes only at a score of exactly 1."""
        if len(space) != len(self.values):
            raise InputError(f"{len(space)} labels are named, but there are {len(self)} thresholds", argument="space")
        values = self.values.copy()
        values[space.index(name)] = validation.number(value=value, low=0.0, high=1.0)
        return Thresholds(values)

    def to_dict(self, space: LabelSpace) -> dict[str, float]:
        """Label name -> threshold."""
        return dict(zip(space.names, self.values.tolist(), strict=True))


def parse_thresholds(values: Any, argument: str = "thresholds") -> Thresholds:
    """Thresholds from JSON; anything but a list of numbers from 0 to 1 is refused."""
    if not isinstance(values, (list, tuple)) or not all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1 for value in values
    ):
        raise InputError("expected a list of numbers from 0 to 1", argument=argument)
    return Thresholds(np.asarray(values, dtype=np.float64))
