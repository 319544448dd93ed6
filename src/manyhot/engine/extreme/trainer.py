"""Trains one network over very many labels: a Keras trunk, and the last layer worked through in chunks of labels.

It is given arrays, sparse targets and a plan; it knows no label names, encoders or files. Targets stay lists: of the
rows of a step a padded list each, never an array of rows by labels. One compiled program runs any number of steps of
any epoch; the state is donated, so that the last layer exists once. Start reading at `train_extreme`, then `_one_step`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from manyhot.backend import jax, precision
from manyhot.config.training import TrainingConfig
from manyhot.engine.device_data import Data, bucket, flat, pad_rows
from manyhot.engine.embedding_bags import init_table, most_entries
from manyhot.engine.ensemble import NetworkFactory, Progress, ProgressCallback
from manyhot.engine.extreme.chunked_head import CHUNK, loss_and_update, padded_size
from manyhot.engine.extreme.optimizers import Head, rowwise_adagrad
from manyhot.engine.extreme.sparse_targets import NOBODY, SMALLEST_LIST, ListedTargets
from manyhot.engine.losses import LOSSES
from manyhot.engine.optimizers import make_optimizer, optimizer_key
from manyhot.engine.program_cache import PROGRAMS
from manyhot.engine.state import StepScalars
from manyhot.engine.train_step import StepConfig, apply_gradients, bags_of, call_network, inputs_of, scheduled_rate
from manyhot.errors import TrainingError

jnp = jax.numpy

HEAD_RATE = 50.0
"""How much longer the last layer's steps are than the learning rate."""
QUIET_SHARE = 0.1
"""AdaGrad's squares of a label begin at this share of the square that one positive row of a batch makes. Without
it the first negative rows, whose slopes are tiny, would move a rare label as far as a positive one does."""
CALL_SECONDS = 1.0
"""How long one call of the program should take, so that progress moves; it changes nothing else."""


class Lists(NamedTuple):
    """The labels of all rows, one row after another.

    Attributes:
        labels: int32 (z,), padded.
        starts: int32 (n + 1,), where each row begins.
    """

    labels: Any
    starts: Any


class ExtremeState(NamedTuple):
    """What training carries from step to step.

    Attributes:
        trainable: The trunk's weights.
        fixed: Everything else that the trunk keeps.
        slots: The trunk's optimizer.
        tables: Name of a wide sparse block -> its `EmbeddingTable`.
        head: The last layer, padded to whole chunks.
        kept: What its optimizer keeps.
    """

    trainable: list[Any]
    fixed: list[Any]
    slots: list[Any]
    tables: dict[str, Any]
    head: Head
    kept: Any


class StepRange(NamedTuple):
    """Which steps one call does.

    Attributes:
        order: int32 (p,), the epoch's rows in its order, then padding.
        n_rows: int32 (), how many of them are rows.
        first: int32 (), steps of the epoch done before.
        last: int32 (), steps of the epoch done afterwards.
    """

    order: Any
    n_rows: Any
    first: Any
    last: Any


class ExtremeWeights(NamedTuple):
    """A trained network on the host.

    Attributes:
        trainable: Tables in the order of `NetworkFactory.tables`, then the trunk's weights.
        fixed: Everything else that the trunk keeps.
        kernel: float (l, d), the last layer; a label's weights are contiguous.
        bias: float (l,).
    """

    trainable: list[np.ndarray]
    fixed: list[np.ndarray]
    kernel: np.ndarray
    bias: np.ndarray


def chunk_of(n_labels: int) -> int:
    """Labels worked on at once: `CHUNK`, or fewer where there are fewer."""
    return int(min(CHUNK, 1 << (n_labels - 1).bit_length()))


def train_extreme(
    networks: NetworkFactory,
    blocks: Mapping[str, np.ndarray | sp.csr_matrix],
    targets: sp.csr_matrix,
    bias: np.ndarray,
    plan: TrainingConfig,
    watch: ProgressCallback | None = None,
) -> tuple[ExtremeWeights, np.ndarray]:
    """Train a trunk and a last layer that begins at zero weights and the given bias.

    The loss is binary cross-entropy, summed over the labels and averaged over the rows. The trunk moves by the plan's
    optimizer, tables and the last layer by row-wise AdaGrad.

    Args:
        networks: How the trunk is made; one member.
        blocks: Named features (n, f), dense or CSR.
        targets: CSR (n, l): what is stored holds, whatever its value; sorted, no label twice in a row.
        bias: float (l,), what the last layer's bias begins with.
        plan: `epochs` and `batch_size` numbers; `learning_rate`, `schedule`, `optimizer`, `weight_decay`, `seed` and
            `precision` are looked at besides.
        watch: Called now and then.

    Returns:
        The weights, and the mean loss of an entry in each epoch, float64 (epochs,).

    Raises:
        TrainingError: A loss that is not finite.
    """
    with precision(plan.precision):
        return _ExtremeTrainer(networks, blocks, targets, bias, plan, watch).run()


class _ExtremeTrainer:
    def __init__(
        self,
        networks: NetworkFactory,
        blocks: Mapping[str, np.ndarray | sp.csr_matrix],
        targets: sp.csr_matrix,
        bias: np.ndarray,
        plan: TrainingConfig,
        watch: ProgressCallback | None,
    ) -> None:
        self.networks, self.plan, self.watch = networks, plan, watch
        self.device = jax.local_devices()[0]
        self.n_rows, self.n_labels = targets.shape
        self.n_steps = math.ceil(self.n_rows / int(plan.batch_size))
        self.batch_size = math.ceil(self.n_rows / self.n_steps)
        self.model = networks.build(0)
        self.longest = _list_size(targets)
        self.recipe = self._recipe(blocks)
        self.data, self.lists = jax.device_put(
            (_data(blocks, self.n_rows, networks.tables, plan.precision), padded_lists(targets)), self.device
        )
        self.state = self._first_state(bias)
        self.curve = np.full(int(plan.epochs), np.nan)

    def _recipe(self, blocks: Mapping[str, Any]) -> StepConfig:
        optimizer = make_optimizer(self.plan)
        optimizer.build(self.model.trainable_variables)
        is_cpu = self.device.platform == "cpu"
        return StepConfig(
            self.model,
            optimizer,
            LOSSES["binary_crossentropy", "sigmoid"],
            self.batch_size,
            stop_rows=0,
            stops_early=False,
            schedule=self.plan.schedule,
            shapes=self.networks.shapes,
            tables={
                name: (0 if is_cpu else most_entries(flat(blocks[name], self.n_rows, "float32"), self.batch_size), 0)
                for name in self.networks.tables
            },
            is_adagrad=self.plan.optimizer != "sgd",
        )

    def _first_state(self, bias: np.ndarray) -> ExtremeState:
        dtype, size = self.plan.precision, padded_size(self.n_labels, chunk_of(self.n_labels))
        begin = self.networks.begin_tables
        drawn = begin(0) if self.networks.tables and begin is not None else {}
        tables = {name: jax.tree.map(lambda leaf: leaf[0], init_table(table[None])) for name, table in drawn.items()}
        head = Head(
            jnp.zeros((size, self.model.output_shape[-1]), dtype),
            jnp.asarray(pad_rows(np.asarray(bias, dtype), size)),
        )
        rest = (
            [np.array(variable.value) for variable in self.model.trainable_variables],
            [np.array(variable.value) for variable in self.model.non_trainable_variables],
            [np.array(variable.value) for variable in self.recipe.optimizer.variables],
            tables,
        )
        optimizer = head_optimizer(self.n_labels, self.batch_size)
        return jax.device_put(ExtremeState(*rest, head, optimizer.start(head)), self.device)

    def run(self) -> tuple[ExtremeWeights, np.ndarray]:
        """All epochs."""
        span = 1
        for epoch in range(len(self.curve)):
            order = np.random.default_rng([self.plan.seed, 0x4D41, epoch]).permutation(self.n_rows)
            padded = np.zeros(bucket(self.n_rows) + self.batch_size, np.int32)
            padded[: self.n_rows] = order
            first, total, weight = 0, 0.0, 0.0
            while first < self.n_steps:
                last = min(first + span, self.n_steps)
                sums, seconds = self._call(epoch, padded, first, last)
                total, weight = total + float(sums[0]), weight + float(sums[1])
                span = max(1, int((last - first) * min(4.0, CALL_SECONDS / max(seconds, 1e-4))))
                first = last
                self._tell(epoch, first, total / weight)
            self.curve[epoch] = total / weight
        return self._weights(), self.curve

    def _call(self, epoch: int, order: np.ndarray, first: int, last: int) -> tuple[Any, float]:
        """Some steps of an epoch -> the sums of their losses, and the seconds they took."""
        stretch = StepRange(order, np.int32(self.n_rows), np.int32(first), np.int32(last))
        args = (self.state, *jax.device_put((stretch, self._dials(epoch)), self.device), self.data, self.lists)
        build = partial(extreme_program, self.recipe, self.n_labels, self.longest)
        compiled = PROGRAMS.compiled(self._key(), build, args, donate=(0,))
        began = time.perf_counter()
        self.state, sums = compiled(*args)
        sums = jax.device_get(sums)
        if not np.isfinite(sums[0]):
            raise TrainingError("the loss is not a finite number; a lower learning_rate helps")
        return sums, time.perf_counter() - began

    def _key(self) -> Hashable:
        recipe = self.recipe
        fixed = (recipe.batch_size, recipe.schedule, tuple(recipe.tables.items()), recipe.is_adagrad)
        return ("many", self.networks.key, optimizer_key(self.plan), fixed, self.n_labels, self.longest)

    def _dials(self, epoch: int) -> StepScalars:
        dtype = self.plan.precision
        return StepScalars(
            np.asarray(self.plan.learning_rate, dtype),
            np.int32(self.n_steps),
            np.int32(len(self.curve)),
            np.int32(epoch),
            np.int32(epoch + 1),
            np.int32(0),
            {},
            np.asarray(0, dtype),
        )

    def _tell(self, epoch: int, n_done: int, loss: float) -> None:
        if self.watch is not None:
            share = (epoch + n_done / self.n_steps) / len(self.curve)
            self.watch(Progress(share, int(share == 1), 1, loss, 0))

    def _weights(self) -> ExtremeWeights:
        state = self.state
        tables = [state.tables[name].weights for name in self.networks.tables]
        trainable, fixed = jax.device_get(([*tables, *state.trainable], state.fixed))
        kernel, bias = jax.device_get(tuple(state.head))
        return ExtremeWeights(trainable, fixed, kernel[: self.n_labels], bias[: self.n_labels])


def head_optimizer(n_labels: int, batch_size: int) -> Any:
    """Row-wise AdaGrad whose squares begin at what one positive row of a batch makes of hidden values of size 1."""
    return rowwise_adagrad(epsilon=QUIET_SHARE / (batch_size * n_labels) ** 2)


def extreme_program(recipe: StepConfig, n_labels: int, longest: int) -> Callable:
    """The function that is compiled once.

    Args:
        recipe: The fixed part; its network is the trunk.
        n_labels: Labels without padding.
        longest: Labels of a row at most.

    Returns:
        (ExtremeState, StepRange, StepScalars, Data, Lists) -> (ExtremeState, (sum of the losses, sum of the weights)).
    """

    def run(
        state: ExtremeState, stretch: StepRange, dials: StepScalars, data: Data, lists: Lists
    ) -> tuple[ExtremeState, tuple]:
        share, n_longer = stretch.n_rows // dials.n_steps, stretch.n_rows % dials.n_steps

        def one_step(step: jax.Array, carry: tuple) -> tuple:
            state, total, weight = carry
            start, count = step * share + jnp.minimum(step, n_longer), share + (step < n_longer)
            rows = jax.lax.dynamic_slice(stretch.order, (start,), (recipe.batch_size,))
            batch = (rows, jnp.arange(recipe.batch_size) < count)
            number = dials.first_epoch * dials.n_steps + step
            rate = scheduled_rate(recipe, dials, number, dials.n_steps)
            targets = _targets_of(lists, batch, longest, data.weights.dtype)
            state, sums = _one_step(recipe, state, data, batch, targets, (rate, number), n_labels)
            return state, total + sums[0], weight + sums[1]

        zero = jnp.zeros((), data.weights.dtype)
        state, total, weight = jax.lax.fori_loop(stretch.first, stretch.last, one_step, (state, zero, zero))
        return state, (total, weight)

    return run


def _one_step(
    recipe: StepConfig,
    state: ExtremeState,
    data: Data,
    batch: tuple[jax.Array, jax.Array],
    targets: ListedTargets,
    pace: tuple[jax.Array, jax.Array],
    n_labels: int,
) -> tuple[ExtremeState, tuple[jax.Array, jax.Array]]:
    """One update of everything, by gradients taken before any of it moves."""
    rate, number = pace
    bags = bags_of(recipe, state.tables, data, batch)

    def trunk(trainable: list, bags: dict) -> tuple[jax.Array, list]:
        inputs = {**inputs_of(recipe, data, batch[0]), **bags}
        hidden, fixed, _ = call_network(recipe, (trainable, state.fixed), inputs, batch[1], training=True)
        return hidden, fixed

    hidden, pull, fixed = jax.vjp(trunk, state.trainable, bags, has_aux=True)
    optimizer = head_optimizer(n_labels, recipe.batch_size)
    done = loss_and_update(
        hidden, state.head, state.kept, targets, optimizer, HEAD_RATE * rate, number, n_labels, chunk_of(n_labels)
    )
    # summed over labels: Adam's epsilon would outweigh a mean over a million of them
    gradients = pull(done.hidden_gradient * n_labels)
    weights = (state.trainable, fixed, state.slots, state.tables)
    return ExtremeState(
        *apply_gradients(recipe, weights, gradients, data, batch, rate), done.head, done.kept
    ), done.sums


def _targets_of(lists: Lists, batch: tuple[jax.Array, jax.Array], longest: int, dtype: Any) -> ListedTargets:
    """The lists of a batch, padded to the longest of all rows."""
    rows, is_real = batch
    places = lists.starts[rows][:, None] + jnp.arange(longest)
    is_label = places < lists.starts[rows + 1][:, None]
    labels = jnp.where(is_label, lists.labels[jnp.where(is_label, places, 0)], NOBODY)
    return ListedTargets(labels, is_real.astype(dtype))


def padded_lists(targets: sp.csr_matrix) -> Lists:
    """CSR targets (n, l) -> lists on the host, padded to a bucket."""
    n_rows = bucket(targets.shape[0])
    starts = np.full(n_rows + 1, targets.nnz, np.int32)
    starts[: targets.shape[0] + 1] = targets.indptr
    size = bucket(max(targets.nnz, 1))
    return Lists(np.pad(targets.indices.astype(np.int32), (0, size - targets.nnz)), starts)


def _list_size(targets: sp.csr_matrix) -> int:
    """Places of a row's list: the next power of two, so that nearly equal data share a program."""
    longest = int(np.diff(targets.indptr).max(initial=1))
    return max(SMALLEST_LIST, 1 << (longest - 1).bit_length())


def _data(blocks: Mapping[str, Any], n_rows: int, tables: Mapping[str, Any], dtype: str) -> Data:
    size = bucket(n_rows)
    laid_out = {
        name: flat(block, size, dtype) if name in tables else pad_rows(np.asarray(block, dtype), size)
        for name, block in blocks.items()
    }
    return Data(laid_out, None, None, np.zeros((), dtype), None)
