"""Numbers and facts -> one dict of plain JSON values.

Everything is measured here, from targets, scores and decisions; what cannot be seen in them (members, folds, the plan)
is handed in as `ReportContext`. This must not know how decisions are fitted, nor how anything is trained or printed.
Start reading at `measure_report`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from manyhot import validation
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.evaluation.metrics import MEASURES, Score, brier, ece, log_loss, measure, measure_labels, reliability
from manyhot.evaluation.report.label_statistics import describe
from manyhot.evaluation.report.remarks import diagnose

FORMAT = 1

SCORES_FROM = {
    "out_of_fold": "Scores are out-of-fold: each row is scored only by members that were not trained on it.",
    "held_out": "Scores are of rows that were held out of training.",
    "new": "Scores are of the rows that were handed in for evaluation.",
    "training": "Scores are of rows the network was trained on, so every measure here is far too good.",
}


@dataclass(frozen=True)
class ReportContext:
    """What a report says that cannot be measured from targets and scores.

    Args:
        scores_from: One of `SCORES_FROM`.
        n_rows: Rows handed in, also those that were not scored; None when all were scored.
        members: Members of the deployed mean.
        folds: Folds the rows were split into.
        members_per_score: Members behind each score here (their mean number, where it differs); None: all of them.
        is_tuned_here: Whether the own thresholds were fitted on these very scores.
        constant_labels: Labels that are answered by their prior because they did not vary in training.
        notes: Short sentences to pass on.
        plan: The settings, as plain values.
        training: A summary of the training curves, as plain values.
        raw_scores: Scores before calibration, float like the scores; None where there are no others.
        answering: How scores become answers, as plain values: `decision`, `calibration` (kind -> labels), `guarantee`
            (its words or None), `rules`.

    Raises:
        InputError: A `scores_from` that is not known.
    """

    scores_from: str = "new"
    n_rows: int | None = None
    members: int | None = None
    folds: int | None = None
    members_per_score: float | None = None
    is_tuned_here: bool = False
    constant_labels: Sequence[str] = ()
    notes: Sequence[str] = ()
    plan: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    raw_scores: np.ndarray | None = None
    answering: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        validation.one_of(SCORES_FROM, scores_from=self.scores_from)


def measure_report(
    space: LabelSpace,
    targets: Targets,
    scores: np.ndarray,
    own: np.ndarray,
    half: np.ndarray,
    thresholds: np.ndarray | None = None,
    facts: ReportContext | None = None,
    k: int = 5,
) -> dict[str, Any]:
    """Measure everything and put it into plain values.

    Args:
        space: The names of the l labels.
        targets: Targets (n, l), or deeper with the label axis last.
        scores: Probabilities in the shape of the targets, float in [0, 1].
        own: Decisions of the model as it is deployed, bool.
        half: Decisions at 0.5, bool.
        thresholds: The own thresholds, float (l,); None where decisions do not come from thresholds.
        facts: What cannot be measured; None for scores of new rows and nothing else to say.
        k: Places that `precision_at_k` and `ndcg_at_k` look at.

    Returns:
        `format`, `data` (see `describe`), `scores` (where they come from, with sentences about bias), `measures`
        ("own" and "half" -> measure -> value, n_labels, n_samples, baseline), `k`, `probabilities` (brier, log_loss,
        ece), `raw` (the same and the `reliability` before calibration; None where nothing was calibrated),
        `reliability` (mean score, share and interval of each bin of entries), `answering`, `labels` (one dict per
        label, see `measure_labels`), `diagnosis` (code, text, labels), `notes`, `plan`, `training`. Only dict, list,
        text, int, finite float, bool and None: what is not defined is None.

    Raises:
        InputError: A shape, score, decision, threshold or fact that is wrong.
    """
    facts = facts or ReportContext()
    measured = measure(targets, scores, own, k)
    by_score = {name: score for name, score in measured.items() if MEASURES[name].needs == "scores"}
    at_half = {**measure(targets, None, half, k), **by_score}
    columns = measure_labels(space, targets, scores, own, thresholds)
    at_half_columns = measure_labels(space, targets, scores, half)
    data = describe(space, targets)
    data["rows_given"] = data["rows"] if facts.n_rows is None else facts.n_rows
    left_out = set(facts.constant_labels) | set(data["constant_labels"])
    for name in facts.constant_labels:
        space.index(name)
    data["constant_labels"] = [name for name in space.names if name in left_out]
    report = {
        "format": FORMAT,
        "data": data,
        "scores": _provenance(facts),
        "measures": {"own": _as_values(measured), "half": _as_values({name: at_half[name] for name in measured})},
        "k": k,
        **_as_probabilities(targets, scores),
        "raw": None if facts.raw_scores is None else _as_probabilities(targets, facts.raw_scores),
        "answering": dict(facts.answering),
        "labels": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
        "notes": list(facts.notes),
        "plan": dict(facts.plan),
        "training": dict(facts.training),
    }
    report["diagnosis"] = diagnose(plain(report), at_half_columns["answered"].tolist())
    return plain(report)


def _as_probabilities(targets: Targets, scores: np.ndarray) -> dict[str, Any]:
    measured = {"brier": brier(targets, scores), "log_loss": log_loss(targets, scores), "ece": ece(targets, scores)}
    return {"probabilities": _as_values(measured), "reliability": reliability(targets, scores).to_rows()}


def _as_values(scores: Mapping[str, Score]) -> dict[str, Any]:
    return {name: asdict(score) for name, score in scores.items()}


def _provenance(facts: ReportContext) -> dict[str, Any]:
    remarks = [SCORES_FROM[facts.scores_from]]
    fewer = facts.members_per_score
    if facts.scores_from == "out_of_fold" and (fewer is None or facts.members is None or fewer < facts.members):
        count = "fewer members than" if fewer is None else f"{fewer:g} member{'s' if fewer != 1 else ''}, fewer than"
        deployed = "the deployed mean has" if facts.members is None else f"the {facts.members} of the deployed mean"
        remarks.append(f"Each comes from {count} {deployed}, so measures of the scores are slightly pessimistic.")
    if facts.is_tuned_here:
        remarks.append(
            "The own thresholds were tuned on these very scores, so the measures at own thresholds are slightly "
            "optimistic, most for labels with few positives; those at 0.5 are not."
        )
    return {
        "from": facts.scores_from,
        "members": facts.members,
        "folds": facts.folds,
        "members_per_score": facts.members_per_score,
        "is_tuned_here": facts.is_tuned_here,
        "remarks": remarks,
    }


def plain(value: Any) -> Any:
    """A value as JSON knows it: numpy becomes Python, tuples lists, and a number that is not finite None.

    Raises:
        InputError: Something JSON has no word for.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    raise InputError(f"got {type(value).__name__}, expected plain values (numbers, text, lists)", argument="facts")
