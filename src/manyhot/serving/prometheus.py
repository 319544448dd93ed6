"""What the service counts, in the text format that Prometheus reads."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

Labels = tuple[tuple[str, str], ...]


class Histogram:
    """How often values fall below some limits."""

    def __init__(self, limits: Sequence[float]) -> None:
        self.limits = limits
        self.counts = [0] * (len(limits) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.limits, value)] += 1
        self.total += value


class Counters:
    """Everything that is counted; all may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, dict[Labels, float]] = {}
        self._histograms: dict[str, dict[Labels, Histogram]] = {}
        self._gauges: dict[str, Callable[[], float]] = {}
        self._words: dict[str, str] = {}

    def describe(self, name: str, words: str, gauge: Callable[[], float] | None = None) -> None:
        """Say what a name stands for."""
        self._words[name] = words
        if gauge is not None:
            self._gauges[name] = gauge

    def count(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Add to a counter."""
        key = tuple(labels.items())
        with self._lock:
            found = self._counts.setdefault(name, {})
            found[key] = found.get(key, 0.0) + amount

    def observe(self, name: str, value: float, limits: Sequence[float], **labels: str) -> None:
        """Add a value to a histogram."""
        key = tuple(labels.items())
        with self._lock:
            found = self._histograms.setdefault(name, {})
            if key not in found:
                found[key] = Histogram(limits)
            found[key].add(value)

    def text(self) -> str:
        """All of it."""
        lines: list[str] = []
        with self._lock:
            for name, values in self._counts.items():
                lines += self._head(name, "counter")
                lines += [f"{name}{_braces(key)} {value:.15g}" for key, value in values.items()]
            for name, histograms in self._histograms.items():
                lines += self._head(name, "histogram")
                for key, one in histograms.items():
                    lines += _histogram_lines(name, key, one)
        for name, gauge in self._gauges.items():
            lines += [*self._head(name, "gauge"), f"{name} {gauge():.15g}"]
        return "\n".join(lines) + "\n"

    def _head(self, name: str, kind: str) -> list[str]:
        return [f"# HELP {name} {self._words.get(name, name)}", f"# TYPE {name} {kind}"]


def _histogram_lines(name: str, key: Labels, one: Histogram) -> list[str]:
    lines, n = [], 0
    for limit, count in zip([*map(str, one.limits), "+Inf"], one.counts, strict=True):
        n += count
        lines.append(f"{name}_bucket{_braces((*key, ('le', limit)))} {n}")
    return [*lines, f"{name}_sum{_braces(key)} {one.total:.9g}", f"{name}_count{_braces(key)} {n}"]


def _braces(labels: Labels | Mapping[str, str]) -> str:
    pairs = dict(labels).items()
    quoted = [f'{name}="{_escaped(value)}"' for name, value in pairs]
    return f"{{{','.join(quoted)}}}" if quoted else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
