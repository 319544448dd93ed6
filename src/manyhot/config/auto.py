"""Every "auto" of a plan resolved, once the number of rows is known."""

from __future__ import annotations

import math
from dataclasses import replace

from manyhot.config.images import image_settings, max_members, max_rows
from manyhot.config.losses import LOSS_SPECS, loss_settings
from manyhot.config.text import text_settings
from manyhot.config.training import CUSTOM, TrainingConfig

MAX_TABLE_NUMBERS = 2**28
"""Numbers in the tables of all members together, where the number of members is "auto": 1 GiB in float32."""


def resolve_auto(plan: TrainingConfig, n_rows: int, has_optimizer: bool = False, n_table: int = 0) -> TrainingConfig:
    """The plan with every "auto" replaced for a number of (different) training rows.

    The batch grows with the rows, so that an epoch has about 64 to 128 steps where the rows allow it; large data
    take fewer members and, in the end, fewer epochs, because each of them has seen enough.

    Args:
        plan: The plan.
        n_rows: Different training rows.
        has_optimizer: Whether the network is a compiled Keras model with an optimizer of its own.
        n_table: Numbers in the tables of one member, where there are sparse features or vectors of words; they learn in
            fewer epochs, and large ones leave room for fewer members.
    """
    members, batch_size, epochs = plan.members, plan.batch_size, plan.epochs
    images = image_settings(plan.image_settings)
    if members == "auto":
        members = 16 if n_rows <= 5_000 and not n_table else 8
        members = min(members, max_members(images), max(1, MAX_TABLE_NUMBERS // max(n_table, 1)))
    if batch_size == "auto":
        batch_size = int(min(max(2 ** math.floor(math.log2(max(n_rows, 1) / 64 + 1e-9)), 16), max_rows(images)))
    if epochs == "auto":
        if n_table:
            epochs = max(2, min(40, round(800 / math.sqrt(max(n_rows, 1)))))
        else:
            epochs = max(4, min(20, round(20 * 50_000 / max(n_rows, 1))))
    is_own = plan.network == CUSTOM
    optimizer = ("own" if has_optimizer else "adamw") if plan.optimizer == "auto" else plan.optimizer
    prior_bias = not is_own if plan.prior_bias == "auto" else plan.prior_bias
    encode = ("none" if is_own else "standard") if plan.encode == "auto" else plan.encode
    is_rank = LOSS_SPECS[plan.loss_used].is_shift_free
    stays_raw = not is_rank and (is_own or plan.head == "softmax" or plan.positive_only)
    calibrate = "none" if plan.calibrate == "auto" and stays_raw else plan.calibrate
    return replace(
        plan,
        members=members,
        batch_size=batch_size,
        epochs=epochs,
        optimizer=optimizer,
        prior_bias=prior_bias,
        encode=encode,
        text_settings=text_settings(plan.text, plan.text_settings),
        image_settings=images,
        loss=plan.loss_used,
        loss_settings=loss_settings(plan.loss_used, plan.loss_settings or {}),
        calibrate=calibrate,
    )
