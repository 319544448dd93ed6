"""The cross-entropies: of one sigmoid per label, and of one softmax over all labels."""

from __future__ import annotations

from manyhot.backend import jax
from manyhot.engine.losses.base import LossContext

jnp = jax.numpy


def binary_crossentropy(logits: jax.Array, targets: jax.Array, mask: jax.Array, context: LossContext) -> jax.Array:
    """Cross-entropy of one sigmoid per label, max(z, 0) - z t + log(1 + exp(-|z|)), which loses no digits."""
    return jnp.maximum(logits, 0) - logits * targets + jnp.log1p(jnp.exp(-jnp.abs(logits)))


def softmax_binary_crossentropy(
    logits: jax.Array, targets: jax.Array, mask: jax.Array, context: LossContext
) -> jax.Array:
    """Binary cross-entropy of each label's share p of one softmax; 1 - p is at least 1e-7, as in Keras."""
    log_p = jax.nn.log_softmax(logits)
    return -targets * log_p - (1 - targets) * jnp.log(jnp.maximum(-jnp.expm1(log_p), 1e-7))


def categorical_crossentropy(logits: jax.Array, targets: jax.Array, mask: jax.Array, context: LossContext) -> jax.Array:
    """Cross-entropy of one softmax, -l t log softmax(z): its mean over entries is Keras' loss, the mean over rows."""
    return -logits.shape[-1] * targets * jax.nn.log_softmax(logits)
