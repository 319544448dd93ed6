"""Trains on more rows than fit into memory, a window of them at a time.

An epoch of the compiled program is one window, and a pass over all rows is as many epochs as there are windows. All
windows have one padded shape, so one program serves them; the next one is loaded while the members train on the
current one. Where the rows come from is not known here. Start reading at `train_windows`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from manyhot.backend import jax, precision
from manyhot.config.losses import LOSS_SPECS
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.engine.device_data import Data, Parts
from manyhot.engine.ensemble import NetworkFactory, ProgressCallback, TrainingResult
from manyhot.engine.label_counts import facts_of
from manyhot.engine.state import Rows, State
from manyhot.engine.trainer import STOP_ROWS, Trainer


class Window(NamedTuple):
    """Some of the rows.

    Attributes:
        data: `n_train` training rows, padding up to the largest window, then the stopping rows, then padding.
        n_train: How many rows are trained on.
    """

    data: Data
    n_train: int


@dataclass(frozen=True)
class Windows:
    """All rows, dealt out to windows anew in every pass.

    Args:
        load: (pass, window) -> the window, on the host; always of one padded shape. Called from another thread.
        n_windows: Windows of a pass.
        n_train: Training rows of the smallest and of the largest window.
        n_stop: Stopping rows, the same in every window; they follow the largest window's training rows.
        positives: float (l,), weighted count of each label's positives among all training rows.
        known: float (l,), weighted count of its known entries.
        most_entries: (block with a table, rows) -> the most non-zeros that so many rows can have.
    """

    load: Callable[[int, int], Window]
    n_windows: int
    n_train: tuple[int, int]
    n_stop: int
    positives: np.ndarray
    known: np.ndarray
    most_entries: Callable[[str, int], int] = field(default=lambda name, n_rows: 0)

    @contextmanager
    def in_order(self, n_passes: int) -> Iterator[Iterator[Window]]:
        """The windows of some passes; each is loaded while the one before it is in use. A single one is loaded once."""
        with ThreadPoolExecutor(1, thread_name_prefix="window") as loader:

            def ask(number: int) -> Future[Window]:
                return loader.submit(self.load, *divmod(number, self.n_windows))

            def walk() -> Iterator[Window]:
                n_loads = n_passes * self.n_windows if self.n_windows > 1 else 1
                coming = ask(0)
                for number in range(n_loads):
                    window = coming.result()
                    if number + 1 < n_loads:
                        coming = ask(number + 1)
                    yield window
                    if self.n_windows == 1:
                        for _ in range(n_passes - 1):
                            yield window

            yield walk()


def train_windows(
    networks: NetworkFactory,
    windows: Windows,
    plan: TrainingConfig,
    runtime: RuntimeConfig,
    batch_size: int,
    watch: ProgressCallback | None = None,
) -> TrainingResult:
    """Train every member on all windows, each in an order of its own within a window.

    With a single window this is `train` on the same rows. Early stopping asks the stopping rows after each window, and
    waits for `patience` passes.

    Args:
        networks: How the networks are made.
        windows: The rows.
        plan: Settings that change the result, `epochs` (passes over all rows) a number.
        runtime: Settings that change only speed.
        batch_size: Rows in a step at most.
        watch: Called now and then, from any thread.

    Returns:
        The weights of all members, and curves by pass (means over its windows).

    Raises:
        TrainingError: A loss that is not finite.
    """
    with precision(plan.precision), windows.in_order(int(plan.epochs)) as order:
        return _Streaming(networks, windows, order, plan, runtime, batch_size, watch).run()


class _Streaming(Trainer):
    def __init__(
        self,
        networks: NetworkFactory,
        windows: Windows,
        order: Iterator[Window],
        plan: TrainingConfig,
        runtime: RuntimeConfig,
        batch_size: int,
        watch: ProgressCallback | None,
    ) -> None:
        self.windows, self.order, self.first = windows, order, next(order)
        nothing, largest = np.zeros(0, dtype=np.int64), windows.n_train[1]
        stop = largest + np.arange(windows.n_stop)
        m = networks.n_members
        parts = Parts([np.arange(largest)] * m, [stop] * m, [nothing] * m)
        by_window = replace(
            plan, epochs=int(plan.epochs) * windows.n_windows, patience=plan.patience * windows.n_windows
        )
        super().__init__(networks, self.first.data, parts, by_window, runtime, batch_size, None, watch)
        if networks.full_batches:
            steps = {math.ceil(count / batch_size) for count in windows.n_train}
            self.recipe = replace(self.recipe, is_ragged=len(steps) > 1)
        is_balanced = plan.label_weights == "balanced"
        if LOSS_SPECS[plan.loss_used].is_counted or is_balanced:
            positives, known = (
                np.tile(array, (m, 1)).astype(plan.precision) for array in (windows.positives, windows.known)
            )
            self.labels = facts_of(positives, known, is_balanced)

    def _gathered(self, name: str, block: Any, batch_size: int) -> tuple[int, int]:
        if self.devices[0].platform == "cpu":
            return 0, 0
        return self.windows.most_entries(name, batch_size), self.windows.most_entries(name, STOP_ROWS)

    def run(self) -> TrainingResult:
        chunks = self._chunks()
        self._tell_size(len(chunks))
        places = [self.devices[k % len(self.devices)] for k in range(len(chunks))]
        begun = [self._begin(chunk, self._first_state(chunk), at) for chunk, at in zip(chunks, places, strict=True)]
        states, rows = [state for state, _ in begun], [own for _, own in begun]
        window: Window | None = self.first
        with ThreadPoolExecutor(self._n_workers(len(chunks))) as pool:
            for number in range(self.n_epochs):
                assert window is not None
                states = list(pool.map(self._one_window, chunks, states, rows, places, *self._same(number, window)))
                if all(bool(np.asarray(state.is_stopped).all()) for state in states):
                    break
                window = self._moved_on(window)
        for chunk, state in zip(chunks, states, strict=True):
            self._keep(chunk, state)
        return self._by_pass()

    def _same(self, *values: Any) -> list[list[Any]]:
        return [[value] * len(self._chunks()) for value in values]

    def _moved_on(self, window: Window) -> Window | None:
        """The next window, which takes the place of this one on the devices; None after the last."""
        following = next(self.order, None)
        if following is not None and following is not window:
            self.data = {device: jax.device_put(following.data, device) for device in self.devices}
        return following

    def _one_window(
        self, chunk: list[int], state: State, rows: Rows, device: Any, number: int, window: Window
    ) -> State:
        if bool(np.asarray(state.is_stopped).all()):
            return state
        with precision(self.plan.precision):
            rows = rows._replace(n_train=jax.device_put(np.full(self.chunk, window.n_train, np.int32), device))
            compiled = self._compiled(state, rows, device)
            dials = self._dials(number, number + 1, device)
            state, curves, done = compiled(state, rows, self.data[device], dials)
            self._record(chunk, np.asarray(curves)[:, : int(done) - number], number)
        return state

    def _by_pass(self) -> TrainingResult:
        """Curves and epochs counted in passes over all rows."""
        n_windows, n_done = self.windows.n_windows, int(self.epochs_done.max())
        n_passes = math.ceil(n_done / n_windows)
        by_window = self.curves[:, : n_passes * n_windows].reshape(len(self.parts), n_passes, n_windows, 2)
        is_there = np.isfinite(by_window)
        total = np.where(is_there, by_window, 0).sum(axis=2)
        count = is_there.sum(axis=2)
        curves = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
        return TrainingResult(self.weights, -(-self.best_epoch // n_windows), curves)
