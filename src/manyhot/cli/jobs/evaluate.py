"""`manyhot evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.cli.jobs import extreme
from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.image_output import check_sheets_folder, refuse_plots
from manyhot.cli.jobs.outputs import existing_plots, model_inputs, refuse_overwriting
from manyhot.cli.jobs.read_options import open_flag_files
from manyhot.cli.jobs.score_file import read_rows, score_rows
from manyhot.data.readers.input_files import list_input_images
from manyhot.data.target_input import align_pixel_targets
from manyhot.errors import InputError
from manyhot.estimators.extreme import ExtremeMultiLabelClassifier
from manyhot.estimators.loading import load
from manyhot.estimators.read_options import model_read_options
from manyhot.evaluation.metrics.classification import weighted_metrics
from manyhot.evaluation.report import Report
from manyhot.evaluation.report.text import pluralize, wrap
from manyhot.models.decision_updates import count_training_rows
from manyhot.models.model import Model
from manyhot.models.prediction import sample_features
from manyhot.models.segmentation.model import PixelModel
from manyhot.models.segmentation.training import pixel_report
from manyhot.reports.model_page import ScoredRows
from manyhot.reports.prediction_images import plot_errors

UNKNOWN_ROWS_NOTE = (
    "whether these rows were used in training is unknown: the model was saved without evidence, which has fingerprints "
    "of its training rows"
)

NO_WEIGHTS = "weights of rows are for models that label rows, not for pixels or very many labels"


def run(
    bundle: Path,
    file: Path,
    read_flags: Mapping[str, Any],
    text: Path | None,
    plots: Path | None,
    all_metrics: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Read, score and evaluate at the model's own thresholds and at 0.5; plot the worst errors on request."""
    classifier = load(bundle, text=None if text is None else str(text))
    has_weights = read_flags.get("sample_weight") is not None
    read_flags, flag_files = open_flag_files(read_flags)
    if isinstance(classifier, ExtremeMultiLabelClassifier):
        if has_weights:
            raise InputError(NO_WEIGHTS, argument="--sample-weight")
        refuse_plots(plots)
        extreme.evaluate(classifier, file, read_flags, as_json, quiet)
        return
    if has_weights and classifier.model_.labels_pixels:
        raise InputError(NO_WEIGHTS, argument="--sample-weight")
    model, options = classifier.model_, model_read_options(classifier, read_flags)
    input_files = model_inputs(bundle, (file, options), flag_files, text)
    refuse_overwriting({"--plots": existing_plots(plots)}, input_files, list_input_images(file, options))
    sheets_folder = None if plots is None else check_sheets_folder(model, plots)
    samples = read_rows(classifier, file, options, quiet, "an evaluation")
    if isinstance(model, PixelModel):
        targets = align_pixel_targets(samples, None, model.labels)
        values = pixel_report(model, sample_features(model, samples), targets, samples.notes)
        values |= {"model": str(bundle), "file": str(file), "thresholds": classifier.thresholds_}
        print_result(values, Report(values).to_text(all_metrics), as_json)
        return
    rows = score_rows(model, samples, options.on_bad_image, quiet)
    values = {**rows.report, "model": str(bundle), "file": str(file), "thresholds": classifier.thresholds_}
    values["training_rows"] = None if model.evidence is None else count_training_rows(model, rows.features)
    warning = training_rows_warning(values["training_rows"], len(rows.scores), bundle)
    if model.evidence is None:
        print_notes([UNKNOWN_ROWS_NOTE], quiet)
    if sheets_folder is not None:
        files = plot_errors(model, rows.features, rows.targets, rows.scores, rows.ids.tolist(), sheets_folder)
        values["plots"] = {name: str(path) for name, path in files.items()}
        print_notes(
            [f"plots of the worst errors of {len(files)} of {len(model.labels)} labels are in {sheets_folder}"], quiet
        )
    text_report = f"{wrap(warning)}\n\n" if warning else ""
    text_report += Report(values).to_text(all_metrics)
    if warning:
        values["scores"] = {**values["scores"], "remarks": [warning, *values["scores"]["remarks"]]}
    if samples.sample_weight is not None:
        values["weighted"] = _weighted(model, rows, samples.sample_weight)
        scores = (f"{name} {'-' if score is None else f'{score:.3f}'}" for name, score in values["weighted"].items())
        text_report += f"\n\nrows counted by their weights: {', '.join(scores)}"
    print_result(values, text_report, as_json)


def training_rows_warning(n_training: int | None, n_rows: int, bundle: Path) -> str:
    """What to say where rows were used in training; "" where none was, as far as the model knows."""
    if not n_training:
        return ""
    return (
        f"Warning: {n_training} of {pluralize(n_rows, 'row')} were used to train this model, so every score below is "
        f"too good. Evaluate on other rows, or see the out-of-fold scores: manyhot report {bundle}"
    )


def _weighted(model: Model, rows: ScoredRows, weights: np.ndarray) -> dict[str, float | None]:
    """Metrics of the model's decisions where rows count by their weights."""
    if len(rows.scores) != len(weights):
        raise InputError(
            "some rows were left out for their images, so the weights do not match; fix these images first",
            argument="--sample-weight",
        )
    return weighted_metrics(rows.targets, model.policy.decide(rows.scores), weights)
