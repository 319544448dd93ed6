"""Losses: `(logits, targets, mask, context) -> elementwise`; weights and the reduce happen once, in the engine."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import NamedTuple

from manyhot.backend import jax

jnp = jax.numpy
softplus, sigmoid = jax.nn.softplus, jax.nn.sigmoid


class LossContext(NamedTuple):
    """What a loss is told besides the batch; data to the compiled program, so nothing recompiles when it changes."""

    settings: dict[str, jax.Array]  # scalars by name, exactly those of the loss in `losses.LOSS_SETTINGS`
    positives: jax.Array  # float (l,), weighted count of each label's yes entries among the member's training rows
    known: jax.Array  # float (l,), weighted count of each label's known entries among them


# (logits, targets in [0, 1], mask, context) -> the loss of every entry, all (b, ..., l). The mask is True where an
# entry is known and its row no padding; what stands elsewhere is finite and unused, but a softmax sees all logits.
Loss = Callable[[jax.Array, jax.Array, jax.Array, LossContext], jax.Array]


def elementwise(parts: Callable[[jax.Array, LossContext], tuple[jax.Array, jax.Array]]) -> Loss:
    """Make t yes(z) + (1 - t) no(z), a loss whose entries are independent, of (logits, context) -> (yes, no)."""

    @wraps(parts)
    def loss(logits: jax.Array, targets: jax.Array, mask: jax.Array, context: LossContext) -> jax.Array:
        yes, no = parts(logits, context)
        return targets * yes + (1 - targets) * no

    return loss


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


# Losses that fade out what is already right; powers of probabilities are exp(gamma log p), without overflow.


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


# Losses for data in which a no may be a yes that nobody recorded.


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


# Losses in which rare labels count more, by the counts of the member's training rows, at least 1.


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
    weights = settings["alpha"] + sigmoid(settings["beta"] * (ratio - settings["mu"]))
    shifted = logits - settings["kappa"] / settings["lambda"] * jnp.log(negatives / counts)
    yes, _ = focal_terms(shifted, settings["gamma"])
    _, no = focal_terms(settings["lambda"] * shifted, settings["gamma"])
    return weights * (targets * yes + (1 - targets) * no / settings["lambda"])


# Losses of a row or a label, repeated at each of its entries; masked entries take no part in the ranking.


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
    losses = jnp.where(has_yes & no.any(axis), softplus(gap), 0)
    known = (yes | no).sum(axis).astype(z.dtype)
    n_counted = jnp.where(has_yes, known, 0).sum()
    return losses * (known.sum() / jnp.maximum(n_counted, 1))


# (loss, output function) -> the loss as a function of logits
LOSSES: dict[tuple[str, str], Loss] = {
    ("binary_crossentropy", "sigmoid"): binary_crossentropy,
    ("binary_crossentropy", "softmax"): softmax_binary_crossentropy,
    ("categorical_crossentropy", "softmax"): categorical_crossentropy,
    ("focal", "sigmoid"): focal,
    ("asymmetric", "sigmoid"): asymmetric,
    ("class_balanced", "sigmoid"): class_balanced,
    ("distribution_balanced", "sigmoid"): distribution_balanced,
    ("two_way", "sigmoid"): two_way,
    ("zlpr", "sigmoid"): zlpr,
    ("hill", "sigmoid"): hill,
    ("entropy_maximization", "sigmoid"): entropy_maximization,
    ("weak_negatives", "sigmoid"): weak_negatives,
}

# output function -> logits (..., l) to scores (..., l)
OUTPUTS: dict[str, Callable[[jax.Array], jax.Array]] = {"sigmoid": sigmoid, "softmax": jax.nn.softmax}
