"""The settings of training with very many labels, and the only home of their defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from manyhot import validation
from manyhot.config.training import TrainingConfig
from manyhot.errors import InputError

SHARED = (
    "hidden",
    "activation",
    "dropout",
    "epochs",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "precision",
    "seed",
)
"""Settings that mean what they mean in `TrainingConfig`, and are checked there."""


@dataclass(frozen=True)
class ExtremeConfig:
    """What changes the result.

    Args:
        hidden: Units of the hidden layers, one at least; the last layer has as many weights a label as the last number.
        activation: Of the hidden layers, as in `TrainingConfig`.
        dropout: Share of hidden values dropped in training.
        epochs: Passes over the training rows; "auto" picks by their number.
        batch_size: Rows in a step; "auto" picks by the number of rows. Large ones are quicker, small ones learn more
            in an epoch.
        learning_rate: Of AdamW for the hidden layers; the last layer and sparse features move by AdaGrad at multiples.
        weight_decay: Of the hidden layers.
        held_out: Share of the rows that are never trained on, at most 10,000 of them: the report and the threshold
            come from these.
        precision: "float32" or "float64".
        seed: Start of everything random.

    Raises:
        InputError: A value out of its range, naming the field.
    """

    hidden: tuple[int, ...] = (512,)
    activation: str = "relu"
    dropout: float = 0.4
    epochs: int | Literal["auto"] = "auto"
    batch_size: int | Literal["auto"] = "auto"
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    held_out: float = 0.1
    precision: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        checked = self._shared()
        for name in SHARED:
            object.__setattr__(self, name, getattr(checked, name))
        if not self.hidden:
            raise InputError("got no layer, expected layer sizes such as (512,)", argument="hidden")
        held_out = validation.number(held_out=self.held_out, low=1e-6, high=0.5)
        object.__setattr__(self, "held_out", held_out)

    def _shared(self, **more: Any) -> TrainingConfig:
        return TrainingConfig(**{name: getattr(self, name) for name in SHARED} | more)

    def resolved(self, n_rows: int) -> TrainingConfig:
        """The plan of the network with nothing left to choose, for a number of training rows."""
        batch_size, epochs = self.batch_size, self.epochs
        if batch_size == "auto":
            batch_size = int(min(max(2 ** math.floor(math.log2(max(n_rows, 1) / 64 + 1e-9)), 16), 256))
        if epochs == "auto":
            epochs = max(3, min(20, round(1000 / math.sqrt(max(n_rows, 1)))))
        return self._shared(batch_size=batch_size, epochs=epochs, optimizer="adamw", schedule="cosine")

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {**asdict(self), "hidden": list(self.hidden)}


def extreme_config_from_dict(values: Mapping[str, Any]) -> ExtremeConfig:
    """A plan from its JSON form; other names than the fields' are refused."""
    known = {field.name for field in fields(ExtremeConfig)}
    if set(values) != known:
        odd = sorted(set(values) ^ known)[0]
        raise InputError(f"the settings are {', '.join(sorted(known))}; {odd[:100]!r} is missing or unknown")
    return ExtremeConfig(**values)
