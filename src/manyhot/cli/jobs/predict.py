"""`manyhot predict`: rows in, answers out, a piece at a time."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from manyhot.cli.jobs import extreme, segmentation
from manyhot.cli.jobs.console import print_notes
from manyhot.cli.jobs.explanations import ReasonOptions, reason_options
from manyhot.cli.jobs.image_output import PIECE, ImageOptions, image_options, refuse_pictures
from manyhot.cli.jobs.outputs import model_inputs, pictures_in, refuse_overwriting
from manyhot.cli.jobs.predict_chunks import answer_rows
from manyhot.cli.jobs.prediction_writer import suffix_of
from manyhot.data.readers.input_files import images_with
from manyhot.data.samples import Samples
from manyhot.encoders.images.encoder import describe_invalid
from manyhot.errors import InputError
from manyhot.estimators.extreme import ManyLabelClassifier
from manyhot.estimators.loading import load
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.estimators.prediction_table import answer_frame, ids_of, refuse_separator
from manyhot.estimators.read_options import options_for
from manyhot.explanation.explain import explained
from manyhot.models.prediction import predict_scores, sample_features
from manyhot.models.segmentation.model import PixelModel

EXPLAINED_ROWS = 4096
"""Rows of a piece when every row comes with its reasons, which take more room than its answers."""


def run(
    bundle: Path,
    file: Path,
    output: Path | None,
    label_sep: str,
    reading: Mapping[str, Any],
    as_json: bool,
    quiet: bool,
    why: bool = False,
    top: int | None = None,
    text: Path | None = None,
    pictures: Path | None = None,
    pictures_limit: int | None = None,
) -> None:
    """Score every row and write the answers, with reasons and pictures where they are asked for."""
    classifier = load(bundle, text=None if text is None else str(text))
    options = options_for(classifier, reading, require_labels=False, unknown_labels="ignore")
    is_masks = isinstance(classifier.model_, PixelModel)
    outputs = {"--output": segmentation.files_in(output, classifier.labels_) if is_masks else output}
    outputs["--pictures"] = pictures_in(pictures)
    refuse_overwriting(outputs, model_inputs(bundle, (file, options), text=text), images_with(file, options))
    if isinstance(classifier.model_, PixelModel):
        if why:
            raise InputError("reasons are not given for labels of pixels", argument="--why")
        classifier.on_bad_image = reading["on_bad_image"]
        drawn = image_options(classifier.model_, pictures, pictures_limit)
        segmentation.predict(classifier, file, output, reading, as_json, drawn)
        if drawn is not None:
            print_notes([drawn.note()], quiet)
        return
    suffix = (".jsonl" if as_json else ".csv") if output is None else suffix_of(output)
    if isinstance(classifier, ManyLabelClassifier):
        if why:
            raise InputError("reasons are not given for models of very many labels", argument="--why")
        refuse_pictures(pictures)
        extreme.predict(
            classifier, file, output, {"format": reading["format"], "label_sep": label_sep}, top, as_json, quiet
        )
        return
    asked = reason_options(why, top, suffix, is_screen=output is None and not as_json and sys.stdout.isatty())
    suffix = suffix if asked is None else asked.suffix
    if suffix == ".csv":
        refuse_separator(label_sep, classifier.labels_, "--label-sep", "choose another text, or write .jsonl")
    drawn = image_options(classifier.model_, pictures, pictures_limit)
    rows = PIECE if drawn is not None else None if asked is None else EXPLAINED_ROWS
    classifier.on_bad_image = reading["on_bad_image"]
    of_piece = partial(answers, classifier, asked=asked, drawn=drawn, quiet=quiet)
    answer_rows(classifier, file, options, of_piece, output, suffix, label_sep, rows, as_json, quiet)
    if drawn is not None:
        print_notes([drawn.note()], quiet)


def answers(
    classifier: MultiLabelClassifier,
    samples: Samples,
    n_before: int,
    asked: ReasonOptions | None = None,
    drawn: ImageOptions | None = None,
    quiet: bool = False,
) -> pl.DataFrame:
    """One row a sample: id, labels (a list), the probability of each label, and the reasons that were asked for.

    Labels and probabilities are null where the image cannot be used, if such rows are skipped.
    """
    features = sample_features(classifier.model_, samples)
    scores, bad = predict_scores(classifier.model_, features, on_bad_image=classifier.on_bad_image, samples=samples)
    if bad:
        print_notes([describe_invalid(bad, "not answered", samples)], quiet)
    labels = classifier.model_.labels
    decisions = classifier.model_.decider.answers(np.nan_to_num(scores) if bad else scores)
    frame = answer_frame(ids_of(samples, n_before), labels.names, scores, decisions, bad)
    first = None
    if asked is not None:
        rows = explained(classifier.model_, features, scores, top=asked.top)
        first = [] if drawn is None else list(islice(rows, drawn.n_left))
        frame = frame.with_columns(asked.column(chain(first, rows)))
    if drawn is not None:
        drawn.draw(classifier.model_, features, scores, frame["id"].to_list(), first)
    return frame
