"""The last layer over very many labels, worked through in chunks: nothing here ever has the shape (rows, labels)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from manyhot.backend import jax
from manyhot.engine.extreme.optimizers import Head, HeadOptimizer
from manyhot.engine.extreme.sparse_targets import PaddedTargets
from manyhot.engine.train_step import safe_mean

jnp = jax.numpy

# Labels in a chunk: within 5 % of the fastest size at 131,072 labels, 512 hidden values and 128 rows on a 2-core CPU
# (368 ms a step, all logits at once 772). Temporary memory is about chunk x (2 hidden values + rows) floats: 9 MiB.
CHUNK = 2048

# Labels whose maximum stands for them in a search for few: the best five of 2,048 take 2 ms for 1,024 rows, not 12.
GROUP = 16


class HeadStep(NamedTuple):
    """Result of one step over all labels."""

    head: Head  # the moved weights
    optimizer_state: Any  # what the optimizer keeps, moved
    hidden_gradient: Any  # float (b, d), of the mean loss, for the trunk
    sums: tuple[Any, Any]  # (sum of the weighted losses, sum of the weights) before the step, both float ()


def padded_size(n_labels: int, chunk: int = CHUNK) -> int:
    """The next multiple of the chunk: how long the head's label axis must be."""
    return math.ceil(n_labels / chunk) * chunk


def pad_head(head: Head, chunk: int = CHUNK) -> Head:
    """A head with zeros for padding labels appended."""
    n_padding = padded_size(head.bias.shape[0], chunk) - head.bias.shape[0]
    return Head(jnp.pad(head.kernel, ((0, n_padding), (0, 0))), jnp.pad(head.bias, (0, n_padding)))


def loss_and_update(
    hidden: jax.Array,
    head: Head,
    optimizer_state: Any,
    targets: PaddedTargets,
    optimizer: HeadOptimizer,
    rate: jax.Array,
    step: jax.Array,
    n_labels: int | jax.Array,
    chunk: int = CHUNK,
) -> HeadStep:
    """Take one optimizer step of the padded head; donate head and state to the program, or they are copied."""
    n_chunks = _n_chunks(head, chunk)
    weight = _weight_sum(targets, n_labels)
    row_slope = safe_mean(targets.weights, weight)

    def process_chunk(k: jax.Array, carry: tuple) -> tuple:
        head, optimizer_state, hidden_gradient, total = carry
        first = k * chunk
        part = _slice_chunk(head, first, chunk)
        values, is_known = _chunk_targets(targets, first, chunk, n_labels, hidden.dtype)
        losses, slopes = _crossentropy(_logits(hidden, part), values)
        total = total + jnp.where(is_known, losses * targets.weights[:, None], 0).sum()
        slopes = jnp.where(is_known, slopes * row_slope[:, None], 0)
        hidden_gradient = hidden_gradient + slopes @ part.kernel
        gradient = Head(slopes.T @ hidden, slopes.sum(axis=0))
        head, optimizer_state = _update_chunk(head, optimizer_state, gradient, optimizer, (rate, step), first)
        return head, optimizer_state, hidden_gradient, total

    carry = (head, optimizer_state, jnp.zeros_like(hidden), jnp.zeros((), hidden.dtype))
    head, optimizer_state, hidden_gradient, total = jax.lax.fori_loop(0, n_chunks, process_chunk, carry)
    return HeadStep(head, optimizer_state, hidden_gradient, (total, weight))


def loss_only(
    hidden: jax.Array, head: Head, targets: PaddedTargets, n_labels: int | jax.Array, chunk: int = CHUNK
) -> tuple[jax.Array, jax.Array]:
    """(Sum of the weighted losses, sum of the weights) as `loss_and_update` has them, and nothing is moved."""

    def process_chunk(k: jax.Array, total: jax.Array) -> jax.Array:
        values, is_known = _chunk_targets(targets, k * chunk, chunk, n_labels, hidden.dtype)
        losses, _ = _crossentropy(_logits(hidden, _slice_chunk(head, k * chunk, chunk)), values)
        return total + jnp.where(is_known, losses * targets.weights[:, None], 0).sum()

    total = jax.lax.fori_loop(0, _n_chunks(head, chunk), process_chunk, jnp.zeros((), hidden.dtype))
    return total, _weight_sum(targets, n_labels)


def top_k(
    hidden: jax.Array, head: Head, k: int, n_labels: int | jax.Array, chunk: int = CHUNK
) -> tuple[jax.Array, jax.Array]:
    """Find the k best labels of each row, exactly: falling logits (b, k) and labels int32 (b, k), ties by label."""

    def process_chunk(chunk_index: jax.Array, best: tuple) -> tuple:
        first = chunk_index * chunk
        labels = first + jnp.arange(chunk, dtype=jnp.int32)
        logits = jnp.where(labels < n_labels, _logits(hidden, _slice_chunk(head, first, chunk)), -jnp.inf)
        label_ids = jnp.broadcast_to(labels, logits.shape)
        if 4 * k <= chunk // GROUP:
            logits, label_ids = _leading_groups(logits, label_ids, k)
        # What is kept stands first: top_k prefers the earlier of equals, and its labels are the lower ones.
        scores = jnp.concatenate([best[0], logits], axis=1)
        label_ids = jnp.concatenate([best[1], label_ids], axis=1)
        scores, positions = jax.lax.top_k(scores, k)
        return scores, jnp.take_along_axis(label_ids, positions, axis=1)

    shape = (hidden.shape[0], k)
    initial = (jnp.full(shape, -jnp.inf, hidden.dtype), jnp.zeros(shape, jnp.int32))
    return jax.lax.fori_loop(0, _n_chunks(head, chunk), process_chunk, initial)


def _leading_groups(logits: jax.Array, label_ids: jax.Array, k: int) -> tuple[jax.Array, jax.Array]:
    """Select the k groups of labels with the highest maxima, (b, k * GROUP): among them are the k best, ties too."""
    groups = logits.reshape(len(logits), -1, GROUP)
    _, leading = jax.lax.top_k(groups.max(axis=2), k)
    leading = jnp.sort(leading, axis=1)[:, :, None]  # equal logits stay by ascending label

    def gather_groups(array: jax.Array) -> jax.Array:
        return jnp.take_along_axis(array.reshape(groups.shape), leading, axis=1).reshape(len(logits), -1)

    return gather_groups(logits), gather_groups(label_ids)


def score_labels(hidden: jax.Array, head: Head, labels: jax.Array) -> jax.Array:
    """Logits float (b, q) of listed labels int32 (b, q), -inf where a list is filled up with -1."""
    is_label = (labels >= 0) & (labels < head.bias.shape[0])
    safe_labels = jnp.where(is_label, labels, 0)
    logits = (hidden[:, None, :] * head.kernel[safe_labels]).sum(axis=-1) + head.bias[safe_labels]
    return jnp.where(is_label, logits, -jnp.inf)


def _n_chunks(head: Head, chunk: int) -> int:
    size = head.bias.shape[0]
    if size % chunk:
        raise ValueError(f"the head has {size} labels, which is no multiple of the chunk {chunk}: see padded_head")
    return size // chunk


def _slice_chunk(arrays: Any, first: jax.Array, chunk: int) -> Any:
    """The chunk's slice of every array."""
    return jax.tree.map(lambda array: jax.lax.dynamic_slice_in_dim(array, first, chunk), arrays)


def _write_chunk(arrays: Any, part: Any, first: jax.Array) -> Any:
    """The chunk's slice of every array replaced."""
    return jax.tree.map(lambda array, new: jax.lax.dynamic_update_slice_in_dim(array, new, first, 0), arrays, part)


def _update_chunk(
    head: Head, optimizer_state: Any, gradient: Head, optimizer: HeadOptimizer, rate_and_step: tuple, first: jax.Array
) -> tuple[Head, Any]:
    """Move one chunk of the head, and what the optimizer keeps of it, in place."""
    # The weights follow the state as it was written, read back from there. Moved by one computation, XLA would repeat
    # it for each array and copy one whole in every chunk (AdamW at 131,072 x 512: 518 MiB and 9 s instead of 9 MiB).
    chunk = gradient.bias.shape[0]
    optimizer_state = jax.lax.optimization_barrier(
        _write_chunk(
            optimizer_state, optimizer.accumulate(_slice_chunk(optimizer_state, first, chunk), gradient), first
        )
    )
    part, part_state = _slice_chunk((head, optimizer_state), first, chunk)
    return _write_chunk(head, optimizer.apply(part, part_state, gradient, *rate_and_step), first), optimizer_state


def _logits(hidden: jax.Array, part: Head) -> jax.Array:
    return hidden @ part.kernel.T + part.bias


def _crossentropy(logits: jax.Array, values: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`losses.binary_crossentropy` and its slope, with one exponential for both."""
    small = jnp.exp(-jnp.abs(logits))
    losses = jnp.maximum(logits, 0) - logits * values + jnp.log1p(small)
    return losses, jnp.where(logits >= 0, 1, small) / (1 + small) - values


def _weight_sum(targets: PaddedTargets, n_labels: int | jax.Array) -> jax.Array:
    """Sum of the weights of all known entries, float ()."""
    if targets.unknown is None:
        return (targets.weights * n_labels).sum()
    n_unknown = ((targets.unknown >= 0) & (targets.unknown < n_labels)).sum(axis=1)
    return (targets.weights * (n_labels - n_unknown)).sum()


def _chunk_targets(
    targets: PaddedTargets, first: jax.Array, chunk: int, n_labels: int | jax.Array, dtype: Any
) -> tuple[jax.Array, jax.Array]:
    """Lists of labels -> the chunk's targets in the dtype and whether each is known, both (b, c)."""
    is_known = jnp.broadcast_to(first + jnp.arange(chunk) < n_labels, (targets.positives.shape[0], chunk))
    values = _scatter_labels(targets.positives, first, jnp.zeros(is_known.shape, dtype), 1)
    if targets.unknown is not None:
        is_known = _scatter_labels(targets.unknown, first, is_known, False)
    return values, is_known


def _scatter_labels(labels: jax.Array, first: jax.Array, marks: jax.Array, value: Any) -> jax.Array:
    """Listed labels (b, p) set in an array (b, c) of the labels from `first` on; all others are dropped."""
    chunk = marks.shape[1]
    positions = labels - first
    positions = jnp.where((positions >= 0) & (positions < chunk), positions, chunk)  # below 0 would count from the end
    return marks.at[jnp.arange(labels.shape[0])[:, None], positions].set(value, mode="drop")
