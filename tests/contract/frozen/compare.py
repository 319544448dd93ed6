"""Compares bit for bit what two checkouts answer to their frozen files on one machine: `compare.py OLD NEW [NAME ...]`.

Each checkout is a process of its own that runs its own `answers.py` on its own files, so that names in the code may
differ between the two. Both must read the same format: older checkouts hold files of other names. Prints a line for
each file, and exits with 1 where any score, label or answer differs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

ANSWERS = Path("tests", "contract", "frozen", "answers.py")


def answers_of(checkout: Path, names: Sequence[str], folder: Path) -> dict[str, np.ndarray]:
    """What the code of a checkout answers to its frozen files: "file/what" -> array."""
    output = folder / "answers.npz"
    places = {"PYTHONPATH": str(checkout / "src"), "MANYHOT_CACHE": str(folder / "cache")}
    command = [sys.executable, str(checkout / ANSWERS), str(output), *names]
    subprocess.run(command, check=True, env=os.environ | places, cwd=folder)
    return dict(np.load(output, allow_pickle=False))


def differences(old: Mapping[str, np.ndarray], new: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Name of a file -> how its answers differ; empty where they are the same bit for bit."""
    names = {key.partition("/")[0]: "" for key in (*old, *new)}
    for key in sorted({*old, *new}):
        name, what = key.split("/")
        told = _difference(old.get(key), new.get(key))
        if told:
            names[name] += f"{', ' if names[name] else ''}{what} {told}"
    return names


def _difference(old: np.ndarray | None, new: np.ndarray | None) -> str:
    if old is None or new is None:
        return "is in one of them only"
    if old.shape != new.shape or old.dtype != new.dtype:
        return f"was {old.dtype} {old.shape}, is {new.dtype} {new.shape}"
    if old.tobytes() == new.tobytes():
        return ""
    if old.dtype.kind == "f":
        return f"by up to {np.abs(new - old).max():.3g}"
    return f"at {np.count_nonzero(old != new)} places"


def main() -> int:
    """Compare, print, and say by the exit status whether anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="a checkout")
    parser.add_argument("new", type=Path, help="another one")
    parser.add_argument("names", nargs="*", help="names of frozen files; all of them where none is given")
    told = parser.parse_args()
    found = []
    for checkout in (told.old.resolve(), told.new.resolve()):
        if not (checkout / ANSWERS).is_file():
            parser.error(f"{checkout} has no {ANSWERS}")
        with tempfile.TemporaryDirectory() as folder:
            found.append(answers_of(checkout, told.names, Path(folder)))
    differing = differences(*found)
    for name, difference in differing.items():
        print(f"{name:24} {f'differs: {difference}' if difference else 'same'}")
    return int(any(differing.values()))


if __name__ == "__main__":
    sys.exit(main())
