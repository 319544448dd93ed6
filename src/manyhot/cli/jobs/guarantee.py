"""`manyhot guarantee`: thresholds with a guaranteed error rate, calibrated on held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.open_model import load_model
from manyhot.cli.jobs.outputs import refuse_other_file, refuse_overwriting
from manyhot.cli.jobs.read_options import open_flag_files
from manyhot.cli.jobs.thresholds import as_text, describe_model
from manyhot.data.readers import read
from manyhot.data.readers.input_files import list_input_files
from manyhot.errors import InputError
from manyhot.estimators.read_options import model_read_options, unused_column_notes
from manyhot.files import file_lock


def run(
    bundle: Path,
    file: Path,
    output: Path | None,
    read_flags: Mapping[str, Any],
    promise: Mapping[str, Any],
    as_json: bool,
    quiet: bool,
) -> None:
    """Read the rows, choose the thresholds, save, and print the guarantee."""
    target_file = output or bundle
    read_flags, flag_files = open_flag_files(read_flags)
    with file_lock(target_file):
        classifier = load_model(bundle)
        options = model_read_options(classifier, read_flags)
        refuse_overwriting({"--output": output}, [*list_input_files(file, options), *flag_files])
        refuse_other_file(output)
        samples = read(file, options, needed_by="a guarantee")
        print_notes([*samples.notes, *unused_column_notes(classifier, samples)], quiet)
        if samples.targets is None:
            raise InputError(
                "there are no labels in this file to learn the thresholds from; name them with --labels", file=file
            )
        classifier.guarantee(samples, **promise)
        classifier.save(target_file, evidence=classifier.model_.evidence is not None)
        document = describe_model(classifier, target_file)
        print_result({**document, "rows": samples.n_samples}, f"{as_text(document)}\n\nsaved {target_file}", as_json)
