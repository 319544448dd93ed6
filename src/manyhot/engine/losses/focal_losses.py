"""Losses that fade out what is already right; powers of probabilities are exp(gamma log p), without overflow."""

from __future__ import annotations

from manyhot.backend import jax
from manyhot.engine.losses.base import LossContext, elementwise

jnp = jax.numpy
softplus = jax.nn.softplus


def focal_terms(logits: jax.Array, gamma: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The focal loss of a yes, -(1 - p)^gamma log p, and of a no, -p^gamma log(1 - p), with p = sigmoid(z)."""
    minus_log_p, minus_log_q = softplus(-logits), softplus(logits)
    return jnp.exp(-gamma * minus_log_q) * minus_log_p, jnp.exp(-gamma * minus_log_p) * minus_log_q


@elementwise
def focal(logits: jax.Array, context: LossContext) -> tuple[jax.Array, jax.Array]:
    """Focal loss: `-2 a (1 - p)^gamma log p` for a yes, `-2 (1 - a) p^gamma log(1 - p)` for a no."""
    # Source: Lin et al. (ICCV 2017), eq. 5, times 2: with a = 1/2 and gamma = 0 it is binary cross-entropy.
    balance = context.settings["balance"]
    yes, no = focal_terms(logits, context.settings["gamma"])
    return 2 * balance * yes, 2 * (1 - balance) * no


@elementwise
def asymmetric(logits: jax.Array, context: LossContext) -> tuple[jax.Array, jax.Array]:
    """Asymmetric loss: `-(1 - p)^g+ log p` for a yes, `-p_m^g- log(1 - p_m)` for a no, p_m = max(p - m, 0)."""
    # Source: Ridnik et al. (ICCV 2021); the gradient runs through the powers too.
    gamma, margin = context.settings["gamma_negative"], context.settings["margin"]
    yes, _ = focal_terms(logits, context.settings["gamma_positive"])
    log_rest = jnp.logaddexp(-softplus(logits), jnp.log(margin))  # log(1 - (p - m))
    shifted = -jnp.expm1(log_rest)  # p - m
    is_positive = shifted > 1e-30  # not 0: the slope of a power below 1 overflows where subnormal numbers are kept
    power = jnp.exp(gamma * jnp.log(jnp.where(is_positive, shifted, 1)))
    return yes, jnp.where(is_positive, -power * log_rest, 0)
