"""Settings of training with very many labels, and the only home of their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from manyhot.config.fields import ChoiceField, CustomField, FloatField, IntField, Settings, setting
from manyhot.config.training import DTYPES, TrainingConfig, activation_name, layer_sizes, positive
from manyhot.errors import InputError


def _one_layer_or_more(name: str, value: Any) -> tuple[int, ...]:
    sizes = layer_sizes(name, value)
    if not sizes:
        raise InputError("got no layer, expected layer sizes such as (512,)", argument=name)
    return sizes


@dataclass(frozen=True)
class ExtremeConfig(Settings):
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

    hidden_layer_sizes: tuple[int, ...] = setting(CustomField((512,), _one_layer_or_more))
    activation: str = setting(CustomField("relu", activation_name))
    dropout: float = setting(FloatField(0.4, 0.0, 0.99))
    epochs: int | Literal["auto"] = setting(IntField("auto", 1))
    batch_size: int | Literal["auto"] = setting(IntField("auto", 1))
    learning_rate: float = setting(CustomField(2e-3, positive))
    weight_decay: float = setting(FloatField(1e-2, 0.0))
    holdout_fraction: float = setting(FloatField(0.1, 1e-6, 0.5))
    dtype: str = setting(ChoiceField("float32", DTYPES))
    random_state: int = setting(IntField(0, 0, 2**32 - 1))

    def training(self) -> TrainingConfig:
        """The config of encoder and engine."""
        shared = {name: value for name, value in vars(self).items() if name != "holdout_fraction"}
        return TrainingConfig(optimizer="adamw").changed(**shared)
