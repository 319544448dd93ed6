"""Progress where no bar can be drawn, such as in a pipe or the log of a CI job: lines on standard error."""

from __future__ import annotations

import sys
import threading
import time

FIRST_LINE_SECONDS = 10.0  # shorter work prints nothing
LINE_SECONDS = 10.0
MIN_MEASURED_SECONDS = 1.0  # before this much was measured, no estimate is made
MIN_SHOWN_SECONDS = 1.0  # with less left, what comes after the counted work takes longer


class TimeLeft:
    """An estimate of the seconds left, from the speed since the first sign of progress (compiling comes before)."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None  # time and fraction
        self._last: tuple[float, float] | None = None

    def update(self, now: float, fraction: float | None) -> float | None:
        """Note the fraction done, None if unknown; a smaller one than before begins anew. What `seconds` gives now."""
        if fraction is not None:
            if self._first is None or self._last is None or fraction < self._last[1]:
                self._first = (now, fraction)
            self._last = (now, fraction)
        return self.seconds(now)

    def seconds(self, now: float) -> float | None:
        """Seconds left at a time; None while too little is known."""
        if self._first is None or self._last is None:
            return None
        elapsed, gained = self._last[0] - self._first[0], self._last[1] - self._first[1]
        if elapsed < MIN_MEASURED_SECONDS or gained <= 0:
            return None
        return max(0.0, (1 - self._last[1]) * elapsed / gained - (now - self._last[0]))


class ProgressLines:
    """A line with an estimate as soon as there is one, then one every ten seconds; none for work of less than that.

    Lines come from a thread, so that they also come while one step takes long.
    """

    def __init__(self) -> None:
        self.start = time.monotonic()
        self._text: str | None = None
        self._left = TimeLeft()
        self._last_line: float | None = None
        self._lock = threading.Lock()
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="manyhot-progress", daemon=True)

    def __enter__(self) -> ProgressLines:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_closed.set()
        self._thread.join()

    def show(self, text: str, fraction: float | None) -> None:
        """Note what is being done, and the fraction done (None if unknown); print a line if it is the first."""
        with self._lock:
            now = time.monotonic()
            self._text = text
            left = self._left.update(now, fraction)
            is_long = left is not None and now - self.start + left > FIRST_LINE_SECONDS
            if self._last_line is None and is_long:
                self._print(now)

    def tick(self) -> None:
        """Print a line if it is time for one."""
        with self._lock:
            now = time.monotonic()
            since = now - (self.start if self._last_line is None else self._last_line)
            # half the time is enough, so that the first line does not shift all others
            if self._text is not None and now - self.start >= FIRST_LINE_SECONDS and since >= LINE_SECONDS / 2:
                self._print(now)

    def _run(self) -> None:
        while not self._is_closed.wait(LINE_SECONDS):
            self.tick()

    def _print(self, now: float) -> None:
        left = self._left.seconds(now)
        if left is None or left < MIN_SHOWN_SECONDS:
            rest = f"{format_seconds(now - self.start)} so far"
        else:
            rest = f"about {format_seconds(left)} left"
        self._last_line = now
        print(f"{self._text}, {rest}", file=sys.stderr, flush=True)


def format_seconds(seconds: float) -> str:
    """A duration as a person says it: "40 s", "3 min", "1 h 20 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
