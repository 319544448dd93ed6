"""One pure update of one member, and the loss that it follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from manyhot.backend import jax, keras
from manyhot.engine.augmentation import Variation, varied
from manyhot.engine.device_data import Data, take_rows
from manyhot.engine.embedding_bags import Batch, EmbeddingTable, bag_sum, update_table
from manyhot.engine.losses import Loss, LossContext
from manyhot.engine.state import LabelFacts, StepScalars
from manyhot.networks import real_rows

jnp = jax.numpy


@dataclass(frozen=True)
class StepConfig:
    """What is fixed when a program is compiled.

    Args:
        network: Keras model from a dict of inputs to logits; only its pure functions are used.
        optimizer: Keras optimizer, built for the network's trainable variables.
        loss: Elementwise loss of logits, targets, mask and facts.
        batch_size: Rows in a step at most.
        stop_rows: Rows in a step of the stopping loss.
        stops_early: Whether the stopping loss decides.
        schedule: "constant", "cosine" or "linear".
        shapes: Shape of one row of each named block of features.
        moves_rate: Whether the learning rate follows `schedule`; otherwise the optimizer keeps its own.
        full_batches: Whether batches are full but for the last, as in Keras' `fit`, instead of even.
        is_ragged: Whether some members have fewer steps in an epoch than others.
        tables: Name of a block with a table -> the most non-zeros of a training and of a stopping batch where they are
            gathered, 0 where loops go over them.
        is_adagrad: Whether tables move by AdaGrad's steps; otherwise by plain gradient descent.
        variation: How images are varied in training; None for not at all.
        images: Names of the blocks of images.
    """

    network: keras.Model
    optimizer: keras.optimizers.Optimizer
    loss: Loss
    batch_size: int
    stop_rows: int
    stops_early: bool
    schedule: str
    shapes: Mapping[str, tuple[int, ...]]
    moves_rate: bool = True
    full_batches: bool = False
    is_ragged: bool = False
    tables: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    is_adagrad: bool = True
    variation: Variation | None = None
    images: tuple[str, ...] = ()

    def rate_slot(self) -> int:
        """Where the learning rate stands among the optimizer's variables."""
        rate = self.optimizer.learning_rate
        return next(i for i, variable in enumerate(self.optimizer.variables) if variable is rate)


def bags_of(
    recipe: StepConfig,
    tables: Mapping[str, EmbeddingTable],
    data: Data,
    batch: tuple[jax.Array, jax.Array],
    is_stopping: bool = False,
) -> dict[str, jax.Array]:
    """What the tables make of a batch: name -> float (b, u)."""
    return {
        name: bag_sum(table.weights, Batch(data.blocks[name], *batch), recipe.tables[name][is_stopping])
        for name, table in tables.items()
    }


class TrainBatch(NamedTuple):
    """The rows of a batch.

    Attributes:
        inputs: Name of a block without a table -> (b, ...).
        targets: float (b, ..., l).
        known: bool like targets, or None where everything is known.
    """

    inputs: dict[str, jax.Array]
    targets: jax.Array
    known: jax.Array | None


def take_batch(
    recipe: StepConfig, data: Data, batch: tuple[jax.Array, jax.Array], key: jax.Array | None = None
) -> TrainBatch:
    """The rows of a batch as they are, or, with a key, their images varied.

    Args:
        recipe: The fixed part.
        data: All rows.
        batch: Row indices int32 (b,) and bool mask (b,).
        key: Where the draws begin.
    """
    rows, is_real = batch
    inputs = inputs_of(recipe, data, rows)
    targets = data.values[rows].astype(data.weights.dtype)
    known = None if data.known is None else data.known[rows] > 0
    if key is None or recipe.variation is None:
        return TrainBatch(inputs, targets, known)
    images = {name: inputs[name] for name in recipe.images}
    changed = varied(key, images, targets, known, is_real, recipe.variation)
    return TrainBatch({**inputs, **changed.images}, changed.targets, changed.known)


def inputs_of(recipe: StepConfig, data: Data, rows: jax.Array) -> dict[str, jax.Array]:
    """Some rows of the blocks without a table, (b, ...) each."""
    dense = {name: shape for name, shape in recipe.shapes.items() if name not in recipe.tables}
    return {name: take_rows(data.blocks[name], rows, shape[-1]) for name, shape in dense.items()}


def call_network(
    recipe: StepConfig,
    weights: tuple[list, list],
    inputs: Mapping[str, jax.Array],
    is_real: jax.Array,
    training: bool,
) -> tuple[jax.Array, list, list]:
    """The network on some rows -> (logits, its other weights afterwards, penalties)."""
    with real_rows(is_real):
        return recipe.network.stateless_call(*weights, dict(inputs), training=training, return_losses=True)


def loss_sums(
    recipe: StepConfig,
    logits: jax.Array,
    there: TrainBatch,
    data: Data,
    batch: tuple[jax.Array, jax.Array],
    labels: LabelFacts,
    dials: StepScalars,
) -> tuple[Any, Any]:
    """The one reduce: (weighted sum of the losses, sum of the weights) over known entries of real rows."""
    rows, is_real = batch
    targets = there.targets.astype(logits.dtype)
    by_row = [-1, *[1] * (logits.ndim - 1)]
    mask = jnp.broadcast_to(is_real.reshape(by_row), logits.shape)
    if there.known is not None:
        mask = mask & there.known
    smoothed = targets * (1 - dials.label_smoothing) + dials.label_smoothing / 2
    elements = recipe.loss(logits, smoothed, mask, LossContext(dials.loss_settings, labels.positives, labels.known))
    weights = data.weights[rows].reshape(by_row) * data.label_weights
    weights = jnp.where(mask, weights * jnp.where(targets > 0, labels.positive_weights, 1), 0)
    return (elements * weights).sum(), weights.sum()


def safe_mean(total: jax.Array, weight: jax.Array) -> jax.Array:
    """total / weight, and 0 where there is no weight."""
    return jnp.where(weight > 0, total / jnp.where(weight > 0, weight, 1), 0)


def scheduled_rate(recipe: StepConfig, dials: StepScalars, step: jax.Array, n_steps: jax.Array) -> jax.Array:
    """The learning rate of a step, counted from 0 over the whole of training; n_steps is a member's in an epoch."""
    if recipe.schedule == "constant":
        return dials.learning_rate
    share = step / (dials.n_epochs * n_steps).astype(dials.learning_rate.dtype)
    if recipe.schedule == "linear":
        return dials.learning_rate * (1 - share)
    return dials.learning_rate * 0.5 * (1 + jnp.cos(jnp.pi * share))


def update(
    recipe: StepConfig,
    weights: tuple[list, list, list, dict[str, EmbeddingTable]],
    data: Data,
    batch: tuple[jax.Array, jax.Array],
    labels: LabelFacts,
    dials: StepScalars,
    rate: jax.Array,
    key: jax.Array | None = None,
) -> tuple[tuple[list, list, list, dict[str, EmbeddingTable]], tuple[jax.Array, jax.Array]]:
    """One optimizer step.

    Args:
        recipe: The fixed part.
        weights: (trainable, fixed, slots, tables) of one member.
        data: All rows.
        batch: Row indices int32 (b,) and bool mask (b,).
        labels: What the member knows of the labels.
        dials: Hyperparameters of the loss.
        rate: The step's learning rate.
        key: Where the draws of varied images begin.

    Returns:
        The new weights, and (loss sum, weight sum) of the batch before the step.
    """
    trainable, fixed, slots, tables = weights
    bags = bags_of(recipe, tables, data, batch)
    there = take_batch(recipe, data, batch, key)

    def objective(trainable: list, bags: dict) -> tuple[jax.Array, tuple[list, jax.Array, jax.Array]]:
        inputs = {**there.inputs, **bags}
        logits, new_fixed, penalties = call_network(recipe, (trainable, fixed), inputs, batch[1], training=True)
        total, weight = loss_sums(recipe, logits, there, data, batch, labels, dials)
        return safe_mean(total, weight) + sum(penalties), (new_fixed, total, weight)

    (gradients, pulls), (fixed, total, weight) = jax.grad(objective, argnums=(0, 1), has_aux=True)(trainable, bags)
    weights = apply_gradients(recipe, (trainable, fixed, slots, tables), (gradients, pulls), data, batch, rate)
    return weights, (total, weight)


def apply_gradients(
    recipe: StepConfig,
    weights: tuple[list, list, list, dict[str, EmbeddingTable]],
    gradients: tuple[list, dict[str, jax.Array]],
    data: Data,
    batch: tuple[jax.Array, jax.Array],
    rate: jax.Array,
) -> tuple[list, list, list, dict[str, EmbeddingTable]]:
    """The weights after the optimizer's step.

    Args:
        recipe: The fixed part.
        weights: (trainable, fixed, slots, tables) of one member.
        gradients: Of the trainable weights, and of each table's bags (b, u).
        data: All rows.
        batch: Row indices int32 (b,) and bool mask (b,).
        rate: The step's learning rate.
    """
    trainable, fixed, slots, tables = weights
    slots = list(slots)
    if recipe.moves_rate:
        slot = recipe.rate_slot()
        slots[slot] = rate.astype(slots[slot].dtype)
    trainable, slots = recipe.optimizer.stateless_apply(slots, gradients[0], trainable)
    tables = {
        name: update_table(
            table, Batch(data.blocks[name], *batch), gradients[1][name], rate, recipe.is_adagrad, recipe.tables[name][0]
        )
        for name, table in tables.items()
    }
    return list(trainable), list(fixed), list(slots), tables
