"""Losses in which rare labels count more, by the counts of the member's training rows.

A label counts as held by at least one row, so that one without any positive has a weight too. The counts are taken for
numbers of rows: row weights should be near 1 on average.
"""

from __future__ import annotations

from manyhot.backend import jax
from manyhot.engine.losses.base import LossContext, elementwise
from manyhot.engine.losses.focal_losses import focal_terms

jnp = jax.numpy


@elementwise
def class_balanced(logits: jax.Array, context: LossContext) -> tuple[jax.Array, jax.Array]:
    """Focal loss, each label times `(1 - beta) / (1 - beta^n)`, n its positives, scaled to mean 1 over the labels.

    Settings: `beta`, `gamma`.

    Source:
        Cui, Jia, Lin, Song, Belongie (CVPR 2019), Class-balanced loss based on effective number of samples: the
        weights, with the focal loss. There a row has one class, whose weight all its entries take; here every entry
        takes its label's.
    """
    counts = jnp.maximum(context.positives, 1)
    weights = -1 / jnp.expm1(counts * jnp.log(context.settings["beta"]))
    weights = weights / weights.mean()
    yes, no = focal_terms(logits, context.settings["gamma"])
    return weights * yes, weights * no


def distribution_balanced(logits: jax.Array, targets: jax.Array, mask: jax.Array, context: LossContext) -> jax.Array:
    """Focal loss with weights that undo how often a row is met through its labels, and with tolerance for negatives.

    For a label held by n of N rows, u = z - (kappa / lambda) log((N - n) / n): the loss is
    `-w (1 - s(u))^gamma log s(u)` for a yes and `-(w / lambda) s(lambda u)^gamma log(1 - s(lambda u))` for a no. The
    weight is `w = alpha + s(beta (r - mu))`, and r is 1 / n over the sum of 1 / n of the labels that the row holds.
    In a row that holds no known label r is 1, as for a label that a row holds alone: nothing else repeats it.

    Args:
        logits: float (b, ..., l).
        targets: Same shape, float in [0, 1]; above 0.5 a row counts as holding the label.
        mask: bool, same shape: which targets a row's sum may look at.
        context: Settings `alpha`, `beta`, `mu`, `kappa`, `lambda`, `gamma`, and the counts.

    Returns:
        Same shape, >= 0.

    Source:
        Wu, Huang, Liu, Wang, Lin (ECCV 2020), Distribution-balanced loss for multi-label classification in long-tailed
        datasets: re-balanced weighting with its smoothing function, and negative-tolerant regularisation; as in the
        authors' program kappa is divided by lambda, and the focal powers are those of the scaled logits. Their constant
        factor 2 is left out. Rows without positives do not occur in the paper.
    """
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
