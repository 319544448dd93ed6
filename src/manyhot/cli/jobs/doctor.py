"""`manyhot doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.reading import options_of
from manyhot.cli.jobs.speech import answer, tell
from manyhot.doctor import examine
from manyhot.read import read


def run(
    file: Path,
    reading: Mapping[str, Any],
    folds: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Read, examine, tell; nothing is trained, and neither JAX nor Keras is loaded."""
    samples = read(file, options_of(reading))
    tell(samples.notes, quiet)
    diagnosis = examine(samples, folds=folds)
    answer({"file": str(file), **diagnosis.to_dict()}, f"{file}\n{diagnosis}", as_json)
