"""Losses that fade out what is already right.

Powers of probabilities are taken as `exp(gamma log p)` with log p from a softplus: no overflow, no lost digits, and
no infinite slope where a power below 1 of a probability near 0 would have one.
"""

from __future__ import annotations

from manyhot.backend import jax
from manyhot.engine.losses.base import LossContext, elementwise

jnp = jax.numpy
softplus = jax.nn.softplus


def focal_terms(logits: jax.Array, gamma: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The two halves of the focal loss.

    Args:
        logits: Any shape, float.
        gamma: How much entries that are already right are faded out, >= 0.

    Returns:
        `-(1 - p)^gamma log p` for a yes and `-p^gamma log(1 - p)` for a no, p = s(z); shaped like the logits, >= 0.
    """
    minus_log_p, minus_log_q = softplus(-logits), softplus(logits)
    return jnp.exp(-gamma * minus_log_q) * minus_log_p, jnp.exp(-gamma * minus_log_p) * minus_log_q


@elementwise
def focal(logits: jax.Array, context: LossContext) -> tuple[jax.Array, jax.Array]:
    """Focal loss: `-2 a (1 - p)^gamma log p` for a yes, `-2 (1 - a) p^gamma log(1 - p)` for a no.

    Settings: `gamma`; `balance`, the a above.

    Source:
        Lin, Goyal, Girshick, He, Dollár (ICCV 2017), Focal loss for dense object detection, eq. 5. The factor 2 is
        ours: with the neutral a = 1/2 and gamma = 0 it is binary cross-entropy.
    """
    balance = context.settings["balance"]
    yes, no = focal_terms(logits, context.settings["gamma"])
    return 2 * balance * yes, 2 * (1 - balance) * no


@elementwise
def asymmetric(logits: jax.Array, context: LossContext) -> tuple[jax.Array, jax.Array]:
    """Asymmetric loss: `-(1 - p)^g+ log p` for a yes, `-p_m^g- log(1 - p_m)` for a no, p_m = max(p - m, 0).

    Settings: `gamma_positive`, `gamma_negative`, `margin`: g+, g- and m above.

    Source:
        Ridnik et al. (ICCV 2021), Asymmetric loss for multi-label classification. The gradient runs through the
        powers too; the authors' program can hold them constant.
    """
    gamma, margin = context.settings["gamma_negative"], context.settings["margin"]
    yes, _ = focal_terms(logits, context.settings["gamma_positive"])
    log_rest = jnp.logaddexp(-softplus(logits), jnp.log(margin))  # log(1 - (p - m))
    shifted = -jnp.expm1(log_rest)  # p - m
    is_positive = shifted > 1e-30  # not 0: the slope of a power below 1 overflows where subnormal numbers are kept
    power = jnp.exp(gamma * jnp.log(jnp.where(is_positive, shifted, 1)))
    return yes, jnp.where(is_positive, -power * log_rest, 0)
