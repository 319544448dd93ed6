"""`manyhot guarantee`: thresholds with a guaranteed error rate, calibrated on held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.console import print_result
from manyhot.cli.jobs.open_model import load_model
from manyhot.cli.jobs.outputs import refuse_other_file, refuse_overwriting
from manyhot.cli.jobs.read_options import open_flag_files
from manyhot.cli.jobs.score_file import read_rows
from manyhot.cli.jobs.thresholds import as_text, describe_model
from manyhot.data.readers.input_files import list_input_files
from manyhot.estimators.read_options import model_read_options
from manyhot.files import file_lock


def run(
    bundle: Path,
    file: Path,
    output: Path | None,
    read_flags: Mapping[str, Any],
    as_json: bool,
    quiet: bool,
    **promise: Any,
) -> None:
    """Read the rows, choose the thresholds, save, and print the guarantee."""
    target_file = output or bundle
    read_flags, flag_files = open_flag_files(read_flags)
    with file_lock(target_file):
        classifier = load_model(bundle)
        options = model_read_options(classifier, read_flags)
        refuse_overwriting({"--output": output}, [*list_input_files(file, options), *flag_files])
        refuse_other_file(output)
        samples = read_rows(classifier, file, options, quiet, "a guarantee", "learn the thresholds from")
        classifier.guarantee(samples, **promise)
        classifier.save(target_file, evidence=classifier.model_.evidence is not None)
        document = describe_model(classifier, target_file)
        print_result({**document, "rows": samples.n_samples}, f"{as_text(document)}\n\nsaved {target_file}", as_json)
