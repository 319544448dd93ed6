"""The config's optimizer as a Keras optimizer; its learning rate is moved from outside, step by step."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from manyhot.backend import keras
from manyhot.config.training import TrainingConfig


def make_optimizer(
    config: TrainingConfig, make_compiled: Callable[[], keras.optimizers.Optimizer] | None = None
) -> keras.optimizers.Optimizer:
    """Make a fresh optimizer: AdamW (arXiv 1711.05101, biases are not decayed), Adam, SGD, or the networks' own."""
    if config.optimizer == "compiled":
        assert make_compiled is not None
        return make_compiled()
    rate = config.learning_rate
    if config.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=config.momentum, nesterov=config.nesterov)
    if config.optimizer == "adam":
        return keras.optimizers.Adam(rate)
    optimizer = _DecayAsData(rate, weight_decay=config.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer


class _DecayAsData(keras.optimizers.AdamW):
    """AdamW whose weight decay is one of its variables, so that no other value of it compiles anew."""

    weight_decay: Any

    def build(self, variables: list) -> None:
        super().build(variables)
        value = float(self.weight_decay)
        self.weight_decay = self.add_variable((), initializer="zeros", name="weight_decay")
        self.weight_decay.assign(value)


def place_of_decay(optimizer: keras.optimizers.Optimizer) -> int | None:
    """The place of the weight decay among an optimizer's variables; None where it is none of them."""
    places = [k for k, variable in enumerate(optimizer.variables) if variable is optimizer.weight_decay]
    return places[0] if places else None


def optimizer_key(config: TrainingConfig) -> Hashable:
    """Names what is compiled in: everything but the learning rate and the weight decay."""
    return ("sgd", config.momentum, config.nesterov) if config.optimizer == "sgd" else config.optimizer
