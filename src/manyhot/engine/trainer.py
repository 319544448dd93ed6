"""Trains all members: one compiled program for a chunk of them, chunks spread over devices and threads.

It must not know what a fold or a label is: it is given row indices and arrays. How many members make a chunk is a
rule on shapes, never a timing, so that one seed gives one result. Start reading at `train`.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np

from manyhot.backend import jax, precision
from manyhot.config.images import image_settings
from manyhot.config.losses import LOSS_SPECS, loss_settings
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.engine.augmentation import Variation
from manyhot.engine.device_data import Data, Parts, bucket, pad_indices
from manyhot.engine.embedding_bags import init_table, most_entries
from manyhot.engine.ensemble import NetworkFactory, Progress, ProgressCallback, TrainingResult, Weights, chunk_size
from manyhot.engine.epoch_loop import CURVE_EPOCHS, program
from manyhot.engine.label_counts import label_facts
from manyhot.engine.losses import LOSSES
from manyhot.engine.optimizers import make_optimizer, optimizer_key
from manyhot.engine.program_cache import PROGRAMS
from manyhot.engine.state import LabelFacts, Rows, State, StepScalars
from manyhot.engine.train_step import StepConfig
from manyhot.engine.vmap_check import check_together
from manyhot.errors import InputError, TrainingError
from manyhot.gc_pause import paused

STOP_ROWS = 1024
"""Rows in a step of the stopping loss at most."""
CALL_SECONDS = 0.4
"""How long one call of the program should take, so that progress moves; it changes nothing else."""


def chosen_devices(runtime: RuntimeConfig) -> list[Any]:
    """The devices that the members are spread over."""
    devices = jax.local_devices()
    if runtime.devices == "auto":
        return devices
    if runtime.devices > len(devices):
        raise InputError(f"{runtime.devices} devices asked for, there are {len(devices)}", argument="devices")
    return devices[: runtime.devices]


def variation_of(plan: TrainingConfig) -> Variation | None:
    """How images are varied in training; None for not at all."""
    told = image_settings(plan.image_settings)
    if told["augment"] == "auto" or not told["augment"]:
        return None
    return Variation(tuple(told["augment"]), told["strength"])


def train(
    networks: NetworkFactory,
    data: Data,
    parts: Parts,
    plan: TrainingConfig,
    runtime: RuntimeConfig,
    batch_size: int,
    start: Weights | None = None,
    watch: ProgressCallback | None = None,
) -> TrainingResult:
    """Train every member on its own rows.

    Args:
        networks: How the networks are made.
        data: All rows, on the host.
        parts: Which rows each member uses.
        plan: Settings that change the result, `epochs` a number; `members`, `folds`, `decide` are not looked at.
        runtime: Settings that change only speed.
        batch_size: Rows in a step at most.
        start: Weights to go on from instead of the networks' own.
        watch: Called now and then, from any thread.

    Returns:
        The weights and curves of all members.

    Raises:
        TrainingError: A loss that is not finite.
    """
    with precision(plan.precision):
        return Trainer(networks, data, parts, plan, runtime, batch_size, start, watch).run()


class Trainer:
    """One job of `train`: what it is given, and what its chunks have left so far."""

    def __init__(
        self,
        networks: NetworkFactory,
        data: Data,
        parts: Parts,
        plan: TrainingConfig,
        runtime: RuntimeConfig,
        batch_size: int,
        start: Weights | None,
        watch: ProgressCallback | None,
    ) -> None:
        networks = networks.with_layers(runtime.fast_layers)
        self.networks, self.parts, self.plan, self.watch = networks, parts, plan, watch
        self.devices = chosen_devices(runtime)
        self.n_epochs = int(plan.epochs)
        self.models = {0: networks.build(0)}
        self.start = start
        optimizer = make_optimizer(plan, networks.optimizer)
        optimizer.build(self.models[0].trainable_variables)
        self.slots = [np.asarray(variable.value) for variable in optimizer.variables]
        images = tuple(name for name, block in data.blocks.items() if getattr(block, "dtype", None) == np.uint8)
        stop_size = bucket(max((len(rows) for rows in parts.stop), default=0))
        steps = {math.ceil(len(rows) / batch_size) for rows in parts.train}
        self.recipe = StepConfig(
            self.models[0],
            optimizer,
            LOSSES[plan.loss_used, plan.head],
            batch_size,
            min(stop_size, STOP_ROWS if len(self.models[0].output_shape) == 2 else batch_size),
            plan.early_stopping,
            plan.schedule,
            networks.shapes,
            moves_rate=plan.optimizer != "own",
            full_batches=networks.full_batches,
            is_ragged=networks.full_batches and len(steps) > 1,
            tables={name: self._gathered(name, data.blocks[name], batch_size) for name in networks.tables},
            is_adagrad=plan.optimizer != "sgd",
            variation=variation_of(plan) if images else None,
            images=images,
        )
        self.n_steps = max(steps)
        self.train_rows, self.n_train = pad_indices(parts.train, bucket(max(len(rows) for rows in parts.train)))
        self.stop_rows, self.n_stop = pad_indices(parts.stop, stop_size)
        is_counted = LOSS_SPECS[plan.loss_used].is_counted
        self.labels = label_facts(data, parts, is_counted, plan.label_weights == "balanced")
        self.chunk = self._chunk_size(runtime.layout)
        self.data = {device: jax.device_put(data, device) for device in self.devices}
        m, model = len(parts), self.models[0]
        self.weights = Weights(
            [
                *(np.zeros((m, *shape), plan.precision) for shape in networks.tables.values()),
                *(np.zeros((m, *v.shape), str(v.dtype)) for v in model.trainable_variables),
            ],
            [np.zeros((m, *v.shape), str(v.dtype)) for v in model.non_trainable_variables],
        )
        self.best_epoch = np.zeros(len(parts), dtype=np.int64)
        self.curves = np.full((len(parts), self.n_epochs, 2), np.nan, dtype=np.float32)
        self.epochs_done = np.zeros(len(parts), dtype=np.int64)
        self.is_finished = np.zeros(len(parts), dtype=bool)
        self.lock = threading.Lock()
        self.is_cancelled = threading.Event()

    def _gathered(self, name: str, block: Any, batch_size: int) -> tuple[int, int]:
        """Most non-zeros of a training and of a stopping batch; 0 where loops go over them."""
        if self.devices[0].platform == "cpu":
            return 0, 0
        return most_entries(block, batch_size), most_entries(block, STOP_ROWS)

    def _chunk_size(self, layout: str) -> int:
        shapes = [variable.shape for variable in self.models[0].trainable_variables]
        n_weights = sum(map(math.prod, shapes))
        n_tables = sum(map(math.prod, self.networks.tables.values()))
        platform = self.devices[0].platform
        if layout == "auto" and platform == "cpu" and any(len(shape) > 2 for shape in shapes):
            return 1  # convolutions over members become grouped ones, which are slow on a CPU
        flops = 6.0 * self.recipe.batch_size * n_weights
        size = chunk_size(len(self.parts), flops, 24.0 * (n_weights + n_tables), layout, platform)
        if layout == "auto" and platform == "cpu" and n_tables:
            return 1  # rows of many tables scattered at once are slow on a CPU
        return size if self.networks.is_checked else check_together(self.recipe, size, self.plan.precision)

    def run(self) -> TrainingResult:
        """All chunks, on all devices."""
        chunks, free = self._chunks(), SimpleQueue[Any]()
        workers = self._n_workers(len(chunks))
        for k in range(max(workers, len(self.devices))):
            free.put(self.devices[k % len(self.devices)])

        def work(k: int) -> None:
            device = free.get()
            try:
                with precision(self.plan.precision):
                    self._train_chunk(chunks[k], self._first_state(chunks[k]), device)
            finally:
                free.put(device)

        self._tell_size(workers)
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(work, k) for k in range(len(chunks))]
            try:
                for future in futures:
                    future.result()
            finally:
                self.is_cancelled.set()
                for future in futures:
                    future.cancel()
        return TrainingResult(self.weights, self.best_epoch, self.curves[:, : int(self.epochs_done.max())])

    def _tell_size(self, n_running: int) -> None:
        """Say before training what it needs: the rows as laid out, all members' weights, and what each of n_running
        chunks carries, twice: it is made on the host and moves on a device; a tenth more for everything else."""
        rows = sum(leaf.nbytes for leaf in jax.tree.leaves(next(iter(self.data.values()))))
        kept = sum(leaf.nbytes for leaves in self.weights for leaf in leaves)
        weights, slots = kept / len(self.parts), sum(slot.nbytes for slot in self.slots)
        carried = weights * (2 if self.plan.early_stopping else 1) + slots
        scoring = kept  # a copy on the device, when training is over
        self.n_bytes = int(1.1 * (2 * rows + kept + weights + max(2 * n_running * self.chunk * carried, scoring)))
        self._tell(math.nan)

    def _chunks(self) -> list[list[int]]:
        return [list(range(k, min(k + self.chunk, len(self.parts)))) for k in range(0, len(self.parts), self.chunk)]

    def _n_workers(self, n_chunks: int) -> int:
        """How many chunks are trained at a time."""
        n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        shares_cpu = len(self.devices) == 1 and self.devices[0].platform == "cpu"
        return min(n_chunks, n_cores if shares_cpu else len(self.devices))

    def _first_state(self, chunk: list[int]) -> State:
        """The stacked state of a chunk on the host; a short last chunk is filled up with its last member."""
        members = chunk + [chunk[-1]] * (self.chunk - len(chunk))
        with paused():
            pairs = [self._first_weights(k) for k in members]
        stacked = [np.stack(leaves) for leaves in zip(*(t for t, _ in pairs), strict=True)]
        n_tables = len(self.networks.tables)
        tables, trainable = stacked[:n_tables], stacked[n_tables:]
        fixed = [np.stack(leaves) for leaves in zip(*(f for _, f in pairs), strict=True)]
        n, dtype, first = len(members), self.plan.precision, self.networks.first
        keys = [np.random.SeedSequence([self.plan.seed, 1, first + k]).generate_state(2, np.uint32) for k in members]
        keeps_best = self.plan.early_stopping
        return State(
            trainable,
            fixed,
            [np.broadcast_to(slot, (n, *slot.shape)) for slot in self.slots],
            list(trainable) if keeps_best else [],
            list(fixed) if keeps_best else [],
            np.full(n, np.inf, dtype),
            np.zeros(n, np.int32),
            np.zeros(n, np.int32),
            np.zeros(n, bool),
            np.stack(keys),
            {name: init_table(table) for name, table in zip(self.networks.tables, tables, strict=True)},
            dict(zip(self.networks.tables, tables, strict=True)) if keeps_best else {},
        )

    def _first_weights(self, member: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        if self.start is not None:
            return [leaf[member] for leaf in self.start.trainable], [leaf[member] for leaf in self.start.fixed]
        model = self.models.get(member) or self.networks.build(member)
        tables = self.networks.begin_tables(member) if self.networks.begin_tables is not None else {}
        return (
            [*tables.values(), *(np.asarray(variable.value) for variable in model.trainable_variables)],
            [np.asarray(variable.value) for variable in model.non_trainable_variables],
        )

    def _begin(self, chunk: list[int], state: State, device: Any) -> tuple[State, Rows]:
        """A chunk's first state and its rows on the device."""
        members = chunk + [chunk[-1]] * (self.chunk - len(chunk))
        labels = LabelFacts(*(array[members] for array in self.labels))
        train, stop = (self.train_rows[members], self.n_train[members]), (self.stop_rows[members], self.n_stop[members])
        rows = Rows(*train, *stop, labels)
        return jax.device_put((jax.tree.map(np.array, state), rows), device)

    def _compiled(self, state: State, rows: Rows, device: Any) -> Any:
        arguments = (state, rows, self.data[device], self._dials(0, 1, device))
        return PROGRAMS.compiled(self._key(), lambda: program(self.recipe, self.chunk), arguments, donate=(0,))

    def _train_chunk(self, chunk: list[int], state: State, device: Any) -> None:
        state, rows = self._begin(chunk, state, device)
        compiled = self._compiled(state, rows, device)
        epoch, span = 0, 2
        while epoch < self.n_epochs and not self.is_cancelled.is_set():
            last = min(epoch + min(span, CURVE_EPOCHS), self.n_epochs)
            began = time.perf_counter()
            state, curves, done = compiled(state, rows, self.data[device], self._dials(epoch, last, device))
            done = int(done)
            seconds = time.perf_counter() - began
            self._record(chunk, np.asarray(curves)[:, : done - epoch], epoch)
            span = max(1, int((last - epoch) * min(4.0, CALL_SECONDS / max(seconds, 1e-4))))
            epoch = done
            if bool(np.asarray(state.is_stopped).all()):
                break
        self._keep(chunk, state)

    def _key(self) -> Hashable:
        plan = self.plan
        return (
            "train",
            self.networks.key,
            optimizer_key(plan),
            (plan.loss_used, plan.head),
            self.recipe.batch_size,
            self.recipe.stop_rows,
            plan.early_stopping,
            plan.schedule if self.recipe.moves_rate else None,
            (self.recipe.full_batches, self.recipe.is_ragged),
            (tuple(self.recipe.tables.items()), self.recipe.is_adagrad),
            self.recipe.variation,
            self.chunk,
        )

    def _dials(self, first: int, last: int, device: Any) -> StepScalars:
        settings = loss_settings(self.plan.loss_used, self.plan.loss_settings or {})
        return jax.device_put(
            StepScalars(
                np.asarray(self.plan.learning_rate, self.plan.precision),
                np.int32(self.n_steps),
                np.int32(self.n_epochs),
                np.int32(first),
                np.int32(last),
                np.int32(self.plan.patience),
                {name: np.asarray(value, self.plan.precision) for name, value in settings.items()},
                np.asarray(self.plan.label_smoothing, self.plan.precision),
            ),
            device,
        )

    def _record(self, chunk: list[int], curves: np.ndarray, first: int) -> None:
        with self.lock:
            for k, curve in zip(chunk, curves, strict=False):
                self.curves[k, first : first + len(curve)] = curve
                self.epochs_done[k] = first + len(curve)
            latest = curves[:, -1, 1 if self.plan.early_stopping else 0]
            latest = latest[np.isfinite(latest)]
            self._tell(float(latest.mean()) if latest.size else np.nan)

    def _keep(self, chunk: list[int], state: State) -> None:
        best = np.asarray(state.best_loss)[: len(chunk)]
        if not np.isfinite(best).all():
            raise TrainingError(
                f"the loss of member {chunk[int(np.argmin(np.isfinite(best)))]} is not a finite number; "
                "a lower learning_rate helps, or features without extreme values"
            )
        if self.plan.early_stopping:
            kept = ([*state.best_tables.values(), *state.best_trainable], state.best_fixed)
        else:
            kept = ([*(table.weights for table in state.tables.values()), *state.trainable], state.fixed)
        for arrays, leaves in zip(self.weights, kept, strict=True):
            for array, leaf in zip(arrays, leaves, strict=True):
                array[chunk] = np.asarray(leaf)[: len(chunk)]
        with self.lock:
            self.best_epoch[chunk] = np.asarray(state.best_epoch)[: len(chunk)]
            self.is_finished[chunk] = True
            self._tell(float(best.mean()))

    def _tell(self, loss: float) -> None:
        if self.watch is None:
            return
        share = np.where(self.is_finished, 1.0, self.epochs_done / self.n_epochs)
        self.watch(Progress(float(share.mean()), int(self.is_finished.sum()), len(self.parts), loss, self.n_bytes))
