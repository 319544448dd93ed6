"""What training carries from step to step: one pytree a member, stacked along a leading axis for a chunk."""

from __future__ import annotations

from typing import Any, NamedTuple


class State(NamedTuple):
    """One member in training; a chunk of members has one more, leading axis everywhere."""

    trainable: list[Any]  # weights that the optimizer moves
    fixed: list[Any]  # everything else the network keeps (moving averages, seeds)
    slots: list[Any]  # the optimizer's variables
    best_trainable: list[Any]  # weights at the lowest stopping loss; empty when nothing stops early
    best_fixed: list[Any]
    best_loss: Any  # the lowest stopping loss so far
    best_epoch: Any  # epochs trained when it was reached
    wait: Any  # epochs since
    is_stopped: Any  # whether this member has run out of patience
    key: Any  # uint32 (2,), start of this member's shuffles
    tables: dict[str, Any]  # name of a wide sparse block -> its `EmbeddingTable`
    best_tables: dict[str, Any]  # its weights at the lowest stopping loss; empty when nothing stops early


class LabelCounts(NamedTuple):
    """What a member knows of each label from its training rows; a chunk has one more, leading axis."""

    positives: Any  # float (l,), weighted count of positives
    known: Any  # float (l,), weighted count of known entries
    positive_weights: Any  # float (l,), weight of a positive entry beside a negative one


class Rows(NamedTuple):
    """A member's rows, as padded indices; a chunk has one more, leading axis."""

    train: Any  # int32 (p,)
    n_train: Any  # int32 ()
    validation: Any  # int32 (q,)
    n_validation: Any  # int32 ()
    labels: LabelCounts  # what is known of the labels among `train`


class StepScalars(NamedTuple):
    """Numbers that steer a program without a new compile.

    Where members of a chunk are of trials that differ, those that a trial sets have one value a member.
    """

    learning_rate: Any  # float (), the highest
    n_steps: Any  # int32 (), steps in an epoch of every member of the chunk
    n_epochs: Any  # int32 (), the length that schedules stretch over
    first_epoch: Any  # int32 (), epochs done before this call
    last_epoch: Any  # int32 (), epochs done after it at most
    patience: Any  # int32 ()
    loss_params: dict[str, Any]  # hyperparameters of the loss by name, float ()
    label_smoothing: Any  # float (), how far targets are moved towards 0.5
