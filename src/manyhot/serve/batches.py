"""Requests on their way to the engine: whatever waits is scored together, in batches of a few sizes.

It knows named arrays and what scores them, nothing of HTTP, JSON or labels. While a batch is computed the next one
gathers by itself; only where the last one had several requests does the thread wait for as many again, a fraction of a
millisecond. Batches that cost less than waking a thread are not given to it: see `Batches.is_quick`. Start reading at
`Batches.run`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

Blocks = Mapping[str, np.ndarray | sp.csr_matrix]
Score = Callable[[Blocks], tuple[np.ndarray, ...]]
"""Named features (n, ...) -> arrays (n, ...) that belong to the rows."""

PATIENCE_SECONDS = 0.0003
"""How long a batch waits for more requests, where the last one had more."""


Found = tuple[np.ndarray, ...]
Future = asyncio.Future[Found] | concurrent.futures.Future[Found]


class Job(NamedTuple):
    """Rows that wait for their scores.

    Attributes:
        blocks: Named features (n, ...).
        n_rows: n.
        future: Takes the arrays, or what went wrong.
        loop: The event loop that the future belongs to; None for one of a thread.
    """

    blocks: Blocks
    n_rows: int
    future: Future
    loop: asyncio.AbstractEventLoop | None


Result = tuple[Job, Found | Exception]


class Batches:
    """A queue of rows and the thread that works it off.

    Args:
        score: What is done with a batch; called in the thread alone.
        most_rows: Rows of a batch; a job may have no more.
        note: Called with the rows of each batch.

    Attributes:
        is_quick: Whether a batch is computed in about the time that it takes to wake a thread: what `ask` takes is then
            scored on the event loop itself, all that came in one turn of it together.
    """

    def __init__(self, score: Score, most_rows: int, note: Callable[[int], None] = lambda n_rows: None) -> None:
        self.score, self.most_rows, self.note = score, most_rows, note
        self.is_quick = False
        self._arrived: deque[Job] = deque()
        self._n_last = 1
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._is_open, self._is_idle = True, False
        self._thread = threading.Thread(target=self.run, name="manyhot batches", daemon=True)
        self._thread.start()

    def ask(self, blocks: Blocks, n_rows: int) -> asyncio.Future[Found]:
        """The scores of some rows, to be awaited in an event loop.

        Args:
            blocks: Named features (n, ...).
            n_rows: n, at most `most_rows`.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Found] = loop.create_future()
        job = Job(blocks, n_rows, future, loop)
        if not self.is_quick:
            self._put(job)
            return future
        self._check(n_rows)
        if not self._arrived:
            loop.call_soon(self._flush)  # behind every request whose bytes came with this one's
        self._arrived.append(job)
        return future

    def ask_from_thread(self, blocks: Blocks, n_rows: int, timeout: float) -> Found:
        """The same from any other thread.

        Args:
            blocks: Named features (n, ...).
            n_rows: n, at most `most_rows`.
            timeout: Seconds to wait.

        Raises:
            TimeoutError: The time is over.
        """
        future: concurrent.futures.Future[Found] = concurrent.futures.Future()
        self._put(Job(blocks, n_rows, future, None))
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

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
            _tell(self._results(jobs))

    def _results(self, jobs: list[Job]) -> list[Result]:
        """Each job with its arrays, or with what went wrong: whoever asked is told, and the work goes on."""
        self.note(sum(job.n_rows for job in jobs))
        try:
            return list(zip(jobs, self._scored(jobs), strict=True))
        except Exception as error:
            return [(job, error if len(jobs) == 1 else self._alone(job)) for job in jobs]

    def _alone(self, job: Job) -> Found | Exception:
        """A job by itself, so that no request fails for what came along with it."""
        try:
            return self.score(job.blocks)
        except Exception as error:
            return error

    def _check(self, n_rows: int) -> None:
        if n_rows > self.most_rows:
            raise ValueError(f"{n_rows} rows, at most {self.most_rows} fit a batch")

    def _flush(self) -> None:
        """Score what came in one turn of the event loop."""
        while jobs := self._cut(self._arrived):
            _settle(self._results(jobs))

    def _put(self, job: Job) -> None:
        self._check(job.n_rows)
        with self._changed:
            self._waiting.append(job)
            if self._is_idle:
                self._changed.notify()

    def _take(self) -> list[Job]:
        """What is scored next; empty once all is done."""
        while True:
            with self._changed:
                self._is_idle = True
                self._changed.wait_for(lambda: self._waiting or not self._is_open)
                self._is_idle = False
                n_waiting = len(self._waiting)
            if not n_waiting:
                return []
            if n_waiting < self._n_last:
                time.sleep(PATIENCE_SECONDS)
            with self._changed:
                jobs = self._cut(self._waiting)
            if jobs:
                self._n_last = len(jobs)
                return jobs

    def _cut(self, waiting: deque[Job]) -> list[Job]:
        """The first jobs that somebody still waits for, as many as fit a batch."""
        jobs: list[Job] = []
        n_rows = 0
        while waiting and n_rows + waiting[0].n_rows <= self.most_rows:
            job = waiting.popleft()
            if not job.future.cancelled():
                jobs.append(job)
                n_rows += job.n_rows
        return jobs

    def _scored(self, jobs: list[Job]) -> list[Found]:
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


def _tell(results: list[Result]) -> None:
    """Hand results to who waits: with one call for all that wait in one loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Result]] = {}
    for job, result in results:
        if job.loop is not None:
            by_loop.setdefault(job.loop, []).append((job, result))
        elif not job.future.cancelled():
            _settle([(job, result)])
    for loop, some in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, some)


def _settle(results: list[Result]) -> None:
    for job, result in results:
        if job.future.done():
            continue
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
