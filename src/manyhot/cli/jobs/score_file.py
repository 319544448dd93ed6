"""Rows of a file with labels, scored and measured by a trained model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.cli.jobs.console import print_notes
from manyhot.data.readers import read
from manyhot.data.samples import Samples
from manyhot.data.targets import Targets
from manyhot.encoders.images.encoder import describe_invalid
from manyhot.errors import InputError
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.estimators.read_options import extra_columns, options_for
from manyhot.evaluation.report import ReportContext, measure_report
from manyhot.models.prediction import predict_scores, sample_features
from manyhot.reports.model_page import ScoredRows


def rows_with_labels(
    classifier: MultiLabelClassifier, file: Path, told: Mapping[str, Any], unknown_labels: str, quiet: bool
) -> Samples:
    """Read a file for a model.

    Raises:
        InputError: A file that cannot be read, or one without labels.
    """
    samples = read(file, options_for(classifier, told, unknown_labels=unknown_labels), needed_by="an evaluation")
    print_notes([*samples.notes, *extra_columns(classifier, samples)], quiet)
    if samples.targets is None:
        raise InputError("there are no labels in this file to evaluate on; name them with --labels", file=file)
    classifier.on_bad_image = told["on_bad_image"]
    return samples


def measured_rows(classifier: MultiLabelClassifier, samples: Samples, quiet: bool) -> ScoredRows:
    """Score rows and measure them at the model's own thresholds and at 0.5; rows whose images fail are left out."""
    model, features = classifier.model_, sample_features(classifier.model_, samples)
    raw, bad = predict_scores(model, features, False, classifier.on_bad_image, samples)
    targets, ids, notes = samples.targets, samples.ids_or_numbers(), list(samples.notes)
    assert isinstance(targets, Targets)
    if bad:
        notes.append(describe_invalid(bad, "left out", samples))
        print_notes(notes[-1:], quiet)
        is_good = ~np.isnan(raw).any(axis=1)
        raw, targets, ids = raw[is_good], targets.take(is_good), ids[is_good]
        features = features[np.flatnonzero(is_good)]
    scores = model.decider.scores(raw)
    facts = ReportContext(
        scores_from="new",
        members=model.n_members,
        notes=notes,
        raw_scores=None if model.decider.calibration.is_identity else raw,
        answering=model.decider.described(),
    )
    own, half = model.decider.answers(scores), scores >= 0.5
    values = measure_report(model.labels, targets, scores, own, half, model.decider.thresholds, facts)
    return ScoredRows(features, targets, scores, values, ids)
