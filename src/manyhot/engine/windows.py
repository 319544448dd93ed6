"""Train on more rows than fit into memory: an epoch of the compiled program is one window, all of one padded shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice, product, repeat
from typing import Any, NamedTuple

import numpy as np

from manyhot.backend import jax, use_dtype
from manyhot.config.losses import LOSS_SPECS
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.engine.daemon_pool import result_of
from manyhot.engine.device_data import DeviceData, MemberSplits
from manyhot.engine.ensemble import NetworkFactory, ProgressCallback, TrainingResult
from manyhot.engine.job import Snapshots, TrainingJob
from manyhot.engine.label_counts import make_label_counts
from manyhot.engine.lockstep import LockstepTrainer, RunningChunk
from manyhot.engine.state import LabelCounts, Rows
from manyhot.engine.trainer import VALIDATION_ROWS


class Window(NamedTuple):
    """Some of the rows, on the host."""

    data: DeviceData  # `n_train` training rows, padding up to the largest window, then the stopping rows, then padding
    n_train: int  # how many rows are trained on


def no_entries(name: str, n_rows: int) -> int:
    """Where no block has a table."""
    return 0


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
    max_entries: Callable[[str, int], int] = no_entries

    def iterate(self, n_passes: int, start: int = 0) -> Generator[Window, None, None]:
        """The windows of some passes from the `start`-th on; each is loaded while the one before it is in use."""
        if self.n_windows == 1:
            yield from repeat(self.load(0, 0), n_passes - start)
            return
        places = islice(product(range(n_passes), range(self.n_windows)), start, None)
        with ThreadPoolExecutor(1, thread_name_prefix="window") as loader:
            pending = [loader.submit(self.load, *place) for place in islice(places, 1)]
            while pending:
                window = result_of(pending.pop())
                pending = [loader.submit(self.load, *place) for place in islice(places, 1)]
                yield window


@dataclass(frozen=True)
class WindowJob(TrainingJob):
    """A job whose rows come window by window; `config` counts epochs in windows."""

    windows: Windows | None = None
    n_passes: int = 1


def train_windows(
    networks: NetworkFactory,
    windows: Windows,
    config: TrainingConfig,
    runtime: RuntimeConfig,
    batch_size: int,
    callback: ProgressCallback | None = None,
    snapshots: Snapshots | None = None,
) -> TrainingResult:
    """Train every member on all windows; early stopping asks after each, `patience` and curves count passes."""
    m, max_train, no_rows = networks.n_members, windows.n_train[1], np.zeros(0, dtype=np.int64)
    validation = max_train + np.arange(windows.n_validation)
    n_passes, n_windows = int(config.epochs), windows.n_windows
    job = WindowJob(
        networks,
        None,
        MemberSplits([np.arange(max_train)] * m, [validation] * m, [no_rows] * m),
        replace(config, epochs=n_passes * n_windows, patience=config.patience * n_windows),
        runtime.changed(executor=None),
        batch_size,
        snapshots=snapshots,
        windows=windows,
        n_passes=n_passes,
    )
    with use_dtype(config.dtype):
        trainer = StreamTrainer(job, callback)
        trained = trainer.run() if runtime.executor is None else trainer.run_elsewhere(runtime.executor)
    return _average_by_pass(trained, n_windows)


class StreamTrainer(LockstepTrainer):
    """One job of `train_windows`."""

    job: WindowJob

    def __init__(self, job: WindowJob, callback: ProgressCallback | None = None) -> None:
        assert job.windows is not None
        self.windows = job.windows
        self.window = self.windows.load(0, 0)  # for its shapes; those of all are the same
        self.calls_per_epoch = self.windows.n_windows
        super().__init__(job, callback)

    def _blocks(self) -> Mapping[str, Any]:
        return self.window.data.blocks

    def _max_entries(self, name: str, block: Any, batch_size: int) -> tuple[int, int]:
        if self.devices[0].platform == "cpu":
            return 0, 0
        return self.windows.max_entries(name, batch_size), self.windows.max_entries(name, VALIDATION_ROWS)

    def _count_labels(self) -> LabelCounts:
        config, shape = self.config, (len(self.splits), len(self.windows.positives))
        is_balanced = config.label_weights == "balanced"
        is_counted = LOSS_SPECS[config.resolved_loss].uses_label_counts or is_balanced
        counts = (self.windows.positives, self.windows.known) if is_counted else (1.0, 1.0)
        positives, known = (np.broadcast_to(count, shape).astype(config.dtype) for count in counts)
        return make_label_counts(positives, known, is_balanced)

    def _data_on(self, device: Any) -> DeviceData:
        if device not in self.data:
            rows = self.window.data._replace(levels=self.networks.levels)
            self.data[device] = jax.device_put(rows, device)
        return self.data[device]

    def _calls(self, start: int) -> Generator[int, None, None]:
        with closing(self.windows.iterate(self.job.n_passes, start)) as windows:
            for number, window in enumerate(windows, start):
                if window is not self.window:
                    self.window, self.data = window, {}
                yield number

    def _epoch_rows(self, chunk: RunningChunk) -> tuple[Rows, int]:
        n_train = self.window.n_train
        n_steps = math.ceil(n_train / self.job.batch_size) if self.networks.full_batches else self.n_steps[0]
        sizes = np.full(self.chunk, n_train, np.int32)
        return chunk.rows._replace(n_train=jax.device_put(sizes, chunk.device)), int(n_steps)


def _average_by_pass(trained: TrainingResult, n_windows: int) -> TrainingResult:
    """Curves and epochs counted in passes over all rows."""
    m, n_done = trained.curves.shape[:2]
    n_passes = math.ceil(n_done / n_windows)
    window_curves = np.full((m, n_passes * n_windows, 2), np.nan, np.float32)
    window_curves[:, :n_done] = trained.curves
    window_curves = window_curves.reshape(m, n_passes, n_windows, 2)
    is_finite = np.isfinite(window_curves)
    total = np.where(is_finite, window_curves, 0).sum(axis=2)
    count = is_finite.sum(axis=2)
    curves = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return TrainingResult(trained.weights, -(-trained.best_epoch // n_windows), curves)
