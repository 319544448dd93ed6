"""Rows of a file with labels, scored and measured by a trained model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from manyhot.cli.jobs.console import print_notes
from manyhot.data.hierarchy import complete_targets
from manyhot.data.invalid_images import describe_invalid
from manyhot.data.readers import ReadOptions, read
from manyhot.data.samples import Samples
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.estimators.base_classifier import BaseModelClassifier
from manyhot.estimators.extreme import ExtremeMultiLabelClassifier
from manyhot.estimators.read_options import unused_column_notes
from manyhot.evaluation.report import ReportContext, measure_report
from manyhot.models.model import Model
from manyhot.models.prediction import predict_scores, sample_features
from manyhot.reports.model_page import ScoredRows


def read_rows(
    classifier: BaseModelClassifier | ExtremeMultiLabelClassifier,
    file: Path,
    options: ReadOptions,
    quiet: bool,
    needed_by: str | None = None,
    use: str = "evaluate on",
) -> Samples:
    """Read a file for a model; raise `InputError` if it has no labels."""
    samples = read(file, options, needed_by=needed_by)
    print_notes([*samples.notes, *unused_column_notes(classifier, samples)], quiet)
    if samples.labels is None:
        raise InputError(f"there are no labels in this file to {use}; name them with --labels", file=file)
    return samples


def score_rows(model: Model, samples: Samples, on_bad_image: str, quiet: bool) -> ScoredRows:
    """Score rows and measure them at the model's own thresholds and at 0.5; rows whose images fail are left out."""
    features = sample_features(model, samples)
    raw_scores, invalid = predict_scores(model, features, False, on_bad_image, samples)
    targets, ids, notes = samples.targets, samples.row_ids(), list(samples.notes)
    assert isinstance(targets, Targets)
    targets, completion = complete_targets(targets, model.policy.hierarchy)
    notes += completion.notes()
    if invalid:
        notes.append(describe_invalid(invalid, "left out", samples))
        print_notes(notes[-1:], quiet)
        is_valid = ~np.isnan(raw_scores).any(axis=1)
        raw_scores, targets, ids = raw_scores[is_valid], targets.take(is_valid), ids[is_valid]
        features = features[np.flatnonzero(is_valid)]
    scores = model.policy.calibrate(raw_scores)
    context = ReportContext(
        scores_from="new",
        n_members=model.n_members if model.makes_scores else None,
        notes=notes,
        raw_scores=None if model.policy.calibration.is_identity else raw_scores,
        decision_info=model.policy.describe(),
        hierarchy=model.policy.hierarchy,
    )
    decisions, fixed_decisions = model.policy.decide(scores), scores >= 0.5
    report = measure_report(
        model.labels,
        targets,
        scores,
        decisions,
        fixed_decisions,
        model.policy.thresholds,
        context,
        model.report.get("k"),
    )
    return ScoredRows(features, targets, scores, report, ids)
