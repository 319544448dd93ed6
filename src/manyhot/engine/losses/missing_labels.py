"""Losses for data in which a no may be a yes that nobody recorded.

Entries that are known to be unknown are masked and need none of this; these are for absent labels that look like a no.
"""

from __future__ import annotations

from manyhot.backend import jax
from manyhot.engine.losses.base import LossContext, elementwise
from manyhot.engine.losses.focal_losses import focal_terms

softplus = jax.nn.softplus
sigmoid = jax.nn.sigmoid


@elementwise
def hill(logits: jax.Array, context: LossContext) -> tuple[jax.Array, jax.Array]:
    """Hill loss: `(lambda - p) p^2` for a no, whose push fades where p nears 1; for a yes the focal loss of z - m.

    Settings: `lambda`; `margin`, the m above; `gamma`, of the focal loss.

    Source:
        Zhang et al. (2021), Simple and robust loss design for multi-label learning with missing labels,
        arXiv 2112.07368: Hill loss for negatives, focal margin loss for positives.
    """
    yes, _ = focal_terms(logits - context.settings["margin"], context.settings["gamma"])
    p = sigmoid(logits)
    return yes, (context.settings["lambda"] - p) * p**2


@elementwise
def entropy_maximization(logits: jax.Array, context: LossContext) -> tuple[jax.Array, jax.Array]:
    """Entropy-maximization loss: `-log p` for a yes, `-alpha H(p)` for a no, so below 0, with H the entropy of p.

    Settings: `alpha`.

    Source:
        Zhou, Chen, Wang, Chen, Heng (ECCV 2022), Acknowledging the unknown for multi-label learning with single
        positive labels: the EM loss, without the pseudo-labels that the paper adds to it.
    """
    minus_log_p, minus_log_q = softplus(-logits), softplus(logits)
    entropy = sigmoid(logits) * minus_log_p + sigmoid(-logits) * minus_log_q
    return minus_log_p, -context.settings["alpha"] * entropy


@elementwise
def weak_negatives(logits: jax.Array, context: LossContext) -> tuple[jax.Array, jax.Array]:
    """Binary cross-entropy in which a no counts `row_negatives / (l - 1)`.

    Settings: `row_negatives`; at 1 the no's of a row with a single yes weigh as much as that yes.

    Source:
        Cole, Mac Aodha, Lorieul, Perona, Morris, Jojic (CVPR 2021), Multi-label learning from single positive labels:
        the weak-assume-negative loss, whose weight is 1 / (l - 1).
    """
    weight = context.settings["row_negatives"] / max(logits.shape[-1] - 1, 1)
    return softplus(-logits), weight * softplus(logits)
