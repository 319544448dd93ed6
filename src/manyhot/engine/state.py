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
        waited: Epochs since.
        is_stopped: Whether this member has run out of patience.
        key: uint32 (2,), start of this member's shuffles.
    """

    trainable: list[Any]
    fixed: list[Any]
    slots: list[Any]
    best_trainable: list[Any]
    best_fixed: list[Any]
    best_loss: Any
    best_epoch: Any
    waited: Any
    is_stopped: Any
    key: Any


class Rows(NamedTuple):
    """A member's rows, as padded indices; a chunk has one more, leading axis.

    Attributes:
        train: int32 (p,).
        n_train: int32 ().
        stop: int32 (q,).
        n_stop: int32 ().
    """

    train: Any
    n_train: Any
    stop: Any
    n_stop: Any


class Dials(NamedTuple):
    """Numbers that steer a program without a new compile.

    Attributes:
        learning_rate: float (), the highest.
        n_steps: int32 (), steps in an epoch.
        n_epochs: int32 (), the length that schedules stretch over.
        first_epoch: int32 (), epochs done before this call.
        last_epoch: int32 (), epochs done after it at most.
        patience: int32 ().
    """

    learning_rate: Any
    n_steps: Any
    n_epochs: Any
    first_epoch: Any
    last_epoch: Any
    patience: Any
