"""Everything that a page shows, measured and put into one plain dict.

It takes arrays and finished reports (`PageInputs`) and knows neither models nor files; how the dict is shown is none
of its business. Start reading at `measure_page`.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.evaluation.data_checks import KINDS, Diagnosis
from manyhot.evaluation.label_errors import LabelErrors
from manyhot.evaluation.metrics import MEASURES, Intervals, ece_per_label, intervals, reliability
from manyhot.evaluation.metrics.bootstrap import LEVEL
from manyhot.evaluation.metrics.classification import label_counts
from manyhot.evaluation.metrics.score import decided
from manyhot.evaluation.report.measure import plain
from manyhot.reports.html import threshold_counts
from manyhot.reports.html.captions import FIGURES
from manyhot.reports.html.co_occurrence import co_occurrence
from manyhot.reports.html.training_curves import describe_curves
from manyhot.reports.html.worst_rows import described_rows, named_rows, suspicious, worst_mistakes

FORMAT = 1
BULKY = ("counts",)
"""Parts of the dict that nobody reads, only a page's script."""
SEED = 0
DIGITS = 6

Contents = Callable[[Sequence[int]], Mapping[int, Mapping[str, Any]]]


@dataclass(frozen=True)
class PageInputs:
    """What a page is made of.

    Args:
        space: The names of the l labels.
        targets: Targets (n, l).
        scores: Probabilities (n, l), as they are decided on.
        own: bool (n, l), the answers that the report measures.
        deployed: bool (n, l), the answers of the thresholds in force, which differ from `own` where the report is made
            of thresholds that were fitted on other rows.
        report: What `report.build` gave for these.
        ids: What the rows are called (n,).
        diagnosis: What the doctor says of the labels.
        doctor_saw: What it looked at, in words.
        thresholds: float64 (l,), those in force; None where answers do not come from thresholds.
        obstacle: Why moving one label's threshold would not show what the model answers; empty where it does.
        caution: What else moving thresholds does; empty for nothing.
        suspicions: Entries that look wrong; None where they were not looked for.
        audit_note: What to know of them, or why they were not looked for.
        curves: float (m, epochs, 2), training and stopping losses; None where they were not kept.
        best_epoch: int64 (m,), with the curves.
        contents: Rows as a person sees them, for some rows; None where there are only names.
        title: What the page is called.
        model: The model's file; None where it is not known.
        file: The file of the rows; None where they are those of training.
        made_with: The version that made it.
    """

    space: LabelSpace
    targets: Targets
    scores: np.ndarray
    own: np.ndarray
    deployed: np.ndarray
    report: Mapping[str, Any]
    ids: np.ndarray
    diagnosis: Diagnosis
    doctor_saw: str
    thresholds: np.ndarray | None = None
    obstacle: str = ""
    caution: str = ""
    suspicions: LabelErrors | None = None
    audit_note: str = ""
    curves: np.ndarray | None = None
    best_epoch: np.ndarray | None = None
    contents: Contents | None = field(default=None, repr=False)
    title: str = "report"
    model: str | None = None
    file: str | None = None
    made_with: str = ""


def measure_page(given: PageInputs) -> dict[str, Any]:
    """Measure what the report leaves open and put all of it together.

    Args:
        given: Rows with scores and answers, and what is known of them.

    Returns:
        Plain JSON values: `format`, `title`, `model`, `file`, `made_with`; `report`; `data` (see `co_occurrence`, and
        `findings`, `kinds` of them, `limits`, `doctor_saw`); `training` (see `describe_curves`; None); `intervals`
        (`draws`, `seed`, `level`); `measures` (a dict each: words, values with intervals, baseline, cover); `labels`
        (columns by name, in the order of the labels); `reliability` (for each label its bins: score, share, count,
        low, high); `thresholds` (`obstacle`, `caution`, `hits` and `answered` of the thresholds in force); `rows`
        (`mistakes`, `suspicious`, `audit_note`, `named`: what is spoken of, with contents where there are any);
        `counts`: hits and answers at every threshold of the grid, compressed, for the page's script alone.
    """
    targets, scores = given.targets, given.scores
    k = int(given.report["k"])
    own = intervals(targets, scores, given.own, k, SEED)
    half = intervals(targets, None, scores >= 0.5, k, SEED)
    hits, answered = label_counts(decided(targets, given.deployed))
    packed = threshold_counts.count(targets, scores).packed()
    mistakes = worst_mistakes(targets, scores, given.own)
    suspicions = [] if given.suspicions is None else suspicious(given.suspicions)
    rows = named_rows(mistakes, suspicions)
    named = described_rows(rows, given.ids, targets, given.own, given.space)
    seen = {} if given.contents is None else given.contents(rows)
    found = given.diagnosis.to_dict()
    page = {
        "format": FORMAT,
        "title": given.title,
        "model": given.model,
        "file": given.file,
        "made_with": given.made_with,
        "report": dict(given.report),
        "data": {
            **co_occurrence(given.space, targets),
            "findings": found["findings"],
            "kinds": {
                kind: {"heading": KINDS[kind].heading, "advice": KINDS[kind].advice_many}
                for kind in dict.fromkeys(finding["kind"] for finding in found["findings"])
            },
            "limits": found["limits"],
            "doctor_saw": given.doctor_saw,
        },
        "training": None
        if given.curves is None or given.best_epoch is None
        else describe_curves(given.curves, given.best_epoch),
        "intervals": {"draws": own.draws, "seed": SEED, "level": LEVEL},
        "measures": _measures(given.report, own, half),
        "labels": _label_columns(given, own),
        "reliability": [_bins(targets, scores, j) for j in range(len(given.space))],
        "thresholds": {
            "obstacle": given.obstacle,
            "caution": given.caution,
            "hits": hits.tolist(),
            "answered": answered.tolist(),
        },
        "rows": {
            "mistakes": mistakes,
            "suspicious": suspicions,
            "audit_note": given.audit_note,
            "has_contents": bool(seen),
            "named": [{**row, **seen.get(row["row"], {})} for row in named],
        },
        "counts": {"steps": threshold_counts.STEPS, "packed": base64.b64encode(zlib.compress(packed, 9)).decode()},
    }
    return plain(page)


def without_bulk(page: Mapping[str, Any]) -> dict[str, Any]:
    """The dict for people and programs: without counts of the grid and without images."""
    named = [{name: value for name, value in row.items() if name != "image"} for row in page["rows"]["named"]]
    kept = {name: value for name, value in page.items() if name not in BULKY}
    return {**kept, "rows": {**page["rows"], "named": named}}


def _measures(report: Mapping[str, Any], own: Intervals, half: Intervals) -> list[dict[str, Any]]:
    """Each measure with its words, its values, their intervals, its baseline and what it covers."""
    listed = []
    for name, (title, meaning, misleads, is_higher_better) in FIGURES.items():
        at_own = report["probabilities"].get(name) or report["measures"]["own"][name]
        needs = MEASURES[name].needs if name in MEASURES else "scores"
        figure: dict[str, Any] = {
            "name": name,
            "title": title.format(k=report["k"]),
            "meaning": meaning,
            "misleads": misleads,
            "higher_is_better": is_higher_better,
            "needs": needs,
            **{key: at_own[key] for key in ("baseline", "n_labels", "n_samples")},
            "own": {"value": at_own["value"], "low": own.measures[name].low, "high": own.measures[name].high},
            "half": None,
        }
        if needs == "decisions":
            ends = half.measures[name]
            value = report["measures"]["half"][name]["value"]
            figure["half"] = {"value": value, "low": ends.low, "high": ends.high}
        listed.append(figure)
    return listed


def _label_columns(given: PageInputs, found: Intervals) -> dict[str, list[Any]]:
    rows = given.report["labels"]
    names = (
        "support",
        "n_known",
        "answered",
        "prevalence",
        "precision",
        "recall",
        "f1",
        "average_precision",
        "roc_auc",
    )
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in (*names, "brier")}
    thresholds = given.thresholds
    columns["threshold"] = [None] * len(rows) if thresholds is None else thresholds.tolist()
    columns["ece"] = ece_per_label(given.targets, given.scores).tolist()
    assert found.f1 is not None
    assert found.ece is not None
    for name, ends in (("f1", found.f1), ("ece", found.ece)):
        columns[f"{name}_low"], columns[f"{name}_high"] = ends[:, 0].tolist(), ends[:, 1].tolist()
    return {"label": list(given.space.names), **columns}


def _bins(targets: Targets, scores: np.ndarray, label: int) -> list[list[float]]:
    of_label = (slice(None), slice(label, label + 1))
    known = None if targets.known is None else targets.known[of_label]
    bins = reliability(Targets(targets.values[of_label], known), scores[of_label])
    columns = (bins.score, bins.share, bins.count, bins.low, bins.high)
    return [[round(float(value), DIGITS) for value in row] for row in zip(*columns, strict=True)]
