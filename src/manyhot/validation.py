"""Argument checks of one keyword that return its value or raise: `validation.positive(batch_size=0)`."""

from __future__ import annotations

import difflib
import glob
import math
import numbers
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from manyhot.errors import InputError

MIN_PART = 3
"""The fewest letters of a name's part that suggest the name."""


def _single(named: dict[str, Any]) -> tuple[str, Any]:
    if len(named) != 1:
        raise TypeError("a check takes exactly one named argument")
    return next(iter(named.items()))


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def existing_path(path: str | os.PathLike[str]) -> Path:
    """A path at which there is something; `InputError` with the nearest name beside it where there is nothing."""
    path = Path(path)
    if not path.exists():
        neighbours = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = "" if path.parent.is_dir() else f"; the folder {str(path.parent)!r} does not exist either"
        raise InputError(f"no such file{hint or did_you_mean(path.name, neighbours)}", file=path)
    return path


def is_pattern(path: Path) -> bool:
    """Whether a path that does not exist is meant as a pattern of paths."""
    return any(mark in str(path) for mark in "*?[") and not path.exists()


def matching_paths(pattern: Path) -> list[Path]:
    """The paths that match a pattern, in order; `InputError` where none does."""
    found = sorted(map(Path, glob.glob(str(pattern), recursive=True)))
    if not found:
        raise InputError("no file matches this pattern", file=pattern)
    return found


def integer(*, low: int | None = None, high: int | None = None, **named: Any) -> int:
    """An int in [low, high]; booleans and floats with a fraction are refused."""
    name, value = _single(named)
    bounds = f"from {low}" if low is not None else ""
    bounds += f" to {high}" if high is not None else (" upwards" if low is not None else "")
    expected = f"a whole number {bounds}".strip()
    if not _is_number(value) or not math.isfinite(value) or value != int(value):
        raise InputError(f"got {shorten(value)}, expected {expected}", argument=name)
    value = int(value)
    if (low is not None and value < low) or (high is not None and value > high):
        raise InputError(f"got {value}, expected {expected}", argument=name)
    return value


def number(*, low: float = -math.inf, high: float = math.inf, **named: Any) -> float:
    """A finite float in [low, high]."""
    name, value = _single(named)
    if not _is_number(value) or not math.isfinite(value) or not low <= value <= high:
        raise InputError(f"got {shorten(value)}, expected a number from {low:g} to {high:g}", argument=name)
    return float(value)


def positive(**named: Any) -> float:
    """A finite float above zero."""
    name, value = _single(named)
    if not _is_number(value) or not math.isfinite(value) or value <= 0:
        raise InputError(f"got {shorten(value)}, expected a number above 0", argument=name)
    return float(value)


def boolean(**named: Any) -> bool:
    """True or False, nothing that merely behaves like it."""
    name, value = _single(named)
    if not isinstance(value, bool):
        raise InputError(f"got {shorten(value)}, expected True or False", argument=name)
    return value


def one_of(choices: Iterable[str], **named: Any) -> Any:
    """One of the listed texts; a near miss is answered with a suggestion."""
    name, value = _single(named)
    allowed = list(choices)
    if not isinstance(value, str) or value not in allowed:
        hint = did_you_mean(value, allowed) if isinstance(value, str) else ""
        raise InputError(f"got {shorten(value)}, expected one of {', '.join(map(repr, allowed))}{hint}", argument=name)
    return str(value)


def shorten(value: Any, max_length: int = 200) -> str:
    """A value for a message, cut to a length that a person reads."""
    text = repr(value)
    return text if len(text) <= max_length else f"{text[:max_length]}..."


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A suggestion to append to an error, or nothing: "; did you mean 'sad'?"."""
    names, word = list(choices), word[:200]
    matches = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if not matches and len(word) >= MIN_PART:  # 'sad' for 'mood_sad'
        matches = sorted((name for name in names if word in name), key=len)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def join_names(names: Sequence[str], max_shown: int = 8) -> str:
    """Names with commas between, and how many more there are."""
    more = f" and {len(names) - max_shown} more" if len(names) > max_shown else ""
    return ", ".join(names[:max_shown]) + more


def refuse_twin_columns(table: Any, argument: str) -> None:
    """Raise `InputError` where a frame has two columns of one name."""
    if type(table).__name__ == "LazyFrame":
        return
    columns = table.column_names if hasattr(table, "column_names") else getattr(table, "columns", None)
    if columns is None or not hasattr(columns, "__len__"):
        return
    names = [str(name) for name in columns]
    twins = [name for name, count in Counter(names).items() if count > 1]
    if twins:
        raise InputError(
            f"column names must be unique, found more than once: {', '.join(twins[:8])}; rename or drop the others",
            argument=argument,
        )
