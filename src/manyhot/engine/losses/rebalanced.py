"""Losses in which rare labels count more, by the counts of the member's training rows, at least 1."""

from __future__ import annotations

from manyhot.backend import jax
from manyhot.engine.losses.base import LossContext, elementwise
from manyhot.engine.losses.focal_losses import focal_terms

jnp = jax.numpy


@elementwise
def class_balanced(logits: jax.Array, context: LossContext) -> tuple[jax.Array, jax.Array]:
    """Focal loss, each label times `(1 - beta) / (1 - beta^n)`, n its positives, scaled to mean 1 over the labels."""
    # Source: Cui et al. (CVPR 2019), with the focal loss; every entry takes the weight of its label.
    counts = jnp.maximum(context.positives, 1)
    weights = -1 / jnp.expm1(counts * jnp.log(context.settings["beta"]))
    weights = weights / weights.mean()
    yes, no = focal_terms(logits, context.settings["gamma"])
    return weights * yes, weights * no


def distribution_balanced(logits: jax.Array, targets: jax.Array, mask: jax.Array, context: LossContext) -> jax.Array:
    """Focal loss re-weighted by how often a row is met through its labels, and tolerant of negatives."""
    # Source: Wu et al. (ECCV 2020), without their factor 2; as in the authors' program kappa is divided by lambda, and
    # the focal powers are those of the scaled logits. In a row that holds no known label r is 1.
    settings = context.settings
    counts = jnp.maximum(context.positives, 1)
    negatives = jnp.maximum(context.known - counts, 1)
    inverse_sum = jnp.where(mask & (targets > 0.5), 1 / counts, 0).sum(axis=-1, keepdims=True)
    ratio = jnp.where(inverse_sum > 0, 1 / (counts * jnp.where(inverse_sum > 0, inverse_sum, 1)), 1)
    weights = settings["alpha"] + jax.nn.sigmoid(settings["beta"] * (ratio - settings["mu"]))
    shifted = logits - settings["kappa"] / settings["lambda"] * jnp.log(negatives / counts)
    yes, _ = focal_terms(shifted, settings["gamma"])
    _, no = focal_terms(settings["lambda"] * shifted, settings["gamma"])
    return weights * (targets * yes + (1 - targets) * no / settings["lambda"])
