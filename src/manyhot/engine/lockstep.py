"""Train all chunks of members side by side, so that every epoch is one of all members."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from manyhot.backend import use_dtype
from manyhot.engine.daemon_pool import DaemonPool, result_of
from manyhot.engine.device_data import DeviceData
from manyhot.engine.ensemble import TrainingResult
from manyhot.engine.followed import Epoch, FollowedProgress
from manyhot.engine.job import ChunkResult
from manyhot.engine.saved_chunk import SavedChunk
from manyhot.engine.state import Rows, State
from manyhot.engine.trainer import Trainer


@dataclass
class RunningChunk:
    """A chunk of members under way."""

    saved: SavedChunk
    device: Any
    state: State
    rows: Rows
    curves: np.ndarray  # float32 (k, epochs, 2)

    @property
    def n_stopped(self) -> int:
        """How many of its members have stopped early."""
        return int(np.asarray(self.state.is_stopped)[: len(self.saved.members)].sum())

    @property
    def is_stopped(self) -> bool:
        """Whether all have."""
        return self.n_stopped == len(self.saved.members)


class LockstepTrainer(Trainer):
    """A trainer in which no chunk begins an epoch before all have ended the last one.

    Members get the bits that `Trainer` gives them, because epochs come out the same however many a call of the program
    takes. It costs the memory of all chunks at a time, and waiting for the last of them in every epoch.
    """

    calls_per_epoch = 1

    def run(self) -> TrainingResult:
        """All chunks, on all devices of this process."""
        self._allocate()
        self._report_memory(len(self.chunks))
        for result in self._train_chunks(range(len(self.chunks))):
            self._store(result)
        return self._result()

    def train_chunk(self, number: int, device: Any = None) -> ChunkResult:
        """Train the members of one chunk to their end, from where they were saved last."""
        with use_dtype(self.config.dtype):
            return self._train_chunks([number])[0]

    def _train_chunks(self, numbers: Sequence[int]) -> list[ChunkResult]:
        """Train some chunks side by side."""
        results, running = {}, {}
        for number in numbers:
            device = self.devices[number % len(self.devices)]
            saved = SavedChunk(self.job.snapshots, number, self.chunks[number])
            result = saved.result(device.platform)
            if result is not None:
                results[number] = result
                continue
            state, rows = self._place_on_device(saved.members, device)
            state, curves = saved.restore(state, device)
            running[number] = RunningChunk(saved, device, state, rows, curves)
        if running:
            self._train_running(list(running.values()))
        for number, chunk in running.items():
            result = self._collect(chunk.saved.members, chunk.state, chunk.curves, chunk.device.platform)
            results[number] = chunk.saved.keep(result)
        return [results[number] for number in numbers]

    def _train_running(self, running: list[RunningChunk]) -> None:
        followed = self.callback if isinstance(self.callback, FollowedProgress) else None
        start, n_calls = min(chunk.curves.shape[1] for chunk in running), self.calls_per_epoch
        if followed is not None:
            followed.follower.begin_stage(followed.stage, self.n_epochs // n_calls)
        with DaemonPool(self._n_workers(len(running))) as pool, closing(self._calls(start)) as numbers:
            try:
                for number in numbers:
                    if followed is not None and (number == start or number % n_calls == 0):
                        followed.follower.begin_epoch(number // n_calls + 1)
                    data = [self._data_on(chunk.device) for chunk in running]
                    futures = [
                        pool.submit(self._train_epoch, number, chunk, rows)
                        for chunk, rows in zip(running, data, strict=True)
                    ]
                    for future in futures:
                        result_of(future)
                    del futures, data
                    is_over = all(chunk.is_stopped for chunk in running)
                    if followed is not None and (is_over or (number + 1) % n_calls == 0):
                        is_over |= followed.follower.end_epoch(self._describe_epoch(number, running))
                    if is_over:
                        break
            except BaseException:  # a worker trains one chunk after another, so only then
                self.is_cancelled.set()
                raise
        if followed is not None:
            followed.follower.end_stage()

    def _calls(self, start: int) -> Generator[int, None, None]:
        """The numbers of the calls of the program from the `start`-th on, each with its rows in place."""
        yield from range(start, self.n_epochs)

    def _epoch_rows(self, chunk: RunningChunk) -> tuple[Rows, int]:
        """The rows of a chunk in the present epoch, and how many steps it takes over them."""
        return chunk.rows, int(self.n_steps[chunk.saved.members[0]])

    def _train_epoch(self, number: int, chunk: RunningChunk, data: DeviceData) -> None:
        """One call of the program, which takes one epoch, for a chunk that has not taken it yet."""
        if chunk.is_stopped or chunk.curves.shape[1] > number:
            return
        members = chunk.saved.members
        with use_dtype(self.config.dtype):
            rows, n_steps = self._epoch_rows(chunk)
            compiled = self._compile(members, chunk.state, rows, chunk.device, data)
            step_scalars = self._step_scalars(members, number, number + 1, n_steps, chunk.device)
            chunk.state, curves, done = compiled(chunk.state, rows, data, step_scalars)
            done = int(done)
            self._check_cancelled()
        new_curves = np.asarray(curves)[: len(members), : done - number]
        chunk.curves = np.concatenate([chunk.curves, new_curves], axis=1)
        self._record_curves(members, chunk.curves)
        chunk.saved.save(chunk.state, chunk.curves)

    def _describe_epoch(self, number: int, running: list[RunningChunk]) -> Epoch:
        n_members, n_calls = len(self.splits), self.calls_per_epoch
        n_running = sum(len(chunk.saved.members) - chunk.n_stopped for chunk in running)
        curves = self.curves[:, number - number % n_calls : number + 1]
        losses = [float(part[np.isfinite(part)].mean()) if np.isfinite(part).any() else np.nan for part in curves.T]
        n_finished = n_members if number + 1 == self.n_epochs else n_members - n_running
        loss, validation_loss = losses
        return Epoch(number // n_calls + 1, self.n_epochs // n_calls, loss, validation_loss, n_finished, n_members)
