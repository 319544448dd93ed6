"""Processor cores that a worker keeps to, so that workers on one machine do not compete."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

_claims: list[int] = []  # descriptors of locked files, held while this process lives


def own_cores() -> list[int]:
    """The cores that this process may use; [] where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def divide_cores(n_workers: int) -> list[list[int]]:
    """The cores of this process for each of its workers; shared where there are fewer than workers."""
    cores = own_cores()
    if len(cores) < n_workers:
        return [cores[k % len(cores) : k % len(cores) + 1] if cores else [] for k in range(n_workers)]
    edges = [round(k * len(cores) / n_workers) for k in range(n_workers + 1)]
    return [cores[edges[k] : edges[k + 1]] for k in range(n_workers)]


def bind(cores: list[int]) -> None:
    """Keep this process to some cores; on one core XLA still takes two threads, as sums depend on one or several."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        return
    if len(cores) == 1 and len(own_cores()) > 1:
        os.environ.setdefault("NPROC", "2")
    os.sched_setaffinity(0, cores)


def claim_cores(count: int) -> None:
    """Keep this process to so many cores that no other process has claimed; to all as before where that fails."""
    cores = own_cores()
    if sys.platform == "win32" or _claims or not 0 < count < len(cores):
        return
    import fcntl

    folder = Path(tempfile.gettempdir()) / f"manyhot-cores-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    mine = []
    for core in cores:
        descriptor = os.open(folder / str(core), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            continue
        _claims.append(descriptor)
        mine.append(core)
        if len(mine) == count:
            bind(mine)
            return
    while _claims:
        os.close(_claims.pop())
