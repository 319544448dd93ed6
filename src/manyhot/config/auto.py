"""Every "auto" of a config resolved, once the number of rows is known."""

from __future__ import annotations

import math
from dataclasses import replace

from manyhot.config.images import image_params, max_batch_size, max_members
from manyhot.config.losses import LOSS_SPECS, loss_params
from manyhot.config.text import text_params
from manyhot.config.training import CUSTOM, TrainingConfig

MAX_TABLE_WEIGHTS = 2**28
"""Numbers in the tables of all members together, where the number of members is "auto": 1 GiB in float32."""


def resolve_auto(
    config: TrainingConfig, n_rows: int, has_optimizer: bool = False, n_table_weights: int = 0
) -> TrainingConfig:
    """The config with every "auto" replaced for a number of (different) training rows.

    The batch grows with the rows, so that an epoch has about 64 to 128 steps where the rows allow it; large data
    take fewer members and, in the end, fewer epochs, because each of them has seen enough.

    Args:
        config: The config.
        n_rows: Different training rows.
        has_optimizer: Whether the network is a compiled Keras model with an optimizer of its own.
        n_table_weights: Numbers in the tables of one member, where there are sparse features or vectors of words; they
            learn in fewer epochs, and large ones leave room for fewer members.
    """
    members, batch_size, epochs = config.n_members, config.batch_size, config.epochs
    images = image_params(config.image_params)
    if members == "auto":
        members = 16 if n_rows <= 5_000 and not n_table_weights else 8
        members = min(members, max_members(images), max(1, MAX_TABLE_WEIGHTS // max(n_table_weights, 1)))
    if batch_size == "auto":
        batch_size = int(min(max(2 ** math.floor(math.log2(max(n_rows, 1) / 64 + 1e-9)), 16), max_batch_size(images)))
    if epochs == "auto":
        if n_table_weights:
            epochs = max(2, min(40, round(800 / math.sqrt(max(n_rows, 1)))))
        else:
            epochs = max(4, min(20, round(20 * 50_000 / max(n_rows, 1))))
    is_custom = config.network == CUSTOM
    optimizer = ("compiled" if has_optimizer else "adamw") if config.optimizer == "auto" else config.optimizer
    prior_bias = not is_custom if config.prior_bias == "auto" else config.prior_bias
    preprocessing = ("none" if is_custom else "standard") if config.preprocessing == "auto" else config.preprocessing
    is_ranking = LOSS_SPECS[config.resolved_loss].is_shift_free
    is_uncalibrated = not is_ranking and (is_custom or config.head == "softmax" or config.positive_unlabeled)
    calibration = "none" if config.calibration == "auto" and is_uncalibrated else config.calibration
    return replace(
        config,
        n_members=members,
        batch_size=batch_size,
        epochs=epochs,
        optimizer=optimizer,
        prior_bias=prior_bias,
        preprocessing=preprocessing,
        text_params=text_params(config.text, config.text_params),
        image_params=images,
        loss=config.resolved_loss,
        loss_params=loss_params(config.resolved_loss, config.loss_params or {}),
        calibration=calibration,
    )
