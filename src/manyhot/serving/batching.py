"""Rows of several requests scored together, in batches of a few sizes; nothing here knows HTTP, JSON or labels."""

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

from manyhot.errors import InputError, panics_become

MAX_WAIT_SECONDS = 0.0003  # how long a batch waits for more requests, where the last one had more
Blocks = Mapping[str, np.ndarray | sp.csr_matrix]
ScoreArrays = tuple[np.ndarray, ...]
ScoreFunction = Callable[[Blocks], ScoreArrays]  # named features (n, ...) -> arrays (n, ...) that belong to the rows
Future = asyncio.Future[ScoreArrays] | concurrent.futures.Future[ScoreArrays]


class Job(NamedTuple):
    """Rows that wait for their scores."""

    blocks: Blocks  # (n, ...)
    n_rows: int
    future: Future


class Batches:
    """The rows that wait for one model: of quick models for the event loop, of others for a thread."""

    def __init__(self, score: ScoreFunction, max_rows: int) -> None:
        self.score, self.max_rows = score, max_rows
        self.is_quick = False  # whether a batch takes about as long as waking a thread
        self._waiting: deque[Job] = deque()
        self._turn: deque[Job] = deque()
        self._n_last_jobs = 1
        self._lock = threading.Lock()
        self._executor = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="manyhot batches")

    @property
    def n_waiting(self) -> int:
        """Jobs that wait."""
        return len(self._waiting) + len(self._turn)

    def submit(self, blocks: Blocks, n_rows: int) -> asyncio.Future[ScoreArrays]:
        """The scores of at most `max_rows` rows, for a coroutine to await."""
        if not self.is_quick:
            return asyncio.wrap_future(self._enqueue(blocks, n_rows))
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ScoreArrays] = loop.create_future()
        if not self._turn:
            loop.call_soon(self._gather, loop, 0)
        self._turn.append(Job(blocks, n_rows, future))
        return future

    def submit_and_wait(self, blocks: Blocks, n_rows: int, timeout: float) -> ScoreArrays:
        """The same for another thread, which waits so many seconds until it raises TimeoutError."""
        future = self._enqueue(blocks, n_rows)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    def close(self) -> None:
        """Finish what waits, and end the thread."""
        with self._lock:  # what was handed over is finished
            self._executor.shutdown(wait=False)
        self._executor.shutdown()

    def score_together(self, parts: Sequence[tuple[Blocks, int]]) -> list[ScoreArrays | Exception]:
        """Score blocks (n, ...), each with its n, as one batch: for each what was found, or what went wrong."""
        together = parts[0][0]
        try:
            if len(parts) > 1:
                together = {name: _concatenate([blocks[name] for blocks, _ in parts]) for name in together}
            with panics_become(InputError):
                arrays = self.score(together)
        except Exception as error:  # each by itself, so that no request fails for what came along with it
            return [error] if len(parts) == 1 else [self.score_together([part])[0] for part in parts]
        results: list[ScoreArrays | Exception] = []
        start = 0
        for _, n_rows in parts:
            results.append(tuple(array[start : start + n_rows] for array in arrays))
            start += n_rows
        return results

    def _enqueue(self, blocks: Blocks, n_rows: int) -> concurrent.futures.Future[ScoreArrays]:
        if n_rows > self.max_rows:
            raise ValueError(f"{n_rows} rows, at most {self.max_rows} fit a batch")
        future: concurrent.futures.Future[ScoreArrays] = concurrent.futures.Future()
        with self._lock:
            self._waiting.append(Job(blocks, n_rows, future))
            self._executor.submit(self._score_waiting)
        return future

    def _score_waiting(self) -> None:
        """Score what waits for the thread; nothing where an earlier call took it along."""
        if 0 < len(self._waiting) < self._n_last_jobs:
            time.sleep(MAX_WAIT_SECONDS)
        jobs = self._pop_jobs(self._waiting)
        if jobs:
            self._n_last_jobs = len(jobs)
            self._score_jobs([job for job in jobs if _is_wanted(job.future)])

    def _gather(self, loop: asyncio.AbstractEventLoop, n_before: int) -> None:
        """Score what waits, once a turn of the event loop has brought no more of it, or enough for a batch."""
        if n_before < len(self._turn) < self.max_rows:
            loop.call_soon(self._gather, loop, len(self._turn))
            return
        while self._turn:
            self._score_jobs([job for job in self._pop_jobs(self._turn) if _is_wanted(job.future)])

    def _pop_jobs(self, waiting: deque[Job]) -> list[Job]:
        """The first jobs, as many as fit a batch."""
        jobs: list[Job] = []
        n_rows = 0
        while waiting and n_rows + waiting[0].n_rows <= self.max_rows:
            jobs.append(waiting.popleft())
            n_rows += jobs[-1].n_rows
        return jobs

    def _score_jobs(self, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        results = self.score_together([(job.blocks, job.n_rows) for job in jobs])
        for job, result in zip(jobs, results, strict=True):
            if isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)


def _is_wanted(future: Future) -> bool:
    """Whether somebody still waits; a thread's future can then be cancelled no more."""
    if isinstance(future, concurrent.futures.Future):
        return future.set_running_or_notify_cancel()
    return not future.done()


def _concatenate(parts: list[np.ndarray | sp.csr_matrix]) -> np.ndarray | sp.csr_matrix:
    if any(sp.issparse(part) for part in parts):
        return sp.vstack(parts, format="csr")
    return np.concatenate(parts)
