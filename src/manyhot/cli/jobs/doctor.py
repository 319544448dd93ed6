"""`manyhot doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.outputs import refuse_overwriting, training_inputs
from manyhot.cli.jobs.read_options import options_of
from manyhot.data.readers import read
from manyhot.data.readers.input_files import images_with
from manyhot.evaluation.charts import check_picture, labels, save
from manyhot.evaluation.data_checks import examine


def run(
    file: Path,
    reading: Mapping[str, Any],
    folds: int,
    picture: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Read, examine, tell; nothing is trained, and neither JAX nor Keras is loaded."""
    check_picture(picture)
    options = options_of(reading, on_bad_image="skip")
    read_too = training_inputs(file, options, {})
    refuse_overwriting({"--picture": picture}, read_too, images_with(file, options))
    samples = read(file, options, needed_by="an examination")
    print_notes(samples.notes, quiet)
    diagnosis = examine(samples, folds=folds)
    document, text = diagnosis.to_dict(), f"{file}\n{diagnosis}"
    if picture is not None:
        save(labels(document["facts"]), picture)
        text += f"\n\nsaved {picture}"
    print_result({"file": str(file), **document}, text, as_json)
