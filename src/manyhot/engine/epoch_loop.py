"""The compiled program: epochs of steps for a chunk of members, early stopping, best weights.

It knows rows, weights and losses, nothing of folds, labels or devices. An epoch shuffles each member's own rows,
deals them out to the steps (padding and a mask make every step one shape), and then asks the stopping rows.
Start reading at `program`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from manyhot.backend import jax
from manyhot.engine.device_data import Data
from manyhot.engine.state import Rows, State, StepScalars
from manyhot.engine.train_step import (
    StepConfig,
    bags_of,
    call_network,
    loss_sums,
    safe_mean,
    scheduled_rate,
    take_batch,
    update,
)

jnp = jax.numpy

CURVE_EPOCHS = 256
"""Epochs one call can record; longer training takes several calls."""

PLACES = 2**16
"""Up to this many rows are shuffled by draws of 16 bits beside 16 bits of place; equal draws keep their order."""


def program(recipe: StepConfig, n_members: int) -> Callable:
    """The function that is compiled once for a chunk of n_members.

    Returns:
        (State, Rows, Data, StepScalars) -> (State, curves (n_members, CURVE_EPOCHS, 2), epochs done). The curves hold
        training loss and stopping loss of each epoch of this call, NaN where a member had stopped.
    """

    def over_members(function: Callable) -> Callable:
        if n_members > 1:
            return jax.vmap(function, in_axes=(0, 0, None, None, None))

        def alone(states: State, rows: Rows, *shared: object) -> object:
            single = jax.tree.map(lambda leaf: leaf[0], (states, rows))
            return jax.tree.map(lambda leaf: leaf[None], function(*single, *shared))

        return alone

    def run(states: State, rows: Rows, data: Data, dials: StepScalars) -> tuple[State, jax.Array, jax.Array]:
        epoch_of_members = over_members(lambda *args: _epoch(recipe, *args))
        curves = jnp.full((n_members, CURVE_EPOCHS, 2), jnp.nan, data.weights.dtype)

        def goes_on(carry: tuple) -> jax.Array:
            states, _, epoch = carry
            return (epoch < dials.last_epoch) & ~states.is_stopped.all()

        def body(carry: tuple) -> tuple:
            states, curves, epoch = carry
            states, losses = epoch_of_members(states, rows, data, dials, epoch)
            curves = curves.at[:, epoch - dials.first_epoch].set(losses)
            return states, curves, epoch + 1

        return jax.lax.while_loop(goes_on, body, (states, curves, dials.first_epoch))

    return run


def _epoch(
    recipe: StepConfig, state: State, rows: Rows, data: Data, dials: StepScalars, epoch: jax.Array
) -> tuple[State, jax.Array]:
    """One epoch of one member -> (its state, its (training loss, stopping loss))."""
    order = _shuffled(state.key, epoch, rows, recipe.batch_size)
    share, n_longer = rows.n_train // dials.n_steps, rows.n_train % dials.n_steps

    n_steps = dials.n_steps
    if recipe.is_ragged:
        n_steps = (rows.n_train + recipe.batch_size - 1) // recipe.batch_size

    def key_of(step: jax.Array) -> jax.Array | None:
        if recipe.variation is None:
            return None
        key = jax.random.wrap_key_data(state.key, impl="threefry2x32")
        return jax.random.fold_in(jax.random.fold_in(key, epoch), step + 1)

    def one_step(step: jax.Array, carry: tuple) -> tuple:
        weights, total, weight = carry
        if recipe.full_batches:
            start, count = step * recipe.batch_size, rows.n_train - step * recipe.batch_size
        else:
            start, count = step * share + jnp.minimum(step, n_longer), share + (step < n_longer)
        mask = jnp.arange(recipe.batch_size) < count
        batch = jax.lax.dynamic_slice(order, (start,), (recipe.batch_size,))
        rate = scheduled_rate(recipe, dials, epoch * n_steps + step, n_steps)

        def move(weights: tuple) -> tuple:
            return update(recipe, weights, data, (batch, mask), rows.labels, dials, rate, key_of(step))

        def stay(weights: tuple) -> tuple:
            return weights, (zero, zero)

        if recipe.is_ragged:
            weights, (step_total, step_weight) = jax.lax.cond(count > 0, move, stay, weights)
        else:
            weights, (step_total, step_weight) = move(weights)
        return weights, total + step_total, weight + step_weight

    zero = jnp.zeros((), data.weights.dtype)
    carry = ((state.trainable, state.fixed, state.slots, state.tables), zero, zero)
    (trainable, fixed, slots, tables), total, weight = jax.lax.fori_loop(0, dials.n_steps, one_step, carry)
    train_loss = safe_mean(total, weight)
    state = state._replace(trainable=trainable, fixed=fixed, slots=slots, tables=tables)
    if not recipe.stops_early:
        is_broken = ~jnp.isfinite(train_loss)
        return state._replace(best_loss=train_loss, best_epoch=epoch + 1, is_stopped=is_broken), jnp.stack(
            [train_loss, jnp.asarray(jnp.nan, train_loss.dtype)]
        )
    stop_loss = _stopping_loss(recipe, state, rows, data, dials)
    losses = jnp.where(state.is_stopped, jnp.nan, jnp.stack([train_loss, stop_loss]))
    return _keep_best(state, stop_loss, epoch, dials), losses


def _shuffled(key: jax.Array, epoch: jax.Array, rows: Rows, batch_size: int) -> jax.Array:
    """The member's training rows in this epoch's order, then padding; the order does not depend on the padding."""
    epoch_key = jax.random.fold_in(jax.random.wrap_key_data(key, impl="threefry2x32"), epoch)
    size = rows.train.shape[0]
    bits = jax.random.bits(epoch_key, (size,), "uint32")
    bits = jnp.where(jnp.arange(size) < rows.n_train, bits, np.uint32(0xFFFFFFFF))
    if size <= PLACES:
        # draw and place in one number: sorting single numbers takes a quarter of the time of sorting pairs
        places = jnp.arange(size, dtype="uint32")
        drawn = jnp.sort((bits & np.uint32(~(PLACES - 1) & 0xFFFFFFFF)) | places, stable=False)
        order = rows.train[(drawn & np.uint32(PLACES - 1)).astype("int32")]
    else:
        _, order = jax.lax.sort((bits, rows.train), num_keys=1, is_stable=True)
    return jnp.concatenate([order, jnp.zeros(batch_size, order.dtype)])


def _stopping_loss(recipe: StepConfig, state: State, rows: Rows, data: Data, dials: StepScalars) -> jax.Array:
    size = recipe.stop_rows
    padded = jnp.concatenate([rows.stop, jnp.zeros(size, rows.stop.dtype)])

    def one_step(step: jax.Array, carry: tuple) -> tuple:
        total, weight = carry
        chosen = jax.lax.dynamic_slice(padded, (step * size,), (size,))
        batch = (chosen, step * size + jnp.arange(size) < rows.n_stop)
        bags = bags_of(recipe, state.tables, data, batch, is_stopping=True)
        there = take_batch(recipe, data, batch)
        inputs = {**there.inputs, **bags}
        logits, _, _ = call_network(recipe, (state.trainable, state.fixed), inputs, batch[1], training=False)
        step_total, step_weight = loss_sums(recipe, logits, there, data, batch, rows.labels, dials)
        return total + step_total, weight + step_weight

    zero = jnp.zeros((), data.weights.dtype)
    n_steps = rows.stop.shape[0] // size + (rows.stop.shape[0] % size > 0)
    return safe_mean(*jax.lax.fori_loop(0, n_steps, one_step, (zero, zero)))


def _keep_best(state: State, stop_loss: jax.Array, epoch: jax.Array, dials: StepScalars) -> State:
    is_better = (stop_loss < state.best_loss) & ~state.is_stopped
    waited = jnp.where(is_better, 0, state.waited + 1)

    def better(new: list, old: list) -> list:
        return [jnp.where(is_better, a, b) for a, b in zip(new, old, strict=True)]

    return state._replace(
        best_trainable=better(state.trainable, state.best_trainable),
        best_fixed=better(state.fixed, state.best_fixed),
        best_tables={
            name: jnp.where(is_better, state.tables[name].weights, best) for name, best in state.best_tables.items()
        },
        best_loss=jnp.where(is_better, stop_loss, state.best_loss),
        best_epoch=jnp.where(is_better, epoch + 1, state.best_epoch),
        waited=waited,
        is_stopped=state.is_stopped | (waited >= dials.patience) | ~jnp.isfinite(stop_loss),
    )
