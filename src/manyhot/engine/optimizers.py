"""The plan's optimizer as a Keras optimizer; its learning rate is moved from outside, step by step."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from manyhot.backend import keras
from manyhot.config.training import TrainingConfig


def make_optimizer(
    plan: TrainingConfig, own: Callable[[], keras.optimizers.Optimizer] | None = None
) -> keras.optimizers.Optimizer:
    """A fresh optimizer.

    AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101; biases are not decayed), Adam, SGD, or the networks' own.
    """
    if plan.optimizer == "own":
        assert own is not None
        return own()
    rate = plan.learning_rate
    if plan.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=plan.momentum, nesterov=plan.nesterov)
    if plan.optimizer == "adam":
        return keras.optimizers.Adam(rate)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=plan.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer


def optimizer_key(plan: TrainingConfig) -> Hashable:
    """Names what is compiled in: everything but the learning rate."""
    if plan.optimizer == "sgd":
        return ("sgd", plan.momentum, plan.nesterov)
    return (plan.optimizer, plan.weight_decay if plan.optimizer == "adamw" else None)
