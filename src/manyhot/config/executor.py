"""What `executor` may be: the name of one that manyhot opens, or an object with `submit`."""

from __future__ import annotations

import re
from typing import Any

from manyhot.errors import InputError
from manyhot.validation import did_you_mean, shorten

PROCESSES = re.compile(r"processes:([1-9]\d{0,3})")
RAY = re.compile(r"ray(://\S+:\d+)?")


def kept_executor(value: Any) -> str | None:
    """What a copy or a saved file keeps of an executor: its name, where it has one."""
    return value if isinstance(value, str) else None


def check_executor(name: str, value: Any) -> Any:
    """The executor as it is, or "none" as None."""
    if value is None or callable(getattr(value, "submit", None)):
        return value
    if isinstance(value, str):
        text = value.strip()
        if text.lower() == "none":
            return None
        if PROCESSES.fullmatch(text) or RAY.fullmatch(text):
            return text
    hint = did_you_mean(value, ["processes:2", "ray"]) if isinstance(value, str) else ""
    raise InputError(
        f"got {shorten(value)}, expected 'processes:N' (N worker processes), 'ray', 'ray://HOST:PORT', or an object "
        f"with `submit` such as a Dask executor{hint}",
        argument=name,
    )
