"""Everything that a page shows, measured from arrays and finished reports and put into one plain dict."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manyhot.data.hierarchy import Hierarchy
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.evaluation.data_checks import KINDS, DataChecks
from manyhot.evaluation.label_errors import LabelErrors
from manyhot.evaluation.metrics import METRICS, Intervals, calibration_per_label, intervals
from manyhot.evaluation.metrics.bootstrap import LEVEL
from manyhot.evaluation.metrics.calibration import Reliability
from manyhot.evaluation.metrics.classification import label_counts
from manyhot.evaluation.metrics.registry import is_informative, main_metrics
from manyhot.evaluation.metrics.score import blocks, decision_entries, score_entries
from manyhot.evaluation.report.measure import to_json_value
from manyhot.evaluation.report.remarks import constant_f1
from manyhot.reports.html.calibration import describe_calibration
from manyhot.reports.html.co_occurrence import co_occurrence
from manyhot.reports.html.columns import describe_columns
from manyhot.reports.html.confusions import confused_labels
from manyhot.reports.html.summary import summarize
from manyhot.reports.html.worst_rows import (
    describe_label_errors,
    describe_rows,
    named_rows,
    rows_without_prediction,
    worst_errors,
)

FORMAT = 1
BULKY_KEYS = ("counts",)  # parts of the dict that nobody reads, only a page's script
PROVENANCE = (
    "created",
    "command",
    "model_file",
    "rows_file",
    "training",
    "training_rows",
)  # None where it is not known
SEED = 0
DIGITS = 6
COMPRESSION = 6  # level of zlib: 9 takes more than twice as long for 2 % less
STEPS = 1000
# The thresholds 0, 0.001, ..., 1: each is the float64 that its three decimals stand for
GRID = np.arange(STEPS + 1) / STEPS
MAX_POINTS = 200  # epochs of a curve that are kept; of more, evenly spaced ones, the first and the last
LABEL_COUNTS = ("support", "n_known", "predicted", "prevalence")  # columns of the report's labels
LABEL_METRICS = ("precision", "recall", "f1", "average_precision", "roc_auc", "brier")
CURVE_DIGITS = 5  # significant ones
MAX_MEMBERS = 60  # whose curves are shown
# Title, meaning, and when it misleads, of figures that are no metric
PROBABILITY_CAPTIONS = {
    "brier": (
        "Brier score",
        "The mean squared difference between probability and label.",
        "With rare labels, a probability near 0 everywhere already scores well.",
    ),
    "log_loss": (
        "Log loss",
        "The mean of -log of the probability that was given to what is true.",
        "One confident error can dominate it, and rare labels make it small.",
    ),
    "ece": (
        "Expected calibration error",
        "How far probabilities are from observed frequencies, in 15 bins of equal size.",
        "It does not say whether rows are told apart (a constant prediction can have 0), and noise inflates it.",
    ),
}

Contents = Callable[[Sequence[int]], Mapping[int, Mapping[str, Any]]]


@dataclass(frozen=True)
class PageInputs:
    """What a page is made of; n rows, l labels."""

    space: LabelSpace
    targets: Targets
    scores: np.ndarray  # float (n, l), probabilities as they are decided on
    decisions: np.ndarray  # bool (n, l), those that the report measures
    deployed_decisions: np.ndarray  # bool (n, l), by the thresholds in force; `decisions` may be cross-fitted
    report: Mapping[str, Any]  # of `measure_report`
    ids: np.ndarray  # (n,)
    data_checks: DataChecks
    checks_scope: str  # a sentence
    thresholds: np.ndarray | None = None  # float64 (l,); None for decisions without thresholds
    obstacle: str = ""  # why thresholds cannot be moved; empty if they can
    caution: str = ""  # what moving thresholds gives up; empty for nothing
    label_errors: LabelErrors | None = None  # None where they were not looked for
    label_errors_note: str = ""  # what to know of them, or why there are none
    curves: np.ndarray | None = None  # float (m, epochs, 2), training and stopping loss
    best_epoch: np.ndarray | None = None  # int64 (m,), given with the curves
    contents: Contents | None = field(default=None, repr=False)  # None for bare names
    title: str = "report"
    model: str | None = None  # its file, if known
    file: str | None = None  # of the rows; None for those of training
    n_training_rows: int = 0  # rows among them that training saw, where that flatters the figures
    version: str = ""  # of manyhot
    config: Mapping[str, Any] = field(default_factory=dict)  # settings of the training
    default_config: Mapping[str, Any] = field(default_factory=dict)  # what they are unless set; may be "auto"
    automatic: Sequence[str] | None = None  # settings that were chosen for the data; None where that is not known
    training_notes: Sequence[str] = ()
    epoch_note: str = ""  # the one of them on numbers of epochs that were compared
    provenance: Mapping[str, Any] = field(default_factory=dict)  # of `describe_provenance`
    columns: Mapping[str, str] = field(default_factory=dict)  # those of training: name -> kind
    reading_notes: Sequence[str] = ()  # of how the rows were read
    row_names: str = ""  # a sentence on what a row is called
    hierarchy: Hierarchy | None = None  # of a taxonomy
    makes_scores: bool = True  # whether networks of ours score, and not another program


def measure_page(inputs: PageInputs) -> dict[str, Any]:
    """Measure what the report leaves open; all of the page as plain JSON values."""
    targets, scores = inputs.targets, inputs.scores
    k = int(inputs.report["k"])
    decision_intervals = intervals(targets, scores, inputs.decisions, k, SEED, inputs.hierarchy)
    fixed_intervals = intervals(targets, None, scores >= 0.5, k, SEED, inputs.hierarchy)
    hits, n_predicted = label_counts(decision_entries(targets, inputs.deployed_decisions))
    counts = count_by_threshold(targets, scores).astype("<u4").tobytes()
    errors = worst_errors(targets, scores, inputs.decisions)
    label_errors = [] if inputs.label_errors is None else describe_label_errors(inputs.label_errors)
    n_suspects = 0 if inputs.label_errors is None else len(inputs.label_errors)
    n_expected = 0.0 if inputs.label_errors is None else inputs.label_errors.n_expected_wrong
    confusions = confused_labels(targets, scores, inputs.decisions)
    is_predicted = np.asarray(inputs.decisions, dtype=bool)
    without_prediction = rows_without_prediction(targets, is_predicted)
    rows = named_rows(errors, label_errors, confusions, without_prediction)
    described = describe_rows(rows, inputs.ids, targets, scores, inputs.decisions)
    row_contents = {} if inputs.contents is None else inputs.contents(rows)
    checks = inputs.data_checks.to_dict()
    figures = _figures(inputs.report, decision_intervals, fixed_intervals)
    reliabilities, label_ece = calibration_per_label(targets, scores)
    columns = _label_columns(inputs, decision_intervals, label_ece)
    summary = summarize(
        inputs.report,
        next(figure for figure in figures if figure["name"] == "f1_macro"),
        columns,
        checks["findings"],
        n_suspects,
        n_expected,
        inputs.n_training_rows,
        inputs.model,
        inputs.file,
    )
    page = {
        "format": FORMAT,
        "title": inputs.title,
        "model": inputs.model,
        "file": inputs.file,
        "makes_scores": inputs.makes_scores,
        "version": inputs.version,
        "provenance": {**dict.fromkeys(PROVENANCE), **inputs.provenance},
        "summary": summary,
        "predictions": {
            "labels_per_row": float(is_predicted.sum(axis=1).mean()),
            "n_rows_without": int((~is_predicted.any(axis=1)).sum()),
            # a rule beside these would not do, or end a guarantee; a pixel may well have no label
            "can_require_one": not inputs.obstacle and not inputs.caution and "pixels" not in inputs.report,
        },
        "config": dict(inputs.config),
        "default_config": dict(inputs.default_config),
        "automatic": None if inputs.automatic is None else list(inputs.automatic),
        "training_notes": list(inputs.training_notes),
        "epoch_note": inputs.epoch_note,
        "report": dict(inputs.report),
        "decision": _describe_decision(inputs.report["policy"]),
        "data": {
            **co_occurrence(targets),
            "findings": checks["findings"],
            "finding_kinds": {
                kind: {"heading": KINDS[kind].heading, "advice": KINDS[kind].advice_plural}
                for kind in dict.fromkeys(finding["kind"] for finding in checks["findings"])
            },
            "limits": checks["limits"],
            "checks_scope": inputs.checks_scope,
            "columns": describe_columns(inputs.columns),
            "notes": list(inputs.reading_notes),
        },
        "training": None
        if inputs.curves is None or inputs.best_epoch is None
        else describe_curves(inputs.curves, inputs.best_epoch),
        "intervals": {"n_resamples": decision_intervals.n_resamples, "random_state": SEED, "level": LEVEL},
        "metrics": figures,
        "labels": columns,
        "calibration": describe_calibration(inputs.report["reliability"]),
        "reliability": [_reliability_bins(one) for one in reliabilities],
        "thresholds": {
            "obstacle": inputs.obstacle,
            "caution": inputs.caution,
            "is_cross_fitted": not np.array_equal(inputs.decisions, inputs.deployed_decisions),
            "true_positives": hits.tolist(),
            "predicted": n_predicted.tolist(),
        },
        "rows": {
            "errors": errors,
            "confusions": confusions,
            "without_prediction": without_prediction,
            "label_errors": label_errors,
            "n_label_errors": n_suspects,
            "expected_label_errors": n_expected,
            "row_names": inputs.row_names,
            "label_errors_note": inputs.label_errors_note,
            "has_contents": bool(row_contents),
            "named": [{**row, **row_contents.get(row["row"], {})} for row in described],
        },
        "counts": {"steps": STEPS, "packed": base64.b64encode(zlib.compress(counts, COMPRESSION)).decode()},
    }
    return to_json_value(page)


def _describe_decision(policy: Mapping[str, Any]) -> str:
    """One sentence on how labels are decided; empty where the report does not say."""
    if not policy:
        return ""
    return policy["guarantee"] or policy.get(
        "meaning", f"Decision: {policy['decision']}."
    )  # earlier versions: the name


def without_bulk(page: Mapping[str, Any]) -> dict[str, Any]:
    """The dict for people and programs: without counts of the grid and without images."""
    named = [{name: value for name, value in row.items() if name != "image"} for row in page["rows"]["named"]]
    remaining = {name: value for name, value in page.items() if name not in BULKY_KEYS}
    return {**remaining, "rows": {**page["rows"], "named": named}}


def _figures(
    report: Mapping[str, Any], decision_intervals: Intervals, fixed_intervals: Intervals
) -> list[dict[str, Any]]:
    """Each metric with its words, its values, their intervals, its baseline and what it covers."""
    captions = {name: (row.title, row.meaning, row.misleads, row.higher_is_better) for name, row in METRICS.items()}
    captions |= {name: (*words, False) for name, words in PROBABILITY_CAPTIONS.items()}
    shown, main = [], main_metrics(has_taxonomy=True)
    n_labels, k = report["data"]["labels"], report["k"]
    for name, (title, meaning, misleads, is_higher_better) in captions.items():
        metric = report["probabilities"].get(name) or report["metrics"]["decision"].get(name)
        if metric is None:  # a report of a version that did not have the metric
            continue
        if name in METRICS and not is_informative(name, n_labels, k):
            continue
        needs = METRICS[name].needs if name in METRICS else "scores"
        figure: dict[str, Any] = {
            "name": name,
            "is_main": name in main,
            "title": title.format(k=k),
            "meaning": describe_at_k(meaning, k),
            "misleads": misleads,
            "higher_is_better": is_higher_better,
            "needs": needs,
            # in reports of earlier versions it is 0, which says nothing
            "baseline": None if name == "ece" else metric["baseline"],
            **{key: metric[key] for key in ("n_labels", "n_samples")},
            "decision": {
                "value": metric["value"],
                "low": decision_intervals.metrics[name].low,
                "high": decision_intervals.metrics[name].high,
            },
            "fixed": None,
            "better": None,
        }
        if needs == "decisions":
            ends = fixed_intervals.metrics[name]
            value = report["metrics"]["fixed"][name]["value"]
            figure["fixed"] = {"value": value, "low": ends.low, "high": ends.high}
            figure["better"] = report.get("comparison", {}).get(name, {}).get("better")
        shown.append(figure)
    return shown


def _label_columns(inputs: PageInputs, label_intervals: Intervals, label_ece: np.ndarray) -> dict[str, list[Any]]:
    rows = inputs.report["labels"]
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in (*LABEL_COUNTS, *LABEL_METRICS)}
    columns["constant_f1"] = [constant_f1(row["support"], row["n_known"]) for row in rows]
    thresholds = inputs.thresholds
    columns["threshold"] = [None] * len(rows) if thresholds is None else thresholds.tolist()
    columns["ece"] = label_ece.tolist()
    assert label_intervals.f1 is not None
    assert label_intervals.ece is not None
    for name, ends in (("f1", label_intervals.f1), ("ece", label_intervals.ece)):
        columns[f"{name}_low"], columns[f"{name}_high"] = ends[:, 0].tolist(), ends[:, 1].tolist()
    return {"label": list(inputs.space.names), **columns}


def describe_at_k(meaning: str, k: int) -> str:
    """The meaning of a metric at k, with the number."""
    if k == 1:
        return meaning.replace(
            "share of a row's k highest-scoring labels that are present",
            "share of rows whose highest-scoring label is present",
        ).replace("k highest-scoring labels", "highest-scoring label")
    return meaning.replace("k highest-scoring labels", f"{k} highest-scoring labels")


def _reliability_bins(bins: Reliability) -> list[list[float]]:
    return [[round(float(value), DIGITS) for value in row.values()] for row in bins.to_rows()]


def count_by_threshold(targets: Targets, scores: np.ndarray) -> np.ndarray:
    """Positives and all known entries by the last threshold of `GRID` that their score reaches, int64 (2, l, 1001)."""
    entries = score_entries(targets, scores)
    n_labels, width = entries.shape[1], STEPS + 1
    counts = np.zeros((2, n_labels * width), dtype=np.int64)
    for part in blocks(*entries.shape):
        part_scores = entries.predictions[part].astype(np.float64)  # decisions compare float64 too
        positions = np.minimum((part_scores * STEPS).astype(np.int64), STEPS - 1)  # right, or a step too low or high
        positions += (GRID[positions + 1] <= part_scores).astype(np.int64) - (GRID[positions] > part_scores)
        positions += width * np.arange(n_labels)
        counts[0] += np.bincount(positions[entries.values[part]], minlength=n_labels * width)
        counts[1] += np.bincount(positions[entries.known[part]], minlength=n_labels * width)
    return counts.reshape(2, n_labels, width)


def describe_curves(curves: np.ndarray, best_epoch: np.ndarray) -> dict[str, Any]:
    """Losses (m, epochs, 2) by epoch, as lists for the first members; None after a member's end."""
    n_members, n_epochs = curves.shape[:2]
    shown = curves[:MAX_MEMBERS]
    epoch_indices = np.unique(np.linspace(0, max(0, n_epochs - 1), min(n_epochs, MAX_POINTS)).round().astype(int))
    n_epochs_trained = np.isfinite(shown[:, :, 0]).sum(axis=1)

    def to_lists(values: np.ndarray) -> list[list[float | None]]:
        return to_json_value([[float(f"{value:.{CURVE_DIGITS}g}") for value in row] for row in values.tolist()])

    stopping = shown[:, epoch_indices, 1]
    return {
        "epochs": [int(index) + 1 for index in epoch_indices],
        "training": to_lists(shown[:, epoch_indices, 0]),
        "validation": to_lists(stopping) if np.isfinite(stopping).any() else [],
        "best_epoch": best_epoch[:MAX_MEMBERS].tolist(),
        "n_epochs": n_epochs_trained.tolist(),
        "n_members": n_members,
        "n_shown": len(shown),
    }
