"""Losses: `(logits, targets) -> elementwise`, everything else (mask, weights, reduce) happens once in the engine.

A new loss is one function here, one row in `LOSSES`, one entry in tests/contract/test_losses.py.
"""

from __future__ import annotations

from collections.abc import Callable

from manyhot.backend import jax

jnp = jax.numpy

Loss = Callable[[jax.Array, jax.Array], jax.Array]


def binary_crossentropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Cross-entropy of one sigmoid per label, in the form that neither overflows nor loses digits.

    Args:
        logits: Any shape, float.
        targets: Same shape, float in [0, 1].

    Returns:
        Same shape, >= 0: `max(z, 0) - z t + log(1 + exp(-|z|))`, which is `-t log s(z) - (1 - t) log(1 - s(z))`.
    """
    return jnp.maximum(logits, 0) - logits * targets + jnp.log1p(jnp.exp(-jnp.abs(logits)))


LOSSES: dict[str, Loss] = {"binary_crossentropy": binary_crossentropy}
