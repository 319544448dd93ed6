"""`manyhot report`: one HTML file about a trained model, from what it kept or from a file of rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.open_model import load_model
from manyhot.cli.jobs.outputs import model_inputs, refuse_overwriting
from manyhot.cli.jobs.read_options import legend_of
from manyhot.cli.jobs.score_file import measured_rows, rows_with_labels
from manyhot.errors import InputError, OutputError
from manyhot.estimators.read_options import options_for
from manyhot.evaluation.data_checks import examine
from manyhot.models.segmentation.model import PixelModel
from manyhot.reports.html import without_bulk
from manyhot.reports.model_page import evaluation_page, out_of_fold_page, write_page

SUFFIXES = (".html", ".htm")


def run(
    bundle: Path,
    file: Path | None,
    output: Path | None,
    told: Mapping[str, Any],
    unknown_labels: str,
    as_json: bool,
    quiet: bool,
    text: Path | None = None,
) -> None:
    """Measure, write the page, and say the figures as JSON where asked."""
    check_output(output, as_json)
    classifier = load_model(bundle, None if text is None else str(text))
    model = classifier.model_
    table = None if file is None else (file, options_for(classifier, {**told, "legend": None}))
    refuse_overwriting({"--output": output}, model_inputs(bundle, table, told["legend"], text))
    if file is None:
        page = out_of_fold_page(model, str(bundle))
    elif isinstance(model, PixelModel):
        raise InputError(
            "the labels of this model are those of pixels, and its page is made of the pixels that training kept: "
            "leave the file out; manyhot evaluate measures on a file",
            file=file,
        )
    else:
        samples = rows_with_labels(
            classifier, file, {**told, "legend": legend_of(told["legend"])}, unknown_labels, quiet
        )
        rows = measured_rows(classifier, samples, quiet)
        page = evaluation_page(model, rows, examine(samples, folds=int(model.plan.folds)), str(file), str(bundle))
    if output is not None:
        write_page(page, output)
        print_notes([f"the report is in {output}"], quiet or not as_json)
    document = without_bulk(page) | ({} if output is None else {"output": str(output)})
    print_result(document, f"{output}: {output.stat().st_size / 2**20:.1f} MiB" if output is not None else "", as_json)


def check_output(output: Path | None, as_json: bool) -> None:
    """Refuse what cannot be written before the work is done.

    Raises:
        InputError: No output where none is printed either, or a name that is no page's.
        OutputError: A folder that is not there.
    """
    if output is None:
        if not as_json:
            raise InputError("say where the page goes, such as -o report.html (or --json for the figures alone)")
        return
    if output.suffix.lower() not in SUFFIXES:
        raise InputError(f"got {output.name!r}, expected a name that ends in .html", argument="--output")
    if not output.parent.is_dir():
        raise OutputError(f"{output} could not be written: the folder {output.parent} does not exist; create it first")
