"""Threads for compiled programs, which an interrupted process does not wait for: a call of one cannot be stopped."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from queue import SimpleQueue
from types import TracebackType
from typing import Any

WAIT_SECONDS = 0.2
"""After which a wait begins anew: Python handles Ctrl-C between two waits. One without an end is resumed where some
library has put its own signal handler in place, as polars does."""
EXIT_SECONDS = 0.1  # that the end of the process waits for calls that were abandoned
INTERRUPTED = 130  # exit code of a process that ends while an abandoned call still runs, as after Ctrl-C

_abandoned: list[threading.Thread] = []


class DaemonPool:
    """Runs calls on threads; leaving it waits for them, except after an interrupt (`KeyboardInterrupt`, `SystemExit`).

    The threads of `concurrent.futures` are joined when their pool is left and once more when Python ends, so that
    Ctrl-C would wait for an epoch that takes minutes.
    """

    def __init__(self, n_workers: int) -> None:
        self._calls: SimpleQueue[tuple[Future, Callable[..., Any], tuple] | None] = SimpleQueue()
        self._futures: list[Future] = []
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(n_workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Hand over a call."""
        future: Future = Future()
        self._futures = [waiting for waiting in self._futures if not waiting.done()] + [future]
        self._calls.put((future, function, arguments))
        return future

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            future, function, arguments = call
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(function(*arguments))
            except BaseException as error:  # as in concurrent.futures: it is raised where the result is asked for
                future.set_exception(error)
            del call, future, function, arguments  # nothing is kept alive while waiting

    def __enter__(self) -> DaemonPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for future in self._futures:
                future.cancel()
        for _ in self._threads:
            self._calls.put(None)
        if kind is None or issubclass(kind, Exception):
            for thread in self._threads:
                thread.join()
        else:
            atexit.register(_leave, getattr(error, "exit_code", INTERRUPTED))  # the last one is called first
            _abandoned[:] = [thread for thread in (*_abandoned, *self._threads) if thread.is_alive()]


def result_of(future: Future) -> Any:
    """What a call returned, when it is done; Ctrl-C ends the wait."""
    while not future.done():
        wait([future], timeout=WAIT_SECONDS)
    return future.result()


def _leave(exit_code: int) -> None:
    """End the process at once where an abandoned call still runs: JAX would wait for it, and abort when it returns."""
    deadline = time.monotonic() + EXIT_SECONDS
    for thread in _abandoned:
        thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in _abandoned):
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # closed, or none at all
                stream.flush()
        os._exit(exit_code)
