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
from manyhot.data.feature_input import row_weights
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
from manyhot.models.checks import check_learnable, count_folds
from manyhot.models.cross_fitting import CrossFit, Features, prepare_cross_fit, row_history, score_out_of_fold
from manyhot.models.evidence import OutOfFoldResults, TrainingRows
from manyhot.models.fine_tuning import train_and_fine_tune
from manyhot.models.measuring import InputRows, measure_out_of_fold, training_notes, training_summary
from manyhot.models.model import Model
from manyhot.models.training_data import TrainingInputs


def train_model(
    features: Features,
    labels: LabelSpace,
    targets: Targets,
    encoder: Encoder,
    config: TrainingConfig,
    runtime: RuntimeConfig,
    network: Any = None,
    sample_weight: np.ndarray | None = None,
    ids: np.ndarray | None = None,
    callback: engine.ProgressCallback | None = None,
    notes: tuple[str, ...] = (),
) -> Model:
    """Encode, merge equal rows, train all members on their folds, score every row out of fold, decide, report.

    Args:
        features: What the encoder takes, n rows.
        labels: The label space.
        targets: Targets (n, l).
        encoder: Not yet fitted.
        config: Settings that change the result.
        runtime: Settings that do not.
        network: Keras model, or function (input shape, n_labels) -> Keras model, when `config.network` is "custom".
        sample_weight: float (n,), >= 0; a row of weight 0 is as good as absent.
        ids: One id per row as text.
        callback: Called with the progress now and then.
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
    check_learnable(targets, labels, count_folds(config, targets.n_samples))
    untrained = untrained_policy(config, labels)
    fit = prepare_cross_fit(features, targets, encoder, config, network, weights, labels=labels)
    _, trained = train_and_fine_tune([fit], runtime, callback)
    return build_model(fit, trained, untrained, runtime, InputRows(targets, weights, ids, n, notes))


def train_inputs(
    inputs: TrainingInputs,
    network: Any = None,
    sample_weight: np.ndarray | None = None,
    callback: engine.ProgressCallback | None = None,
) -> Model:
    """`train_model` on inputs as `prepare_inputs` gives them.

    Args:
        inputs: Features, targets and settings.
        network: As for `train_model`.
        sample_weight: (m,), one weight for each row that was handed over, 0 or more; None: all alike.
        callback: Called with the progress now and then.
    """
    weights = inputs.select_rows(sample_weight, "sample_weight")
    return train_model(
        inputs.features,
        inputs.labels,
        inputs.targets,
        inputs.encoder(),
        inputs.config,
        inputs.runtime,
        network=network,
        sample_weight=None if weights is None else row_weights(weights, inputs.targets.n_samples),
        ids=inputs.ids,
        callback=callback,
        notes=inputs.notes,
    )


def build_model(
    fit: CrossFit,
    trained: engine.TrainingResult,
    untrained: DecisionPolicy,
    runtime: RuntimeConfig,
    input_rows: InputRows,
) -> Model:
    """Everything after training: out-of-fold scores, the policy, the evidence, the report.

    Args:
        fit: The fit whose members were trained.
        trained: What training left.
        untrained: A policy that learned nothing; it names the labels.
        runtime: Settings that change only speed.
        input_rows: The rows.
    """
    labels, config, rows = untrained.space, fit.config, fit.data.targets.take(fit.rows)
    model = Model(labels, fit.encoder, fit.network, trained.weights, untrained, config, {}, None, runtime)
    scores, n_scorers = score_out_of_fold(model.scorer(), fit)
    scored = np.flatnonzero(n_scorers > 0)
    unique_scores = merge_equal_scores(scores[scored], rows.take(scored), fit.data.weights[fit.rows][scored])
    model.policy = fit_policy(config, labels, unique_scores)
    calibrated, decisions = np.zeros_like(scores), np.zeros(scores.shape, dtype=bool)
    calibrated[scored], decisions[scored] = cross_fitted_decisions(config, labels, unique_scores)
    is_scored = n_scorers[fit.place] > 0
    training_rows = TrainingRows(input_rows.targets, input_rows.ids, input_rows.weights, *row_history(fit))
    model.evidence = OutOfFoldResults(scores[fit.place][is_scored], training_rows, trained.curves, trained.best_epoch)
    n_members = len(fit.members)
    is_held_out = n_members == 1 or input_rows.n_streamed > 0
    constant = input_rows.targets.constant_labels() if input_rows.constant is None else input_rows.constant
    context = report.ReportContext(
        scores_from="held_out" if is_held_out else "out_of_fold",
        n_rows=input_rows.n_rows,
        n_members=n_members,
        n_folds=1 if is_held_out else min(config.n_folds, n_members, rows.n_samples),
        members_per_score=float(n_scorers[scored].mean()),
        constant_labels=[labels.names[j] for j in constant],
        notes=[*input_rows.notes, *training_notes(input_rows, fit)],
        config=to_dict(config),
        training=training_summary(trained)
        | ({"streamed_rows": input_rows.n_streamed} if input_rows.n_streamed else {}),
    )
    model.report = measure_out_of_fold(
        model, calibrated[fit.place][is_scored], decisions[fit.place][is_scored], context
    )
    return model
