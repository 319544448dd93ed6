"""One trial of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from manyhot import display
from manyhot.config.fields import json_value
from manyhot.estimators.search.space import label
from manyhot.evaluation.metrics import METRICS
from manyhot.models.trials import STATES
from manyhot.validation import one_of


@dataclass(frozen=True, repr=False)
class Trial:
    """Some settings, and what they came to.

    Args:
        number: From 0; number 0 has the settings of the classifier itself.
        params: Setting -> value, for the settings that are searched.
        state: "complete", "pruned" (given up after some members) or "diverged" (the loss was no finite number).
        value: The out-of-fold metric; None unless complete.
        loss: Log loss, at the best temperature, of the members that were trained first on rows they never saw.
    """

    number: int
    params: Mapping[str, Any]
    state: str
    value: float | None
    loss: float | None

    def __post_init__(self) -> None:
        one_of(STATES, state=self.state)
        if not isinstance(self.params, Mapping):
            raise TypeError(f"got {type(self.params).__name__}, expected settings by name")

    def to_dict(self) -> dict[str, Any]:
        """The trial as plain JSON values."""
        return {**asdict(self), "params": json_value(self.params)}

    def __repr__(self) -> str:
        params = ", ".join(f"{name}={label(value)}" for name, value in self.params.items())
        return display.short_repr("Trial", f"{self.number}, {self._outcome()}; {params}")

    def _repr_html_(self) -> str:
        rows = [(name, label(value)) for name, value in self.params.items()]
        return display.section(
            display.paragraph(f"Trial {self.number}", self._outcome()), display.table(("setting", "value"), rows)
        )

    def _outcome(self) -> str:
        return self.state if self.value is None else f"{self.state}, {self.value:.4f}"


NORMAL_95 = 1.96
"""Standard errors on either side of a 95 % interval."""


class EnsembleScore(NamedTuple):
    """What all members of a trial together are worth."""

    value: float  # the metric that they would have on rows that none of them saw
    gain: float  # by how much it is better than with the settings given; below 0 where it is worse
    error: float  # standard error of the gain, over rows

    @property
    def is_clearly_better(self) -> bool:
        """Whether the 95 % interval of the gain lies above 0."""
        return self.gain > NORMAL_95 * self.error


def best_trials(
    trials: Sequence[Trial], metric: str, ensemble_scores: Mapping[int, EnsembleScore] | None = None
) -> list[Trial]:
    """Trials with a score, the best first; of equal ones the earlier.

    Where some were compared as ensembles, the first is the best of those that are clearly better than the settings
    given, and else these. The first trial alone where none has a score.
    """
    sign = -1 if METRICS[metric].higher_is_better else 1
    ranked = sorted(
        (trial for trial in trials if trial.value is not None), key=lambda trial: sign * (trial.value or 0.0)
    )
    scores = ensemble_scores or {}
    better = {number: score.gain for number, score in scores.items() if score.is_clearly_better}
    first = max(better, key=lambda number: better[number]) if better else 0
    if scores:
        ranked.sort(key=lambda trial: trial.number != first)
    return ranked or list(trials[:1])
