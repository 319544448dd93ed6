"""A piece of work and what a worker does with it."""

from __future__ import annotations

import pickle
import secrets
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from manyhot.errors import InputError, panics_become
from manyhot.version import __version__


class Work(NamedTuple):
    """What all tasks of a job share; its functions stand in modules that workers can import."""

    prepare: Callable[[Any], Any]  # of the payload, once in each worker -> state
    payload: Any
    function: Callable[..., Any]  # of the state and the arguments of a task -> its result
    description: str  # what is being done, for messages


class Handle(Protocol):
    """Where a worker finds the work."""

    @property
    def token(self) -> str:
        """Names the work, and the version of manyhot that sent it; no other has the same."""

    def load(self) -> Work:
        """The work; `FileNotFoundError` where this worker cannot see it."""


class FileHandle(NamedTuple):
    """Work in a file that was written once, or beside the task for a worker that does not see the file."""

    token: str
    path: str
    content: bytes | None = None

    def load(self) -> Work:
        """The work."""
        if self.content is not None:
            return Work(*pickle.loads(self.content))
        with open(self.path, "rb") as file:
            return Work(*pickle.load(file))

    def with_content(self) -> FileHandle:
        """The same work, which travels with the task."""
        return self._replace(content=Path(self.path).read_bytes())


def new_token() -> str:
    """A name that no other work has."""
    return f"{__version__} {secrets.token_hex(16)}"


class Outcome(NamedTuple):
    """What a task came to."""

    result: Any = None
    error: Exception | None = None
    is_missing: bool = False  # whether the worker did not find the work


_lock = threading.Lock()
_prepared: dict[str, tuple[Work, Any]] = {}  # token -> work and state, of the job that this worker was at last


def run_task(handle: Handle, arguments: tuple) -> Outcome:
    """Run a task in a worker; an error of the work itself is part of the outcome."""
    try:
        with panics_become(RuntimeError):
            work, state = _prepare(handle)
            return Outcome(work.function(state, *arguments))
    except _NotFoundError:
        return Outcome(is_missing=True)
    except Exception as error:
        error.add_note("In the worker:\n" + "".join(traceback.format_tb(error.__traceback__)))
        return Outcome(error=error)


class _NotFoundError(Exception):
    pass


def _prepare(handle: Handle) -> tuple[Work, Any]:
    with _lock:
        if handle.token not in _prepared:
            _prepared.clear()
            sender = handle.token.split()[0]
            if sender != __version__:
                raise InputError(
                    f"a worker has manyhot {__version__}, and the work comes from {sender}; install one version "
                    "everywhere",
                    argument="executor",
                )
            try:
                work = handle.load()
            except FileNotFoundError:
                raise _NotFoundError from None
            _prepared[handle.token] = work, work.prepare(work.payload)
        return _prepared[handle.token]
