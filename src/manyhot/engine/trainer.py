"""Train all members: one compiled program for a chunk of them, chunks spread over devices and threads.

How many members make a chunk is a rule on shapes, never a timing, so that one seed gives one result.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import replace
from queue import SimpleQueue
from typing import Any

import numpy as np

from manyhot import executors
from manyhot.backend import jax, use_dtype
from manyhot.config.losses import LOSS_SPECS
from manyhot.engine import ensemble
from manyhot.engine.augmentation import make_augmentation
from manyhot.engine.daemon_pool import DaemonPool, result_of
from manyhot.engine.device_data import DeviceData, EncodedRows, bucket, pad_indices
from manyhot.engine.devices import select_devices, warn_of_platform
from manyhot.engine.embedding_bags import max_entries
from manyhot.engine.ensemble import Progress, ProgressCallback, TrainingResult
from manyhot.engine.epoch_loop import CURVE_EPOCHS, build_program
from manyhot.engine.initial_state import initial_state
from manyhot.engine.job import ChunkResult, JobSize, TrainingJob
from manyhot.engine.label_counts import count_labels
from manyhot.engine.losses import LOSSES
from manyhot.engine.optimizers import make_optimizer, optimizer_key
from manyhot.engine.program_cache import PROGRAMS
from manyhot.engine.saved_chunk import SavedChunk
from manyhot.engine.state import LabelCounts, Rows, State, StepScalars
from manyhot.engine.step_scalars import make_step_scalars
from manyhot.engine.train_step import StepConfig
from manyhot.engine.vmap_check import check_vmap
from manyhot.engine.weights import Weights
from manyhot.errors import TrainingError

VALIDATION_ROWS = 1024  # rows in a step of the stopping loss at most
CALL_SECONDS = 0.4  # how long one call of the program should take, so that progress moves; it changes nothing else


def members_together(job: TrainingJob) -> int:
    """How many members one program of a job trains."""
    with use_dtype(job.config.dtype):
        return Trainer(job).chunk


class Trainer:
    """One job of `train`, and what its chunks have left so far."""

    def __init__(self, job: TrainingJob, callback: ProgressCallback | None = None) -> None:
        config, splits, runtime, batch_size = job.config, job.splits, job.runtime, job.batch_size
        networks = job.networks.with_layers(runtime.fast_layers)
        self.job, self.networks, self.splits, self.config, self.callback = job, networks, splits, config, callback
        self.devices = select_devices(runtime)
        self.member_epochs = np.array([int(job.config_of(k).epochs) for k in range(len(splits))])
        self.n_epochs = int(self.member_epochs.max())
        self.model, _ = ensemble.build_measured(networks, config.dtype)
        optimizer = make_optimizer(config, networks.optimizer)
        optimizer.build(self.model.trainable_variables)
        blocks = self._blocks()
        images = tuple(name for name, block in blocks.items() if getattr(block, "dtype", None) == np.uint8)
        self.validation_size = bucket(max((len(rows) for rows in splits.validation), default=0))
        is_pixels = len(self.model.output_shape) > 2
        own_size = JobSize(networks.n_members, self.validation_size, self.devices[0].platform)
        self.size = own_size if job.size is None else job.size
        self.step_config = StepConfig(
            self.model,
            optimizer,
            LOSSES[config.resolved_loss, config.head],
            batch_size,
            min(bucket(self.size.n_validation), batch_size if is_pixels else VALIDATION_ROWS),
            config.early_stopping,
            config.schedule,
            networks.shapes,
            sets_learning_rate=config.optimizer != "compiled",
            full_batches=networks.full_batches,
            tables={name: self._max_entries(name, blocks[name], batch_size) for name in networks.tables},
            table_parts=networks.table_parts,
            is_adagrad=config.optimizer != "sgd",
            augmentation=make_augmentation(config) if images else None,
            images=images,
        )
        self.train_rows, self.n_train = pad_indices(splits.train, bucket(max(len(rows) for rows in splits.train)))
        self.validation_rows, self.n_validation = pad_indices(splits.validation, self.validation_size)
        self.labels = self._count_labels()
        self.n_steps = self._n_steps()
        self.chunk = self._chunk_size(runtime.member_batching)
        self.chunks = self._chunks()
        self.data: dict[Any, DeviceData] = {}
        self.best_epoch = np.zeros(len(splits), dtype=np.int64)
        self.curves = np.full((len(splits), self.n_epochs, 2), np.nan, dtype=np.float32)
        self.epochs_done = np.zeros(len(splits), dtype=np.int64)
        self.is_finished = np.zeros(len(splits), dtype=bool)
        self.n_bytes = 0
        self.lock = threading.Lock()
        self.is_cancelled = threading.Event()

    def _rows(self) -> EncodedRows:
        assert self.job.rows is not None
        return self.job.rows

    def _blocks(self) -> Mapping[str, Any]:
        """Features by name, as encoded or as laid out."""
        return self._rows().blocks

    def _max_entries(self, name: str, block: Any, batch_size: int) -> tuple[int, int]:
        """Most non-zeros of a training and of a stopping batch; 0 where loops go over them."""
        platform = self.devices[0].platform
        return max_entries(block, batch_size, platform), max_entries(block, VALIDATION_ROWS, platform)

    def _count_labels(self) -> LabelCounts:
        is_counted = LOSS_SPECS[self.config.resolved_loss].uses_label_counts
        return count_labels(self._rows(), self.splits, is_counted, self.config.label_weights == "balanced")

    def _n_steps(self) -> np.ndarray:
        """Steps of an epoch, int64 (m,): each member's own with full batches, else those of the largest of its fit."""
        steps = np.array([math.ceil(len(rows) / self.job.batch_size) for rows in self.splits.train])
        if self.networks.full_batches:
            return steps
        return np.full(len(steps), steps.max()) if self.job.n_steps is None else np.array(self.job.n_steps)

    def _chunk_size(self, layout: str) -> int:
        shapes = [variable.shape for variable in self.model.trainable_variables]
        n_weights = sum(map(math.prod, shapes))
        n_tables = sum(map(math.prod, self.networks.tables.values()))
        platform = self.size.platform
        if layout == "auto" and platform == "cpu" and (n_tables or any(len(shape) > 2 for shape in shapes)):
            return 1  # tables are scattered at once, and convolutions become grouped ones: both are slow on a CPU
        flops = 6.0 * self.step_config.batch_size * n_weights
        n_alike = self.networks.n_members if self._mixes_trials() else self.size.n_members
        size = ensemble.chunk_size(n_alike, flops, 24.0 * (n_weights + n_tables), layout, platform)
        return size if self.networks.is_vmap_safe else check_vmap(self.step_config, size, self.config.dtype)

    def _mixes_trials(self) -> bool:
        """Whether members of several trials share a chunk; on a CPU each trial trains as it would alone, to the bit."""
        is_together = self.size.platform != "cpu" or self.job.runtime.member_batching == "together"
        return self.job.trials is not None and is_together

    def _chunks(self) -> list[list[int]]:
        """Members of each chunk; all of one chunk take equally many steps, and all together stop at one epoch."""
        trials = [0 if self._mixes_trials() else self.job.trial(k) for k in range(len(self.splits))]
        lengths = zip(trials, self.n_steps.tolist(), self.member_epochs.tolist(), strict=True)
        alike: dict[tuple[int, int, int], list[int]] = {}
        for member, length in enumerate(lengths):
            alike.setdefault(length, []).append(member)
        return [members[k : k + self.chunk] for members in alike.values() for k in range(0, len(members), self.chunk)]

    def run(self) -> TrainingResult:
        """All chunks, on all devices of this process."""
        free_devices = SimpleQueue[Any]()
        n_workers = self._n_workers(len(self.chunks))
        for k in range(max(n_workers, len(self.devices))):
            free_devices.put(self.devices[k % len(self.devices)])

        def work(number: int) -> None:
            device = free_devices.get()
            try:
                self._store(self.train_chunk(number, device))
            finally:
                free_devices.put(device)

        self._allocate()
        self._report_memory(n_workers)
        with DaemonPool(n_workers) as pool:
            futures = [pool.submit(work, number) for number in range(len(self.chunks))]
            try:
                for future in futures:
                    result_of(future)
            finally:
                self.is_cancelled.set()
        return self._result()

    @classmethod
    def in_worker(cls, job: TrainingJob) -> Trainer:
        """The trainer of a job that came from elsewhere."""
        with use_dtype(job.config.dtype):
            return cls(job)

    def run_elsewhere(self, executor: Any) -> TrainingResult:
        """All chunks, as tasks of an executor."""
        self._allocate()
        splits = replace(self.splits, held_out=[np.zeros(0, dtype=np.int64)] * len(self.splits))  # of no use there
        job = replace(self.job, splits=splits, size=self.size)
        kind = type(self)
        work = executors.Work(kind.in_worker, job, kind.train_chunk, "training members")
        for _, result in executors.run_tasks(executor, work, [(number,) for number in range(len(self.chunks))]):
            warn_of_platform(result.platform, self.devices[0].platform)
            self._store(result)
        return self._result()

    def _allocate(self) -> None:
        """Room for the weights of all members."""
        m, model, dtype = len(self.splits), self.model, self.config.dtype
        self.weights = Weights(
            [
                *(np.zeros((m, *shape), dtype) for shape in self.networks.tables.values()),
                *(np.zeros((m, *v.shape), str(v.dtype)) for v in model.trainable_variables),
            ],
            [np.zeros((m, *v.shape), str(v.dtype)) for v in model.non_trainable_variables],
        )

    def _result(self) -> TrainingResult:
        return TrainingResult(self.weights, self.best_epoch, self.curves[:, : int(self.epochs_done.max())])

    def _report_memory(self, n_running: int) -> None:
        """Report before training what memory it needs, with a tenth more for everything else."""
        # what a running chunk carries counts twice: it is made on the host and moves on a device
        data_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(self._data_on(self.devices[0])))
        weight_bytes = sum(leaf.nbytes for leaves in self.weights for leaf in leaves)
        member_bytes = weight_bytes / len(self.splits)
        slot_bytes = sum(np.asarray(slot.value).nbytes for slot in self.step_config.optimizer.variables)
        state_bytes = member_bytes * (2 if self.config.early_stopping else 1) + slot_bytes
        scoring_bytes = weight_bytes  # a copy on the device, when training is over
        carried_bytes = max(2 * n_running * self.chunk * state_bytes, scoring_bytes)
        self.n_bytes = int(1.1 * (2 * data_bytes + weight_bytes + member_bytes + carried_bytes))
        self._report_progress(math.nan)

    def _n_workers(self, n_chunks: int) -> int:
        """How many chunks are trained at a time."""
        n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        shares_cpu = len(self.devices) == 1 and self.devices[0].platform == "cpu"
        return min(n_chunks, n_cores if shares_cpu else len(self.devices))

    def _data_on(self, device: Any) -> DeviceData:
        """All rows on a device, laid out when the first of its chunks begins."""
        with self.lock:
            if device not in self.data:
                rows = self._rows().lay_out(self.networks.tables)
                self.data[device] = jax.device_put(rows._replace(levels=self.networks.levels), device)
            return self.data[device]

    def _place_on_device(self, chunk: list[int], device: Any) -> tuple[State, Rows]:
        """A chunk's first state and its rows; a short last chunk is filled up with its last member."""
        members = self._fill(chunk)
        rows = Rows(
            self.train_rows[members],
            self.n_train[members],
            self.validation_rows[members],
            self.n_validation[members],
            LabelCounts(*(array[members] for array in self.labels)),
        )
        state = initial_state(self.job, self.networks, self.model, members, self.step_config.optimizer)
        return jax.device_put((jax.tree.map(np.array, state), rows), device)

    def _fill(self, chunk: list[int]) -> list[int]:
        """The members of a chunk, its last one repeated where it is short."""
        return chunk + [chunk[-1]] * (self.chunk - len(chunk))

    def _compile(self, chunk: list[int], state: State, rows: Rows, device: Any, data: DeviceData) -> Any:
        arguments = (state, rows, data, self._step_scalars(chunk, 0, 1, 1, device))
        loss = self.config.resolved_loss, self.config.head
        key = ("train", self.networks.key, optimizer_key(self.config), loss, self.step_config.key, self.chunk)
        return PROGRAMS.get_or_compile(key, lambda: build_program(self.step_config, self.chunk), arguments, donate=(0,))

    def train_chunk(self, number: int, device: Any = None) -> ChunkResult:
        """Train the members of one chunk to their end, from where they were saved last."""
        device = self.devices[number % len(self.devices)] if device is None else device
        with use_dtype(self.config.dtype):
            saved = SavedChunk(self.job.snapshots, number, self.chunks[number])
            return saved.result(device.platform) or saved.keep(self._train_members(saved, device))

    def _train_members(self, saved: SavedChunk, device: Any) -> ChunkResult:
        chunk, data = saved.members, self._data_on(device)
        state, rows = self._place_on_device(chunk, device)
        state, curves = saved.restore(state, device)
        compiled = self._compile(chunk, state, rows, device, data)
        self._check_cancelled()
        n_steps, epoch, n_epochs = int(self.n_steps[chunk[0]]), curves.shape[1], 2
        n_all = int(self.member_epochs[chunk[0]])
        while epoch < n_all:
            last_epoch = min(epoch + min(n_epochs, CURVE_EPOCHS), n_all)
            started = time.perf_counter()
            state, new_curves, n_done = compiled(
                state, rows, data, self._step_scalars(chunk, epoch, last_epoch, n_steps, device)
            )
            n_done = int(n_done)
            self._check_cancelled()
            seconds = time.perf_counter() - started
            curves = np.concatenate([curves, np.asarray(new_curves)[: len(chunk), : n_done - epoch]], axis=1)
            self._record_curves(chunk, curves)
            n_epochs = max(1, int((last_epoch - epoch) * min(4.0, CALL_SECONDS / max(seconds, 1e-4))))
            epoch = n_done
            if bool(np.asarray(state.is_stopped).all()):
                break
            saved.save(state, curves)
        return self._collect(chunk, state, curves, device.platform)

    def _check_cancelled(self) -> None:
        """Stop where nobody waits any more: what a chunk has so far is neither shown nor saved as finished."""
        if self.is_cancelled.is_set():
            raise CancelledError

    def _step_scalars(
        self, chunk: list[int], first_epoch: int, last_epoch: int, n_steps: int, device: Any
    ) -> StepScalars:
        configs = [self.job.config_of(k) for k in (self._fill(chunk) if self._mixes_trials() else chunk[:1])]
        epochs = first_epoch, last_epoch, int(self.member_epochs[chunk[0]])
        return jax.device_put(make_step_scalars(configs, n_steps, *epochs), device)

    def _record_curves(self, chunk: list[int], curves: np.ndarray) -> None:
        with self.lock:
            self.curves[chunk, : curves.shape[1]] = curves
            self.epochs_done[chunk] = curves.shape[1]
            losses = curves[:, -1, 1 if self.config.early_stopping else 0]
            losses = losses[np.isfinite(losses)]
            self._report_progress(float(losses.mean()) if losses.size else np.nan)

    def _collect(self, chunk: list[int], state: State, curves: np.ndarray, platform: str) -> ChunkResult:
        losses = np.asarray(state.best_loss)[: len(chunk)]
        if not np.isfinite(losses).all() and self.job.trials is None:
            raise TrainingError(
                f"the loss of member {chunk[int(np.argmin(np.isfinite(losses)))]} is not a finite number; "
                "a lower learning_rate helps, or features without extreme values"
            )
        if self.config.early_stopping:
            best_weights = ([*state.best_tables.values(), *state.best_trainable], state.best_fixed)
        else:
            best_weights = ([*(table.weights for table in state.tables.values()), *state.trainable], state.fixed)
        weights = Weights(*([np.asarray(leaf)[: len(chunk)] for leaf in leaves] for leaves in best_weights))
        best_epoch = np.asarray(state.best_epoch)[: len(chunk)]
        return ChunkResult(chunk, weights, best_epoch, curves, float(losses.mean()), platform)

    def _store(self, result: ChunkResult) -> None:
        with self.lock:
            for arrays, leaves in zip(self.weights, result.weights, strict=True):
                for array, leaf in zip(arrays, leaves, strict=True):
                    array[result.members] = leaf
            self.curves[result.members, : result.curves.shape[1]] = result.curves
            self.epochs_done[result.members] = result.curves.shape[1]
            self.best_epoch[result.members] = result.best_epoch
            self.is_finished[result.members] = True
            self._report_progress(result.loss)

    def _report_progress(self, loss: float) -> None:
        if self.callback is None:
            return
        fractions = np.where(self.is_finished, 1.0, self.epochs_done / self.member_epochs)
        self.callback(
            Progress(float(fractions.mean()), int(self.is_finished.sum()), len(self.splits), loss, self.n_bytes)
        )
