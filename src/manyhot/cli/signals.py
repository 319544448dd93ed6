"""SIGTERM and SIGHUP end a command as Ctrl-C does: what was begun is undone, and the exit code names the signal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from manyhot.errors import ManyhotError

INTERRUPTED = 130  # exit code after Ctrl-C
NAMES = {"SIGTERM": "terminated", "SIGHUP": "hung up"}


class Terminated(KeyboardInterrupt):
    """Raised where a signal of `NAMES` arrives; `exit_code` is 128 and the signal's number, as shells have it."""

    def __init__(self, number: int) -> None:
        super().__init__(NAMES[signal.Signals(number).name])
        self.exit_code = 128 + number


NOTHING = "nothing was written"


class StoppedError(ManyhotError):
    """A command that was interrupted; `exit_code` is that of the signal."""

    def __init__(self, interrupt: KeyboardInterrupt, outcome: str = NOTHING) -> None:
        super().__init__(f"{str(interrupt) or 'interrupted'}; {outcome}")
        self.exit_code = getattr(interrupt, "exit_code", INTERRUPTED)


def describe_written(paths: Sequence[Path]) -> str:
    """What an interrupted command had written by then; each file is whole."""
    names = list(dict.fromkeys(map(str, paths)))
    if not names:
        return NOTHING
    return f"{names[0]} was written" if len(names) == 1 else f"{len(names)} files were written, the last is {names[-1]}"


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise `Terminated` for these signals meanwhile; one that is ignored (nohup) or handled already is left alone."""
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []  # only there may handlers be set
    numbers = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, _terminate)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)
