"""From features, targets and settings to a trained model, its thresholds and its report.

Every kind of training takes the same steps: drop rows of weight 0, check, prepare, train, round tables of weights,
score every row by members that never saw it, decide, report. Pixels, streams and added labels differ in how rows are
prepared and scored.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from manyhot import engine
from manyhot.config.runtime import RuntimeConfig
from manyhot.data.feature_input import row_weights
from manyhot.data.targets import Targets
from manyhot.decisions.policy import (
    DecisionPolicy,
    cross_fitted_decisions,
    fit_policy,
    merge_equal_scores,
    untrained_policy,
)
from manyhot.evaluation import report
from manyhot.models.branch_shares import score_with_chosen_shares
from manyhot.models.checks import check_learnable, check_n_rows
from manyhot.models.cross_fitting import CrossFit, prepare_cross_fit, row_history
from manyhot.models.epoch_search import train_searched
from manyhot.models.evidence import OutOfFoldResults, TrainingRows
from manyhot.models.half_precision import round_fit
from manyhot.models.measuring import InputRows, measure_out_of_fold, training_notes, training_summary
from manyhot.models.model import Model
from manyhot.models.origin import current_origin
from manyhot.models.run_identity import fit_identity
from manyhot.models.training_data import TrainingInputs

NO_CURVES = np.zeros((1, 0, 2), np.float32), np.zeros(1, np.int64)
"""Losses and best epoch where nothing was trained."""


def train_inputs(
    inputs: TrainingInputs,
    network: Any = None,
    sample_weight: np.ndarray | None = None,
    callback: engine.ProgressCallback | None = None,
    snapshots: engine.Snapshots | None = None,
) -> Model:
    """Train all members on their folds; `network` is a Keras model or a function that makes one, for "custom"."""
    features, rows = used_rows(inputs, sample_weight)
    config, labels = inputs.config, inputs.labels
    untrained = untrained_policy(config, labels)
    encoder = inputs.encoder()
    fit = prepare_cross_fit(features, rows.targets, encoder, config, network, rows.weights, labels=labels)
    n_members = int(fit.config.n_members)
    check_n_rows(len(rows.ids), min(config.n_folds, n_members) if n_members > 1 else 2)
    if snapshots is not None:
        snapshots.begin(fit_identity("fit", fit, inputs.runtime))
    (fit,), _, trained = train_searched([fit], inputs.runtime, callback, snapshots=snapshots)
    return build_model(fit, trained, untrained, inputs.runtime, rows, callback)


def used_rows(inputs: TrainingInputs, sample_weight: np.ndarray | None, noun: str = "rows") -> tuple[Any, InputRows]:
    """Features and rows that weigh something; `sample_weight` is (m,), one for each row that was handed over."""
    targets, ids, notes = inputs.targets, inputs.ids, (*inputs.notes, *inputs.completion.notes())
    n = targets.n_samples
    chosen_weights = inputs.select_rows(sample_weight, "sample_weight")
    weights = np.ones(n) if chosen_weights is None else row_weights(chosen_weights, n)
    ids = np.arange(1, n + 1).astype(str) if ids is None else ids
    features, is_used = inputs.features, weights > 0
    if not is_used.all():
        features, targets = features[np.flatnonzero(is_used)], targets.take(is_used)
        weights, ids = weights[is_used], ids[is_used]
        notes = (*notes, f"{n - len(ids)} {noun} of weight 0 were left out.")
    check_learnable(targets, inputs.labels)
    return features, InputRows(targets, weights, ids, n, notes)


class ScoredRows(NamedTuple):
    """Different rows of training with their raw out-of-fold scores."""

    scores: np.ndarray  # float (u, l)
    targets: Targets
    weights: np.ndarray  # float (u,)
    place: np.ndarray  # int64 (r,), where each scored row of training is among them
    training_rows: TrainingRows  # all rows of training
    members_per_score: float


def build_model(
    fit: CrossFit,
    trained: engine.TrainingResult,
    untrained: DecisionPolicy,
    runtime: RuntimeConfig,
    rows: InputRows,
    callback: engine.ProgressCallback | None = None,
) -> Model:
    """Everything after training: tables rounded, branches mixed, rows scored out of fold, decisions, the report."""
    show_phase(callback, "scoring rows out of fold")
    model = Model(untrained.space, fit.encoder, fit.network, trained.weights, untrained, fit.config, {}, None, runtime)
    round_fit(model.scorer(), fit, model.weights)
    scored = _score_rows(model, fit, rows)
    notes = training_notes(rows, fit, model.branch_shares)
    decide_and_report(model, trained, scored, rows, len(fit.rows), rows.n_rows, notes, callback)
    return model


def show_phase(callback: engine.ProgressCallback | None, phase: str) -> None:
    """Let progress say what is done, after all training."""
    if callback is not None:
        callback(engine.Progress(1.0, 0, 0, math.nan, 0, phase=phase))


def _score_rows(model: Model, fit: CrossFit, rows: InputRows) -> ScoredRows:
    scores, n_scorers = score_with_chosen_shares(model.scorer(), fit, model.weights)
    scored = np.flatnonzero(n_scorers > 0)
    place = np.cumsum(n_scorers > 0)[fit.place] - 1
    return ScoredRows(
        scores[scored],
        fit.data.targets.take(fit.rows[scored]),
        fit.data.weights[fit.rows[scored]],
        place[n_scorers[fit.place] > 0],
        TrainingRows(rows.targets, rows.ids, rows.weights, *row_history(fit)),
        float(n_scorers[scored].mean()),
    )


def decide_and_report(
    model: Model,
    trained: engine.TrainingResult | None,
    scored: ScoredRows,
    rows: InputRows,
    n_units: int,
    n_rows: int | None,
    notes: list[str],
    callback: engine.ProgressCallback | None = None,
) -> None:
    """Give a model its policy, its evidence and its report; `n_units` is what the folds were made of.

    `trained` is None where the scores come from another program.
    """
    config, labels, n_members = model.config, model.labels, model.n_members
    model.origin = current_origin(rows.n_rows, len(labels), rows.notes)
    unique_scores = merge_equal_scores(scored.scores, scored.targets, scored.weights)
    show_phase(callback, "calibrating and choosing thresholds")
    model.policy = fit_policy(config, labels, unique_scores)
    show_phase(callback, "measuring")
    calibrated, decisions = cross_fitted_decisions(config, labels, unique_scores, model.policy)
    curves, best_epoch = NO_CURVES if trained is None else (trained.curves, trained.best_epoch)
    model.evidence = OutOfFoldResults(scored.scores[scored.place], scored.training_rows, curves, best_epoch)
    constant = rows.targets.constant_labels() if rows.constant is None else rows.constant
    context = report.ReportContext(
        scores_from="supplied",
        n_rows=n_rows,
        constant_labels=[labels.names[j] for j in constant],
        notes=[*rows.notes, *notes],
        config=model.settings(),
    )
    if trained is not None:
        is_held_out = n_members == 1 or rows.n_streamed > 0
        context = replace(
            context,
            scores_from="held_out" if is_held_out else "out_of_fold",
            n_members=n_members,
            n_folds=1 if is_held_out else min(config.n_folds, n_members, n_units),
            members_per_score=scored.members_per_score,
            training=training_summary(trained) | ({"streamed_rows": rows.n_streamed} if rows.n_streamed else {}),
        )
    model.report = measure_out_of_fold(model, calibrated[scored.place], decisions[scored.place], context)
