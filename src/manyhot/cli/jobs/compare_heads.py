"""`manyhot compare-heads`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.outputs import refuse_overwriting, training_inputs
from manyhot.cli.jobs.read_options import options_of
from manyhot.cli.jobs.train import described
from manyhot.data.readers import read
from manyhot.data.readers.input_files import images_with
from manyhot.estimators.cross_validation import compare_heads
from manyhot.evaluation.charts import check_picture


def run(
    file: Path,
    reading: Mapping[str, Any],
    folds: int,
    repeats: int,
    picture: Path | None,
    settings: Mapping[str, Any],
    as_json: bool,
) -> None:
    """Read, train one network under three output functions, tell, draw."""
    check_picture(picture)
    options = options_of(reading)
    read_too = training_inputs(file, options, settings)
    refuse_overwriting({"--picture": picture}, read_too, images_with(file, options))
    samples = read(file, options, needed_by="a comparison")
    print_notes([f"{file}: {described(samples)}", *samples.notes], bool(settings.get("quiet")))
    heads = compare_heads(None, samples, folds=folds, repeats=repeats, **settings)
    text = str(heads)
    if picture is not None:
        heads.plot(picture)
        text += f"\n\nsaved {picture}"
    print_result({"file": str(file), **heads.to_dict()}, text, as_json)
