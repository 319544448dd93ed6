"""`manyhot predict`: rows in, predictions out, chunk by chunk."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from manyhot.cli.jobs import extreme, segmentation
from manyhot.cli.jobs.console import print_notes
from manyhot.cli.jobs.explanations import ReasonOptions, reason_options
from manyhot.cli.jobs.image_output import PLOT_CHUNK_ROWS, ImageOptions, image_options, refuse_plots
from manyhot.cli.jobs.outputs import existing_plots, model_inputs, refuse_overwriting
from manyhot.cli.jobs.prediction_writer import check_suffix, predict_file
from manyhot.data.invalid_images import describe_invalid
from manyhot.data.readers.input_files import list_input_images
from manyhot.data.samples import Samples
from manyhot.errors import InputError
from manyhot.estimators.extreme import ExtremeMultiLabelClassifier
from manyhot.estimators.loading import load
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.estimators.prediction_table import check_separator, id_series, prediction_frame
from manyhot.estimators.read_options import model_read_options
from manyhot.explanation.explain import explain_rows
from manyhot.models.prediction import predict_scores, sample_features
from manyhot.models.segmentation.model import PixelModel

EXPLANATION_CHUNK_ROWS = 4096  # with explanations, which take more memory than predictions


def run(
    bundle: Path,
    file: Path,
    output: Path | None,
    label_sep: str,
    read_flags: Mapping[str, Any],
    explain: bool,
    top: int | None,
    text: Path | None,
    plots: Path | None,
    max_plots: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Score every row and write the predictions, with explanations and plots on request."""
    classifier = load(bundle, text=None if text is None else str(text))
    options = model_read_options(classifier, read_flags, require_labels=False, unknown_labels="ignore")
    is_segmentation = classifier.model_.labels_pixels
    outputs = {"--output": segmentation.mask_files(output, classifier.labels_) if is_segmentation else output}
    outputs["--plots"] = existing_plots(plots)
    refuse_overwriting(outputs, model_inputs(bundle, (file, options), text=text), list_input_images(file, options))
    if isinstance(classifier.model_, PixelModel):
        if explain:
            raise InputError("labels of pixels cannot be explained", argument="--explain")
        plot_options = image_options(classifier.model_, plots, max_plots)
        segmentation.predict(classifier.model_, file, output, options, as_json, plot_options)
        if plot_options is not None:
            print_notes([plot_options.note()], quiet)
        return
    suffix = (".jsonl" if as_json else ".csv") if output is None else check_suffix(output)
    plot_options, chunk_rows = None, None
    if isinstance(classifier, ExtremeMultiLabelClassifier):
        if explain:
            raise InputError("extreme multi-label models cannot be explained", argument="--explain")
        refuse_plots(plots)
        options = replace(options, sparse_targets=True, images=None)
        chunk_rows = extreme.CHUNK_ROWS
        predict_chunk = partial(extreme.predict_table, classifier, top)
    else:
        is_terminal = output is None and not as_json and sys.stdout.isatty()
        explain_options = reason_options(explain, top, suffix, is_terminal)
        suffix = suffix if explain_options is None else explain_options.suffix
        if suffix == ".csv":
            check_separator(label_sep, classifier.labels_, "--label-sep", "choose another text, or write .jsonl")
        plot_options = image_options(classifier.model_, plots, max_plots)
        if plot_options is not None:
            chunk_rows = PLOT_CHUNK_ROWS
        elif explain_options is not None:
            chunk_rows = EXPLANATION_CHUNK_ROWS
        classifier.on_bad_image = read_flags["on_bad_image"]
        predict_chunk = partial(
            predict_table, classifier, explain_options=explain_options, plot_options=plot_options, quiet=quiet
        )
    predict_file(classifier, file, options, predict_chunk, output, suffix, label_sep, chunk_rows, as_json, quiet)
    if plot_options is not None:
        print_notes([plot_options.note()], quiet)


def predict_table(
    classifier: MultiLabelClassifier,
    samples: Samples,
    n_before: int,
    explain_options: ReasonOptions | None = None,
    plot_options: ImageOptions | None = None,
    quiet: bool = False,
) -> pl.DataFrame:
    """One row a sample: id, labels, probabilities (null where an image was skipped), requested explanations."""
    features = sample_features(classifier.model_, samples)
    scores, invalid = predict_scores(classifier.model_, features, on_bad_image=classifier.on_bad_image, samples=samples)
    if invalid:
        print_notes([describe_invalid(invalid, "not predicted", samples)], quiet)
    labels = classifier.model_.labels
    decisions = classifier.model_.policy.decide(np.nan_to_num(scores) if invalid else scores)
    frame = prediction_frame(id_series(samples, n_before), labels.names, scores, decisions, invalid)
    drawn_explanations = None
    if explain_options is not None:
        explanations = explain_rows(classifier.model_, features, scores, top=explain_options.top)
        drawn_explanations = [] if plot_options is None else list(islice(explanations, plot_options.n_remaining))
        frame = frame.with_columns(explain_options.column(chain(drawn_explanations, explanations)))
    if plot_options is not None:
        plot_options.draw(classifier.model_, features, scores, frame["id"].to_list(), drawn_explanations)
    return frame
