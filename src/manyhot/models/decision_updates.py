"""Other thresholds, rules or guarantees for a trained model, from the out-of-fold scores that it keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from manyhot.config.training import TrainingConfig
from manyhot.data.deduplication import duplicate_fraction, fingerprints
from manyhot.data.labels import LabelSpace
from manyhot.data.splitting.folds import stratified_folds
from manyhot.data.targets import Targets
from manyhot.decisions import guarantees
from manyhot.decisions import thresholds as threshold_methods
from manyhot.decisions.policy import (
    SPREAD_FOLDS,
    DecisionPolicy,
    cross_fitted_decisions,
    decision_params,
    fit_policy,
    is_tuned,
    placeholder_row,
)
from manyhot.decisions.rules.rules import Rules
from manyhot.errors import InputError
from manyhot.evaluation import report
from manyhot.evaluation.metrics import METRICS
from manyhot.evaluation.report.measure import to_json_value
from manyhot.models.cross_fitting import Features
from manyhot.models.evidence import OutOfFoldResults
from manyhot.models.measuring import measure_out_of_fold
from manyhot.models.model import EarlierDecisions, Model

MAX_TRAINING_SHARE = 0.1
"""Share of rows for a promise that may be equal to rows of training."""
NO_THRESHOLDS = "decisions by the highest scores have no thresholds; decide with 'fixed' or 'f1_macro' first"


def tune_thresholds(model: Model, name: str, settings: Mapping[str, Any]) -> None:
    """Choose thresholds for another metric, on the out-of-fold scores that the model keeps.

    Where a setting names some labels only, such as min_precision={"sad": 0.9}, the others keep their thresholds.
    """
    labels = _labels_named_alone(model.labels, settings)
    if labels:
        _tune_labels(model, name, settings, labels)
        return
    config_fields = threshold_methods.DECISIONS[name].config_fields if name in threshold_methods.DECISIONS else {}
    config_values = {field: settings[field] for field in config_fields.values() if field in settings}
    other_params = {key: value for key, value in settings.items() if key not in config_fields.values()}
    config = replace(model.config, decision=name, decision_params=other_params or None, **config_values)
    space = model.labels
    decision = threshold_methods.build(name, decision_params(config), space)
    if not is_tuned(config):
        replace_policy(model, model.policy.with_decision(decision.fit(*placeholder_row(len(space)))), config)
        return
    evidence = current_evidence(model, f"choose thresholds for {name}")
    fitted = fit_policy(config, space, evidence.unique_scores(), calibration=model.policy.calibration)
    replace_policy(model, model.policy.with_decision(fitted.decision), config)


def _labels_named_alone(space: LabelSpace, settings: Mapping[str, Any]) -> list[str]:
    """The labels that settings by label name are given for, in their order; none where that is all of them."""
    columns = {space.index(label) for value in settings.values() if isinstance(value, Mapping) for label in value}
    return [] if len(columns) == len(space) else [space.names[j] for j in sorted(columns)]


def _tune_labels(model: Model, name: str, settings: Mapping[str, Any], labels: Sequence[str]) -> None:
    """Let some labels choose their thresholds for themselves; the report is cross-fitted as for all labels."""
    policy, space = model.policy, LabelSpace(tuple(labels), model.labels.is_integer)
    if policy.thresholds is None:
        raise InputError(NO_THRESHOLDS)
    if policy.guarantee is not None:
        policy = with_thresholds(policy, {})
    settings = threshold_methods.build(name, settings, space).settings()
    exceptions = dict(policy.exceptions)
    for k, label in enumerate(labels):
        own = {key: value[k] if isinstance(value, list) else value for key, value in settings.items()}
        exceptions[label] = threshold_methods.build(name, own)
    rows = current_evidence(model, f"choose thresholds for {name}").unique_scores()
    folds = stratified_folds(rows.targets, SPREAD_FOLDS, model.config.random_state)
    replace_policy(model, policy.with_exceptions(exceptions, rows, folds), model.config)


def set_thresholds(model: Model, values: Mapping[str, float]) -> None:
    """Set the thresholds of some labels by hand, in [0, 1]."""
    replace_policy(model, with_thresholds(model.policy, values), model.config)


def with_thresholds(policy: DecisionPolicy, values: Mapping[str, float]) -> DecisionPolicy:
    """A policy with some labels' thresholds set by hand, in [0, 1]."""
    if not isinstance(values, Mapping):
        raise InputError(f"got {type(values).__name__}, expected {{label: threshold}}", argument="values")
    if policy.thresholds is None:
        raise InputError(NO_THRESHOLDS)
    space, decision = policy.space, policy.decision
    thresholds = threshold_methods.Thresholds(policy.thresholds)
    for name, value in values.items():
        thresholds = thresholds.with_value(space, name, value)
    if decision.thresholds is None:
        decision = threshold_methods.build("fixed").fit(*placeholder_row(len(space)))
    edited = decision.with_thresholds(thresholds)
    if decision.spread is not None and policy.guarantee is None:
        edited.spread = decision.spread.copy()
        edited.spread[[space.index(name) for name in values]] = 0.0  # what is set by hand does not vary
    changed = {space.names[space.index(name)] for name in values}
    others = {label: own for label, own in policy.exceptions.items() if label not in changed}
    return replace(policy.with_decision(edited, is_manual=True), exceptions=others)


def set_rules(model: Model, rules: Rules) -> None:
    """Let other rules hold between labels."""
    policy = model.policy.with_rules(rules)
    config = replace(
        model.config,
        implies=rules.implies,
        exclusive=rules.exclusive,
        min_labels=rules.min_labels,
        max_labels=rules.max_labels,
    )
    replace_policy(model, policy, config)


def apply_guarantee(
    model: Model,
    scores: np.ndarray,
    targets: Targets,
    miss_rate: float | None,
    false_discovery_rate: float | None,
    confidence: float,
    per_label: bool,
    simultaneous: bool,
) -> guarantees.Guarantee:
    """Choose thresholds that keep a guarantee, on calibrated scores (n, l) of rows that training never saw."""
    if (miss_rate is None) == (false_discovery_rate is None):
        raise InputError("give either miss_rate or false_discovery_rate, such as miss_rate=0.1", argument="miss_rate")
    if miss_rate is not None and simultaneous:
        raise InputError(
            "belongs to false_discovery_rate; a guarantee on the miss rate is an average", argument="simultaneous"
        )
    if miss_rate is not None:
        guarantee = guarantees.control_miss_rate(scores, targets, miss_rate, per_label)
    else:
        assert false_discovery_rate is not None
        guide = None
        if model.evidence is not None and not model.evidence.is_stale:
            guide = (calibrated_scores(model), model.evidence.targets)
        guarantee = guarantees.control_false_discoveries(
            scores, targets, false_discovery_rate, confidence, per_label, simultaneous, guide
        )
    replace_policy(model, model.policy.with_guarantee(guarantee), model.config)
    return guarantee


def check_not_training_rows(model: Model, features: Features) -> None:
    """Refuse rows of which many were there in training, as far as the model remembers those."""
    n_known, n_rows = count_training_rows(model, features), features.shape[0]
    if n_known:
        use = "in training" if model.makes_scores else "to fit the decisions"
        raise InputError(
            f"{n_known} of these {n_rows} rows were used {use}, so their scores guarantee nothing; calibrate on rows "
            "held out of it",
            argument="X",
        )


def count_training_rows(model: Model, features: Features) -> int:
    """How many of these rows were there in training, as far as the model remembers those; 0 for what may be chance."""
    if model.evidence is None:
        return 0
    row_fingerprints, training_fingerprints = (
        fingerprints(model.encoder.transform(features)),
        model.evidence.rows.fingerprints,
    )
    n_equal, share = (
        int(np.isin(row_fingerprints, training_fingerprints).sum()),
        duplicate_fraction(training_fingerprints),
    )
    n_by_chance = share * len(row_fingerprints) + 2 * np.sqrt(share * (1 - share) * len(row_fingerprints))
    return n_equal if n_equal > n_by_chance + MAX_TRAINING_SHARE * len(row_fingerprints) else 0


def current_evidence(model: Model, purpose: str) -> OutOfFoldResults:
    """The out-of-fold scores that the model keeps."""
    if model.evidence is None:
        raise InputError(f"the model was saved without out-of-fold scores (evidence), which are needed to {purpose}")
    if model.evidence.is_stale:
        raise InputError(f"training went on after the out-of-fold scores were made; fit anew to {purpose}")
    return model.evidence


def calibrated_scores(model: Model) -> np.ndarray:
    """The out-of-fold scores as the deployed calibration maps them, (n, l)."""
    assert model.evidence is not None
    return model.policy.calibrate(model.evidence.scores)


def replace_policy(model: Model, policy: DecisionPolicy, config: TrainingConfig) -> None:
    """Make a model decide by another policy, with a report that fits it; what it replaces can be restored."""
    model.previous = current_decisions(model)
    model.policy, model.config = policy, config
    evidence = model.evidence
    if evidence is None or evidence.is_stale:
        model.report = model.clear_measures(clear_decisions(model.report, policy, model.settings()))
        return
    scores, decisions = cross_fitted_decisions(config, model.labels, evidence.unique_scores(), policy)
    model.report = measure_out_of_fold(model, scores, decisions, report_context(model, policy.has_given_thresholds))


def current_decisions(model: Model) -> EarlierDecisions:
    """How a model decides now."""
    return EarlierDecisions(model.policy, model.config, model.report)


def undo_decisions(model: Model) -> None:
    """Restore how the model decided before the last change; a second call brings the change back."""
    if model.previous is None:
        raise InputError("there is no change of thresholds, rules or guarantee to undo")
    restored, model.previous = model.previous, current_decisions(model)
    model.policy, model.config, model.report = restored.policy, restored.config, restored.report


def clear_decisions(values: Mapping[str, Any], policy: DecisionPolicy, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A report that cannot be measured again: what it says of answers at own thresholds is taken out."""
    thresholds = policy.thresholds
    decision_metrics = {
        name: {**score, "value": None} if METRICS[name].needs == "decisions" else score
        for name, score in values["metrics"]["decision"].items()
    }
    cleared = dict.fromkeys(("predicted", "precision", "recall", "f1"))
    labels = [
        {**row, **cleared, "threshold": None if thresholds is None else float(thresholds[j])}
        for j, row in enumerate(values["labels"])
    ]
    note = "Thresholds were changed without scores to measure them on, so there are no metrics of the decisions."
    return {
        **values,
        "metrics": {**values["metrics"], "decision": decision_metrics},
        "labels": labels,
        "notes": [*(text for text in values["notes"] if text != note), note],
        "config": to_json_value(settings),
        "policy": policy.describe(),
    }


def report_context(model: Model, is_manual: bool) -> report.ReportContext:
    """What a model's present report says that cannot be measured."""
    values = model.report
    source = values["scores"]
    return report.ReportContext(
        scores_from=source["from"],
        n_rows=values["data"]["rows_total"],
        n_members=source["n_members"],
        n_folds=source["n_folds"],
        members_per_score=source["members_per_score"],
        is_tuned_here=is_manual,
        constant_labels=values["data"]["constant_labels"],
        notes=values["notes"],
        config=model.settings(),
        training=values["training"],
    )
