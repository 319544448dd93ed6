"""Every "auto" of a config resolved, once the number of rows is known."""

from __future__ import annotations

import math

from manyhot.config.images import max_batch_size, max_members
from manyhot.config.losses import LOSS_SPECS
from manyhot.config.training import BINS, CUSTOM, TrainingConfig

MAX_TABLE_WEIGHTS = 2**28  # of the tables of all members together, where their number is "auto": 1 GiB in float32
PIXEL_MEMBERS = 2
PIXEL_STEPS = 1500  # optimizer steps that "auto" epochs on pixels aim at
STEP_PIXELS = 2**18  # pixels of a batch, where its size is "auto"


def searches_epochs(config: TrainingConfig) -> bool:
    """Whether "auto" epochs are chosen by the loss on left-out rows; other networks and losses go by the rows."""
    return (
        config.epochs == "auto"
        and config.network in ("mlp", "embedding_bag")
        and config.resolved_loss == "binary_crossentropy"
        and config.head == "sigmoid"
        and config.label_weights is None
        and not (config.early_stopping or config.positive_unlabeled)
        and config.n_members != 1
    )


def first_epochs(config: TrainingConfig) -> TrainingConfig:
    """The first epochs that a search tries: half of those that go by the rows."""
    return config.changed(epochs=max(2, int(config.epochs) // 2))


def resolve_auto(
    config: TrainingConfig, n_rows: int, has_optimizer: bool = False, n_table_weights: int = 0
) -> TrainingConfig:
    """Replace every "auto" for a number of different training rows, and of weights in one member's tables."""
    config = resolve_sizes(config, n_rows, n_table_weights)
    is_custom = config.network == CUSTOM
    is_ranking = LOSS_SPECS[config.resolved_loss].is_shift_free
    is_uncalibrated = not is_ranking and (is_custom or config.head == "softmax" or config.positive_unlabeled)
    return config.changed(
        optimizer=("compiled" if has_optimizer else "adamw") if config.optimizer == "auto" else config.optimizer,
        prior_bias=not is_custom if config.prior_bias == "auto" else config.prior_bias,
        preprocessing="standard" if config.is_encoded else "none",
        loss=config.resolved_loss,
        calibration="none" if config.calibration == "auto" and is_uncalibrated else config.calibration,
    )


def resolve_sizes(config: TrainingConfig, n_rows: int, n_table_weights: int = 0) -> TrainingConfig:
    """Replace "auto" members, rows per step and epochs: 64 to 128 steps an epoch; large data take fewer members."""
    members, batch_size, epochs = config.n_members, config.batch_size, config.epochs
    if members == "auto":
        # members that stop apart differ more, and so do the score of one and the mean of all: two score each row
        has_two_networks = BINS in config.branches and not config.early_stopping
        members = 16 if n_rows <= 5_000 and not n_table_weights and not has_two_networks else 8
        members = min(members, max_members(config.image_params), max(1, MAX_TABLE_WEIGHTS // max(n_table_weights, 1)))
    if batch_size == "auto":
        batch_size = _power_of_two(n_rows / 64, 16, max_batch_size(config.image_params))
    if epochs == "auto" and n_table_weights:
        epochs = max(2, min(40, round(800 / math.sqrt(max(n_rows, 1)))))
    elif epochs == "auto":
        epochs = max(4, min(20, round(20 * 50_000 / max(n_rows, 1))))
    return config.changed(n_members=members, batch_size=batch_size, epochs=epochs)


def resolve_pixel_sizes(config: TrainingConfig, n_tiles: int, tile: tuple[int, int]) -> TrainingConfig:
    """Replace "auto" members, tiles per step and epochs of a network for pixels."""
    members = PIXEL_MEMBERS if config.n_members == "auto" else config.n_members
    batch_size, epochs = config.batch_size, config.epochs
    if batch_size == "auto":
        batch_size = int(min(max(2, STEP_PIXELS // (tile[0] * tile[1])), max(2, n_tiles // 32)))
    if epochs == "auto":
        epochs = int(min(max(4, round(PIXEL_STEPS * batch_size / n_tiles)), 60))
    return config.changed(n_members=members, batch_size=batch_size, epochs=epochs)


def resolve_extreme_sizes(config: TrainingConfig, n_rows: int) -> TrainingConfig:
    """Replace "auto" rows per step and epochs of a network over very many labels."""
    batch_size, epochs = config.batch_size, config.epochs
    if batch_size == "auto":
        batch_size = _power_of_two(n_rows / 64, 16, 256)
    if epochs == "auto":
        epochs = max(3, min(20, round(1000 / math.sqrt(max(n_rows, 1)))))
    return config.changed(batch_size=batch_size, epochs=epochs)


def _power_of_two(wanted: float, low: int, high: int) -> int:
    """The largest power of two up to `wanted`, kept between `low` and `high`."""
    return int(min(max(2 ** math.floor(math.log2(max(wanted, 1 / 64) + 1e-9)), low), high))
