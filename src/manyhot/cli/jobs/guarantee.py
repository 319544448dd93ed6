"""`manyhot guarantee`: thresholds with a guaranteed error rate, calibrated on held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.open_model import load_model
from manyhot.cli.jobs.outputs import refuse_other_file, refuse_overwriting
from manyhot.cli.jobs.read_options import open_flag_files
from manyhot.cli.jobs.score_file import read_rows
from manyhot.cli.jobs.thresholds import describe_model, print_change
from manyhot.data.readers.input_files import list_input_files
from manyhot.estimators.read_options import model_read_options
from manyhot.files import file_lock

HINT = "Details: --verbose."


def run(
    bundle: Path,
    file: Path,
    output: Path | None,
    read_flags: Mapping[str, Any],
    dry_run: bool,
    verbose: bool,
    as_json: bool,
    quiet: bool,
    **promise: Any,
) -> None:
    """Read the rows, choose the thresholds, save, and print the guarantee with thresholds before and after."""
    read_flags, flag_files = open_flag_files(read_flags)
    with nullcontext() if dry_run else file_lock(output or bundle):
        classifier = load_model(bundle)
        options = model_read_options(classifier, read_flags)
        refuse_overwriting({"--output": output}, [*list_input_files(file, options), *flag_files])
        refuse_other_file(output)
        samples = read_rows(classifier, file, options, quiet, "a guarantee", "calibrate thresholds on")
        before = describe_model(classifier, bundle)
        guarantee = classifier.guarantee(samples, **promise)
        details = guarantee.details() if verbose or as_json else HINT
        print_change(classifier, bundle, output, before, dry_run, as_json, rows=samples.n_samples, details=details)
