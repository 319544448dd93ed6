"""Losses of a row or a label, repeated at each of its entries; masked entries take no part in the ranking."""

from __future__ import annotations

from manyhot.backend import jax
from manyhot.engine.losses.base import LossContext

jnp = jax.numpy


def log_sum_exp(values: jax.Array, mask: jax.Array, axis: int, extra: float | None = None) -> jax.Array:
    """log of the sum of exp over the masked values and one extra value, 0 where there is none; gradients are finite."""
    lowest = -jnp.inf if extra is None else extra
    highest = jax.lax.stop_gradient(jnp.max(values, axis, keepdims=True, initial=lowest, where=mask))
    total = jnp.where(mask, jnp.exp(jnp.where(mask, values - highest, 0)), 0).sum(axis)
    highest = jnp.squeeze(highest, axis)
    if extra is not None:
        total = total + jnp.exp(extra - highest)
    return jnp.where(total > 0, highest + jnp.log(jnp.where(total > 0, total, 1)), 0)


def zlpr(logits: jax.Array, targets: jax.Array, mask: jax.Array, context: LossContext) -> jax.Array:
    """ZLPR of each row: `log(1 + sum over yes of exp(-z)) + log(1 + sum over no of exp(z))`."""
    # Source: Su et al. (2022), ZLPR, arXiv 2208.02955; the form for yes and no, not the soft one.
    is_yes = targets > 0.5
    yes = log_sum_exp(-logits, mask & is_yes, axis=-1, extra=0.0)
    no = log_sum_exp(logits, mask & ~is_yes, axis=-1, extra=0.0)
    return jnp.broadcast_to((yes + no)[..., None], logits.shape)


def two_way(logits: jax.Array, targets: jax.Array, mask: jax.Array, context: LossContext) -> jax.Array:
    """Two-way loss: yes ranked above no within each row, and within each label over the rows of the batch."""
    # Source: Kobayashi (CVPR 2023); scaled so that the mean over unmasked entries is the paper's loss.
    known, is_yes = (x.reshape(-1, logits.shape[-1]) for x in (mask, targets > 0.5))
    z = logits.reshape(known.shape)
    rows, labels = (_rank_losses(z, known & is_yes, known & ~is_yes, context.settings, axis) for axis in (1, 0))
    return (rows[:, None] + labels).reshape(logits.shape)


def _rank_losses(z: jax.Array, yes: jax.Array, no: jax.Array, settings: dict[str, jax.Array], axis: int) -> jax.Array:
    """The losses of rows (or labels), over the share of known entries that stand in a row (or label) with a yes."""
    hot, cold = settings["temperature_positive"], settings["temperature_negative"]
    gap = cold * log_sum_exp(z / cold, no, axis) + hot * log_sum_exp(-z / hot, yes, axis)
    has_yes = yes.any(axis)
    losses = jnp.where(has_yes & no.any(axis), jax.nn.softplus(gap), 0)
    known = (yes | no).sum(axis).astype(z.dtype)
    n_counted = jnp.where(has_yes, known, 0).sum()
    return losses * (known.sum() / jnp.maximum(n_counted, 1))
