"""Tables of weights for wide sparse features: one row a column, of which a batch reads and moves few.

On a CPU they are loops over non-zeros, each carrying one large array, because XLA copies a second one in every turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from manyhot.backend import jax
from manyhot.engine.device_data import FlatNonzeros, bucket, flatten_csr

jnp = jax.numpy

# how much longer a table's steps are than the learning rate; a row moves by that much when it is first met
TABLE_RATE_FACTOR = 40.0


class Batch(NamedTuple):
    """A batch of rows of a block with a table."""

    block: FlatNonzeros  # all rows
    rows: Any  # int32 (b,), the rows of the batch
    is_real: Any  # bool (b,), False for padding


class EmbeddingTable(NamedTuple):
    """One member's table in training."""

    weights: Any  # float (f, u)
    squares: Any  # float (f, p), sum of all squared gradients so far, of the mean unit of each part of a row


def max_entries(block: FlatNonzeros, n_rows: int, platform: str) -> int:
    """Non-zeros that any batch of n_rows rows can have, in a bucket; 0 on a CPU, where loops go over them."""
    if platform == "cpu":
        return 0
    counts = np.diff(np.asarray(block.starts))
    return bucket(int(np.sort(counts)[-n_rows:].sum()), min_size=256)


def bag_sum(weights: jax.Array, batch: Batch, size: int = 0) -> jax.Array:
    """Sum value times table row for each row, (b, u); `size` bounds the non-zeros for gathers, 0 for loops."""
    if size:
        columns, values, places = _gather_entries(batch, size)
        products = values[:, None] * weights[columns]
        return jax.ops.segment_sum(products, places, len(batch.rows), indices_are_sorted=True)
    block = batch.block

    def sum_row(place: jax.Array, sums: jax.Array) -> jax.Array:
        def add(entry: jax.Array, total: jax.Array) -> jax.Array:
            return total + block.values[entry] * _take_row(weights, block.columns[entry])

        total = jax.lax.fori_loop(*_row_span(batch, place), add, jnp.zeros((1, weights.shape[1]), weights.dtype))
        return jax.lax.dynamic_update_index_in_dim(sums, total, place, 0)

    return jax.lax.fori_loop(0, len(batch.rows), sum_row, jnp.zeros((len(batch.rows), weights.shape[1]), weights.dtype))


def update_table(
    table: EmbeddingTable,
    batch: Batch,
    gradient: jax.Array,
    rate: jax.Array,
    is_adagrad: bool,
    size: int = 0,
    parts: tuple[int, ...] = (),
) -> EmbeddingTable:
    """Take one optimizer step; rows that the batch did not touch stay as they are, and so does their state.

    `parts` are the numbers of neighbouring columns whose steps have one size; () for all columns.
    """
    # Source: Duchi, Hazan, Singer (2011), one accumulator for each part of a row; the samples' squares are summed, not
    # the sum squared.
    parts = parts or gradient.shape[1:]
    if is_adagrad:
        lengths = jnp.stack([jnp.square(gradient[:, span]).mean(axis=1) for span in _spans(parts)], axis=1)
        squares = _add_entries(table.squares, batch, lengths, lambda column, value: jnp.square(value), size)
    else:
        squares = table.squares

    def move(column: jax.Array, value: jax.Array) -> jax.Array:
        if not is_adagrad:
            return -rate * value
        row_squares = squares[column]
        scale = jnp.where(row_squares > 0, jax.lax.rsqrt(jnp.where(row_squares > 0, row_squares, 1)), 0)
        return -(TABLE_RATE_FACTOR * rate * scale) * value

    return EmbeddingTable(
        _add_entries(table.weights, batch, gradient, move, size, parts if is_adagrad else ()), squares
    )


def _spans(parts: tuple[int, ...]) -> list[slice]:
    """The columns of each part."""
    ends = np.cumsum(parts).tolist()
    return [slice(end - width, end) for width, end in zip(parts, ends, strict=True)]


def init_table(weights: np.ndarray, n_parts: int = 1) -> EmbeddingTable:
    """Tables (m, f, u) that have not moved yet."""
    return EmbeddingTable(weights, np.zeros((*weights.shape[:2], n_parts), weights.dtype))


def full_batch(block: sp.csr_matrix, n_rows: int, dtype: str, n_entries: int | None = None) -> Batch:
    """Make one batch of n_rows rows of a whole CSR block, on the host."""
    rows = np.arange(n_rows, dtype=np.int32)
    return Batch(flatten_csr(block, n_rows, dtype, n_entries), rows, rows < block.shape[0])


def _add_entries(
    target: jax.Array,
    batch: Batch,
    row_values: jax.Array,
    factor: Callable[[jax.Array, jax.Array], jax.Array],
    size: int,
    parts: tuple[int, ...] = (),
) -> jax.Array:
    """Add factor(column, value) times its row's values, of (b, u), to row `column` of the target, by non-zeros.

    The factor is one number for each of the `parts` of the columns, (p,) of one non-zero, (e, p) of e; () for one part.
    """
    block, spans = batch.block, _spans(parts or target.shape[1:])
    if size:
        columns, values, places = _gather_entries(batch, size)
        factors = factor(columns, values[:, None])
        for k, span in enumerate(spans):
            target = target.at[columns, span].add(factors[:, k, None] * row_values[places, span])
        return target

    def add_row(place: jax.Array, target: jax.Array) -> jax.Array:
        row_value = _take_row(row_values, place)

        def add(entry: jax.Array, target: jax.Array) -> jax.Array:
            column = block.columns[entry]
            factors = factor(column, block.values[entry][None])
            # one part after another: factors spread over all columns take three times as long
            for k, span in enumerate(spans):
                first = (column, jnp.asarray(span.start, column.dtype))
                old = jax.lax.dynamic_slice(target, first, (1, span.stop - span.start))
                new = old + factors[k] * row_value[:, span]
                target = jax.lax.dynamic_update_slice(target, new, first)
            return target

        return jax.lax.fori_loop(*_row_span(batch, place), add, target)

    return jax.lax.fori_loop(0, len(batch.rows), add_row, target)


def _gather_entries(batch: Batch, size: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The batch's non-zeros laid out one after another: columns, values (0 for padding), places."""
    block, rows = batch.block, batch.rows
    counts = jnp.where(batch.is_real, block.starts[rows + 1] - block.starts[rows], 0)
    ends = jnp.cumsum(counts)
    number = jnp.arange(size, dtype=ends.dtype)
    place = jnp.minimum(jnp.searchsorted(ends, number, side="right"), len(rows) - 1)
    is_real = number < ends[-1]
    source = jnp.where(is_real, block.starts[rows][place] + number - (ends - counts)[place], 0)
    return block.columns[source], jnp.where(is_real, block.values[source], 0), place


def _row_span(batch: Batch, place: jax.Array) -> tuple[jax.Array, jax.Array]:
    """First and one past the last non-zero of a row of the batch."""
    row = batch.rows[place]
    first = batch.block.starts[row]
    return first, jnp.where(batch.is_real[place], batch.block.starts[row + 1], first)


def _take_row(array: jax.Array, place: jax.Array) -> jax.Array:
    return jax.lax.dynamic_index_in_dim(array, place, 0)
