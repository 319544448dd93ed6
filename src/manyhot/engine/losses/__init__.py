"""Losses: `(logits, targets, mask, context) -> elementwise`; weights and the reduce happen once, in the engine."""

from __future__ import annotations

from collections.abc import Callable

from manyhot.backend import jax
from manyhot.engine.losses.base import Loss, LossContext
from manyhot.engine.losses.cross_entropy import (
    binary_crossentropy,
    categorical_crossentropy,
    softmax_binary_crossentropy,
)
from manyhot.engine.losses.focal_losses import asymmetric, focal
from manyhot.engine.losses.missing_labels import entropy_maximization, hill, weak_negatives
from manyhot.engine.losses.ranking import two_way, zlpr
from manyhot.engine.losses.rebalanced import class_balanced, distribution_balanced

__all__ = ["LOSSES", "OUTPUTS", "Loss", "LossContext"]

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
OUTPUTS: dict[str, Callable[[jax.Array], jax.Array]] = {"sigmoid": jax.nn.sigmoid, "softmax": jax.nn.softmax}
