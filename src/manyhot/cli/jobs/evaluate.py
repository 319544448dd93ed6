"""`manyhot evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyhot.cli.jobs import extreme
from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.image_output import mistakes_folder, refuse_pictures
from manyhot.cli.jobs.outputs import model_inputs, pictures_in, refuse_overwriting
from manyhot.cli.jobs.read_options import legend_of
from manyhot.cli.jobs.score_file import measured_rows, rows_with_labels
from manyhot.data.readers.input_files import images_with
from manyhot.data.target_input import pixel_targets_in_order
from manyhot.estimators.extreme import ManyLabelClassifier
from manyhot.estimators.loading import load
from manyhot.estimators.read_options import options_for
from manyhot.evaluation.report import Report
from manyhot.models.prediction import sample_features
from manyhot.models.segmentation.model import PixelModel
from manyhot.models.segmentation.training import pixel_report
from manyhot.reports.prediction_images import picture_mistakes


def run(
    bundle: Path,
    file: Path,
    told: Mapping[str, Any],
    unknown_labels: str,
    as_json: bool,
    quiet: bool,
    text: Path | None = None,
    pictures: Path | None = None,
) -> None:
    """Read, score, measure at the model's own thresholds and at 0.5; draw the worst mistakes where asked for."""
    classifier = load(bundle, text=None if text is None else str(text))
    if isinstance(classifier, ManyLabelClassifier):
        refuse_pictures(pictures)
        extreme.evaluate(classifier, file, told, unknown_labels, as_json, quiet)
        return
    legend, told = told["legend"], {**told, "legend": legend_of(told["legend"])}
    table = (file, options_for(classifier, told))
    read_too = model_inputs(bundle, table, legend, text)
    refuse_overwriting({"--pictures": pictures_in(pictures)}, read_too, images_with(*table))
    folder = None if pictures is None else mistakes_folder(classifier.model_, pictures)
    samples = rows_with_labels(classifier, file, told, unknown_labels, quiet)
    model = classifier.model_
    if isinstance(model, PixelModel):
        targets = pixel_targets_in_order(samples, None, model.labels)
        values = pixel_report(model, sample_features(model, samples), targets, samples.notes)
        values |= {"model": str(bundle), "file": str(file), "thresholds": classifier.thresholds_}
        print_result(values, str(Report(values)), as_json)
        return
    rows = measured_rows(classifier, samples, quiet)
    values = {**rows.report, "model": str(bundle), "file": str(file), "thresholds": classifier.thresholds_}
    if folder is not None:
        files = picture_mistakes(model, rows.features, rows.targets, rows.scores, rows.ids.tolist(), folder)
        values["pictures"] = {name: str(path) for name, path in files.items()}
        print_notes(
            [f"pictures of the worst mistakes of {len(files)} of {len(model.labels)} labels are in {folder}"], quiet
        )
    print_result(values, str(Report(values)), as_json)
