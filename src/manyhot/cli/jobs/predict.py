"""`manyhot predict`: rows in, predictions out, chunk by chunk; many tables: `bulk.py`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from manyhot.cli.jobs import bulk, segmentation
from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.image_output import image_options, refuse_plots
from manyhot.cli.jobs.input_tables import list_tables
from manyhot.cli.jobs.outputs import (
    check_json_lines,
    existing_plots,
    model_inputs,
    refuse_overwriting,
    refuse_training_file,
)
from manyhot.cli.jobs.prediction_writer import JSON_DOCUMENT, check_suffix, write_predictions
from manyhot.cli.jobs.row_estimate import row_counter
from manyhot.cli.jobs.row_predictor import PredictionSettings, row_predictor
from manyhot.data.readers.input_files import list_input_images
from manyhot.errors import InputError
from manyhot.estimators.extreme import ExtremeMultiLabelClassifier
from manyhot.estimators.loading import load
from manyhot.estimators.progress import stage_progress
from manyhot.estimators.read_options import model_read_options
from manyhot.evaluation.report.text import pluralize


def run(
    bundle: Path,
    files: list[Path],
    output: Path | None,
    output_format: str | None,
    label_sep: str,
    explain: bool,
    top: int | None,
    executor: str | None,
    overwrite: bool,
    plots: Path | None,
    max_plots: int | None,
    read_flags: Mapping[str, Any],
    text: Path | None,
    as_json: bool,
    as_lines: bool,
    quiet: bool,
) -> None:
    """Score every row and write the predictions, with explanations and plots on request."""
    check_json_lines(as_lines, as_json, output)
    settings = PredictionSettings(label_sep, explain, top, read_flags)
    text_folder = None if text is None else str(text)
    tables = list_tables(files)
    if tables is not None or executor is not None or overwrite or output_format is not None:
        if plots is not None or max_plots is not None:
            raise InputError("draws the rows of one file; name one file, without --executor", argument="--plots")
        options = bulk.BulkOptions(output_format, executor, overwrite, as_json, quiet)
        bulk.predict_tables(bundle, files if tables is None else tables, output, settings, options, text_folder)
        return
    (file,) = files
    predict_one(bundle, file, output, settings, text_folder, plots, max_plots, as_json, as_lines, quiet)


def predict_one(
    bundle: Path,
    file: Path,
    output: Path | None,
    settings: PredictionSettings,
    text: str | None,
    plots: Path | None,
    max_plots: int | None,
    as_json: bool,
    as_lines: bool,
    quiet: bool,
) -> None:
    """Predict one file, or one folder of images."""
    classifier = load(bundle, text=text)
    read_options = model_read_options(classifier, settings.read_flags, require_labels=False, unknown_labels="ignore")
    is_segmentation = classifier.model_.labels_pixels
    if output is not None and output.is_dir() and not is_segmentation and plots is None:
        options = bulk.BulkOptions(as_json=as_json, quiet=quiet)
        bulk.predict_tables(bundle, [file], output, settings, options, text)
        return
    outputs = {"--output": segmentation.mask_files(output, classifier.labels_) if is_segmentation else output}
    outputs["--plots"] = existing_plots(plots)
    inputs = model_inputs(bundle, (file, read_options), text=None if text is None else Path(text))
    refuse_overwriting(outputs, inputs, list_input_images(file, read_options))
    refuse_training_file(output, classifier.model_.origin)
    if is_segmentation:
        model: Any = classifier.model_
        if settings.explain:
            raise InputError("labels of pixels cannot be explained", argument="--explain")
        plot_options = image_options(model, plots, max_plots)
        segmentation.predict(model, file, output, read_options, as_json, plot_options)
    else:
        is_json = as_json or as_lines
        suffix = (".jsonl" if is_json else ".csv") if output is None else check_suffix(output)
        is_terminal = output is None and not is_json and sys.stdout.isatty()
        plot_options = None
        if isinstance(classifier, ExtremeMultiLabelClassifier):
            refuse_plots(plots)
        else:
            plot_options = image_options(classifier.model_, plots, max_plots)
        on_notes = partial(print_notes, quiet=quiet)
        predictor = row_predictor(classifier, settings, suffix, on_notes, is_terminal, plot_options)
        if as_json and output is None:
            predictor = predictor._replace(suffix=JSON_DOCUMENT)
        is_shown = not quiet and (output is not None or not sys.stdout.isatty())
        with stage_progress(int(is_shown)) as show:
            on_rows = None if show is None else row_counter(file, show)
            n_rows = write_predictions(file, predictor, output, settings.label_sep, on_notes, on_rows)
        if output is not None:
            document = {"output": str(output), "rows": n_rows}
            print_result(document, f"saved predictions of {pluralize(n_rows, 'row')} to {output}", as_json)
    if plot_options is not None:
        print_notes([plot_options.note()], quiet)
