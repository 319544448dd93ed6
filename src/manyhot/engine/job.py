"""What the training of some members needs, as plain data that can travel, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.engine.device_data import EncodedRows, MemberSplits
from manyhot.engine.ensemble import NetworkFactory
from manyhot.engine.weights import Weights


class JobSize(NamedTuple):
    """How large the whole work is that a job is a part of: what fixes a member's last bits beside its own rows."""

    n_members: int
    n_validation: int  # stopping rows of the member that has most
    platform: str  # of the process that shares the work out


class Snapshots(Protocol):
    """Where training leaves what it needs to go on after the process was killed."""

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Keep what the run is, as JSON; raise where what was kept is of another run."""

    def load(self, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """A JSON document and arrays, as they were saved last under a name; None where nothing was."""

    def save(self, name: str, document: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Keep a JSON document and arrays under a name; what was there before is replaced when all is written."""

    def is_due(self, name: str) -> bool:
        """Whether it is time to save the state under a name again."""

    def within(self, name: str) -> Snapshots:
        """Names of a part of the work, apart from all others."""


@dataclass(frozen=True)
class TrainingJob:
    """One job of `train`; everything in it can be pickled."""

    networks: NetworkFactory
    rows: EncodedRows | None  # None where they come window by window
    splits: MemberSplits
    config: TrainingConfig
    runtime: RuntimeConfig
    batch_size: int
    start: Weights | None = None  # initial weights (m, ...); None for those of the networks
    n_steps: tuple[int, ...] | None = None  # steps of an epoch of each member; None for those of the largest one
    size: JobSize | None = None  # None where this job is all of it
    snapshots: Snapshots | None = None
    # settings of each trial of a search: its members follow those of the trial before, and are numbered anew; what
    # tells trials apart is data to the compiled program. None for one training with `config`
    trials: tuple[TrainingConfig, ...] | None = None

    def trial(self, member: int) -> int:
        """The number of the trial of a member."""
        return 0 if self.trials is None else member // self._n_trial_members

    def config_of(self, member: int) -> TrainingConfig:
        """The settings of a member."""
        return self.config if self.trials is None else self.trials[self.trial(member)]

    def number(self, member: int) -> int:
        """The number of a member in its training, on which its shuffles depend."""
        place = member if self.trials is None else member % self._n_trial_members
        return self.networks.first_member + place

    @property
    def _n_trial_members(self) -> int:
        return self.networks.n_members // len(self.trials or (None,))


class ChunkResult(NamedTuple):
    """What a chunk of k members leaves."""

    members: list[int]
    weights: Weights  # (k, ...), each member's best (or last)
    best_epoch: np.ndarray  # int64 (k,)
    curves: np.ndarray  # float32 (k, epochs, 2)
    loss: float  # mean of the members' best losses
    platform: str  # of the device that it was trained on
