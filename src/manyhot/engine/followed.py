"""Somebody who follows training epoch by epoch, and may end it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from manyhot.engine.ensemble import Progress, ProgressCallback


class Epoch(NamedTuple):
    """An epoch that all members have ended."""

    number: int  # 1 for the first of its stage
    n_epochs: int  # of the stage, at most
    loss: float  # mean training loss of the members that trained in it
    validation_loss: float  # mean stopping loss; NaN where nothing stops early
    n_finished: int  # members that train no further
    n_members: int


class EpochFollower(Protocol):
    """What a follower answers; its methods are called by the thread that waits for training."""

    is_stopped: bool  # whether it has ended training; a stage that must run all the same takes one epoch

    def begin_stage(self, stage: str, n_epochs: int) -> None:
        """A part of training begins, of so many epochs at most; "" where training has one part."""

    def begin_epoch(self, number: int) -> None:
        """An epoch of all members begins."""

    def end_epoch(self, epoch: Epoch) -> bool:
        """An epoch has ended; True ends training."""

    def end_stage(self) -> None:
        """The part of training has ended."""


@dataclass(frozen=True)
class FollowedProgress:
    """A progress callback with a follower: members then train side by side, and every epoch is one of all of them."""

    follower: EpochFollower
    show: ProgressCallback | None = None
    stage: str = ""

    def __call__(self, progress: Progress) -> None:
        """Show how far training is."""
        if self.show is not None:
            self.show(progress)


def is_stopped(callback: ProgressCallback | None) -> bool:
    """Whether whoever follows training has ended it."""
    return isinstance(callback, FollowedProgress) and callback.follower.is_stopped
