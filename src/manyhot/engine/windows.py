"""Train on more rows than fit into memory: an epoch of the compiled program is one window, all of one padded shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product, repeat
from typing import Any, NamedTuple

import numpy as np

from manyhot.backend import jax, use_dtype
from manyhot.config.losses import LOSS_SPECS
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.engine.device_data import DeviceData, MemberSplits
from manyhot.engine.ensemble import NetworkFactory, ProgressCallback, TrainingResult
from manyhot.engine.label_counts import make_label_counts
from manyhot.engine.state import Rows, State
from manyhot.engine.trainer import VALIDATION_ROWS, Trainer


class Window(NamedTuple):
    """Some of the rows, on the host."""

    data: DeviceData  # `n_train` training rows, padding up to the largest window, then the stopping rows, then padding
    n_train: int  # how many rows are trained on


@dataclass(frozen=True)
class Windows:
    """All rows, dealt out to windows anew in every pass."""

    load: Callable[[int, int], Window]  # (pass, window) -> rows of one padded shape; called from another thread
    n_windows: int  # of a pass
    n_train: tuple[int, int]  # training rows of the smallest and of the largest window
    n_validation: int  # stopping rows, the same in every window; they follow the largest window's training rows
    positives: np.ndarray  # float (l,), weighted count of each label's positives among all training rows
    known: np.ndarray  # float (l,), weighted count of its known entries
    # (block with a table, rows) -> the most non-zeros that so many rows can have
    max_entries: Callable[[str, int], int] = field(default=lambda name, n_rows: 0)

    def iterate(self, n_passes: int) -> Generator[Window, None, None]:
        """The windows of some passes; each is loaded while the one before it is in use. A single one is loaded once."""
        if self.n_windows == 1:
            yield from repeat(self.load(0, 0), n_passes)
            return
        first, *others = product(range(n_passes), range(self.n_windows))
        with ThreadPoolExecutor(1, thread_name_prefix="window") as loader:
            pending = loader.submit(self.load, *first)
            for place in others:
                window = pending.result()
                pending = loader.submit(self.load, *place)
                yield window
            yield pending.result()


def train_windows(
    networks: NetworkFactory,
    windows: Windows,
    config: TrainingConfig,
    runtime: RuntimeConfig,
    batch_size: int,
    callback: ProgressCallback | None = None,
) -> TrainingResult:
    """Train every member on all windows; early stopping asks after each, `patience` and curves count passes."""
    with use_dtype(config.dtype), closing(windows.iterate(int(config.epochs))) as order:
        return _Streaming(networks, windows, order, config, runtime, batch_size, callback).run()


class _Streaming(Trainer):
    def __init__(
        self,
        networks: NetworkFactory,
        windows: Windows,
        order: Iterator[Window],
        config: TrainingConfig,
        runtime: RuntimeConfig,
        batch_size: int,
        callback: ProgressCallback | None,
    ) -> None:
        self.windows, self.order, self.first = windows, order, next(order)
        no_rows, max_train = np.zeros(0, dtype=np.int64), windows.n_train[1]
        validation = max_train + np.arange(windows.n_validation)
        m = networks.n_members
        splits = MemberSplits([np.arange(max_train)] * m, [validation] * m, [no_rows] * m)
        window_config = replace(
            config, epochs=int(config.epochs) * windows.n_windows, patience=config.patience * windows.n_windows
        )
        super().__init__(networks, self.first.data, splits, window_config, runtime, batch_size, None, callback)
        if networks.full_batches:
            steps = {math.ceil(count / batch_size) for count in windows.n_train}
            self.step_config = replace(self.step_config, is_ragged=len(steps) > 1)
        is_balanced = config.label_weights == "balanced"
        if LOSS_SPECS[config.resolved_loss].uses_label_counts or is_balanced:
            positives, known = (
                np.tile(array, (m, 1)).astype(config.dtype) for array in (windows.positives, windows.known)
            )
            self.labels = make_label_counts(positives, known, is_balanced)

    def _max_entries(self, name: str, block: Any, batch_size: int) -> tuple[int, int]:
        if self.devices[0].platform == "cpu":
            return 0, 0
        return self.windows.max_entries(name, batch_size), self.windows.max_entries(name, VALIDATION_ROWS)

    def run(self) -> TrainingResult:
        chunks = self._chunks()
        self._report_memory(len(chunks))
        devices = [self.devices[k % len(self.devices)] for k in range(len(chunks))]
        placed = [self._place_on_device(chunk, device) for chunk, device in zip(chunks, devices, strict=True)]
        states, rows = [state for state, _ in placed], [chunk_rows for _, chunk_rows in placed]
        window: Window | None = self.first
        with ThreadPoolExecutor(self._n_workers(len(chunks))) as pool:
            for number in range(self.n_epochs):
                assert window is not None
                train_window = partial(self._train_window, number, window.n_train)
                states = list(pool.map(train_window, chunks, states, rows, devices))
                if all(bool(np.asarray(state.is_stopped).all()) for state in states):
                    break
                window = self._next_window(window)
        for chunk, state in zip(chunks, states, strict=True):
            self._store_weights(chunk, state)
        return self._average_by_pass()

    def _next_window(self, window: Window) -> Window | None:
        """The next window, which takes the place of this one on the devices; None after the last."""
        next_window = next(self.order, None)
        if next_window is not None and next_window is not window:
            self.data = {device: jax.device_put(next_window.data, device) for device in self.devices}
        return next_window

    def _train_window(
        self, number: int, n_train: int, chunk: list[int], state: State, rows: Rows, device: Any
    ) -> State:
        if bool(np.asarray(state.is_stopped).all()):
            return state
        with use_dtype(self.config.dtype):
            rows = rows._replace(n_train=jax.device_put(np.full(self.chunk, n_train, np.int32), device))
            compiled = self._compile(state, rows, device)
            step_scalars = self._step_scalars(number, number + 1, device)
            state, curves, done = compiled(state, rows, self.data[device], step_scalars)
            self._record_curves(chunk, np.asarray(curves)[:, : int(done) - number], number)
        return state

    def _average_by_pass(self) -> TrainingResult:
        """Curves and epochs counted in passes over all rows."""
        n_windows, n_done = self.windows.n_windows, int(self.epochs_done.max())
        n_passes = math.ceil(n_done / n_windows)
        window_curves = self.curves[:, : n_passes * n_windows].reshape(len(self.splits), n_passes, n_windows, 2)
        is_finite = np.isfinite(window_curves)
        total = np.where(is_finite, window_curves, 0).sum(axis=2)
        count = is_finite.sum(axis=2)
        curves = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
        return TrainingResult(self.weights, -(-self.best_epoch // n_windows), curves)
