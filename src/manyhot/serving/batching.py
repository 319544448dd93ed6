"""Requests on their way to the engine: whatever waits is scored together, in batches of a few sizes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

Blocks = Mapping[str, np.ndarray | sp.csr_matrix]
# Named features (n, ...) -> arrays (n, ...) that belong to the rows.
ScoreFunction = Callable[[Blocks], tuple[np.ndarray, ...]]

MAX_WAIT_SECONDS = 0.0003  # how long a batch waits for more requests, where the last one had more


ScoreArrays = tuple[np.ndarray, ...]
Future = asyncio.Future[ScoreArrays] | concurrent.futures.Future[ScoreArrays]


class Job(NamedTuple):
    """Rows that wait for their scores."""

    blocks: Blocks
    n_rows: int
    future: Future
    loop: asyncio.AbstractEventLoop | None  # of the future; None for one of a thread


Result = tuple[Job, ScoreArrays | Exception]


class Batches:
    """A queue of rows and the thread that works it off."""

    def __init__(
        self, score: ScoreFunction, max_rows: int, on_batch: Callable[[int], None] = lambda n_rows: None
    ) -> None:
        self.score, self.max_rows, self.on_batch = score, max_rows, on_batch
        self._n_last_jobs = 1
        self._waiting: deque[Job] = deque()
        self._condition = threading.Condition()
        self._is_open, self._is_idle = True, False
        self._thread = threading.Thread(target=self.run, name="manyhot batches", daemon=True)
        self._thread.start()

    def submit(self, blocks: Blocks, n_rows: int) -> asyncio.Future[ScoreArrays]:
        """The scores of some rows, to be awaited in an event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ScoreArrays] = loop.create_future()
        self._enqueue(Job(blocks, n_rows, future, loop))
        return future

    def submit_and_wait(self, blocks: Blocks, n_rows: int, timeout: float) -> ScoreArrays:
        """The same from any other thread."""
        future: concurrent.futures.Future[ScoreArrays] = concurrent.futures.Future()
        self._enqueue(Job(blocks, n_rows, future, None))
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
        with self._condition:
            self._is_open = False
            self._condition.notify_all()
        self._thread.join()

    def run(self) -> None:
        """Work until closed and empty."""
        while jobs := self._next_jobs():
            _deliver(self._score_jobs(jobs))

    def score_together(self, parts: Sequence[tuple[Blocks, int]]) -> list[ScoreArrays | Exception]:
        """Score what several ask as one batch, in this thread: for each what was found, or what went wrong."""
        self.on_batch(sum(n_rows for _, n_rows in parts))
        try:
            return list(self._score_parts(parts))
        except Exception as error:
            return [error if len(parts) == 1 else self._score_single(blocks) for blocks, _ in parts]

    def _score_single(self, blocks: Blocks) -> ScoreArrays | Exception:
        """Some rows by themselves, so that no request fails for what came along with it."""
        try:
            return self.score(blocks)
        except Exception as error:
            return error

    def _score_jobs(self, jobs: list[Job]) -> list[Result]:
        return list(zip(jobs, self.score_together([(job.blocks, job.n_rows) for job in jobs]), strict=True))

    def _enqueue(self, job: Job) -> None:
        if job.n_rows > self.max_rows:
            raise ValueError(f"{job.n_rows} rows, at most {self.max_rows} fit a batch")
        with self._condition:
            self._waiting.append(job)
            if self._is_idle:
                self._condition.notify()

    def _next_jobs(self) -> list[Job]:
        """What is scored next; empty once all is done."""
        while True:
            with self._condition:
                self._is_idle = True
                self._condition.wait_for(lambda: self._waiting or not self._is_open)
                self._is_idle = False
                n_waiting = len(self._waiting)
            if not n_waiting:
                return []
            if n_waiting < self._n_last_jobs:
                time.sleep(MAX_WAIT_SECONDS)
            with self._condition:
                jobs = self._pop_jobs()
            if jobs:
                self._n_last_jobs = len(jobs)
                return jobs

    def _pop_jobs(self) -> list[Job]:
        """The first jobs that somebody still waits for, as many as fit a batch."""
        jobs: list[Job] = []
        n_rows = 0
        while self._waiting and n_rows + self._waiting[0].n_rows <= self.max_rows:
            job = self._waiting.popleft()
            if not job.future.cancelled():
                jobs.append(job)
                n_rows += job.n_rows
        return jobs

    def _score_parts(self, parts: Sequence[tuple[Blocks, int]]) -> list[ScoreArrays]:
        if len(parts) == 1:
            return [self.score(parts[0][0])]
        arrays = self.score({name: _concatenate([blocks[name] for blocks, _ in parts]) for name in parts[0][0]})
        results, start = [], 0
        for _, n_rows in parts:
            results.append(tuple(array[start : start + n_rows] for array in arrays))
            start += n_rows
        return results


def _concatenate(parts: list[np.ndarray | sp.csr_matrix]) -> np.ndarray | sp.csr_matrix:
    if any(sp.issparse(part) for part in parts):
        return sp.vstack(parts, format="csr")
    return np.concatenate(parts)


def _deliver(results: list[Result]) -> None:
    """Hand results to who waits: with one call for all that wait in one loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Result]] = {}
    for job, result in results:
        if job.loop is not None:
            by_loop.setdefault(job.loop, []).append((job, result))
        elif not job.future.cancelled():
            _set_results([(job, result)])
    for loop, loop_results in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_set_results, loop_results)


def _set_results(results: list[Result]) -> None:
    for job, result in results:
        if job.future.done():
            continue
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
