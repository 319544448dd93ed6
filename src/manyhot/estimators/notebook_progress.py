"""A line of progress in a notebook that is updated in its place."""

from __future__ import annotations

import contextvars
import html
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

UPDATE_SECONDS = 0.5  # between two updates of the line


def is_notebook() -> bool:
    """Whether output goes to the cell of a notebook: a kernel of IPython runs, which has imported itself."""
    kernel = sys.modules.get("ipykernel.zmqshell")
    interactive = sys.modules.get("IPython")
    if kernel is None or interactive is None:
        return False
    return isinstance(interactive.get_ipython(), kernel.ZMQInteractiveShell)


@contextmanager
def notebook_line(description: str) -> Iterator[Callable[[str, float | None], None]]:
    """Yield what to call, from any thread, with a text and the fraction done; the line ends with the time it took.

    Without a description there is no line before the first call.
    """
    line = _Line(description)
    try:
        yield line.show
    except BaseException:
        line.end("stopped after")
        raise
    line.end("finished in")


class _Line:
    def __init__(self, description: str) -> None:
        self.description = description
        self.start = self.last = time.monotonic()
        self.text = ""
        self.handle: Any = None
        self.lock = threading.Lock()
        # another thread's updates belong to the same cell
        self.context = contextvars.copy_context()
        self.is_ended = False
        if description:
            self._put(description, None)

    def show(self, text: str, fraction: float | None) -> None:
        with self.lock:
            now = time.monotonic()
            is_new = fraction is None and text != self.text  # another part of the work
            is_due = self.handle is None or is_new or now - self.last >= UPDATE_SECONDS
            if is_due and not self.is_ended:
                self.last, self.description, self.text = now, self.description or text, text
                self._put(text, fraction)

    def end(self, outcome: str) -> None:
        with self.lock:
            self.is_ended = True
            if self.handle is not None:
                text = f"{self.description}: {outcome} {time.monotonic() - self.start:.1f} s"
                self._put(text, None, is_bar_shown=False)

    def _put(self, text: str, fraction: float | None, *, is_bar_shown: bool = True) -> None:
        value = "" if fraction is None else f' value="{min(max(fraction, 0.0), 1.0):.3f}"'
        bar = f'<progress max="1"{value} style="width:160px;vertical-align:middle"></progress> ' if is_bar_shown else ""
        style = "font-size:13px;font-variant-numeric:tabular-nums"
        line = f'<div style="{style}">{bar}{html.escape(text)}</div>'
        self.context.run(self._send, {"text/plain": text, "text/html": line})

    def _send(self, bundle: dict[str, str]) -> None:
        if self.handle is None:
            self.handle = sys.modules["IPython"].display.display(bundle, raw=True, display_id=True)
        else:
            self.handle.update(bundle, raw=True)
