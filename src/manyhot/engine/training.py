"""`train`: the members of a job trained here, epoch by epoch where somebody follows, or on an executor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from manyhot.backend import use_dtype
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.engine.device_data import EncodedRows, MemberSplits
from manyhot.engine.ensemble import NetworkFactory, ProgressCallback, TrainingResult
from manyhot.engine.followed import FollowedProgress
from manyhot.engine.job import JobSize, Snapshots, TrainingJob
from manyhot.engine.lockstep import LockstepTrainer
from manyhot.engine.trainer import Trainer
from manyhot.engine.weights import Weights


def train(
    networks: NetworkFactory,
    rows: EncodedRows,
    splits: MemberSplits,
    config: TrainingConfig,
    runtime: RuntimeConfig,
    batch_size: int,
    start: Weights | None = None,
    callback: ProgressCallback | None = None,
    *,
    n_steps: Sequence[int] | None = None,
    size: JobSize | None = None,
    snapshots: Snapshots | None = None,
    trials: Sequence[TrainingConfig] | None = None,
) -> TrainingResult:
    """Train every member on its own rows, here or where `runtime.executor` says.

    `callback` is called now and then, from any thread; a `FollowedProgress` is also told of each epoch, but not of
    those that an executor's processes take; all behind it are those of `TrainingJob`. With `trials`, the weights of
    members whose loss was no finite number are what they are, and nothing is raised.
    """
    steps, own_runtime = None if n_steps is None else tuple(n_steps), runtime.changed(executor=None)
    job = TrainingJob(networks, rows, splits, config, own_runtime, batch_size, start, steps, size, snapshots)
    job = job if trials is None else replace(job, trials=tuple(trials))
    with use_dtype(config.dtype):
        if runtime.executor is not None:
            return Trainer(job, callback).run_elsewhere(runtime.executor)
        kind = LockstepTrainer if isinstance(callback, FollowedProgress) else Trainer
        return kind(job, callback).run()
