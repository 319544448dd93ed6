"""Train one network over very many labels: a Keras trunk, and a last layer worked through in chunks of labels."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from manyhot.backend import jax, use_dtype
from manyhot.config.training import TrainingConfig
from manyhot.engine.daemon_pool import DaemonPool, result_of
from manyhot.engine.device_data import DeviceData, FlatNonzeros, bucket, flatten_csr, lay_out, pad_rows
from manyhot.engine.embedding_bags import init_table, max_entries
from manyhot.engine.ensemble import NetworkFactory, Progress, ProgressCallback
from manyhot.engine.extreme.chunked_head import CHUNK, Head, loss_and_update, padded_size
from manyhot.engine.losses import LOSSES
from manyhot.engine.optimizers import make_optimizer, optimizer_key
from manyhot.engine.program_cache import PROGRAMS
from manyhot.engine.train_step import (
    StepConfig,
    apply_gradients,
    call_network,
    compute_bags,
    even_batch,
    gather_inputs,
    scheduled_rate,
)
from manyhot.engine.weights import ExtremeWeights
from manyhot.errors import TrainingError

jnp = jax.numpy

HEAD_RATE_FACTOR = 50.0  # how much longer the last layer's steps are than the learning rate
# AdaGrad's squares of a label begin at this share of the square that one positive row of a batch makes: else the
# first negative rows, whose slopes are tiny, would move a rare label as far as a positive one does
INITIAL_SQUARE_SHARE = 0.1
CALL_SECONDS = 1.0  # how long one call of the program should take, so that progress moves; it changes nothing else
PADDING_LABEL = -1  # fills up a row's list
MIN_LIST_SIZE = 8  # places in a row's list at least


class ExtremeState(NamedTuple):
    """What training carries from step to step."""

    trainable: list[Any]  # the trunk's weights
    fixed: list[Any]  # everything else that the trunk keeps
    slots: list[Any]  # the trunk's optimizer
    tables: dict[str, Any]  # name of a wide sparse block -> its `EmbeddingTable`
    head: Head  # the last layer, padded to whole chunks
    squares: Head  # what AdaGrad keeps of it


class StepRange(NamedTuple):
    """Which steps one call does; all but `order` are numbers, ()."""

    order: Any  # int32 (p,), the epoch's rows in its order, then padding
    n_rows: Any  # int32, how many of them are rows
    n_steps: Any  # int32, in an epoch
    n_epochs: Any  # int32
    epoch: Any  # int32
    first: Any  # int32, steps of the epoch done before
    last: Any  # int32, steps of the epoch done afterwards
    rate: Any  # float, the highest learning rate


def choose_chunk(n_labels: int) -> int:
    """Labels worked on at once: `CHUNK`, or fewer where there are fewer."""
    return int(min(CHUNK, 1 << (n_labels - 1).bit_length()))


def train_extreme(
    networks: NetworkFactory,
    blocks: Mapping[str, np.ndarray | sp.csr_matrix],
    targets: sp.csr_matrix,
    bias: np.ndarray,
    config: TrainingConfig,
    callback: ProgressCallback | None = None,
) -> tuple[ExtremeWeights, np.ndarray]:
    """Train a trunk and a zero last layer with this bias on CSR targets -> weights, mean loss of an entry by epoch."""
    with use_dtype(config.dtype):
        return _ExtremeTrainer(networks, blocks, targets, bias, config, callback).run()


class _ExtremeTrainer:
    def __init__(
        self,
        networks: NetworkFactory,
        blocks: Mapping[str, np.ndarray | sp.csr_matrix],
        targets: sp.csr_matrix,
        bias: np.ndarray,
        config: TrainingConfig,
        callback: ProgressCallback | None,
    ) -> None:
        self.networks, self.config, self.callback = networks, config, callback
        self.device = jax.local_devices()[0]
        self.n_rows, self.n_labels = targets.shape
        self.n_steps = math.ceil(self.n_rows / int(config.batch_size))
        self.batch_size = math.ceil(self.n_rows / self.n_steps)
        self.model = networks.build(0)
        # the next power of two, so that nearly equal data share a program
        longest = int(np.diff(targets.indptr).max(initial=1))
        self.list_size = max(MIN_LIST_SIZE, 1 << (longest - 1).bit_length())
        no_labels, weights = np.zeros((self.n_rows, 0), bool), np.ones(self.n_rows)  # labels stand in lists
        data = lay_out(blocks, no_labels, None, weights, config.dtype, tables=networks.tables)
        lists = flatten_csr(targets, bucket(self.n_rows), "bool")._replace(values=None)
        self.data, self.lists = jax.device_put((data, lists), self.device)
        self.step_config = self._make_step_config()
        self.state = self._initial_state(bias)
        self.curve = np.full(int(config.epochs), np.nan)
        self.program: Callable | None = None  # of some steps; all calls have the same shapes

    def _make_step_config(self) -> StepConfig:
        optimizer = make_optimizer(self.config)
        optimizer.build(self.model.trainable_variables)
        return StepConfig(
            self.model,
            optimizer,
            LOSSES["binary_crossentropy", "sigmoid"],
            self.batch_size,
            validation_rows=0,
            early_stops=False,
            schedule=self.config.schedule,
            shapes=self.networks.shapes,
            tables={
                name: (max_entries(self.data.blocks[name], self.batch_size, self.device.platform), 0)
                for name in self.networks.tables
            },
            is_adagrad=self.config.optimizer != "sgd",
        )

    def _initial_state(self, bias: np.ndarray) -> ExtremeState:
        dtype, size = self.config.dtype, padded_size(self.n_labels, choose_chunk(self.n_labels))
        init_tables = self.networks.init_tables
        initial_tables = init_tables(0) if self.networks.tables and init_tables is not None else {}
        tables = {
            name: jax.tree.map(lambda leaf: leaf[0], init_table(table[None])) for name, table in initial_tables.items()
        }
        head = Head(
            jnp.zeros((size, self.model.output_shape[-1]), dtype),
            jnp.asarray(pad_rows(bias, size, dtype)),
        )
        trunk_state = (
            [np.array(variable.value) for variable in self.model.trainable_variables],
            [np.array(variable.value) for variable in self.model.non_trainable_variables],
            [np.array(variable.value) for variable in self.step_config.optimizer.variables],
            tables,
        )
        squares = Head(jnp.zeros_like(head.bias), jnp.zeros_like(head.bias))
        return jax.device_put(ExtremeState(*trunk_state, head, squares), self.device)

    def run(self) -> tuple[ExtremeWeights, np.ndarray]:
        """All epochs."""
        n_steps = 1
        for epoch in range(len(self.curve)):
            order = np.random.default_rng([self.config.random_state, 0x4D41, epoch]).permutation(self.n_rows)
            padded = pad_rows(order, bucket(self.n_rows) + self.batch_size, np.int32)
            first, total, weight = 0, 0.0, 0.0
            while first < self.n_steps:
                last = min(first + n_steps, self.n_steps)
                sums, seconds = self._run_steps(epoch, padded, first, last)
                total, weight = total + float(sums[0]), weight + float(sums[1])
                n_steps = max(1, int((last - first) * min(4.0, CALL_SECONDS / max(seconds, 1e-4))))
                first = last
                self._report_progress(epoch, first, total / weight)
            self.curve[epoch] = total / weight
        return self._weights(), self.curve

    def _run_steps(self, epoch: int, order: np.ndarray, first: int, last: int) -> tuple[Any, float]:
        """Some steps of an epoch -> the sums of their losses, and the seconds they took."""
        step_range = StepRange(
            order,
            np.int32(self.n_rows),
            np.int32(self.n_steps),
            np.int32(len(self.curve)),
            np.int32(epoch),
            np.int32(first),
            np.int32(last),
            np.asarray(self.config.learning_rate, self.config.dtype),
        )
        args = (self.state, jax.device_put(step_range, self.device), self.data, self.lists)
        if self.program is None:
            with DaemonPool(1) as pool:  # with very many labels it takes long, and an interrupt does not wait for it
                self.program = result_of(pool.submit(self._compile, args))
        started = time.perf_counter()
        self.state, sums = self.program(*args)
        sums = jax.device_get(sums)
        if not np.isfinite(sums[0]):
            raise TrainingError("the loss is not a finite number; a lower learning_rate helps")
        return sums, time.perf_counter() - started

    def _compile(self, args: tuple) -> Callable:
        names = (self.networks.key, optimizer_key(self.config), self.step_config.key)
        key = ("many", *names, self.n_labels, self.list_size)
        build = partial(build_extreme_program, self.step_config, self.n_labels, self.list_size)
        with use_dtype(self.config.dtype):
            return PROGRAMS.get_or_compile(key, build, args, donate=(0,))

    def _report_progress(self, epoch: int, n_done: int, loss: float) -> None:
        if self.callback is not None:
            fraction = (epoch + n_done / self.n_steps) / len(self.curve)
            self.callback(Progress(fraction, int(fraction == 1), 1, loss, 0))

    def _weights(self) -> ExtremeWeights:
        state = self.state
        tables = [state.tables[name].weights for name in self.networks.tables]
        trainable, fixed = jax.device_get(([*tables, *state.trainable], state.fixed))
        kernel, bias = jax.device_get(tuple(state.head))
        return ExtremeWeights(trainable, fixed, kernel[: self.n_labels], bias[: self.n_labels])


def build_extreme_program(step_config: StepConfig, n_labels: int, list_size: int) -> Callable:
    """Build (ExtremeState, StepRange, DeviceData, FlatNonzeros) -> (ExtremeState, sums of losses and of weights)."""

    def run(
        state: ExtremeState, step_range: StepRange, data: DeviceData, lists: FlatNonzeros
    ) -> tuple[ExtremeState, tuple]:
        n_steps = step_range.n_steps

        def run_step(step: jax.Array, carry: tuple) -> tuple:
            state, total, weight = carry
            start, count = even_batch(step, step_range.n_rows, n_steps)
            rows = jax.lax.dynamic_slice(step_range.order, (start,), (step_config.batch_size,))
            batch = (rows, jnp.arange(step_config.batch_size) < count)
            n_done, n_total = step_range.epoch * n_steps + step, step_range.n_epochs * n_steps
            rate = scheduled_rate(step_config.schedule, step_range.rate, n_done, n_total)
            positives = _gather_lists(lists, rows, list_size)
            state, sums = _train_step(step_config, state, data, batch, positives, rate, n_labels)
            return state, total + sums[0], weight + sums[1]

        zero = jnp.zeros((), data.weights.dtype)
        state, total, weight = jax.lax.fori_loop(step_range.first, step_range.last, run_step, (state, zero, zero))
        return state, (total, weight)

    return run


def _train_step(
    step_config: StepConfig,
    state: ExtremeState,
    data: DeviceData,
    batch: tuple[jax.Array, jax.Array],
    positives: jax.Array,
    rate: jax.Array,
    n_labels: int,
) -> tuple[ExtremeState, tuple[jax.Array, jax.Array]]:
    """One update of everything, by gradients taken before any of it moves."""
    bags = compute_bags(step_config, state.tables, data, batch)

    def trunk(trainable: list, bags: dict) -> tuple[jax.Array, list]:
        inputs = {**gather_inputs(step_config, data, batch[0]), **bags}
        hidden, fixed, _ = call_network(step_config, (trainable, state.fixed), inputs, batch[1], training=True)
        return hidden, fixed

    hidden, vjp, fixed = jax.vjp(trunk, state.trainable, bags, has_aux=True)
    head_step = loss_and_update(
        hidden,
        state.head,
        state.squares,
        positives,
        batch[1].astype(hidden.dtype),
        HEAD_RATE_FACTOR * rate,
        # what one positive row of a batch makes of hidden values of size 1
        INITIAL_SQUARE_SHARE / (step_config.batch_size * n_labels) ** 2,
        n_labels,
        choose_chunk(n_labels),
    )
    # summed over labels: Adam's epsilon would outweigh a mean over a million of them
    gradients = vjp(head_step.hidden_gradient * n_labels)
    weights = (state.trainable, fixed, state.slots, state.tables)
    moved = apply_gradients(step_config, weights, gradients, data, batch, rate)
    return ExtremeState(*moved, head_step.head, head_step.squares), head_step.sums


def _gather_lists(lists: FlatNonzeros, rows: jax.Array, list_size: int) -> jax.Array:
    """The lists of a batch, int32 (b, list_size), filled up with `PADDING_LABEL`."""
    positions = lists.starts[rows][:, None] + jnp.arange(list_size)
    is_label = positions < lists.starts[rows + 1][:, None]
    return jnp.where(is_label, lists.columns[jnp.where(is_label, positions, 0)], PADDING_LABEL)
