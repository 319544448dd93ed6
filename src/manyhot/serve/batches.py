"""Requests on their way to the engine: whatever waits is scored together, by one thread, in batches of a few sizes.

It knows named arrays and what scores them, nothing of HTTP, JSON or labels. While a batch is computed the next one
gathers by itself; only where the last one had several requests does the thread wait for as many again, a fraction of a
millisecond. Start reading at `Batches.run`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

Blocks = Mapping[str, np.ndarray | sp.csr_matrix]
Score = Callable[[Blocks], tuple[np.ndarray, ...]]
"""Named features (n, ...) -> arrays (n, ...) that belong to the rows."""

PATIENCE_SECONDS = 0.0003
"""How long a batch waits for more requests, where the last one had more."""


@dataclass(eq=False)
class Job:
    """Rows that wait for their scores.

    Args:
        blocks: Named features (n, ...).
        n_rows: n.
        done: Takes the arrays, or what went wrong.
        is_wanted: Whether anybody still waits for it.
    """

    blocks: Blocks
    n_rows: int
    done: Callable[[Any], None]
    is_wanted: Callable[[], bool]


class Batches:
    """A queue of rows and the thread that works it off.

    Args:
        score: What is done with a batch; called in the thread alone.
        most_rows: Rows of a batch; a job may have no more.
        note: Called with the rows of each batch.
    """

    def __init__(
        self,
        score: Score,
        most_rows: int,
        note: Callable[[int], None] = lambda n_rows: None,
    ) -> None:
        self.score, self.most_rows, self.note = score, most_rows, note
        self._n_last = 1
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._is_open = True
        self._thread = threading.Thread(target=self.run, name="manyhot batches", daemon=True)
        self._thread.start()

    async def ask(self, blocks: Blocks, n_rows: int) -> tuple[np.ndarray, ...]:
        """The scores of some rows, from the thread of an event loop.

        Args:
            blocks: Named features (n, ...).
            n_rows: n, at most `most_rows`.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[np.ndarray, ...]] = loop.create_future()

        def settle(result: Any) -> None:
            if not future.done():
                (future.set_exception if isinstance(result, Exception) else future.set_result)(result)

        def done(result: Any) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result)

        self._put(Job(blocks, n_rows, done, lambda: not future.cancelled()))
        return await future

    def ask_from_thread(self, blocks: Blocks, n_rows: int, timeout: float) -> tuple[np.ndarray, ...]:
        """The same from any other thread.

        Args:
            blocks: Named features (n, ...).
            n_rows: n, at most `most_rows`.
            timeout: Seconds to wait.

        Raises:
            TimeoutError: The time is over.
        """
        future: Future[tuple[np.ndarray, ...]] = Future()

        def done(result: Any) -> None:
            (future.set_exception if isinstance(result, Exception) else future.set_result)(result)

        job = Job(blocks, n_rows, done, lambda: is_wanted)
        is_wanted = True
        self._put(job)
        try:
            return future.result(timeout)
        finally:
            is_wanted = False

    @property
    def n_waiting(self) -> int:
        """Jobs that wait."""
        return len(self._waiting)

    def close(self) -> None:
        """Finish what waits, and end the thread."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
        self._thread.join()

    def run(self) -> None:
        """Work until closed and empty."""
        while jobs := self._take():
            try:
                found = self._scored(jobs)
            except Exception as error:  # whoever asked is told; the thread lives on
                if len(jobs) == 1:
                    jobs[0].done(error)
                for job in jobs if len(jobs) > 1 else ():
                    self._one(job)
                continue
            for job, arrays in zip(jobs, found, strict=True):
                job.done(arrays)

    def _one(self, job: Job) -> None:
        """A job by itself, so that no request fails for what came along with it."""
        try:
            job.done(self.score(job.blocks))
        except Exception as error:
            job.done(error)

    def _put(self, job: Job) -> None:
        if job.n_rows > self.most_rows:
            raise ValueError(f"{job.n_rows} rows, at most {self.most_rows} fit a batch")
        with self._changed:
            self._waiting.append(job)
            self._changed.notify()

    def _take(self) -> list[Job]:
        """What is scored next; empty once all is done."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or not self._is_open)
                if not self._waiting:
                    return []
                self._gather()
                jobs, n_rows = [], 0
                while self._waiting and n_rows + self._waiting[0].n_rows <= self.most_rows:
                    job = self._waiting.popleft()
                    if job.is_wanted():
                        jobs.append(job)
                        n_rows += job.n_rows
                if jobs:
                    self._n_last = len(jobs)
                    self.note(n_rows)
                    return jobs

    def _gather(self) -> None:
        """Wait a little for as many requests as came last time."""
        ends = time.perf_counter() + PATIENCE_SECONDS
        while self._is_open and len(self._waiting) < self._n_last:
            left = ends - time.perf_counter()
            if left <= 0 or not self._changed.wait(left):
                return

    def _scored(self, jobs: list[Job]) -> list[tuple[np.ndarray, ...]]:
        if len(jobs) == 1:
            return [self.score(jobs[0].blocks)]
        arrays = self.score({name: _joined([job.blocks[name] for job in jobs]) for name in jobs[0].blocks})
        found, first = [], 0
        for job in jobs:
            found.append(tuple(array[first : first + job.n_rows] for array in arrays))
            first += job.n_rows
        return found


def _joined(parts: list[np.ndarray | sp.csr_matrix]) -> np.ndarray | sp.csr_matrix:
    if any(sp.issparse(part) for part in parts):
        return sp.vstack(parts, format="csr")
    return np.concatenate(parts)
