"""Run the tasks of a job: results as they come, lost tasks again, nothing left running when the caller stops."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from typing import Any

from manyhot.errors import ManyhotError, ManyhotWarning
from manyhot.executors.pools import Pool, open_pool
from manyhot.executors.work import FileHandle, Handle, Work, run_task

WAIT_SECONDS = 1.0  # after which a wait begins anew
MAX_TRIES = 10  # times that a task is begun at most while its workers die


class LostTaskError(ManyhotError, RuntimeError):
    """Workers died again and again while they had one task.

    Attributes:
        task: The task's number.
    """

    def __init__(self, message: str, task: int) -> None:
        super().__init__(message)
        self.task = task

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.task)


def run_tasks(
    executor: Any, work: Work, tasks: Sequence[tuple], max_tries: int = MAX_TRIES, yield_lost: bool = False
) -> Iterator[tuple[int, Any]]:
    """Yield the number and the result of each task as they come.

    Args:
        executor: What `config.executor.check_executor` lets through.
        work: What all tasks share.
        tasks: The arguments of each.
        max_tries: Times that a task is begun at most.
        yield_lost: Whether a `LostTaskError` is yielded as the result of its task, and the others run on.

    Raises:
        LostTaskError: The workers of one task died `max_tries` times, unless `yield_lost`.
        Exception: What a task raised; the others are cancelled.
    """
    pool = open_pool(executor)
    loop = _Loop(pool, work, tasks, max_tries, yield_lost)
    try:
        with pool.share(work) as handle:
            try:
                yield from loop.run(handle)
            finally:
                loop.cancel()
    finally:
        pool.close(is_idle=not loop.running)


class _Loop:
    def __init__(self, pool: Pool, work: Work, tasks: Sequence[tuple], max_tries: int, yield_lost: bool) -> None:
        self.pool, self.work, self.tasks = pool, work, tasks
        self.max_tries, self.yield_lost = max_tries, yield_lost
        self.waiting = deque(range(len(tasks)))
        self.running: dict[Future, int] = {}
        self.n_tries = [0] * len(tasks)
        self.without_file: set[int] = set()  # tasks whose worker did not see the file
        self.lost: list[LostTaskError] = []  # to be yielded
        self.is_broken = False

    def run(self, handle: Handle) -> Iterator[tuple[int, Any]]:
        while self.waiting or self.running:
            self._hand_over(handle)
            if self.is_broken:
                yield from self._run_here()
                return
            # in slices, between which Ctrl-C is heeded whatever handler a library has put in place
            for future in wait(self.running, timeout=WAIT_SECONDS, return_when=FIRST_COMPLETED).done:
                number = self.running.pop(future)
                try:
                    outcome = future.result()
                except (BrokenExecutor, CancelledError) as error:
                    self._lose(number, error, is_pool=True)
                    continue
                except Exception as error:  # of the pool: the work's own are part of an outcome
                    self._lose(number, error, is_pool=False)
                    continue
                if outcome.error is not None:
                    raise outcome.error
                if outcome.is_missing:
                    self.without_file.add(number)
                    self.waiting.append(number)
                    continue
                yield number, outcome.result
            while self.lost:
                lost = self.lost.pop()
                yield lost.task, lost

    def _hand_over(self, handle: Handle) -> None:
        n_slots = self.pool.n_slots
        while self.waiting and not self.is_broken and (n_slots is None or len(self.running) < n_slots):
            number = self.waiting.popleft()
            is_far = number in self.without_file and isinstance(handle, FileHandle)
            own_handle = handle.with_content() if is_far and isinstance(handle, FileHandle) else handle
            try:
                self.running[self.pool.submit(run_task, own_handle, self.tasks[number])] = number
            except Exception as error:
                self._lose(number, error, is_pool=True)

    def _lose(self, number: int, error: BaseException, is_pool: bool) -> None:
        """A task did not come back."""
        self.n_tries[number] += 1
        is_last = self.n_tries[number] >= self.max_tries
        if not is_last or (is_pool and not self.pool.is_ours):
            self.waiting.appendleft(number)
        if is_pool and not self.pool.is_ours:
            self.is_broken = True
            warnings.warn(
                f"the executor is broken ({type(error).__name__}: {error}), so the rest of {self.work.description} "
                "runs in this process",
                ManyhotWarning,
                stacklevel=2,
            )
        elif is_last:
            error_of_task = LostTaskError(
                f"{self.work.description}: the worker of task {number + 1} of {len(self.tasks)} died "
                f"{self.n_tries[number]} times ({type(error).__name__}); the usual reason is too little memory: take "
                "fewer workers, or machines with more memory",
                number,
            )
            if not self.yield_lost:
                raise error_of_task
            self.lost.append(error_of_task)

    def _run_here(self) -> Iterator[tuple[int, Any]]:
        """The rest, without workers."""
        self.waiting.extend(self.running.values())
        self.cancel()
        state = self.work.prepare(self.work.payload)
        while self.waiting:
            number = self.waiting.popleft()
            yield number, self.work.function(state, *self.tasks[number])

    def cancel(self) -> None:
        for future in list(self.running):
            self.pool.cancel(future)
