"""Changing what a trained model answers, without training: thresholds, rules, promises.

Works on a `Model` and on the out-of-fold scores that it keeps as evidence; every change gives the model a new decider
and a report that fits it. How X and y come in it does not know. Start reading at `decide_for`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from manyhot.config.training import TrainingConfig, to_dict
from manyhot.data.deduplication import fingerprints, repeated_share
from manyhot.data.targets import Targets
from manyhot.decisions import guarantees
from manyhot.decisions import thresholds as decide
from manyhot.decisions.policy import (
    PLAN_FIELDS,
    DecisionPolicy,
    cross_fitted_decisions,
    decision_settings,
    fit_policy,
    honest_scores,
    is_tuned,
    placeholder_row,
)
from manyhot.decisions.rules.rules import Rules
from manyhot.errors import InputError
from manyhot.evaluation import report
from manyhot.evaluation.metrics import MEASURES
from manyhot.evaluation.report.measure import plain
from manyhot.models.cross_fitting import Features
from manyhot.models.evidence import OutOfFoldResults
from manyhot.models.measuring import measured_report
from manyhot.models.model import Model

MAX_SEEN = 0.1
"""Share of rows for a promise that may be equal to rows of training."""


def decide_for(model: Model, name: str, settings: Mapping[str, Any]) -> None:
    """Choose thresholds for another measure, on the out-of-fold scores that the model keeps.

    Args:
        model: The model; its decider, plan and report are replaced.
        name: A row of `decide.DECISIONS`.
        settings: The decision's settings by name.

    Raises:
        InputError: An unknown name or setting, or a model that keeps no fresh out-of-fold scores.
    """
    of_plan = PLAN_FIELDS.get(name, {})
    own = {field: settings[key] for key, field in of_plan.items() if key in settings}
    others = {key: value for key, value in settings.items() if key not in of_plan}
    plan = replace(model.plan, decide=name, decide_settings=others or None, **own)
    space = model.labels
    decision = decide.build(name, decision_settings(plan), space)
    if not is_tuned(plan):
        replace_policy(model, model.decider.with_decision(decision.fit(*placeholder_row(len(space)))), plan)
        return
    evidence = current_evidence(model, f"choose thresholds for {name}")
    made = fit_policy(plan, space, evidence.settled(), calibration=model.decider.calibration)
    replace_policy(model, model.decider.with_decision(made.decision), plan)


def set_thresholds(model: Model, values: Mapping[str, float]) -> None:
    """Set the thresholds of some labels by hand, in [0, 1].

    Raises:
        InputError: An unknown label, a value outside [0, 1], or a decision without thresholds.
    """
    replace_policy(model, with_thresholds(model.decider, values), model.plan)


def with_thresholds(decider: DecisionPolicy, values: Mapping[str, float]) -> DecisionPolicy:
    """A decider with some labels' thresholds set by hand, in [0, 1].

    Raises:
        InputError: An unknown label, a value outside [0, 1], or a decision without thresholds.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"got {type(values).__name__}, expected {{label: threshold}}", argument="values")
    if decider.thresholds is None:
        raise InputError("decisions by the highest scores have no thresholds; decide with 'half' or 'f1_macro' first")
    space, decision = decider.space, decider.decision
    thresholds = decide.Thresholds(decider.thresholds)
    for name, value in values.items():
        thresholds = thresholds.with_value(space, name, value)
    if decision.thresholds is None:
        decision = decide.build("half").fit(*placeholder_row(len(space)))
    edited = decision.with_thresholds(thresholds)
    if decision.spread is not None and decider.guarantee is None:
        edited.spread = decision.spread.copy()
        edited.spread[[space.index(name) for name in values]] = 0.0  # what is set by hand does not vary
    return decider.with_decision(edited, is_given=True)


def set_rules(model: Model, rules: Rules) -> None:
    """Let other rules hold between labels.

    Raises:
        InputError: Unknown names, rules that contradict each other, or a guarantee in force.
    """
    decider = model.decider.with_rules(rules)
    plan = replace(
        model.plan,
        implies=rules.implies,
        exclusive=rules.exclusive,
        least_labels=rules.least,
        most_labels=rules.most,
    )
    replace_policy(model, decider, plan)


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
    """Choose thresholds that keep a promise, on rows that training never saw.

    Args:
        model: The model; its decider and report are replaced.
        scores: Calibrated scores (n, l) of the rows.
        targets: Their targets.
        miss_rate: Share of labels missed, at most; or None.
        false_discovery_rate: Share of wrong answers among the answers, at most; or None.
        confidence: Probability with which the bound on false discoveries holds.
        per_label: Whether the promise is made for every label by itself.
        simultaneous: Whether the confidence is that of all labels together.

    Raises:
        InputError: Not exactly one of the two rates, too few rows for the promise, or rules in force.
    """
    if (miss_rate is None) == (false_discovery_rate is None):
        raise InputError("say one of miss_rate and false_discovery_rate, such as miss_rate=0.1", argument="miss_rate")
    if miss_rate is not None and simultaneous:
        raise InputError(
            "belongs to false_discovery_rate; a promise about misses is an average", argument="simultaneous"
        )
    if miss_rate is not None:
        guarantee = guarantees.control_miss_rate(scores, targets, miss_rate, per_label)
    else:
        assert false_discovery_rate is not None
        guide = None
        if model.evidence is not None and not model.evidence.is_stale:
            guide = (calibrated(model), model.evidence.targets)
        guarantee = guarantees.control_false_discoveries(
            scores, targets, false_discovery_rate, confidence, per_label, simultaneous, guide
        )
    replace_policy(model, model.decider.with_guarantee(guarantee), model.plan)
    return guarantee


def check_not_training_rows(model: Model, features: Features) -> None:
    """Refuse rows of which many were there in training, as far as the model remembers those.

    Raises:
        InputError: With how many there were.
    """
    n_seen, n_rows = rows_seen(model, features), features.shape[0]
    if n_seen:
        raise InputError(
            f"{n_seen} of these {n_rows} rows were there in training, and nothing can be promised from their "
            "scores; keep rows out of fit for this",
            argument="X",
        )


def rows_seen(model: Model, features: Features) -> int:
    """How many of these rows were there in training, as far as the model remembers those; 0 for what may be chance.

    Some rows are equal to rows of training by chance: about as many as rows of training are to each other. Where a
    tenth more are, they are rows of training.
    """
    if model.evidence is None:
        return 0
    numbers, known = fingerprints(model.encoder.transform(features)), model.evidence.rows.fingerprints
    n_equal, share = int(np.isin(numbers, known).sum()), repeated_share(known)
    by_chance = share * len(numbers) + 2 * np.sqrt(share * (1 - share) * len(numbers))
    return n_equal if n_equal > by_chance + MAX_SEEN * len(numbers) else 0


def current_evidence(model: Model, purpose: str) -> OutOfFoldResults:
    """The out-of-fold scores that the model keeps.

    Args:
        model: The model.
        purpose: What they are needed for, in words.

    Raises:
        InputError: There are none, or training went on after they were made.
    """
    if model.evidence is None:
        raise InputError(f"the model was saved without out-of-fold scores (evidence), which are needed to {purpose}")
    if model.evidence.is_stale:
        raise InputError(f"training went on after the out-of-fold scores were made; fit anew to {purpose}")
    return model.evidence


def calibrated(model: Model) -> np.ndarray:
    """The out-of-fold scores as the deployed calibration maps them, (n, l)."""
    assert model.evidence is not None
    return model.decider.scores(model.evidence.scores)


def replace_policy(model: Model, decider: DecisionPolicy, plan: TrainingConfig) -> None:
    """Make a model answer by another decider, with a report that fits it.

    Args:
        model: The model.
        decider: The decider.
        plan: The plan that names it.
    """
    model.decider, model.plan = decider, plan
    evidence = model.evidence
    if evidence is None or evidence.is_stale:
        model.report = model.unmeasured(without_answers(model.report, decider, plan))
        return
    is_given = decider.is_given or decider.guarantee is not None
    if is_given:
        scores = honest_scores(plan, evidence.settled())
        own = decider.answers(scores)
    else:
        scores, own = cross_fitted_decisions(plan, model.labels, evidence.settled())
    model.report = measured_report(model, scores, own, facts_of(model, is_given))


def without_answers(values: Mapping[str, Any], decider: DecisionPolicy, plan: TrainingConfig) -> dict[str, Any]:
    """A report that cannot be measured again: what it says of answers at own thresholds is taken out."""
    thresholds = decider.thresholds
    own = {
        name: {**score, "value": None} if MEASURES[name].needs == "decisions" else score
        for name, score in values["measures"]["own"].items()
    }
    gone = dict.fromkeys(("answered", "precision", "recall", "f1"))
    labels = [
        {**row, **gone, "threshold": None if thresholds is None else float(thresholds[j])}
        for j, row in enumerate(values["labels"])
    ]
    note = "Thresholds were changed without scores to measure them on, so nothing is said of answers at own thresholds."
    return {
        **values,
        "measures": {**values["measures"], "own": own},
        "labels": labels,
        "notes": [*(one for one in values["notes"] if one != note), note],
        "plan": plain(to_dict(plan)),
        "answering": decider.described(),
    }


def facts_of(model: Model, is_given: bool) -> report.ReportContext:
    """What a model's present report says that cannot be measured."""
    values = model.report
    source = values["scores"]
    return report.ReportContext(
        scores_from=source["from"],
        n_rows=values["data"]["rows_given"],
        members=source["members"],
        folds=source["folds"],
        members_per_score=source["members_per_score"],
        is_tuned_here=is_given,
        constant_labels=values["data"]["constant_labels"],
        notes=values["notes"],
        plan=to_dict(model.plan),
        training=values["training"],
    )
