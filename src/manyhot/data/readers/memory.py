"""How much memory there is, and whether a file needs more of it than that when it is read as a whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from manyhot.data.readers.source import Source

MEMORY_FACTOR = 6  # How many times its own size a table usually needs while it is read, encoded and trained on
MIN_MEMORY_FACTOR = 2  # How many times its own size a table needs at least
MAX_UNPACKED = 1 << 34
UNPACK_FACTOR = 5  # How many times its size a packed file unpacks to


def available_memory() -> int | None:
    """Bytes that this process may still take; None where the system does not say."""
    sizes = [size for size in (_system_memory(), _cgroup_memory(Path("/sys/fs/cgroup"))) if size is not None]
    return min(sizes) if sizes else None


def unpacked_limit() -> int:
    """Bytes that a packed file may unpack to: what can be held, or 16 GiB where the system does not say."""
    available = available_memory()
    return MAX_UNPACKED if available is None else available // MIN_MEMORY_FACTOR


def is_larger_than_memory(source: Source) -> bool:
    """Whether a file is better not read as a whole."""
    available = available_memory()
    return available is not None and _size(source) * MEMORY_FACTOR > available


def refuse_larger_than_memory(source: Source, operation: str) -> None:
    """Raise `InputError` for a file that can never be held in the memory that there is."""
    available, needed = available_memory(), _size(source) * MIN_MEMORY_FACTOR
    if available is not None and needed > available:
        raise source.error(
            f"{operation} needs all rows in memory, {needed / 2**30:.1f} GiB or more, and {available / 2**30:.1f} GiB "
            "are "
            "available; take a part of the rows (only `train` and `predict` read a file piece by piece)"
        )


def _size(source: Source) -> int:
    """Bytes of a file, unpacked."""
    return source.path.stat().st_size * (UNPACK_FACTOR if source.compression else 1)


def _system_memory() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _cgroup_memory(folder: Path) -> int | None:
    """What a control group, such as a container's, leaves."""
    try:
        limit = (folder / "memory.max").read_text().strip()
        return None if limit == "max" else int(limit) - int((folder / "memory.current").read_text())
    except (OSError, ValueError):
        return None
