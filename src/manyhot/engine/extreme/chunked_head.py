"""The last layer over very many labels, worked through in chunks: nothing here ever has the shape (rows, labels)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from manyhot.backend import jax
from manyhot.engine.train_step import safe_mean

jnp = jax.numpy

# Labels in a chunk: within 5 % of the fastest size at 131,072 labels, 512 hidden values and 128 rows on a 2-core CPU
# (368 ms a step, all logits at once 772). Temporary memory is about chunk x (2 hidden values + rows) floats: 9 MiB.
CHUNK = 2048

# Labels whose maximum stands for them in a search for few: the best five of 2,048 take 2 ms for 1,024 rows, not 12.
GROUP = 16


class Head(NamedTuple):
    """The last layer of all labels or of a chunk, its gradient, or what AdaGrad keeps of it; labels come first."""

    kernel: Any  # float (l, d), the transpose of a Keras layer's kernel; AdaGrad's squares (l,)
    bias: Any  # float (l,)


class HeadStep(NamedTuple):
    """Result of one step over all labels."""

    head: Head  # the moved weights
    squares: Head  # what AdaGrad keeps, moved
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
    squares: Head,
    positives: jax.Array,
    weights: jax.Array,
    rate: jax.Array,
    epsilon: float,
    n_labels: int | jax.Array,
    chunk: int = CHUNK,
) -> HeadStep:
    """Take one row-wise AdaGrad step of the padded head, with one mean square a label; `positives` int32 (b, p).

    Labels below 0 are padding. Donate head and squares to the compiled program, otherwise they are copied.
    """
    # Source: Duchi, Hazan, Singer (2011), with the mean over a label's weights as in FBGEMM's embeddings.
    weight = (weights * n_labels).sum()
    row_slope = safe_mean(weights, weight)

    def process_chunk(k: jax.Array, carry: tuple) -> tuple:
        head, squares, hidden_gradient, total = carry
        first = k * chunk
        part = _slice_chunk(head, first, chunk)
        is_label = first + jnp.arange(chunk) < n_labels
        losses, slopes = _crossentropy(_logits(hidden, part), _chunk_targets(positives, first, chunk, hidden.dtype))
        total = total + jnp.where(is_label, losses * weights[:, None], 0).sum()
        slopes = jnp.where(is_label, slopes * row_slope[:, None], 0)
        hidden_gradient = hidden_gradient + slopes @ part.kernel
        gradient = Head(slopes.T @ hidden, slopes.sum(axis=0))
        head, squares = _update_chunk(head, squares, gradient, rate, epsilon, first)
        return head, squares, hidden_gradient, total

    carry = (head, squares, jnp.zeros_like(hidden), jnp.zeros((), hidden.dtype))
    head, squares, hidden_gradient, total = jax.lax.fori_loop(0, _n_chunks(head, chunk), process_chunk, carry)
    return HeadStep(head, squares, hidden_gradient, (total, weight))


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


def _n_chunks(head: Head, chunk: int) -> int:
    size = head.bias.shape[0]
    if size % chunk:
        raise ValueError(f"the head has {size} labels, which is no multiple of the chunk {chunk}: see pad_head")
    return size // chunk


def _slice_chunk(arrays: Any, first: jax.Array, chunk: int) -> Any:
    """The chunk's slice of every array."""
    return jax.tree.map(lambda array: jax.lax.dynamic_slice_in_dim(array, first, chunk), arrays)


def _write_chunk(arrays: Any, part: Any, first: jax.Array) -> Any:
    """The chunk's slice of every array replaced."""
    return jax.tree.map(lambda array, new: jax.lax.dynamic_update_slice_in_dim(array, new, first, 0), arrays, part)


def _update_chunk(
    head: Head, squares: Head, gradient: Head, rate: jax.Array, epsilon: float, first: jax.Array
) -> tuple[Head, Head]:
    """Move one chunk of the head, and what AdaGrad keeps of it, in place."""
    # The weights follow the squares as they were written, read back from there. Moved by one computation, XLA would
    # repeat it in the update of each array and copy one of them whole in every chunk.
    chunk = gradient.bias.shape[0]
    old = _slice_chunk(squares, first, chunk)
    new = Head(old.kernel + jnp.square(gradient.kernel).mean(axis=1), old.bias + jnp.square(gradient.bias))
    squares = jax.lax.optimization_barrier(_write_chunk(squares, new, first))
    part, part_squares = _slice_chunk((head, squares), first, chunk)
    scale = jax.tree.map(lambda one: rate * jax.lax.rsqrt(one + epsilon), part_squares)
    kernel = part.kernel - scale.kernel[:, None] * gradient.kernel
    return _write_chunk(head, Head(kernel, part.bias - scale.bias * gradient.bias), first), squares


def _logits(hidden: jax.Array, part: Head) -> jax.Array:
    return hidden @ part.kernel.T + part.bias


def _crossentropy(logits: jax.Array, values: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`losses.binary_crossentropy` and its slope, with one exponential for both."""
    small = jnp.exp(-jnp.abs(logits))
    losses = jnp.maximum(logits, 0) - logits * values + jnp.log1p(small)
    return losses, jnp.where(logits >= 0, 1, small) / (1 + small) - values


def _chunk_targets(positives: jax.Array, first: jax.Array, chunk: int, dtype: Any) -> jax.Array:
    """Lists of labels (b, p) -> targets (b, chunk) of the labels from `first` on; all others are dropped."""
    positions = positives - first
    positions = jnp.where((positions >= 0) & (positions < chunk), positions, chunk)  # below 0 would count from the end
    marks = jnp.zeros((len(positives), chunk), dtype)
    return marks.at[jnp.arange(len(positives))[:, None], positions].set(1, mode="drop")
