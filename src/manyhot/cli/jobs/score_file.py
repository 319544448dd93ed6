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
from manyhot.estimators.read_options import model_read_options, unused_column_notes
from manyhot.evaluation.report import ReportContext, measure_report
from manyhot.models.prediction import predict_scores, sample_features
from manyhot.reports.model_page import ScoredRows


def read_labelled_rows(
    classifier: MultiLabelClassifier, file: Path, read_flags: Mapping[str, Any], unknown_labels: str, quiet: bool
) -> Samples:
    """Read a file for a model; raise `InputError` if it has no labels."""
    samples = read(
        file, model_read_options(classifier, read_flags, unknown_labels=unknown_labels), needed_by="an evaluation"
    )
    print_notes([*samples.notes, *unused_column_notes(classifier, samples)], quiet)
    if samples.targets is None:
        raise InputError("there are no labels in this file to evaluate on; name them with --labels", file=file)
    classifier.on_bad_image = read_flags["on_bad_image"]
    return samples


def score_rows(classifier: MultiLabelClassifier, samples: Samples, quiet: bool) -> ScoredRows:
    """Score rows and measure them at the model's own thresholds and at 0.5; rows whose images fail are left out."""
    model, features = classifier.model_, sample_features(classifier.model_, samples)
    raw_scores, invalid = predict_scores(model, features, False, classifier.on_bad_image, samples)
    targets, ids, notes = samples.targets, samples.row_ids(), list(samples.notes)
    assert isinstance(targets, Targets)
    if invalid:
        notes.append(describe_invalid(invalid, "left out", samples))
        print_notes(notes[-1:], quiet)
        is_valid = ~np.isnan(raw_scores).any(axis=1)
        raw_scores, targets, ids = raw_scores[is_valid], targets.take(is_valid), ids[is_valid]
        features = features[np.flatnonzero(is_valid)]
    scores = model.policy.calibrate(raw_scores)
    context = ReportContext(
        scores_from="new",
        n_members=model.n_members,
        notes=notes,
        raw_scores=None if model.policy.calibration.is_identity else raw_scores,
        decision_info=model.policy.describe(),
    )
    decisions, fixed_decisions = model.policy.decide(scores), scores >= 0.5
    report = measure_report(model.labels, targets, scores, decisions, fixed_decisions, model.policy.thresholds, context)
    return ScoredRows(features, targets, scores, report, ids)
