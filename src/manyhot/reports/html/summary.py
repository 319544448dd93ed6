"""What to know first: how good a model is, its weakest labels, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from manyhot.evaluation.chance import ranks_above_chance
from manyhot.evaluation.report.remarks import gains_little

MIN_SUPPORT = 10  # rows of a label below which its F1 is hardly known
SCARCE_SUPPORT = 50  # rows of a weak label below which more of them help first
STRONG_F1 = 0.8  # a label from here on needs no work
WEAK_AUC, STRONG_AUC = 0.8, 0.9  # below, rows are hardly told apart; from here on they are, whatever the threshold
N_WEAKEST = 3
USELESS = ("unclear", "worse")  # verdicts on models that may say nothing at all
POOR = ("barely", *USELESS)  # and on those that are of little use so far
N_STEPS = 3
MAX_DOTS = 30  # labels of the plot: all, or the strongest and the weakest
N_STRONGEST = 10


def summarize(
    report: Mapping[str, Any],
    macro_f1: Mapping[str, Any],
    labels: Mapping[str, Sequence[Any]],
    findings: Sequence[Mapping[str, Any]],
    n_label_errors: int,
    n_expected_errors: float,
    n_training_rows: int,
    model: str | None,
    file: str | None,
) -> dict[str, Any]:
    """The verdict on macro F1, the labels (indices) to name and to draw, and the next steps."""
    n_labels = len(labels["label"])
    with_support = [j for j in range(n_labels) if labels["support"][j] and labels["f1"][j] is not None]
    by_f1 = sorted(with_support, key=lambda j: (-labels["f1"][j], labels["support"][j], j))
    well_known = [j for j in by_f1 if labels["support"][j] >= MIN_SUPPORT] or by_f1
    # of equally weak labels the frequent ones first: they cost most
    weakest = sorted(well_known, key=lambda j: (labels["f1"][j], -labels["support"][j], j))[:N_WEAKEST]
    unranked = unranked_labels(labels)
    is_seen = n_training_rows > 0 or report["scores"]["from"] == "training"
    kind = _verdict(macro_f1, is_seen)
    return {
        "kind": kind,
        "share_of_gap": _share_of_gap(macro_f1),
        "weakest": weakest,  # N_WEAKEST at most, also where they are good
        "weak": [j for j in weakest if labels["f1"][j] < STRONG_F1],
        "unranked": unranked,
        "below_constant": [j for j in with_support if labels["f1"][j] <= labels["constant_f1"][j]],
        "n_never_right": sum(labels["f1"][j] == 0 for j in well_known),
        "n_few_rows": sum(labels["support"][j] < MIN_SUPPORT for j in range(n_labels)),
        "few_rows": [j for j in reversed(by_f1) if labels["support"][j] < MIN_SUPPORT and j not in weakest][:N_WEAKEST],
        "min_support": MIN_SUPPORT,
        "weak_auc": WEAK_AUC,
        "strong_auc": STRONG_AUC,
        "dots": _dots(by_f1, well_known),
        "next_steps": _next_steps(
            labels, findings, weakest, unranked, (n_label_errors, n_expected_errors), kind, model, file
        ),
    }


def unranked_labels(labels: Mapping[str, Sequence[Any]]) -> list[int]:
    """Labels with enough rows whose positives do not score clearly higher than their negatives, the worst first."""
    areas = np.array([np.nan if area is None else area for area in labels["roc_auc"]], dtype=float)
    support, known = np.asarray(labels["support"]), np.asarray(labels["n_known"])
    is_unranked = (support >= MIN_SUPPORT) & ~np.isnan(areas) & ~ranks_above_chance(areas, support, known)
    return sorted(np.flatnonzero(is_unranked).tolist(), key=lambda j: (areas[j], j))


def _verdict(macro_f1: Mapping[str, Any], is_seen: bool) -> str:
    """ "better", "barely", "unclear" or "worse" than a constant prediction; "seen" for training rows, else "none"."""
    ends, baseline = macro_f1["decision"], macro_f1["baseline"]
    if ends["value"] is None or baseline is None:
        return "none"
    if is_seen:
        return "seen"
    low, high = (ends["value"] if ends[end] is None else ends[end] for end in ("low", "high"))
    if low > baseline:
        return "barely" if gains_little(ends["value"], baseline) else "better"
    return "worse" if high < baseline else "unclear"


def _share_of_gap(macro_f1: Mapping[str, Any]) -> float | None:
    """How far the value is on the way from a constant prediction to 1."""
    value, baseline = macro_f1["decision"]["value"], macro_f1["baseline"]
    return None if value is None or baseline is None or baseline >= 1 else (value - baseline) / (1 - baseline)


def _dots(by_f1: list[int], well_known: list[int]) -> dict[str, Any]:
    """Labels to draw, the strongest first; of many the strongest and the weakest."""
    if len(by_f1) <= MAX_DOTS:
        return {"strongest": by_f1, "weakest": [], "n_between": 0}
    if len(well_known) <= MAX_DOTS:
        return {"strongest": well_known, "weakest": [], "n_between": len(by_f1) - len(well_known)}
    weakest = well_known[N_STRONGEST - MAX_DOTS :]
    return {"strongest": well_known[:N_STRONGEST], "weakest": weakest, "n_between": len(by_f1) - MAX_DOTS}


def _next_steps(
    labels: Mapping[str, Sequence[Any]],
    findings: Sequence[Mapping[str, Any]],
    weakest: Sequence[int],
    unranked: Sequence[int],
    label_errors: tuple[int, float],
    verdict: str,
    model: str | None,
    file: str | None,
) -> list[dict[str, Any]]:
    """The first steps that apply, each a `kind`, what its sentence needs, and a `command` where there is one."""
    name = "MODEL" if model is None else shlex.quote(model)
    steps: list[dict[str, Any]] = []
    is_seen = verdict == "seen"
    if is_seen:
        steps.append({"kind": "new_rows", "command": f"manyhot report {name} NEW-FILE"})
    if verdict in POOR:
        steps.append({"kind": "improve"})
    if unranked and not is_seen:
        steps.append({"kind": "unranked", "labels": list(unranked[:N_WEAKEST]), "n_labels": len(unranked)})
    n_errors = sum(finding["severity"] == "error" for finding in findings)
    if n_errors:
        steps.append({"kind": "data", "count": n_errors})
    n_label_errors, n_expected = label_errors
    if n_label_errors and verdict not in USELESS:  # whose scores cannot contradict what is recorded
        command = f"manyhot label-errors {name} -o suspicious.csv" if file is None else None
        steps.append({"kind": "label_errors", "count": n_label_errors, "expected": n_expected, "command": command})
    weak = [j for j in weakest if labels["f1"][j] < STRONG_F1 and j not in unranked]
    scarce = [j for j in weak if labels["support"][j] < SCARCE_SUPPORT]
    if scarce:
        steps.append({"kind": "collect", "labels": scarce})
    plentiful = [j for j in weak if labels["support"][j] >= SCARCE_SUPPORT]
    if plentiful:
        steps.append({"kind": "study", "labels": plentiful[:1]})
    steps.append({"kind": "thresholds"})
    if file is None:
        steps.append({"kind": "test", "command": f"manyhot report {name} NEW-FILE"})
    steps.append({"kind": "predict", "command": f"manyhot predict {name} NEW-FILE -o predictions.csv"})
    return steps[:N_STEPS]
