"""Progress for people: a bar on standard error with the loss and the time left, only where somebody watches."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from manyhot.engine import Progress, Watch


@contextmanager
def watching(quiet: bool, what: str = "training") -> Iterator[Watch | None]:
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
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0, members="", loss="compiling")

        def watch(news: Progress) -> None:
            with lock:
                if math.isnan(news.loss):
                    bar.update(task, description=f"{what}, needs about {news.n_bytes / 2**30:.1f} GiB")
                    return
                members = f"{news.n_finished}/{news.n_members} members"
                bar.update(task, completed=news.done, members=members, loss=f"loss {news.loss:.4f}")

        yield watch
