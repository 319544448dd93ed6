"""`manyhot report`: one HTML file about a trained model, from its out-of-fold scores or from a file of rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.open_model import load_model
from manyhot.cli.jobs.outputs import holds_other, model_inputs, refuse_overwriting
from manyhot.cli.jobs.read_options import open_flag_files
from manyhot.cli.jobs.score_file import read_rows, score_rows
from manyhot.errors import InputError
from manyhot.estimators.read_options import model_read_options
from manyhot.evaluation.data_checks import check_data
from manyhot.files import check_target
from manyhot.reports.html import GENERATOR, without_bulk
from manyhot.reports.model_page import evaluation_page, out_of_fold_page, write_page

SUFFIXES = (".html", ".htm")
HEAD_BYTES = 4096  # of an HTML file, in which a report says that it is one


def run(
    bundle: Path,
    file: Path | None,
    output: Path | None,
    read_flags: Mapping[str, Any],
    text: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure, write the page, and print its figures as JSON on request."""
    if output is None and not as_json:
        output = bundle.with_suffix(SUFFIXES[0])
    check_output(output)
    classifier = load_model(bundle, text)
    model = classifier.model_
    read_flags, flag_files = open_flag_files(read_flags)
    rows_file = None if file is None else (file, model_read_options(classifier, {**read_flags, "legend": None}))
    refuse_overwriting({"--output": output}, model_inputs(bundle, rows_file, flag_files, text))
    refuse_other_page(output)
    if file is None:
        page = out_of_fold_page(model, str(bundle))
    elif model.labels_pixels:
        raise InputError(
            "the report of a model for labels of pixels comes from its out-of-fold scores: "
            "omit the file; manyhot evaluate measures on a file",
            file=file,
        )
    else:
        options = model_read_options(classifier, read_flags)
        samples = read_rows(classifier, file, options, quiet, "an evaluation")
        rows = score_rows(model, samples, options.on_bad_image, quiet)
        checks = check_data(samples, n_folds=int(model.config.n_folds))
        page = evaluation_page(model, rows, checks, str(file), str(bundle))
    if output is not None:
        write_page(page, output)
        print_notes([f"the report is in {output}"], quiet or not as_json)
    document = without_bulk(page) | ({} if output is None else {"output": str(output)})
    print_result(document, f"{output}: {output.stat().st_size / 2**20:.1f} MiB" if output is not None else "", as_json)


def check_output(output: Path | None) -> None:
    """Refuse what cannot be written before the work is done."""
    if output is None:
        return
    if output.suffix.lower() not in SUFFIXES:
        raise InputError(f"got {output.name!r}, expected a name that ends in .html", argument="--output")
    check_target(output)


def refuse_other_page(output: Path | None) -> None:
    """Refuse to write a report over a file that is none."""
    if output is not None and holds_other(output, is_report):
        raise InputError(
            "exists and is not a manyhot report; choose another name with -o, or delete it",
            file=output,
            argument="--output",
        )


def is_report(path: Path) -> bool:
    """Whether a file is an HTML report that manyhot wrote."""
    with path.open("rb") as file:
        return GENERATOR.encode() in file.read(HEAD_BYTES)
