"""One trial of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from manyhot.config.fields import json_value
from manyhot.models.trials import STATES
from manyhot.validation import one_of


@dataclass(frozen=True)
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

    def to_dict(self) -> dict[str, Any]:
        """The trial as plain JSON values."""
        return {**asdict(self), "params": json_value(self.params)}
