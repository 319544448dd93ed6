"""The config's optimizer as a Keras optimizer; its learning rate is moved from outside, step by step."""

from __future__ import annotations

from collections.abc import Callable, Hashable

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
    optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer


def optimizer_key(config: TrainingConfig) -> Hashable:
    """Names what is compiled in: everything but the learning rate."""
    if config.optimizer == "sgd":
        return ("sgd", config.momentum, config.nesterov)
    return (config.optimizer, config.weight_decay if config.optimizer == "adamw" else None)
