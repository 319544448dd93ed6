"""Losses for data in which a no may be a yes that nobody recorded."""

from __future__ import annotations

from manyhot.backend import jax
from manyhot.engine.losses.base import LossContext, elementwise
from manyhot.engine.losses.focal_losses import focal_terms

softplus = jax.nn.softplus
sigmoid = jax.nn.sigmoid


@elementwise
def hill(logits: jax.Array, context: LossContext) -> tuple[jax.Array, jax.Array]:
    """Hill loss: `(lambda - p) p^2` for a no, whose push fades where p nears 1; for a yes the focal loss of z - m."""
    # Source: Zhang et al. (2021), arXiv 2112.07368: Hill loss for negatives, focal margin loss for positives.
    yes, _ = focal_terms(logits - context.settings["margin"], context.settings["gamma"])
    p = sigmoid(logits)
    return yes, (context.settings["lambda"] - p) * p**2


@elementwise
def entropy_maximization(logits: jax.Array, context: LossContext) -> tuple[jax.Array, jax.Array]:
    """Entropy-maximization loss: `-log p` for a yes, `-alpha H(p)` for a no, so below 0, with H the entropy of p."""
    # Source: Zhou et al. (ECCV 2022): the EM loss, without the pseudo-labels that the paper adds to it.
    minus_log_p, minus_log_q = softplus(-logits), softplus(logits)
    entropy = sigmoid(logits) * minus_log_p + sigmoid(-logits) * minus_log_q
    return minus_log_p, -context.settings["alpha"] * entropy


@elementwise
def weak_negatives(logits: jax.Array, context: LossContext) -> tuple[jax.Array, jax.Array]:
    """Binary cross-entropy in which a no counts `row_negatives / (l - 1)`."""
    # Source: Cole et al. (CVPR 2021): the weak-assume-negative loss, whose weight is 1 / (l - 1).
    weight = context.settings["row_negatives"] / max(logits.shape[-1] - 1, 1)
    return softplus(-logits), weight * softplus(logits)
