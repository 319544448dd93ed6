"""`manyhot guarantee`: thresholds that keep a promise, chosen on rows that training never saw."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.open_model import load_model
from manyhot.cli.jobs.outputs import refuse_other_file, refuse_overwriting
from manyhot.cli.jobs.thresholds import as_text, described
from manyhot.data.readers import read
from manyhot.data.readers.input_files import files_with
from manyhot.errors import InputError
from manyhot.estimators.read_options import extra_columns, options_for


def run(
    bundle: Path,
    file: Path,
    output: Path | None,
    told: Mapping[str, Any],
    promise: Mapping[str, Any],
    as_json: bool,
    quiet: bool,
) -> None:
    """Read the rows, choose the thresholds, save, and say what is promised."""
    classifier = load_model(bundle)
    options = options_for(classifier, told)
    refuse_overwriting({"--output": output}, files_with(file, options))
    refuse_other_file(output)
    samples = read(file, options, needed_by="a guarantee")
    print_notes([*samples.notes, *extra_columns(classifier, samples)], quiet)
    if samples.targets is None:
        raise InputError(
            "there are no labels in this file to learn the thresholds from; name them with --labels", file=file
        )
    classifier.guarantee(samples, **promise)
    target = output or bundle
    classifier.save(target, evidence=classifier.model_.evidence is not None)
    document = described(classifier, target)
    print_result({**document, "rows": samples.n_samples}, f"{as_text(document)}\n\nsaved {target}", as_json)
