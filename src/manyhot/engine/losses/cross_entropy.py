"""The cross-entropies: of one sigmoid per label, and of one softmax over all labels."""

from __future__ import annotations

from manyhot.backend import jax
from manyhot.engine.losses.base import LossContext

jnp = jax.numpy


def binary_crossentropy(logits: jax.Array, targets: jax.Array, mask: jax.Array, context: LossContext) -> jax.Array:
    """Cross-entropy of one sigmoid per label, in the form that neither overflows nor loses digits.

    Args:
        logits: Any shape, float.
        targets: Same shape, float in [0, 1].
        mask: Not looked at.
        context: Not looked at.

    Returns:
        Same shape, >= 0: `max(z, 0) - z t + log(1 + exp(-|z|))`, which is `-t log s(z) - (1 - t) log(1 - s(z))`.
    """
    return jnp.maximum(logits, 0) - logits * targets + jnp.log1p(jnp.exp(-jnp.abs(logits)))


def softmax_binary_crossentropy(
    logits: jax.Array, targets: jax.Array, mask: jax.Array, context: LossContext
) -> jax.Array:
    """Binary cross-entropy of each label's share of one softmax; for comparison, see `compare_heads`.

    Args:
        logits: float (..., l).
        targets: Same shape, float in [0, 1].
        mask: Not looked at.
        context: Not looked at.

    Returns:
        Same shape, >= 0: `-t log p - (1 - t) log(1 - p)`, p = softmax(z), where 1 - p is at least 1e-7 as in Keras.
    """
    log_p = jax.nn.log_softmax(logits)
    return -targets * log_p - (1 - targets) * jnp.log(jnp.maximum(-jnp.expm1(log_p), 1e-7))


def categorical_crossentropy(logits: jax.Array, targets: jax.Array, mask: jax.Array, context: LossContext) -> jax.Array:
    """Cross-entropy of one softmax over all labels, right where exactly one label holds in every row.

    Args:
        logits: float (..., l).
        targets: Same shape, float in [0, 1].
        mask: Not looked at.
        context: Not looked at.

    Returns:
        Same shape, >= 0: `-l t log softmax(z)`, so that the mean over all entries is Keras' loss, the mean over rows.
    """
    return -logits.shape[-1] * targets * jax.nn.log_softmax(logits)
