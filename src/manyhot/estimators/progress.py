"""Progress on standard error: a bar in a terminal, a line in a notebook, elsewhere a line every ten seconds."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from manyhot import engine
from manyhot.estimators.notebook_progress import is_notebook, notebook_line
from manyhot.estimators.progress_lines import FIRST_LINE_SECONDS, ProgressLines, TimeLeft, format_seconds

MIN_BAR_ROWS = 100  # fewer rows are done before a bar could be read
LONG_SECONDS = 600.0  # work that has longer to go had better have a checkpoint


@contextmanager
def stage_progress(verbose: int) -> Iterator[Callable[[str, float | None], None] | None]:
    """Yield what to call with a description and the fraction done (None if unknown); None for `verbose=0`."""
    if not verbose:
        yield None
        return
    if is_notebook():
        with notebook_line("") as show_line:
            yield show_line
        return
    if not sys.stderr.isatty():
        with ProgressLines() as lines:
            yield lambda description, fraction: lines.show(
                description if fraction is None else f"{description}: {fraction:.0%}", fraction
            )
        return
    from rich import progress as rich_progress  # imported where a bar is drawn
    from rich.console import Console

    bar = rich_progress.Progress(
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TextColumn("left"),
        rich_progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # results on standard output must not end up on standard error
    )
    task = bar.add_task("", total=None)

    def show(description: str, fraction: float | None) -> None:
        bar.start()
        bar.update(task, description=description, total=None if fraction is None else 1.0, completed=fraction)

    try:
        yield show
    finally:
        bar.stop()


T = TypeVar("T")


def track_rows(rows: Iterable[T], n_rows: int, verbose: int, description: str) -> Iterator[T]:
    """Yield the result of each row, and show how many there were."""
    with stage_progress(verbose if n_rows >= MIN_BAR_ROWS else 0) as show:
        for number, result in enumerate(rows, start=1):
            yield result
            if show is not None:
                show(f"{description}: {number} of {n_rows} rows", number / n_rows)


@contextmanager
def training_progress(
    verbose: int, description: str = "training", *, unit: str = "members", suggests_checkpoint: bool = False
) -> Iterator[engine.ProgressCallback | None]:
    """Yield the engine's callback, which shows finished units, loss and time left; None for `verbose=0`."""
    with _shown_progress(verbose, description, unit) as callback:
        yield _suggest_checkpoint(callback) if suggests_checkpoint and callback is not None else callback


def _suggest_checkpoint(callback: engine.ProgressCallback) -> engine.ProgressCallback:
    """The callback, which also says once how long work can survive a killed process."""
    start, is_said, time_left = time.monotonic(), False, TimeLeft()

    def show(progress: engine.Progress) -> None:
        nonlocal is_said
        callback(progress)
        now = time.monotonic()
        left = time_left.update(now, progress.done or None) or 0.0
        if not is_said and now - start >= FIRST_LINE_SECONDS and left > LONG_SECONDS:
            is_said = True
            print(
                f"about {format_seconds(left)} left; with checkpoint='FOLDER' (--checkpoint FOLDER) a killed run can "
                "be resumed",
                file=sys.stderr,
                flush=True,
            )

    return show


@contextmanager
def _shown_progress(verbose: int, description: str, unit: str) -> Iterator[engine.ProgressCallback | None]:
    if not verbose:
        yield None
        return
    if is_notebook():
        time_left = TimeLeft()
        with notebook_line(description) as show_line:

            def show_in_notebook(progress: engine.Progress) -> None:
                if progress.phase:
                    show_line(_line(description, progress, unit), None)
                    return
                done, text = progress.done or None, _line(description, progress, unit)
                left = time_left.update(time.monotonic(), done)
                show_line(text if left is None else f"{text}, about {format_seconds(left)} left", done)

            yield show_in_notebook
        return
    if not sys.stderr.isatty():
        with ProgressLines() as lines:
            lines.show(f"{description}: preparing", None)
            yield lambda progress: lines.show(
                _line(description, progress, unit), None if progress.phase else progress.done or None
            )
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
    console = Console(stderr=True)
    with rich_progress.Progress(*columns, console=console, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(description, total=1.0, members="", loss="compiling")

        def show(progress: engine.Progress) -> None:
            nonlocal task
            if progress.phase:  # of which nobody knows how long it takes: a bar that only moves
                bar.remove_task(task)
                task = bar.add_task(f"{description}: {progress.phase}", total=None, members="", loss="")
                return
            if math.isnan(progress.loss) and progress.n_bytes:
                bar.update(task, description=f"{description}, needs about {progress.n_bytes / 2**30:.1f} GiB")
                return
            members = progress.stage or f"{progress.n_finished}/{progress.n_members} {unit}"
            bar.update(task, completed=progress.done, members=members, loss=f"loss {progress.loss:.4f}")

        yield show


def _line(description: str, progress: engine.Progress, unit: str) -> str:
    if progress.phase:
        return f"{description}: {progress.phase}"
    if math.isnan(progress.loss):
        return f"{description}: compiling"
    finished = progress.stage or f"{progress.n_finished} of {progress.n_members} {unit} trained"
    return f"{description}: {progress.done:.0%}, {finished}, loss {progress.loss:.4f}"
