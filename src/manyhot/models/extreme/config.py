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
    "hidden_layer_sizes",
    "activation",
    "dropout",
    "epochs",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "dtype",
    "random_state",
)
"""Settings that mean what they mean in `TrainingConfig`, and are checked there."""


@dataclass(frozen=True)
class ExtremeConfig:
    """Settings that change the result.

    Args:
        hidden_layer_sizes: Units of the hidden layers, each 1 or more, one layer at least; the last layer has as many
            weights per label as the last number.
        activation: Activation of the hidden layers, by its Keras name.
        dropout: Fraction of hidden units dropped in training, 0 to 0.99.
        epochs: Passes over the training rows, 1 or more; "auto" depends on their number.
        batch_size: Rows per optimizer step, 1 or more; "auto" depends on the number of rows. Large batches are faster,
            small ones learn more per epoch.
        learning_rate: Of AdamW for the hidden layers, above 0; the last layer and sparse features use AdaGrad at
            multiples of it.
        weight_decay: Of the hidden layers, 0 or more.
        holdout_fraction: Fraction of the rows that are never trained on, above 0 to 0.5, at most 10,000 of them: the
            report and the threshold come from these.
        dtype: "float32" or "float64".
        random_state: Seed of everything random, 0 to 4,294,967,295; the classifier also takes None (fresh) and a
            `numpy.random.RandomState`.

    Raises:
        InputError: A value out of its range, naming the field.
    """

    hidden_layer_sizes: tuple[int, ...] = (512,)
    activation: str = "relu"
    dropout: float = 0.4
    epochs: int | Literal["auto"] = "auto"
    batch_size: int | Literal["auto"] = "auto"
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    holdout_fraction: float = 0.1
    dtype: str = "float32"
    random_state: int = 0

    def __post_init__(self) -> None:
        checked = self._shared()
        for name in SHARED:
            object.__setattr__(self, name, getattr(checked, name))
        if not self.hidden_layer_sizes:
            raise InputError("got no layer, expected layer sizes such as (512,)", argument="hidden_layer_sizes")
        holdout_fraction = validation.number(holdout_fraction=self.holdout_fraction, low=1e-6, high=0.5)
        object.__setattr__(self, "holdout_fraction", holdout_fraction)

    def _shared(self, **more: Any) -> TrainingConfig:
        return TrainingConfig(**{name: getattr(self, name) for name in SHARED} | more)

    def resolve(self, n_rows: int) -> TrainingConfig:
        """The config of the network with nothing left to choose, for a number of training rows."""
        batch_size, epochs = self.batch_size, self.epochs
        if batch_size == "auto":
            batch_size = int(min(max(2 ** math.floor(math.log2(max(n_rows, 1) / 64 + 1e-9)), 16), 256))
        if epochs == "auto":
            epochs = max(3, min(20, round(1000 / math.sqrt(max(n_rows, 1)))))
        return self._shared(batch_size=batch_size, epochs=epochs, optimizer="adamw", schedule="cosine")

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {**asdict(self), "hidden_layer_sizes": list(self.hidden_layer_sizes)}


def extreme_config_from_dict(values: Mapping[str, Any]) -> ExtremeConfig:
    """A config from its JSON form; other names than the fields' are refused."""
    known = {field.name for field in fields(ExtremeConfig)}
    if set(values) != known:
        odd = sorted(set(values) ^ known)[0]
        raise InputError(f"the settings are {', '.join(sorted(known))}; {odd[:100]!r} is missing or unknown")
    return ExtremeConfig(**values)
