"""Progress of long work on standard error: a bar in a terminal, elsewhere a line now and then, late."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from manyhot import engine

FIRST_LINE_SECONDS = 10.0
LINE_SECONDS = 30.0  # seconds between two lines, outside a terminal
LONG_SECONDS = 600.0  # work that has longer to go had better have a checkpoint


@contextmanager
def stage_progress(verbose: int) -> Iterator[Callable[[str, float | None], None] | None]:
    """Yield what to call with a description and the fraction done (None if unknown); None for `verbose=0`."""
    if not verbose:
        yield None
        return
    if not sys.stderr.isatty():
        lines = _Lines()
        yield lambda description, fraction: lines.show(
            description if fraction is None else f"{description}: {fraction:.0%}"
        )
        return
    from rich import progress as rich_progress  # imported where a bar is drawn
    from rich.console import Console

    bar = rich_progress.Progress(
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("", total=None)

    def show(description: str, fraction: float | None) -> None:
        bar.start()
        bar.update(task, description=description, total=None if fraction is None else 1.0, completed=fraction)

    try:
        yield show
    finally:
        bar.stop()


@contextmanager
def training_progress(
    verbose: int, description: str = "training", *, suggests_checkpoint: bool = False
) -> Iterator[engine.ProgressCallback | None]:
    """Yield the engine's callback, which shows members finished, loss, time left; None for `verbose=0`."""
    with _shown_progress(verbose, description) as callback:
        yield _suggest_checkpoint(callback) if suggests_checkpoint and callback is not None else callback


def _suggest_checkpoint(callback: engine.ProgressCallback) -> engine.ProgressCallback:
    """The callback, which also says once how long work can survive a killed process."""
    start, is_said = time.monotonic(), False

    def show(progress: engine.Progress) -> None:
        nonlocal is_said
        callback(progress)
        seconds = time.monotonic() - start
        left = seconds * (1 / progress.done - 1) if progress.done > 0 else 0.0
        if not is_said and seconds >= FIRST_LINE_SECONDS and left > LONG_SECONDS:
            is_said = True
            print(
                f"about {left / 60:.0f} minutes are left; with checkpoint='FOLDER' (--checkpoint FOLDER) a run that is "
                "killed can go on from where it was",
                file=sys.stderr,
                flush=True,
            )

    return show


@contextmanager
def _shown_progress(verbose: int, description: str) -> Iterator[engine.ProgressCallback | None]:
    if not verbose:
        yield None
        return
    if not sys.stderr.isatty():
        lines = _Lines()
        yield lambda progress: lines.show(_line(description, progress, lines.seconds))
        return
    from rich import progress as rich_progress
    from rich.console import Console

    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.TextColumn("{task.fields[members]}"),
        rich_progress.TextColumn("{task.fields[loss]}"),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TextColumn("left"),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=1.0, members="", loss="compiling")

        def show(progress: engine.Progress) -> None:
            if math.isnan(progress.loss) and progress.n_bytes:
                bar.update(task, description=f"{description}, needs about {progress.n_bytes / 2**30:.1f} GiB")
                return
            members = f"{progress.n_finished}/{progress.n_members} members"
            bar.update(task, completed=progress.done, members=members, loss=f"loss {progress.loss:.4f}")

        yield show


class _Lines:
    """Lines on standard error, the first after ten seconds and not more than one every half minute."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.next_line = self.start + FIRST_LINE_SECONDS
        self.lock = threading.Lock()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.start

    def show(self, text: str) -> None:
        with self.lock:
            now = time.monotonic()
            if now < self.next_line:
                return
            self.next_line = now + LINE_SECONDS
        print(text, file=sys.stderr, flush=True)


def _line(description: str, progress: engine.Progress, seconds: float) -> str:
    if math.isnan(progress.loss):
        return f"{description}: compiling"
    left = f", about {seconds * (1 / progress.done - 1):.0f} s left" if progress.done > 0 else ""
    members = f"{progress.n_finished} of {progress.n_members} members finished"
    return f"{description}: {progress.done:.0%} done, {members}, loss {progress.loss:.4f}{left}"
