"""A trained model: labels, encoder, member weights, decision and the evidence for how good it is.

`train_model` is the whole job from features and targets to a `Model`; `Model.scores` is the way back. Where the
features came from, and how a person talks to it, belong to the estimator and the command line. Start reading at
`train_model`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manyhot import engine
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig, to_dict
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.decisions.policy import (
    DecisionPolicy,
    cross_fitted_decisions,
    fit_policy,
    merge_equal_scores,
    untrained_policy,
)
from manyhot.encoders import Encoder
from manyhot.evaluation import report
from manyhot.models.checks import check_learnable
from manyhot.models.cross_fitting import CrossFit, Features, out_of_fold, prepare_cross_fit, row_history
from manyhot.models.evidence import OutOfFoldResults, TrainingRows
from manyhot.models.fine_tuning import train_and_fine_tune
from manyhot.models.measuring import InputRows, measured_report, training_notes, training_summary
from manyhot.models.model import Model


def train_model(
    features: Features,
    labels: LabelSpace,
    targets: Targets,
    encoder: Encoder,
    plan: TrainingConfig,
    runtime: RuntimeConfig,
    network: Any = None,
    sample_weight: np.ndarray | None = None,
    ids: np.ndarray | None = None,
    watch: engine.ProgressCallback | None = None,
    notes: tuple[str, ...] = (),
) -> Model:
    """Encode, merge equal rows, train all members on their folds, score every row out of fold, decide, report.

    Args:
        features: What the encoder takes, n rows.
        labels: The label space.
        targets: Targets (n, l).
        encoder: Not yet fitted.
        plan: Settings that change the result.
        runtime: Settings that do not.
        network: Keras model, or function (input shape, n_labels) -> Keras model, when `plan.network` is "own".
        sample_weight: float (n,), >= 0; a row of weight 0 is as good as absent.
        ids: One id per row as text.
        watch: Called with the progress now and then.
        notes: Sentences about the data for the report.

    Returns:
        The trained model with its report.

    Raises:
        InputError: Targets without anything to learn, or too few rows.
    """
    n = targets.n_samples
    ids = np.arange(1, n + 1).astype(str) if ids is None else ids
    weights = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    is_used = weights > 0
    if not is_used.all():
        features, targets = features[np.flatnonzero(is_used)], targets.take(is_used)
        ids, weights = ids[is_used], weights[is_used]
    check_learnable(targets, labels, plan.folds)
    undecided = untrained_policy(plan, labels)
    fit = prepare_cross_fit(features, targets, encoder, plan, network, weights, labels=labels)
    _, trained = train_and_fine_tune([fit], runtime, watch)
    return build_model(fit, trained, undecided, runtime, InputRows(targets, weights, ids, n, notes))


def build_model(
    fit: CrossFit, trained: engine.TrainingResult, undecided: DecisionPolicy, runtime: RuntimeConfig, given: InputRows
) -> Model:
    """Everything after training: out-of-fold scores, the decider, the evidence, the report.

    Args:
        fit: The fit whose members were trained.
        trained: What training left.
        undecided: A decider that learned nothing; it names the labels.
        runtime: Settings that change only speed.
        given: The rows.
    """
    labels, plan, rows = undecided.space, fit.plan, fit.base.targets.take(fit.rows)
    model = Model(labels, fit.encoder, fit.network, trained.weights, undecided, plan, {}, None, runtime)
    scores, n_scorers = out_of_fold(model.scorer(), fit)
    scored = np.flatnonzero(n_scorers > 0)
    known = merge_equal_scores(scores[scored], rows.take(scored), fit.base.weights[fit.rows][scored])
    model.decider = fit_policy(plan, labels, known)
    calibrated, own = np.zeros_like(scores), np.zeros(scores.shape, dtype=bool)
    calibrated[scored], own[scored] = cross_fitted_decisions(plan, labels, known)
    kept = n_scorers[fit.place] > 0
    rows_given = TrainingRows(given.targets, given.ids, given.weights, *row_history(fit))
    model.evidence = OutOfFoldResults(scores[fit.place][kept], rows_given, trained.curves, trained.best_epoch)
    n_members = len(fit.members)
    is_held_out = n_members == 1 or given.n_streamed > 0
    constant = given.targets.constant_labels() if given.constant is None else given.constant
    facts = report.ReportContext(
        scores_from="held_out" if is_held_out else "out_of_fold",
        n_rows=given.n_rows,
        members=n_members,
        folds=1 if is_held_out else min(plan.folds, n_members, rows.n_samples),
        members_per_score=float(n_scorers[scored].mean()),
        constant_labels=[labels.names[j] for j in constant],
        notes=[*given.notes, *training_notes(given, fit)],
        plan=to_dict(plan),
        training=training_summary(trained) | ({"streamed_rows": given.n_streamed} if given.n_streamed else {}),
    )
    model.report = measured_report(model, calibrated[fit.place][kept], own[fit.place][kept], facts)
    return model
