"""What the members of an ensemble are: how their networks are made, their weights, and how much of it fits at once.

Start reading at `NetworkFactory`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from manyhot.backend import keras, use_dtype
from manyhot.engine.weights import Weights
from manyhot.networks import choose_layers

SMALL_STEP_FLOPS = 4e6
"""On a CPU, members are trained together until a step of the chunk costs about this much."""
CHUNK_BYTES = 2**31
"""Weights, gradients and optimizer variables of one chunk at most."""


@dataclass(frozen=True)
class NetworkFactory:
    """How the members' networks are made.

    Args:
        build: Member number -> Keras model with that member's initial weights; all of one structure.
        key: Names the structure: equal keys mean equal programs.
        shapes: Shape of one row of each named block of features.
        n_members: How many there are.
        optimizer: Makes the networks' own optimizer, for `config.optimizer` "compiled"; named by `key` too.
        full_batches: Whether they are trained in full batches, as Keras' `fit` does, instead of even ones.
        first_member: Number of the first member; shuffles depend on a member's number.
        is_vmap_safe: Whether every layer is known to work side by side.
        tables: Name of a wide sparse block -> shape of the table that takes its place as input.
        init_tables: Member number -> the tables' initial weights, in the order of `tables`.
    """

    build: Callable[[int], keras.Model]
    key: Hashable
    shapes: Mapping[str, tuple[int, ...]]
    n_members: int
    optimizer: Callable[[], keras.optimizers.Optimizer] | None = None
    full_batches: bool = False
    first_member: int = 0
    is_vmap_safe: bool = True
    tables: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    init_tables: Callable[[int], dict[str, np.ndarray]] | None = None

    def with_layers(self, is_fast: bool) -> NetworkFactory:
        """The same networks with our quick layers for Keras', or with Keras' own; the key tells them apart."""
        build = self.build
        return replace(self, build=lambda member: choose_layers(build(member), is_fast), key=(self.key, is_fast))


class TrainingResult(NamedTuple):
    """What training leaves.

    Attributes:
        weights: Each member's best (or last) weights.
        best_epoch: int64 (m,), epochs trained when they were reached.
        curves: float32 (m, epochs, 2), training and stopping loss per epoch, NaN after the end.
    """

    weights: Weights
    best_epoch: np.ndarray
    curves: np.ndarray


class Progress(NamedTuple):
    """How far training is.

    Attributes:
        done: Share of the work that is certain to be done, 0 to 1.
        n_finished: Members finished.
        n_members: Members in all.
        loss: The latest stopping loss (training loss when nothing stops early); NaN before the first.
        n_bytes: Memory that the job takes beside the rows it was given, estimated before it begins.
    """

    done: float
    n_finished: int
    n_members: int
    loss: float
    n_bytes: int


ProgressCallback = Callable[[Progress], None]


def chunk_size(n_members: int, step_flops: float, member_bytes: float, layout: str, platform: str) -> int:
    """How many members train together, from shapes alone.

    A CPU is kept busy by one network of ordinary size, and members one after another stop one by one; tiny networks
    go together because their steps cost more in calls than in sums. A GPU takes all that fit.
    """
    if layout == "single":
        return 1
    if layout == "together":
        return n_members
    n_fitting = max(1, int(CHUNK_BYTES // max(member_bytes, 1)))
    if platform != "cpu":
        return min(n_members, n_fitting)
    n_wanted = max(1, int(SMALL_STEP_FLOPS // max(step_flops, 1)))
    return max(1, min(n_wanted, n_fitting, math.ceil(n_members / 2)))


def member_bytes(networks: NetworkFactory, dtype: str) -> float:
    """Weights of one member and what an optimizer keeps beside them, in bytes.

    Args:
        networks: How the networks are made.
        dtype: "float32" or "float64".
    """
    with use_dtype(dtype):
        n_weights = sum(math.prod(variable.shape) for variable in networks.build(0).trainable_variables)
    n_tables = sum(map(math.prod, networks.tables.values()))
    return np.dtype(dtype).itemsize * (3.0 * n_weights + n_tables)
