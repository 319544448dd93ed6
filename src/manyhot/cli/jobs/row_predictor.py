"""How `manyhot predict` predicts the rows of a table, whatever the model: by one table, or by many of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from manyhot.cli.jobs import extreme
from manyhot.cli.jobs.console import print_notes
from manyhot.cli.jobs.explanations import ReasonOptions, reason_options
from manyhot.cli.jobs.image_output import PLOT_CHUNK_ROWS, ImageOptions
from manyhot.data.invalid_images import describe_invalid
from manyhot.data.readers import ReadOptions
from manyhot.data.samples import Samples
from manyhot.errors import InputError
from manyhot.estimators.base_classifier import BaseModelClassifier
from manyhot.estimators.extreme import ExtremeMultiLabelClassifier
from manyhot.estimators.prediction_table import check_separator, id_series, prediction_frame
from manyhot.estimators.read_options import model_read_options
from manyhot.explanation.explain import explain_rows
from manyhot.models.prediction import predict_scores, sample_features

EXPLANATION_CHUNK_ROWS = 4096  # with explanations, which take more memory than predictions
EXPLAINED_ROWS = 128  # rows that are explained before they are written

ChunkPredictor = Callable[[Samples, int], pl.DataFrame]  # Called with a chunk and the number of rows before it
NoteCallback = Callable[[Iterable[str]], None]


@dataclass(frozen=True)
class PredictionSettings:
    """What the flags of `predict` say about the predictions; plain data, which is sent to workers."""

    label_sep: str
    explain: bool
    top: int | None
    read_flags: Mapping[str, Any]


class RowPredictor(NamedTuple):
    """What it takes to predict the rows of a file."""

    classifier: BaseModelClassifier | ExtremeMultiLabelClassifier
    options: ReadOptions
    predict_chunk: ChunkPredictor
    chunk_rows: int | None  # that are read at once
    part_rows: int | None  # of these, that are predicted and written at once; None for all
    suffix: str  # of what is written


def row_predictor(
    classifier: BaseModelClassifier | ExtremeMultiLabelClassifier,
    settings: PredictionSettings,
    suffix: str,
    on_notes: NoteCallback,
    is_terminal: bool = False,
    plot_options: ImageOptions | None = None,
) -> RowPredictor:
    """What predicts rows as the settings say; `InputError` where they do not suit the model."""
    options = model_read_options(classifier, settings.read_flags, require_labels=False, unknown_labels="ignore")
    if isinstance(classifier, ExtremeMultiLabelClassifier):
        if settings.explain:
            raise InputError("extreme multi-label models cannot be explained", argument="--explain")
        options = replace(options, sparse_targets=True, images=None)
        predict_chunk = partial(extreme.predict_table, classifier, settings.top)
        return RowPredictor(classifier, options, predict_chunk, extreme.CHUNK_ROWS, None, suffix)
    explain_options = reason_options(settings.explain, settings.top, suffix, is_terminal)
    suffix = suffix if explain_options is None else explain_options.suffix
    if suffix == ".csv":
        check_separator(settings.label_sep, classifier.labels_, "--label-sep", "choose another text, or write .jsonl")
    chunk_rows = None if explain_options is None else EXPLANATION_CHUNK_ROWS
    if plot_options is not None:
        chunk_rows = PLOT_CHUNK_ROWS
    classifier.on_bad_image = settings.read_flags["on_bad_image"]
    return RowPredictor(
        classifier,
        options,
        partial(
            predict_table, classifier, explain_options=explain_options, plot_options=plot_options, on_notes=on_notes
        ),
        chunk_rows,
        None if explain_options is None else EXPLAINED_ROWS,
        suffix,
    )


def predict_table(
    classifier: BaseModelClassifier,
    samples: Samples,
    n_before: int,
    explain_options: ReasonOptions | None = None,
    plot_options: ImageOptions | None = None,
    on_notes: NoteCallback = print_notes,
) -> pl.DataFrame:
    """One row a sample: id, labels, probabilities (null where an image was skipped), requested explanations."""
    features = sample_features(classifier.model_, samples)
    scores, invalid = predict_scores(classifier.model_, features, on_bad_image=classifier.on_bad_image, samples=samples)
    if invalid:
        on_notes([describe_invalid(invalid, "not predicted", samples)])
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
