"""Measure everything that a report says, as one dict of plain JSON values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from manyhot import validation
from manyhot.data.hierarchy import Hierarchy
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.evaluation.metrics import (
    METRICS,
    Score,
    brier,
    compute_label_metrics,
    compute_metrics,
    ece,
    log_loss,
    reliability,
)
from manyhot.evaluation.metrics.paired import decision_differences
from manyhot.evaluation.metrics.registry import choose_k
from manyhot.evaluation.report.label_statistics import describe
from manyhot.evaluation.report.remarks import check_report

FORMAT = 1

SCORES_FROM = {
    "out_of_fold": "Scores are out-of-fold: each row is scored only by networks that were not trained on it.",
    "held_out": "Scores are of rows that were held out of training.",
    "supplied": "Scores were made by another program and handed in. The figures hold if no row was scored by a model "
    "that was trained on it: scores of training rows flatter. Thresholds and calibration are cross-fitted.",
    "new": "Scores are of the rows given for evaluation.",
    "training": "The model was trained on these rows, so every score here is far too good.",
}


@dataclass(frozen=True)
class ReportContext:
    """What a report says that cannot be measured from targets and scores."""

    scores_from: str = "new"  # one of `SCORES_FROM`
    n_rows: int | None = None  # rows handed in, also those not scored; None: all were scored
    n_members: int | None = None  # members of the deployed mean
    n_folds: int | None = None
    members_per_score: float | None = None  # their mean number; None: all members
    is_tuned_here: bool = False  # thresholds were fitted on these very scores
    constant_labels: Sequence[str] = ()  # answered by their prior, since they did not vary in training
    notes: Sequence[str] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)  # a summary of the training curves
    raw_scores: np.ndarray | None = None  # before calibration; None where there are no others
    decision_info: Mapping[str, Any] = field(default_factory=dict)  # `DecisionPolicy.describe()`
    hierarchy: Hierarchy | None = None  # of a taxonomy

    def __post_init__(self) -> None:
        validation.one_of(SCORES_FROM, scores_from=self.scores_from)


def measure_report(
    space: LabelSpace,
    targets: Targets,
    scores: np.ndarray,
    decisions: np.ndarray,
    fixed_decisions: np.ndarray,
    thresholds: np.ndarray | None = None,
    context: ReportContext | None = None,
    k: int | None = None,
) -> dict[str, Any]:
    """Measure scores and decisions, label axis last, as plain JSON values; None where undefined.

    `k` is for precision and nDCG at k; None to choose it by how many labels rows have.
    """
    context, k = context or ReportContext(), k or choose_k(targets)
    measured = compute_metrics(targets, scores, decisions, k, hierarchy=context.hierarchy)
    score_metrics = {name: score for name, score in measured.items() if METRICS[name].needs == "scores"}
    at_half = compute_metrics(targets, None, fixed_decisions, k, hierarchy=context.hierarchy)
    fixed_measured = {**at_half, **score_metrics}
    columns = compute_label_metrics(space, targets, scores, decisions, thresholds)
    fixed_columns = compute_label_metrics(space, targets, scores, fixed_decisions)
    data = describe(space, targets)
    data["rows_total"] = data["rows"] if context.n_rows is None else context.n_rows
    left_out = set(context.constant_labels) | set(data["constant_labels"])
    for name in context.constant_labels:
        space.index(name)
    data["constant_labels"] = [name for name in space.names if name in left_out]
    report = {
        "format": FORMAT,
        "data": data,
        "scores": _provenance(context),
        "metrics": {
            "decision": _scores_to_dict(measured),
            "fixed": _scores_to_dict({name: fixed_measured[name] for name in measured}),
        },
        "comparison": _compare_decisions(targets, decisions, fixed_decisions),
        "k": k,
        **_measure_probabilities(targets, scores),
        "raw": None if context.raw_scores is None else _measure_probabilities(targets, context.raw_scores),
        "policy": dict(context.decision_info),
        "labels": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
        "notes": list(context.notes),
        "config": dict(context.config),
        "training": dict(context.training),
    }
    report["checks"] = check_report(to_json_value(report), fixed_columns["predicted"].tolist())
    return to_json_value(report)


def _compare_decisions(
    targets: Targets, decisions: np.ndarray, fixed_decisions: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Metric -> how far the decisions are from those at 0.5, its error, and which is clearly better ("" for none)."""
    compared = {}
    for name, difference in decision_differences(targets, decisions, fixed_decisions).items():
        is_higher = (difference.value > 0) == METRICS[name].higher_is_better
        better = ("decision" if is_higher else "fixed") if difference.is_clear else ""
        compared[name] = {**difference._asdict(), "better": better}
    return compared


def _measure_probabilities(targets: Targets, scores: np.ndarray) -> dict[str, Any]:
    # The share of a label as its probability is calibrated and says nothing, so a baseline of 0 would mislead
    calibration_error = replace(ece(targets, scores), baseline=None)
    measured = {"brier": brier(targets, scores), "log_loss": log_loss(targets, scores), "ece": calibration_error}
    return {"probabilities": _scores_to_dict(measured), "reliability": reliability(targets, scores).to_rows()}


def _scores_to_dict(scores: Mapping[str, Score]) -> dict[str, Any]:
    return {name: asdict(score) for name, score in scores.items()}


def _provenance(context: ReportContext) -> dict[str, Any]:
    remarks = [SCORES_FROM[context.scores_from]]
    n_members = context.members_per_score
    if context.scores_from == "out_of_fold" and (
        n_members is None or context.n_members is None or n_members < context.n_members
    ):
        count = "fewer" if n_members is None else f"{n_members:g}"
        networks = "networks than predictions" if context.n_members is None else f"of the {context.n_members} networks"
        remarks.append(f"Each row is scored by {count} {networks}, so these scores are slightly pessimistic.")
    if context.is_tuned_here:
        remarks.append(
            "The thresholds were tuned on these very scores, so the metrics at tuned thresholds are slightly "
            "optimistic, most for labels with few positives; those at 0.5 are not."
        )
    return {
        "from": context.scores_from,
        "n_members": context.n_members,
        "n_folds": context.n_folds,
        "members_per_score": context.members_per_score,
        "is_tuned_here": context.is_tuned_here,
        "remarks": remarks,
    }


def to_json_value(value: Any) -> Any:
    """Convert to JSON values: NumPy to Python, tuples to lists, and numbers that are not finite to None."""
    if isinstance(value, (np.ndarray, np.generic)):
        return to_json_value(value.tolist())
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): to_json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json_value(item) for item in value]
    raise InputError(f"got {type(value).__name__}, expected plain values (numbers, text, lists)", argument="facts")
