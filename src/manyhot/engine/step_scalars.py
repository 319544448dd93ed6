"""The numbers that steer a compiled program, of one training or of trials side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from manyhot.config.training import TrainingConfig
from manyhot.engine.state import StepScalars

DATA_SETTINGS = ("learning_rate", "weight_decay", "label_smoothing", "loss_params", "epochs", "patience")
"""Settings that are data to the compiled program: trials that differ in no other train as one job."""


def make_step_scalars(
    configs: Sequence[TrainingConfig], n_steps: int, first_epoch: int, last_epoch: int, n_epochs: int
) -> StepScalars:
    """On the host, with one value for all where there is one config, else with that of each member."""
    dtype = configs[0].dtype

    def values(of_members: list[Any], kind: str) -> np.ndarray:
        array = np.asarray(of_members, kind)
        return array if len(configs) > 1 else array[0]

    return StepScalars(
        values([config.learning_rate for config in configs], dtype),
        np.int32(n_steps),
        np.int32(n_epochs),
        np.int32(first_epoch),
        np.int32(last_epoch),
        values([config.patience for config in configs], "int32"),
        {name: values([config.loss_params[name] for config in configs], dtype) for name in configs[0].loss_params},
        values([config.label_smoothing for config in configs], dtype),
    )
