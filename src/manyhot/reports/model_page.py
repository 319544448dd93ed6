"""A trained model's page: from what it kept of training, or from rows that are handed in.

It gathers what `page.measure_page` takes: scores, answers, the report, the doctor's and the audit's findings, and rows
as a person sees them. Start reading at `out_of_fold_page` and `evaluation_page`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from manyhot.data.targets import Targets
from manyhot.decisions.policy import DecisionPolicy, cross_fitted_decisions, honest_scores
from manyhot.encoders import TableEncoder
from manyhot.encoders.images.encoder import pictures
from manyhot.evaluation.data_checks import Diagnosis, examine
from manyhot.evaluation.label_errors import suspicious_labels
from manyhot.evaluation.report import Report
from manyhot.files import put, replacing
from manyhot.models.cross_fitting import Features
from manyhot.models.decision_updates import current_evidence, rows_seen
from manyhot.models.model import Model
from manyhot.models.segmentation.model import PixelModel
from manyhot.reports.html import PageInputs, measure_page, render
from manyhot.reports.html.row_contents import EDGE, MAX_IMAGES, contents
from manyhot.version import __version__

AUDITED = (
    "Looked for with out-of-fold scores before calibration, and with what is recorded for a row's other labels, as "
    "manyhot audit does."
)
AUDITED_NEW = "Looked for with the scores of these rows, and with what is recorded for a row's other labels."
NOT_OF_PIXELS = "Only labels of rows are audited, and not those of pixels."
SEEN = (
    "{n} of these {rows} rows were there in training, so every figure here is too good, and nothing can be said of "
    "labels that look wrong. Without a file, the report is made of scores of rows that the scoring members never saw."
)


@dataclass(frozen=True)
class PagedReport(Report):
    """A report that can also become a page of its own.

    Args:
        values: As for `Report`.
        model: The model that it is about.
    """

    model: Model | None = field(default=None, repr=False, compare=False)

    def to_html(self, path: str | Path) -> dict[str, Any]:
        """Write the report as one HTML file that opens without any network.

        Args:
            path: Where to; a file there is replaced only when the new one is complete.

        Returns:
            What the page shows, as plain values; see `page.measure_page`.

        Raises:
            InputError: A model without out-of-fold scores.
            OutputError: A path that cannot be written to.
        """
        assert self.model is not None
        page = out_of_fold_page(self.model)
        write_page(page, path)
        return page


def write_page(page: Mapping[str, Any], path: str | Path) -> None:
    """Write a page, whole or not at all."""
    with replacing(Path(path)) as descriptor:
        put(descriptor, memoryview(render(page).encode()))


def out_of_fold_page(model: Model, file: str | None = None) -> dict[str, Any]:
    """What a page shows of the out-of-fold scores that a model keeps.

    Args:
        model: The model.
        file: Its file, for the page's command; None where there is none.

    Returns:
        See `page.measure_page`.

    Raises:
        InputError: The model keeps no out-of-fold scores, or was trained further since.
    """
    evidence = current_evidence(model, "make a page of them; or name a file of rows to measure on")
    targets, ids, decider = evidence.targets, evidence.ids, model.decider
    is_given = decider.is_given or decider.guarantee is not None
    if is_given:
        scores = honest_scores(model.plan, evidence.settled())
        own = decider.answers(scores)
    else:
        scores, own = cross_fitted_decisions(model.plan, model.labels, evidence.settled())
    is_pixels = isinstance(model, PixelModel)
    suspicions = None if is_pixels else suspicious_labels(evidence.scores, targets, ids, model.labels)
    given = PageInputs(
        model.labels,
        targets,
        scores,
        own,
        decider.answers(scores),
        model.report,
        ids,
        _labels_alone(model, targets),
        "It looked at the labels alone: the model keeps no features. On a file of rows it also finds columns that give "
        "a label away, and equal rows with different labels.",
        suspicions=suspicions,
        audit_note=NOT_OF_PIXELS if is_pixels else AUDITED,
        curves=evidence.curves,
        best_epoch=evidence.best_epoch,
        title=Path(file).name if file else "Out-of-fold report",
        model=file,
        **_answering(decider),
    )
    return measure_page(given)


@dataclass(frozen=True)
class ScoredRows:
    """Rows with known labels, and a model's scores of them.

    Args:
        features: What the model's encoder takes, n rows.
        targets: Their targets (n, l).
        scores: Calibrated scores (n, l).
        report: What `report.build` gave for these.
        ids: What the rows are called (n,).
    """

    features: Features
    targets: Targets
    scores: np.ndarray
    report: Mapping[str, Any]
    ids: np.ndarray


def evaluation_page(
    model: Model, rows: ScoredRows, diagnosis: Diagnosis, rows_file: str, file: str | None = None
) -> dict[str, Any]:
    """What a page shows of rows that are handed in.

    Args:
        model: The model.
        rows: The rows.
        diagnosis: What the doctor says of them.
        rows_file: Where they come from.
        file: The model's file, for the page's command; None where there is none.

    Returns:
        See `page.measure_page`.
    """
    answers, evidence = model.decider.answers(rows.scores), model.evidence
    n_seen, n_rows = rows_seen(model, rows.features), len(rows.scores)
    report, suspicions, audit_note = rows.report, None, AUDITED_NEW
    if n_seen:
        audit_note = SEEN.format(n=n_seen, rows=n_rows)
        remarks = [audit_note, *report["scores"]["remarks"]]
        report = {**report, "scores": {**report["scores"], "remarks": remarks}}
    else:
        suspicions = suspicious_labels(rows.scores, rows.targets, rows.ids, model.labels)
    given = PageInputs(
        model.labels,
        rows.targets,
        rows.scores,
        answers,
        answers,
        report,
        rows.ids,
        diagnosis,
        "It looked at the rows of this file, features and labels.",
        suspicions=suspicions,
        audit_note=audit_note,
        curves=None if evidence is None else evidence.curves,
        best_epoch=None if evidence is None else evidence.best_epoch,
        contents=lambda wanted: _contents(model, rows.features, wanted),
        title=f"{Path(file).name if file else 'Model'} on {Path(rows_file).name}",
        model=file,
        file=rows_file,
        **_answering(model.decider),
    )
    return measure_page(given)


def _answering(decider: DecisionPolicy) -> dict[str, Any]:
    """Thresholds in force, and whether and at what price they can be moved."""
    obstacle = caution = ""
    name = decider.decision.name
    if decider.thresholds is None:
        obstacle = (
            f"This model answers with the highest scores of a row ({name}), whatever they are, and not by a threshold "
            "for each label, so there is none to move. manyhot thresholds MODEL --for f1_macro chooses thresholds; "
            "make the report again after that."
        )
    elif not decider.rules.is_empty:
        obstacle = (
            "Rules between labels change the answers of this model after its thresholds, so what a threshold alone "
            "would answer is not what the model answers, and none can be moved here. The curves show thresholds alone."
        )
    elif name == "cardinality" and not decider.is_given and decider.guarantee is None:
        obstacle = (
            "This model has one threshold for all labels, chosen so that rows get as many labels as they should "
            "(cardinality). Moving it for one label would give that up, so none can be moved here; manyhot thresholds "
            "MODEL --for f1_macro chooses one for each label. Make the report again after that."
        )
    elif decider.guarantee is not None:
        caution = "The thresholds in force keep a promise. It ends with the first one that is moved."
    return {"thresholds": decider.thresholds, "obstacle": obstacle, "caution": caution, "made_with": __version__}


def _labels_alone(model: Model, targets: Targets) -> Diagnosis:
    return examine(None, targets, folds=int(model.plan.folds), labels=model.labels.names)


def _contents(model: Model, features: Features, rows: Sequence[int]) -> Mapping[int, Mapping[str, Any]]:
    """Rows as a person sees them, where the model takes a table."""
    encoder = model.encoder
    if not isinstance(encoder, TableEncoder) or not isinstance(features, pl.DataFrame):
        return {}
    kinds = encoder.kinds
    texts = {name: features[name] for name, kind in kinds.items() if kind == "text"}
    images = [name for name, kind in kinds.items() if kind == "image"]
    others = features.select(name for name, kind in kinds.items() if kind not in ("text", "image", "id", "ignored"))
    shown = pictures(features[images[0]], list(rows)[:MAX_IMAGES], EDGE) if images else ()
    return contents(rows, texts, shown, others)
