"""The members of an ensemble: how their networks are made, what training leaves, and how many fit at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from manyhot.backend import keras
from manyhot.backend import use_dtype as use_dtype
from manyhot.engine.max_constraint import Levels
from manyhot.engine.weights import Weights
from manyhot.networks import RowCost, choose_layers, measure_row

SMALL_STEP_FLOPS = 4e6  # on a CPU, members are trained together until a step of the chunk costs about this much
MAX_COSTS = 64
_COSTS: dict[Hashable, RowCost] = {}  # by the structure of a network and its precision
CHUNK_BYTES = 2**31  # weights, gradients and optimizer variables of one chunk at most


@dataclass(frozen=True)
class NetworkFactory:
    """How the members' networks are made; it can be pickled where its functions can."""

    build: Callable[[int], keras.Model]  # member number -> network with its initial weights; all of one structure
    key: Hashable  # names the structure: equal keys mean equal programs
    shapes: Mapping[str, tuple[int, ...]]  # shape of one row of each named block of features
    n_members: int
    optimizer: Callable[[], keras.optimizers.Optimizer] | None = None  # their own, for `config.optimizer` "compiled"
    full_batches: bool = False  # whether they are trained in full batches, as Keras' `fit` does, instead of even ones
    first_member: int = 0  # number of the first member; shuffles depend on a member's number
    is_vmap_safe: bool = True  # whether every layer is known to work side by side
    tables: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # wide sparse block -> shape of its table
    table_parts: tuple[int, ...] = ()  # columns of each table whose steps have one size; () for all
    init_tables: Callable[[int], dict[str, np.ndarray]] | None = None  # member number -> tables, in their order
    levels: Levels = ()  # which labels imply others; see `max_constraint`

    def with_layers(self, is_fast: bool) -> NetworkFactory:
        """The same networks with our quick layers for Keras', or with Keras' own; the key tells them apart."""
        return replace(self, build=partial(_build_with_layers, self.build, is_fast), key=(self.key, is_fast))


def _build_with_layers(build: Callable[[int], keras.Model], is_fast: bool, member: int) -> keras.Model:
    return choose_layers(build(member), is_fast)


def build_measured(networks: NetworkFactory, dtype: str) -> tuple[keras.Model, RowCost]:
    """Build the first member, and measure what a row takes; `InputError` for more than a saved model may take."""
    network = networks.build(0)
    if getattr(network, "name", "") == "mlp":
        return network, RowCost()  # a row of dense layers takes no more than their weights
    key = (networks.key, dtype)
    if key not in _COSTS:
        while len(_COSTS) >= MAX_COSTS:
            _COSTS.pop(next(iter(_COSTS)), None)
        _COSTS[key] = _row_cost(networks, network, dtype)
    return network, _COSTS[key]


def _row_cost(networks: NetworkFactory, network: keras.Model, dtype: str) -> RowCost:
    try:
        cost = measure_row(network, networks.shapes, dtype)
    except Exception:  # a user's layer that cannot be compiled; who trains it says so
        return RowCost()
    variables = (*network.trainable_variables, *network.non_trainable_variables)
    cost.check(sum(math.prod(one.shape) * np.dtype(dtype).itemsize for one in variables))
    return cost


class TrainingResult(NamedTuple):
    """What training leaves."""

    weights: Weights  # each member's best (or last) weights
    best_epoch: np.ndarray  # int64 (m,), epochs trained when they were reached
    curves: np.ndarray  # float32 (m, epochs, 2), training and stopping loss per epoch, NaN after the end


class Progress(NamedTuple):
    """How far training is."""

    done: float  # share of the work that is certain to be done, 0 to 1
    n_finished: int
    n_members: int
    loss: float  # the latest stopping loss (training loss when nothing stops early); NaN before the first
    n_bytes: int  # memory that the job takes beside the rows it was given, estimated before it begins
    stage: str = ""  # what part of the work it is, where members are trained more than once
    phase: str = ""  # what is done after training; the rest then says nothing


ProgressCallback = Callable[[Progress], None]


def chunk_size(n_members: int, step_flops: float, member_bytes: float, layout: str, platform: str) -> int:
    """Choose from shapes alone how many members train together: all that fit on a GPU, few on a CPU, to stop apart."""
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
    """Estimate the bytes of one member's weights and what an optimizer keeps beside them."""
    with use_dtype(dtype):
        n_weights = sum(math.prod(variable.shape) for variable in networks.build(0).trainable_variables)
    n_tables = sum(map(math.prod, networks.tables.values()))
    return np.dtype(dtype).itemsize * (3.0 * n_weights + n_tables)
