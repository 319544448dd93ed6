"""Worker processes of our own: started once, kept for the next job, replaced when they die."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from typing import Any

import loky

from manyhot.executors.cores import bind, divide_cores
from manyhot.executors.pools import Pool

IDLE_SECONDS = 300.0  # after which a worker without work ends
WATCH_SECONDS = 1.0

_idle: dict[int, list[Processes]] = {}
_lock = threading.Lock()


class Processes(Pool):
    """As many worker processes; each has one task at a time, so that one that dies takes no other task with it."""

    def __init__(self, n_workers: int) -> None:
        self.n_slots = self.n_workers = n_workers
        self.cores = divide_cores(n_workers)
        self.workers: list[Any] = [None] * n_workers
        self.futures: list[Future | None] = [None] * n_workers  # what each worker does, or did last

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Hand over a call to a free worker, a new one where the last died (no task raises)."""
        number = next(k for k, last in enumerate(self.futures) if last is None or last.done())
        last = self.futures[number]
        if last is None or last.cancelled() or last.exception() is not None:
            self._renew(number)
        try:
            future = self.workers[number].submit(function, *arguments)
        except BrokenExecutor:  # it died when it had nothing to do
            self._renew(number)
            future = self.workers[number].submit(function, *arguments)
        self.futures[number] = future
        return future

    def _renew(self, number: int) -> None:
        self.workers[number] = loky.ProcessPoolExecutor(
            1, timeout=IDLE_SECONDS, initializer=_begin_worker, initargs=(self.cores[number], os.getpid())
        )

    def close(self, is_idle: bool) -> None:
        """Keep the workers for the next job, or end them with what they do."""
        if is_idle:
            with _lock:
                _idle.setdefault(self.n_workers, []).append(self)
            return
        for worker in self.workers:
            if worker is not None:
                worker.shutdown(wait=False, kill_workers=True)


def open_processes(n_workers: int) -> Processes:
    """Workers that wait for work since an earlier job, or new ones."""
    with _lock:
        waiting = _idle.get(n_workers)
        if waiting:
            return waiting.pop()
    return Processes(n_workers)


def _begin_worker(cores: list[int], parent: int) -> None:
    """Keep to some cores, leave Ctrl-C to the parent, and end when it has ended."""
    bind(cores)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)
