"""Progress for people: a bar on standard error with the loss and the time left, only where somebody watches."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from manyhot.engine import Progress, ProgressCallback


@contextmanager
def reporting(quiet: bool) -> Iterator[Callable[[str, float | None], None] | None]:
    """A bar for what is no training, and what to call with the word before it and the share done; None as below.

    Args:
        quiet: Whether to show nothing; without a terminal nothing is shown either.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    bar = Bar(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=_console(), transient=True)
    task = bar.add_task("", total=None)

    def progress(what: str, share: float | None) -> None:
        bar.start()
        bar.update(task, description=what, total=None if share is None else 1.0, completed=share)

    try:
        yield progress
    finally:
        bar.stop()


def _console() -> Console:
    return Console(stderr=True)


@contextmanager
def watching(quiet: bool, what: str = "training") -> Iterator[ProgressCallback | None]:
    """A bar while the body runs, and what to call with news of it; None when nobody watches.

    Args:
        quiet: Whether to show nothing; without a terminal nothing is shown either.
        what: The word before the bar.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[members]}"),
        TextColumn("{task.fields[loss]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    lock = threading.Lock()
    with Bar(*columns, console=_console(), transient=True) as bar:
        task = bar.add_task(what, total=1.0, members="", loss="compiling")

        def watch(news: Progress) -> None:
            with lock:
                if math.isnan(news.loss) and news.n_bytes:
                    bar.update(task, description=f"{what}, needs about {news.n_bytes / 2**30:.1f} GiB")
                    return
                members = f"{news.n_finished}/{news.n_members} members"
                bar.update(task, completed=news.done, members=members, loss=f"loss {news.loss:.4f}")

        yield watch
