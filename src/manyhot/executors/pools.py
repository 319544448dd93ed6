"""Where tasks run: a pool gives work to workers and says when one is lost."""

from __future__ import annotations

import pickle
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import cloudpickle

from manyhot.errors import InputError, OutputError
from manyhot.executors.work import FileHandle, Handle, Work, new_token
from manyhot.files import cache_folder, describe_os_error, scratch_folder


class Pool(ABC):
    """Workers; tasks are handed over one by one."""

    n_slots: int | None = None  # tasks handed over at a time; None for all
    is_ours: bool = True  # whether it is made anew when it breaks

    @contextmanager
    def share(self, work: Work) -> Iterator[Handle]:
        """Put the work where each worker finds it, once; it is gone at the end."""
        with work_file(work, None) as handle:
            yield handle

    @abstractmethod
    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Hand over a call."""

    def cancel(self, future: Future) -> None:
        """Stop a task, where that can be done."""
        future.cancel()

    @abstractmethod
    def close(self, is_idle: bool) -> None:
        """Let go of the workers; `is_idle` says whether none has anything left to do."""


@contextmanager
def work_file(work: Work, folder: Path | None) -> Iterator[FileHandle]:
    """Work in a file of its own, in a folder that only its user can read."""
    with scratch_folder(folder or Path(tempfile.gettempdir()), "manyhot-work-") as own_folder:
        path = own_folder / "work"
        try:
            with open(path, "wb") as file:
                dump(work, file)
        except OSError as error:
            raise OutputError(f"{path} could not be written: {describe_os_error(error)}") from error
        yield FileHandle(new_token(), str(path))


def dump(work: Work, file: Any) -> None:
    """Write work so that workers can load it, also with classes and functions of a script or a notebook."""
    try:
        cloudpickle.dump(tuple(work), file, protocol=pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise InputError(
            f"something in {work.description} cannot be sent to another process ({error}); a function or a layer of "
            "yours must not hold open files, locks or connections",
            argument="executor",
        ) from None


class ForeignPool(Pool):
    """An object with `submit` whose futures have `result` and `cancel`."""

    is_ours = False

    def __init__(self, executor: Any) -> None:
        self.executor = executor

    @contextmanager
    def share(self, work: Work) -> Iterator[Handle]:
        """In a file of the user's cache folder, which machines of a cluster often share; else with each task."""
        folder: Path | None = cache_folder() / "work"
        try:
            cache_folder().mkdir(parents=True, exist_ok=True)
            (cache_folder() / "work").mkdir(mode=0o700, exist_ok=True)
        except OSError:
            folder = None
        with work_file(work, folder) as handle:
            yield handle

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Hand over a call."""
        future = self.executor.submit(function, *arguments)
        return future if isinstance(future, Future) else _WatchedFuture(future)

    def close(self, is_idle: bool) -> None:
        """It is somebody else's."""


class _WatchedFuture(Future):
    """Something with `result` and `cancel`, waited for in a thread."""

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.original = original
        self.set_running_or_notify_cancel()
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self) -> None:
        try:
            self.set_result(self.original.result())
        except BaseException as error:
            self.set_exception(error)

    def cancel(self) -> bool:
        """Ask for the end of the call."""
        with suppress(Exception):
            self.original.cancel()
        return False


def open_pool(executor: Any) -> Pool:
    """The pool that an executor stands for."""
    if not isinstance(executor, str):
        return ForeignPool(executor)
    if executor.startswith("ray"):
        from manyhot.executors.ray_pool import RayPool  # Ray is an extra

        return RayPool(executor)
    from manyhot.executors.processes import open_processes

    return open_processes(int(executor.partition(":")[2]))
