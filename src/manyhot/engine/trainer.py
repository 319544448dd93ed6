"""Train all members: one compiled program for a chunk of them, chunks spread over devices and threads.

How many members make a chunk is a rule on shapes, never a timing, so that one seed gives one result.
"""

from __future__ import annotations

import math
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np

from manyhot.backend import jax, use_dtype
from manyhot.config.losses import LOSS_SPECS
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.engine.augmentation import Augmentation
from manyhot.engine.device_data import DeviceData, MemberSplits, bucket, pad_indices
from manyhot.engine.embedding_bags import init_table, max_entries
from manyhot.engine.ensemble import NetworkFactory, Progress, ProgressCallback, TrainingResult, chunk_size
from manyhot.engine.epoch_loop import CURVE_EPOCHS, build_program
from manyhot.engine.label_counts import count_labels
from manyhot.engine.losses import LOSSES
from manyhot.engine.optimizers import make_optimizer, optimizer_key
from manyhot.engine.program_cache import PROGRAMS
from manyhot.engine.state import LabelCounts, Rows, State, StepScalars
from manyhot.engine.train_step import StepConfig
from manyhot.engine.vmap_check import check_vmap
from manyhot.engine.weights import Weights
from manyhot.errors import InputError, TrainingError
from manyhot.gc_pause import pause_gc

VALIDATION_ROWS = 1024  # rows in a step of the stopping loss at most
CALL_SECONDS = 0.4  # how long one call of the program should take, so that progress moves; it changes nothing else


def select_devices(runtime: RuntimeConfig) -> list[Any]:
    """The devices that the members are spread over."""
    devices = jax.local_devices()
    if runtime.devices == "auto":
        return devices
    if runtime.devices > len(devices):
        raise InputError(f"{runtime.devices} devices asked for, there are {len(devices)}", argument="devices")
    return devices[: runtime.devices]


def make_augmentation(config: TrainingConfig) -> Augmentation | None:
    """How images are varied in training; None for not at all."""
    options = config.image_params
    if options["augment"] == "auto" or not options["augment"]:
        return None
    return Augmentation(tuple(options["augment"]), options["strength"])


def train(
    networks: NetworkFactory,
    data: DeviceData,
    splits: MemberSplits,
    config: TrainingConfig,
    runtime: RuntimeConfig,
    batch_size: int,
    start: Weights | None = None,
    callback: ProgressCallback | None = None,
) -> TrainingResult:
    """Train every member on its own rows; `callback` is called now and then, from any thread."""
    with use_dtype(config.dtype):
        return Trainer(networks, data, splits, config, runtime, batch_size, start, callback).run()


class Trainer:
    """One job of `train`: what it is given, and what its chunks have left so far."""

    def __init__(
        self,
        networks: NetworkFactory,
        data: DeviceData,
        splits: MemberSplits,
        config: TrainingConfig,
        runtime: RuntimeConfig,
        batch_size: int,
        start: Weights | None,
        callback: ProgressCallback | None,
    ) -> None:
        networks = networks.with_layers(runtime.fast_layers)
        self.networks, self.splits, self.config, self.callback = networks, splits, config, callback
        self.devices = select_devices(runtime)
        self.n_epochs = int(config.epochs)
        self.models = {0: networks.build(0)}
        self.start = start
        optimizer = make_optimizer(config, networks.optimizer)
        optimizer.build(self.models[0].trainable_variables)
        self.slots = [np.asarray(variable.value) for variable in optimizer.variables]
        images = tuple(name for name, block in data.blocks.items() if getattr(block, "dtype", None) == np.uint8)
        validation_size = bucket(max((len(rows) for rows in splits.validation), default=0))
        steps = {math.ceil(len(rows) / batch_size) for rows in splits.train}
        self.step_config = StepConfig(
            self.models[0],
            optimizer,
            LOSSES[config.resolved_loss, config.head],
            batch_size,
            min(validation_size, VALIDATION_ROWS if len(self.models[0].output_shape) == 2 else batch_size),
            config.early_stopping,
            config.schedule,
            networks.shapes,
            sets_learning_rate=config.optimizer != "compiled",
            full_batches=networks.full_batches,
            is_ragged=networks.full_batches and len(steps) > 1,
            tables={name: self._max_entries(name, data.blocks[name], batch_size) for name in networks.tables},
            is_adagrad=config.optimizer != "sgd",
            augmentation=make_augmentation(config) if images else None,
            images=images,
        )
        self.n_steps = max(steps)
        self.train_rows, self.n_train = pad_indices(splits.train, bucket(max(len(rows) for rows in splits.train)))
        self.validation_rows, self.n_validation = pad_indices(splits.validation, validation_size)
        is_counted = LOSS_SPECS[config.resolved_loss].uses_label_counts
        self.labels = count_labels(data, splits, is_counted, config.label_weights == "balanced")
        self.chunk = self._chunk_size(runtime.member_batching)
        self.data = {device: jax.device_put(data, device) for device in self.devices}
        m, model = len(splits), self.models[0]
        self.weights = Weights(
            [
                *(np.zeros((m, *shape), config.dtype) for shape in networks.tables.values()),
                *(np.zeros((m, *v.shape), str(v.dtype)) for v in model.trainable_variables),
            ],
            [np.zeros((m, *v.shape), str(v.dtype)) for v in model.non_trainable_variables],
        )
        self.best_epoch = np.zeros(len(splits), dtype=np.int64)
        self.curves = np.full((len(splits), self.n_epochs, 2), np.nan, dtype=np.float32)
        self.epochs_done = np.zeros(len(splits), dtype=np.int64)
        self.is_finished = np.zeros(len(splits), dtype=bool)
        self.lock = threading.Lock()
        self.is_cancelled = threading.Event()

    def _max_entries(self, name: str, block: Any, batch_size: int) -> tuple[int, int]:
        """Most non-zeros of a training and of a stopping batch; 0 where loops go over them."""
        platform = self.devices[0].platform
        return max_entries(block, batch_size, platform), max_entries(block, VALIDATION_ROWS, platform)

    def _chunk_size(self, layout: str) -> int:
        shapes = [variable.shape for variable in self.models[0].trainable_variables]
        n_weights = sum(map(math.prod, shapes))
        n_tables = sum(map(math.prod, self.networks.tables.values()))
        platform = self.devices[0].platform
        if layout == "auto" and platform == "cpu" and (n_tables or any(len(shape) > 2 for shape in shapes)):
            return 1  # tables are scattered at once, and convolutions become grouped ones: both are slow on a CPU
        flops = 6.0 * self.step_config.batch_size * n_weights
        size = chunk_size(len(self.splits), flops, 24.0 * (n_weights + n_tables), layout, platform)
        return size if self.networks.is_vmap_safe else check_vmap(self.step_config, size, self.config.dtype)

    def run(self) -> TrainingResult:
        """All chunks, on all devices."""
        chunks, free_devices = self._chunks(), SimpleQueue[Any]()
        n_workers = self._n_workers(len(chunks))
        for k in range(max(n_workers, len(self.devices))):
            free_devices.put(self.devices[k % len(self.devices)])

        def work(k: int) -> None:
            device = free_devices.get()
            try:
                with use_dtype(self.config.dtype):
                    self._train_chunk(chunks[k], device)
            finally:
                free_devices.put(device)

        self._report_memory(n_workers)
        with ThreadPoolExecutor(n_workers) as pool:
            futures = [pool.submit(work, k) for k in range(len(chunks))]
            try:
                for future in futures:
                    future.result()
            finally:
                self.is_cancelled.set()
                for future in futures:
                    future.cancel()
        return TrainingResult(self.weights, self.best_epoch, self.curves[:, : int(self.epochs_done.max())])

    def _report_memory(self, n_running: int) -> None:
        """Report before training what memory it needs, with a tenth more for everything else."""
        # what a running chunk carries counts twice: it is made on the host and moves on a device
        data_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(next(iter(self.data.values()))))
        weight_bytes = sum(leaf.nbytes for leaves in self.weights for leaf in leaves)
        member_bytes, slot_bytes = weight_bytes / len(self.splits), sum(slot.nbytes for slot in self.slots)
        state_bytes = member_bytes * (2 if self.config.early_stopping else 1) + slot_bytes
        scoring_bytes = weight_bytes  # a copy on the device, when training is over
        carried_bytes = max(2 * n_running * self.chunk * state_bytes, scoring_bytes)
        self.n_bytes = int(1.1 * (2 * data_bytes + weight_bytes + member_bytes + carried_bytes))
        self._report_progress(math.nan)

    def _chunks(self) -> list[list[int]]:
        return [list(range(k, min(k + self.chunk, len(self.splits)))) for k in range(0, len(self.splits), self.chunk)]

    def _n_workers(self, n_chunks: int) -> int:
        """How many chunks are trained at a time."""
        n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        shares_cpu = len(self.devices) == 1 and self.devices[0].platform == "cpu"
        return min(n_chunks, n_cores if shares_cpu else len(self.devices))

    def _place_on_device(self, chunk: list[int], device: Any) -> tuple[State, Rows]:
        """A chunk's first state and its rows; a short last chunk is filled up with its last member."""
        members = chunk + [chunk[-1]] * (self.chunk - len(chunk))
        rows = Rows(
            self.train_rows[members],
            self.n_train[members],
            self.validation_rows[members],
            self.n_validation[members],
            LabelCounts(*(array[members] for array in self.labels)),
        )
        return jax.device_put((jax.tree.map(np.array, self._initial_state(members)), rows), device)

    def _initial_state(self, members: list[int]) -> State:
        with pause_gc():
            initial_weights = [self._initial_weights(k) for k in members]
        trainable, fixed = (
            [np.stack(leaves) for leaves in zip(*one, strict=True)] for one in zip(*initial_weights, strict=True)
        )
        n_stacked, dtype, first = len(members), self.config.dtype, self.networks.first_member
        tables = dict(zip(self.networks.tables, trainable, strict=False))
        trainable = trainable[len(tables) :]
        keys = [
            np.random.SeedSequence([self.config.random_state, 1, first + k]).generate_state(2, np.uint32)
            for k in members
        ]
        stores_best = self.config.early_stopping
        return State(
            trainable,
            fixed,
            [np.broadcast_to(slot, (n_stacked, *slot.shape)) for slot in self.slots],
            list(trainable) if stores_best else [],
            list(fixed) if stores_best else [],
            np.full(n_stacked, np.inf, dtype),
            np.zeros(n_stacked, np.int32),
            np.zeros(n_stacked, np.int32),
            np.zeros(n_stacked, bool),
            np.stack(keys),
            {name: init_table(table) for name, table in tables.items()},
            tables if stores_best else {},
        )

    def _initial_weights(self, member: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        if self.start is not None:
            return [leaf[member] for leaf in self.start.trainable], [leaf[member] for leaf in self.start.fixed]
        model = self.models.get(member) or self.networks.build(member)
        tables = self.networks.init_tables(member) if self.networks.init_tables is not None else {}
        return (
            [*tables.values(), *(np.asarray(variable.value) for variable in model.trainable_variables)],
            [np.asarray(variable.value) for variable in model.non_trainable_variables],
        )

    def _compile(self, state: State, rows: Rows, device: Any) -> Any:
        arguments = (state, rows, self.data[device], self._step_scalars(0, 1, device))
        loss = self.config.resolved_loss, self.config.head
        key = ("train", self.networks.key, optimizer_key(self.config), loss, self.step_config.key, self.chunk)
        return PROGRAMS.get_or_compile(key, lambda: build_program(self.step_config, self.chunk), arguments, donate=(0,))

    def _train_chunk(self, chunk: list[int], device: Any) -> None:
        state, rows = self._place_on_device(chunk, device)
        compiled = self._compile(state, rows, device)
        epoch, n_epochs = 0, 2
        while epoch < self.n_epochs and not self.is_cancelled.is_set():
            last_epoch = min(epoch + min(n_epochs, CURVE_EPOCHS), self.n_epochs)
            started = time.perf_counter()
            state, curves, n_done = compiled(
                state, rows, self.data[device], self._step_scalars(epoch, last_epoch, device)
            )
            n_done = int(n_done)
            seconds = time.perf_counter() - started
            self._record_curves(chunk, np.asarray(curves)[:, : n_done - epoch], epoch)
            n_epochs = max(1, int((last_epoch - epoch) * min(4.0, CALL_SECONDS / max(seconds, 1e-4))))
            epoch = n_done
            if bool(np.asarray(state.is_stopped).all()):
                break
        self._store_weights(chunk, state)

    def _step_scalars(self, first_epoch: int, last_epoch: int, device: Any) -> StepScalars:
        loss_values = self.config.loss_params
        return jax.device_put(
            StepScalars(
                np.asarray(self.config.learning_rate, self.config.dtype),
                np.int32(self.n_steps),
                np.int32(self.n_epochs),
                np.int32(first_epoch),
                np.int32(last_epoch),
                np.int32(self.config.patience),
                {name: np.asarray(value, self.config.dtype) for name, value in loss_values.items()},
                np.asarray(self.config.label_smoothing, self.config.dtype),
            ),
            device,
        )

    def _record_curves(self, chunk: list[int], curves: np.ndarray, first_epoch: int) -> None:
        with self.lock:
            for k, curve in zip(chunk, curves, strict=False):
                self.curves[k, first_epoch : first_epoch + len(curve)] = curve
                self.epochs_done[k] = first_epoch + len(curve)
            losses = curves[:, -1, 1 if self.config.early_stopping else 0]
            losses = losses[np.isfinite(losses)]
            self._report_progress(float(losses.mean()) if losses.size else np.nan)

    def _store_weights(self, chunk: list[int], state: State) -> None:
        losses = np.asarray(state.best_loss)[: len(chunk)]
        if not np.isfinite(losses).all():
            raise TrainingError(
                f"the loss of member {chunk[int(np.argmin(np.isfinite(losses)))]} is not a finite number; "
                "a lower learning_rate helps, or features without extreme values"
            )
        if self.config.early_stopping:
            best_weights = ([*state.best_tables.values(), *state.best_trainable], state.best_fixed)
        else:
            best_weights = ([*(table.weights for table in state.tables.values()), *state.trainable], state.fixed)
        for arrays, leaves in zip(self.weights, best_weights, strict=True):
            for array, leaf in zip(arrays, leaves, strict=True):
                array[chunk] = np.asarray(leaf)[: len(chunk)]
        with self.lock:
            self.best_epoch[chunk] = np.asarray(state.best_epoch)[: len(chunk)]
            self.is_finished[chunk] = True
            self._report_progress(float(losses.mean()))

    def _report_progress(self, loss: float) -> None:
        if self.callback is None:
            return
        fractions = np.where(self.is_finished, 1.0, self.epochs_done / self.n_epochs)
        self.callback(
            Progress(float(fractions.mean()), int(self.is_finished.sum()), len(self.splits), loss, self.n_bytes)
        )
