"""One pure update of one member, and the loss that it follows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from manyhot.backend import jax, keras
from manyhot.engine.augmentation import Augmentation, TrainBatch, augment
from manyhot.engine.device_data import DeviceData, take_rows
from manyhot.engine.embedding_bags import Batch, EmbeddingTable, bag_sum, update_table
from manyhot.engine.losses import Loss, LossContext
from manyhot.engine.max_constraint import constrain_for_loss
from manyhot.engine.state import LabelCounts, StepScalars
from manyhot.networks import real_rows

jnp = jax.numpy


@dataclass(frozen=True)
class StepConfig:
    """What is fixed when a program is compiled."""

    network: keras.Model  # from a dict of inputs to logits; only its pure functions are used
    optimizer: keras.optimizers.Optimizer  # built for the network's trainable variables
    loss: Loss
    batch_size: int  # rows in a step at most
    validation_rows: int  # rows in a step of the stopping loss
    early_stops: bool  # whether the stopping loss decides
    schedule: str  # "constant", "cosine" or "linear"
    shapes: Mapping[str, tuple[int, ...]]  # shape of one row of each named block of features
    sets_learning_rate: bool = True  # whether it follows `schedule`; otherwise the optimizer keeps its own
    full_batches: bool = False  # whether batches are full but for the last, as in Keras' `fit`, instead of even
    # block with a table -> the most non-zeros of a training and of a stopping batch for gathers, 0 for loops
    tables: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    table_parts: tuple[int, ...] = ()  # columns of each table whose steps have one size; () for all
    is_adagrad: bool = True  # whether tables move by AdaGrad's steps; otherwise by plain gradient descent
    augmentation: Augmentation | None = None  # how images are varied in training; None for not at all
    images: tuple[str, ...] = ()  # names of the blocks of images

    @property
    def key(self) -> Hashable:
        """Names what is compiled in beside the network, its optimizer and the loss."""
        schedule = self.schedule if self.sets_learning_rate else None
        batches = (self.batch_size, self.validation_rows, self.full_batches)
        tables = (tuple(self.tables.items()), self.table_parts, self.is_adagrad)
        return (batches, tables, self.early_stops, schedule, self.augmentation)


def compute_bags(
    step_config: StepConfig,
    tables: Mapping[str, EmbeddingTable],
    data: DeviceData,
    batch: tuple[jax.Array, jax.Array],
    is_validation: bool = False,
) -> dict[str, jax.Array]:
    """What the tables make of a batch: name -> float (b, u)."""
    return {
        name: bag_sum(table.weights, Batch(data.blocks[name], *batch), step_config.tables[name][is_validation])
        for name, table in tables.items()
    }


def take_batch(
    step_config: StepConfig, data: DeviceData, batch: tuple[jax.Array, jax.Array], key: jax.Array | None = None
) -> TrainBatch:
    """Take the rows of a batch, int32 (b,) and whether each is real, bool (b,); with a key, their images are varied."""
    rows, is_real = batch
    inputs = gather_inputs(step_config, data, rows)
    targets = data.values[rows].astype(data.weights.dtype)
    known = None if data.known is None else data.known[rows] > 0
    examples = TrainBatch(inputs, targets, known)
    if key is None or step_config.augmentation is None:
        return examples
    return augment(key, examples, step_config.images, is_real, step_config.augmentation)


def gather_inputs(step_config: StepConfig, data: DeviceData, rows: jax.Array) -> dict[str, jax.Array]:
    """Some rows of the blocks without a table, (b, ...) each."""
    dense = {name: shape for name, shape in step_config.shapes.items() if name not in step_config.tables}
    return {name: take_rows(data.blocks[name], rows, shape[-1]) for name, shape in dense.items()}


def call_network(
    step_config: StepConfig,
    weights: tuple[list, list],
    inputs: Mapping[str, jax.Array],
    is_real: jax.Array,
    training: bool,
) -> tuple[jax.Array, list, list]:
    """The network on some rows -> (logits, its other weights afterwards, penalties)."""
    with real_rows(is_real):
        return step_config.network.stateless_call(*weights, dict(inputs), training=training, return_losses=True)


def loss_sums(
    step_config: StepConfig,
    logits: jax.Array,
    examples: TrainBatch,
    data: DeviceData,
    batch: tuple[jax.Array, jax.Array],
    labels: LabelCounts,
    step_scalars: StepScalars,
) -> tuple[Any, Any]:
    """The one reduce: (weighted sum of the losses, sum of the weights) over known entries of real rows.

    Logits (b, k, l) are those of k branches, whose losses add up.
    """
    rows, is_real = batch
    targets, known = examples.targets.astype(logits.dtype), examples.known
    if logits.ndim > targets.ndim:
        targets, known = targets[:, None], None if known is None else known[:, None]
    row_shape = [-1, *[1] * (logits.ndim - 1)]
    mask = jnp.broadcast_to(is_real.reshape(row_shape), logits.shape)
    if known is not None:
        mask = mask & known
    logits = constrain_for_loss(logits, mask & (targets > 0), data.levels)
    smoothed = targets * (1 - step_scalars.label_smoothing) + step_scalars.label_smoothing / 2
    elements = step_config.loss(
        logits, smoothed, mask, LossContext(step_scalars.loss_params, labels.positives, labels.known)
    )
    weights = data.weights[rows].reshape(row_shape) * data.label_weights
    weights = jnp.where(mask, weights * jnp.where(targets > 0, labels.positive_weights, 1), 0)
    return (elements * weights).sum(), weights.sum()


def safe_mean(total: jax.Array, weight: jax.Array) -> jax.Array:
    """total / weight, and 0 where there is no weight."""
    return jnp.where(weight > 0, total / jnp.where(weight > 0, weight, 1), 0)


def scheduled_rate(schedule: str, highest: jax.Array, n_done: jax.Array, n_total: jax.Array) -> jax.Array:
    """The learning rate of the step after n_done of n_total steps of the whole training."""
    if schedule == "constant":
        return highest
    progress = n_done / n_total.astype(highest.dtype)
    return highest * (1 - progress) if schedule == "linear" else highest * 0.5 * (1 + jnp.cos(jnp.pi * progress))


def even_batch(step: jax.Array, n_rows: jax.Array, n_steps: jax.Array) -> tuple[jax.Array, jax.Array]:
    """First row and number of rows of a step, where all steps of an epoch have the same number or one more."""
    n_short, n_longer = n_rows // n_steps, n_rows % n_steps
    return step * n_short + jnp.minimum(step, n_longer), n_short + (step < n_longer)


def update(
    step_config: StepConfig,
    weights: tuple[list, list, list, dict[str, EmbeddingTable]],
    data: DeviceData,
    batch: tuple[jax.Array, jax.Array],
    labels: LabelCounts,
    step_scalars: StepScalars,
    rate: jax.Array,
    key: jax.Array | None = None,
) -> tuple[tuple[list, list, list, dict[str, EmbeddingTable]], tuple[jax.Array, jax.Array]]:
    """Take one optimizer step of one member -> new weights, and (loss sum, weight sum) of the batch before it."""
    trainable, fixed, slots, tables = weights
    bags = compute_bags(step_config, tables, data, batch)
    examples = take_batch(step_config, data, batch, key)

    def objective(trainable: list, bags: dict) -> tuple[jax.Array, tuple[list, jax.Array, jax.Array]]:
        inputs = {**examples.inputs, **bags}
        logits, new_fixed, penalties = call_network(step_config, (trainable, fixed), inputs, batch[1], training=True)
        total, weight = loss_sums(step_config, logits, examples, data, batch, labels, step_scalars)
        return safe_mean(total, weight) + sum(penalties), (new_fixed, total, weight)

    (gradients, bag_gradients), (fixed, total, weight) = jax.grad(objective, argnums=(0, 1), has_aux=True)(
        trainable, bags
    )
    weights = apply_gradients(
        step_config, (trainable, fixed, slots, tables), (gradients, bag_gradients), data, batch, rate
    )
    return weights, (total, weight)


def apply_gradients(
    step_config: StepConfig,
    weights: tuple[list, list, list, dict[str, EmbeddingTable]],
    gradients: tuple[list, dict[str, jax.Array]],
    data: DeviceData,
    batch: tuple[jax.Array, jax.Array],
    rate: jax.Array,
) -> tuple[list, list, list, dict[str, EmbeddingTable]]:
    """Move weights by gradients of the trainable ones and of each table's bags (b, u)."""
    trainable, fixed, slots, tables = weights
    optimizer = step_config.optimizer
    if step_config.sets_learning_rate:
        variable = optimizer.learning_rate
        slots = [
            rate.astype(slot.dtype) if one is variable else slot
            for one, slot in zip(optimizer.variables, slots, strict=True)
        ]
    trainable, slots = optimizer.stateless_apply(slots, gradients[0], trainable)
    tables = {
        name: update_table(
            table,
            Batch(data.blocks[name], *batch),
            gradients[1][name],
            rate,
            step_config.is_adagrad,
            step_config.tables[name][0],
            step_config.table_parts,
        )
        for name, table in tables.items()
    }
    return list(trainable), list(fixed), list(slots), tables
