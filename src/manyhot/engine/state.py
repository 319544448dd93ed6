"""What training carries from step to step: one pytree a member, stacked along a leading axis for a chunk."""

from __future__ import annotations

from typing import Any, NamedTuple


class State(NamedTuple):
    """One member in training; a chunk of members has one more, leading axis everywhere.

    Attributes:
        trainable: Weights that the optimizer moves.
        fixed: Everything else the network keeps (moving averages, seeds).
        slots: The optimizer's variables.
        best_trainable: Weights at the lowest stopping loss; empty when nothing stops early.
        best_fixed: Likewise.
        best_loss: The lowest stopping loss so far.
        best_epoch: Epochs trained when it was reached.
        wait: Epochs since.
        is_stopped: Whether this member has run out of patience.
        key: uint32 (2,), start of this member's shuffles.
        tables: Name of a wide sparse block -> its `EmbeddingTable`.
        best_tables: Its weights at the lowest stopping loss; empty when nothing stops early.
    """

    trainable: list[Any]
    fixed: list[Any]
    slots: list[Any]
    best_trainable: list[Any]
    best_fixed: list[Any]
    best_loss: Any
    best_epoch: Any
    wait: Any
    is_stopped: Any
    key: Any
    tables: dict[str, Any]
    best_tables: dict[str, Any]


class LabelCounts(NamedTuple):
    """What a member knows of each label from its training rows; a chunk has one more, leading axis.

    Attributes:
        positives: float (l,), weighted count of positives.
        known: float (l,), weighted count of known entries.
        positive_weights: float (l,), weight of a positive entry beside a negative one.
    """

    positives: Any
    known: Any
    positive_weights: Any


class Rows(NamedTuple):
    """A member's rows, as padded indices; a chunk has one more, leading axis.

    Attributes:
        train: int32 (p,).
        n_train: int32 ().
        validation: int32 (q,).
        n_validation: int32 ().
        labels: What is known of the labels among `train`.
    """

    train: Any
    n_train: Any
    validation: Any
    n_validation: Any
    labels: LabelCounts


class StepScalars(NamedTuple):
    """Numbers that steer a program without a new compile.

    Attributes:
        learning_rate: float (), the highest.
        n_steps: int32 (), steps in an epoch.
        n_epochs: int32 (), the length that schedules stretch over.
        first_epoch: int32 (), epochs done before this call.
        last_epoch: int32 (), epochs done after it at most.
        patience: int32 ().
        loss_params: Hyperparameters of the loss by name, float ().
        label_smoothing: float (), how far targets are moved towards 0.5.
    """

    learning_rate: Any
    n_steps: Any
    n_epochs: Any
    first_epoch: Any
    last_epoch: Any
    patience: Any
    loss_params: dict[str, Any]
    label_smoothing: Any
