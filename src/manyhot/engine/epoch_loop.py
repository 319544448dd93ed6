"""The compiled program: epochs of steps for a chunk of members, early stopping, best weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from manyhot.backend import jax
from manyhot.engine.device_data import DeviceData
from manyhot.engine.state import Rows, State, StepScalars
from manyhot.engine.train_step import (
    StepConfig,
    call_network,
    compute_bags,
    even_batch,
    loss_sums,
    safe_mean,
    scheduled_rate,
    take_batch,
    update,
)

jnp = jax.numpy

CURVE_EPOCHS = 256  # epochs one call can record; longer training takes several calls

# up to this many rows are shuffled by draws of 16 bits beside 16 bits of position; equal draws keep their order
MAX_PACKED_ROWS = 2**16


def build_program(step_config: StepConfig, n_members: int) -> Callable:
    """Build (State, Rows, DeviceData, StepScalars) -> (State, curves (n_members, CURVE_EPOCHS, 2), epochs done)."""

    def map_members(function: Callable, step_scalars: StepScalars) -> Callable:
        if n_members > 1:
            # those of trials that differ have one value a member
            scalar_axes = jax.tree.map(lambda leaf: 0 if leaf.ndim else None, step_scalars)
            return jax.vmap(function, in_axes=(0, 0, None, scalar_axes, None))

        def run_single(states: State, rows: Rows, *shared: object) -> object:
            single = jax.tree.map(lambda leaf: leaf[0], (states, rows))
            return jax.tree.map(lambda leaf: leaf[None], function(*single, *shared))

        return run_single

    def run(
        states: State, rows: Rows, data: DeviceData, step_scalars: StepScalars
    ) -> tuple[State, jax.Array, jax.Array]:
        run_epochs = map_members(lambda *args: _run_epoch(step_config, *args), step_scalars)
        curves = jnp.full((n_members, CURVE_EPOCHS, 2), jnp.nan, data.weights.dtype)

        def should_continue(carry: tuple) -> jax.Array:
            states, _, epoch = carry
            return (epoch < step_scalars.last_epoch) & ~states.is_stopped.all()

        def body(carry: tuple) -> tuple:
            states, curves, epoch = carry
            states, losses = run_epochs(states, rows, data, step_scalars, epoch)
            curves = curves.at[:, epoch - step_scalars.first_epoch].set(losses)
            return states, curves, epoch + 1

        return jax.lax.while_loop(should_continue, body, (states, curves, step_scalars.first_epoch))

    return run


def _run_epoch(
    step_config: StepConfig, state: State, rows: Rows, data: DeviceData, step_scalars: StepScalars, epoch: jax.Array
) -> tuple[State, jax.Array]:
    """One epoch of one member -> (its state, its (training loss, stopping loss))."""
    order = _shuffle(state.key, epoch, rows, step_config.batch_size)
    n_steps = step_scalars.n_steps

    def make_step_key(step: jax.Array) -> jax.Array | None:
        if step_config.augmentation is None:
            return None
        key = jax.random.wrap_key_data(state.key, impl="threefry2x32")
        return jax.random.fold_in(jax.random.fold_in(key, epoch), step + 1)

    def run_step(step: jax.Array, carry: tuple) -> tuple:
        weights, total, weight = carry
        if step_config.full_batches:
            start, count = step * step_config.batch_size, rows.n_train - step * step_config.batch_size
        else:
            start, count = even_batch(step, rows.n_train, n_steps)
        mask = jnp.arange(step_config.batch_size) < count
        batch = jax.lax.dynamic_slice(order, (start,), (step_config.batch_size,))
        n_done, n_total = epoch * n_steps + step, step_scalars.n_epochs * n_steps
        rate = scheduled_rate(step_config.schedule, step_scalars.learning_rate, n_done, n_total)
        weights, (step_total, step_weight) = update(
            step_config, weights, data, (batch, mask), rows.labels, step_scalars, rate, make_step_key(step)
        )
        return weights, total + step_total, weight + step_weight

    zero = jnp.zeros((), data.weights.dtype)
    carry = ((state.trainable, state.fixed, state.slots, state.tables), zero, zero)
    (trainable, fixed, slots, tables), total, weight = jax.lax.fori_loop(0, n_steps, run_step, carry)
    train_loss = safe_mean(total, weight)
    state = state._replace(trainable=trainable, fixed=fixed, slots=slots, tables=tables)
    if not step_config.early_stops:
        is_broken = ~jnp.isfinite(train_loss)
        return state._replace(best_loss=train_loss, best_epoch=epoch + 1, is_stopped=is_broken), jnp.stack(
            [train_loss, jnp.asarray(jnp.nan, train_loss.dtype)]
        )
    validation_loss = _validation_loss(step_config, state, rows, data, step_scalars)
    losses = jnp.where(state.is_stopped, jnp.nan, jnp.stack([train_loss, validation_loss]))
    return _keep_best(state, validation_loss, epoch, step_scalars), losses


def _shuffle(key: jax.Array, epoch: jax.Array, rows: Rows, batch_size: int) -> jax.Array:
    """The member's training rows in this epoch's order, then padding; the order does not depend on the padding."""
    epoch_key = jax.random.fold_in(jax.random.wrap_key_data(key, impl="threefry2x32"), epoch)
    size = rows.train.shape[0]
    bits = jax.random.bits(epoch_key, (size,), "uint32")
    bits = jnp.where(jnp.arange(size) < rows.n_train, bits, np.uint32(0xFFFFFFFF))
    if size <= MAX_PACKED_ROWS:
        # draw and place in one number: sorting single numbers takes a quarter of the time of sorting pairs
        positions = jnp.arange(size, dtype="uint32")
        packed = jnp.sort((bits & np.uint32(~(MAX_PACKED_ROWS - 1) & 0xFFFFFFFF)) | positions, stable=False)
        order = rows.train[(packed & np.uint32(MAX_PACKED_ROWS - 1)).astype("int32")]
    else:
        _, order = jax.lax.sort((bits, rows.train), num_keys=1, is_stable=True)
    return jnp.concatenate([order, jnp.zeros(batch_size, order.dtype)])


def _validation_loss(
    step_config: StepConfig, state: State, rows: Rows, data: DeviceData, step_scalars: StepScalars
) -> jax.Array:
    size = step_config.validation_rows
    padded = jnp.concatenate([rows.validation, jnp.zeros(size, rows.validation.dtype)])

    def run_step(step: jax.Array, carry: tuple) -> tuple:
        total, weight = carry
        row_indices = jax.lax.dynamic_slice(padded, (step * size,), (size,))
        batch = (row_indices, step * size + jnp.arange(size) < rows.n_validation)
        bags = compute_bags(step_config, state.tables, data, batch, is_validation=True)
        examples = take_batch(step_config, data, batch)
        inputs = {**examples.inputs, **bags}
        logits, _, _ = call_network(step_config, (state.trainable, state.fixed), inputs, batch[1], training=False)
        step_total, step_weight = loss_sums(step_config, logits, examples, data, batch, rows.labels, step_scalars)
        return total + step_total, weight + step_weight

    zero = jnp.zeros((), data.weights.dtype)
    n_steps = rows.validation.shape[0] // size + (rows.validation.shape[0] % size > 0)
    return safe_mean(*jax.lax.fori_loop(0, n_steps, run_step, (zero, zero)))


def _keep_best(state: State, validation_loss: jax.Array, epoch: jax.Array, step_scalars: StepScalars) -> State:
    is_better = (validation_loss < state.best_loss) & ~state.is_stopped
    wait = jnp.where(is_better, 0, state.wait + 1)

    def select_better(new: list, old: list) -> list:
        return [jnp.where(is_better, a, b) for a, b in zip(new, old, strict=True)]

    return state._replace(
        best_trainable=select_better(state.trainable, state.best_trainable),
        best_fixed=select_better(state.fixed, state.best_fixed),
        best_tables={
            name: jnp.where(is_better, state.tables[name].weights, best) for name, best in state.best_tables.items()
        },
        best_loss=jnp.where(is_better, validation_loss, state.best_loss),
        best_epoch=jnp.where(is_better, epoch + 1, state.best_epoch),
        wait=wait,
        is_stopped=state.is_stopped | (wait >= step_scalars.patience) | ~jnp.isfinite(validation_loss),
    )
