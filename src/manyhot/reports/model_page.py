"""A trained model's page: from what it kept of training, or from rows that are handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from manyhot.config.training import TrainingConfig
from manyhot.data.targets import Targets
from manyhot.decisions.policy import DecisionPolicy, cross_fitted_decisions
from manyhot.encoders.images.encoder import iter_images
from manyhot.evaluation.data_checks import DataChecks, check_data
from manyhot.evaluation.label_errors import find_label_errors
from manyhot.evaluation.report import Report
from manyhot.files import write_file
from manyhot.models.cross_fitting import Features
from manyhot.models.decision_updates import count_training_rows, current_evidence
from manyhot.models.evidence import OutOfFoldResults
from manyhot.models.measuring import EPOCH_NOTE
from manyhot.models.model import Model
from manyhot.reports.card import render_card
from manyhot.reports.html import PageInputs, measure_page, render
from manyhot.reports.html.row_contents import EDGE, MAX_IMAGES, contents
from manyhot.reports.provenance import describe_provenance
from manyhot.version import __version__

MAX_LOOKED_AT = 1000  # ids from which one sees whether they are numbers of rows
LABEL_ERRORS_NOTE = "Found by comparing labels with out-of-fold scores and with the row's other labels."
NEW_ROWS_LABEL_ERRORS_NOTE = "Found by comparing labels with the scores of these rows and with the row's other labels."
NO_PIXEL_LABEL_ERRORS_NOTE = "Likely label errors are searched for among labels of rows, not of pixels."
FITTED_ROWS_NOTE = (
    "The decisions were fitted to {n} of these {rows} rows, so all figures here are slightly too good, and likely "
    "label errors cannot be found. Without a file, each row is decided by thresholds tuned on other rows."
)
TRAINING_ROWS_NOTE = (
    "{n} of these {rows} rows were used for training, so all figures here are too good, and likely label errors cannot "
    "be found. Without a file, the report uses out-of-fold scores from training."
)


@dataclass(frozen=True, repr=False)
class PagedReport(Report):
    """A report that can also become a page of its own."""

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

    def to_markdown(self, file: str = "model.manyhot") -> str:
        """Write the report as a model card in Markdown, with the head that model hubs read.

        Args:
            file: The name of the saved file, without folders, for the title and the lines that load it.

        Raises:
            InputError: A model without out-of-fold scores.
        """
        assert self.model is not None
        return render_card(out_of_fold_page(self.model), self.model, file)


def write_page(page: Mapping[str, Any], path: str | Path) -> None:
    """Write a page, whole or not at all."""
    write_file(Path(path), render(page).encode())


def out_of_fold_page(model: Model, file: str | None = None) -> dict[str, Any]:
    """What a page shows of the out-of-fold scores that a model keeps; raise `InputError` if it keeps none."""
    evidence = current_evidence(model, "write a report; or name a file of labelled rows")
    targets, ids, policy = evidence.targets, evidence.ids, model.policy
    scores, decisions = cross_fitted_decisions(model.config, model.labels, evidence.unique_scores(), policy)
    is_pixels = model.labels_pixels
    label_errors = None if is_pixels else find_label_errors(evidence.scores, targets, ids, model.labels)
    inputs = PageInputs(
        model.labels,
        targets,
        scores,
        decisions,
        policy.decide(scores),
        model.report,
        ids,
        check_data(None, targets, n_folds=int(model.config.n_folds), labels=model.labels.names),
        "Only labels were checked, since the model file keeps no features. With a file of rows, the checks also find "
        "columns that leak a label, and duplicate rows with different labels.",
        label_errors=label_errors,
        label_errors_note=NO_PIXEL_LABEL_ERRORS_NOTE if is_pixels else LABEL_ERRORS_NOTE,
        **_curve_inputs(evidence),
        title=Path(file).name if file else "Out-of-fold report" if model.makes_scores else "Report on scores",
        model=file,
        provenance=describe_provenance(model, file, None),
        reading_notes=() if model.origin is None else model.origin.notes,
        row_names=_row_names(model, ids),
        **_training_inputs(model),
        **_policy_inputs(policy),
    )
    return measure_page(inputs)


@dataclass(frozen=True)
class ScoredRows:
    """Rows with known labels, and a model's scores of them."""

    features: Features  # n rows
    targets: Targets  # (n, l)
    scores: np.ndarray  # float (n, l), calibrated
    report: Mapping[str, Any]  # of `measure_report`
    ids: np.ndarray  # (n,)


def evaluation_page(
    model: Model, rows: ScoredRows, data_checks: DataChecks, rows_file: str, file: str | None = None
) -> dict[str, Any]:
    """What a page shows of rows that are handed in."""
    decisions, evidence = model.policy.decide(rows.scores), model.evidence
    n_seen, n_rows = count_training_rows(model, rows.features), len(rows.scores)
    report, label_errors, label_errors_note = rows.report, None, NEW_ROWS_LABEL_ERRORS_NOTE
    if n_seen:
        note = TRAINING_ROWS_NOTE if model.makes_scores else FITTED_ROWS_NOTE
        label_errors_note = note.format(n=n_seen, rows=n_rows)
        remarks = [label_errors_note, *report["scores"]["remarks"]]
        report = {**report, "scores": {**report["scores"], "remarks": remarks}}
    else:
        label_errors = find_label_errors(rows.scores, rows.targets, rows.ids, model.labels)
    inputs = PageInputs(
        model.labels,
        rows.targets,
        rows.scores,
        decisions,
        decisions,
        report,
        rows.ids,
        data_checks,
        "Features and labels of this file were checked.",
        label_errors=label_errors,
        label_errors_note=label_errors_note,
        **_curve_inputs(evidence),
        contents=lambda row_indices: _row_contents(model, rows.features, row_indices),
        title=f"{Path(file).name if file else 'Model'} on {Path(rows_file).name}",
        model=file,
        file=rows_file,
        n_training_rows=n_seen,
        provenance=describe_provenance(model, file, rows_file),
        reading_notes=rows.report["notes"],
        row_names=_row_names(model, rows.ids),
        **_training_inputs(model),
        **_policy_inputs(model.policy),
    )
    return measure_page(inputs)


def _curve_inputs(evidence: OutOfFoldResults | None) -> dict[str, Any]:
    """Losses by epoch, where there were epochs."""
    if evidence is None or not evidence.curves.shape[1]:
        return {}
    return {"curves": evidence.curves, "best_epoch": evidence.best_epoch}


def _training_inputs(model: Model) -> dict[str, Any]:
    """How the model was trained, whatever it is measured on."""
    notes, read = model.report.get("notes", []), () if model.origin is None else model.origin.notes
    encoder = model.encoder
    return {
        "makes_scores": model.makes_scores,
        "config": model.report.get("config", {}),
        "default_config": TrainingConfig().to_dict(),
        "automatic": None if model.origin is None else model.origin.automatic,
        "training_notes": [note for note in notes if note not in read],
        "epoch_note": next((note for note in notes if note.startswith(EPOCH_NOTE)), ""),
        "columns": dict(encoder.column_types) or dict.fromkeys(encoder.names, "numeric"),
    }


def _row_names(model: Model, ids: np.ndarray) -> str:
    """What a row is called, in a sentence."""
    if model.labels_pixels:
        return "A row is a pixel: its image, then its row and column."
    columns = [name for name, kind in model.encoder.column_types.items() if kind == "id"]
    if not columns and all(name.isdecimal() for name in ids[:MAX_LOOKED_AT].tolist()):
        return "Rows are known by their number, from 1; the header of the file is not counted."
    return f"Rows are known by the id in {columns[0]!r}." if columns else "Rows are known by their id."


def _policy_inputs(policy: DecisionPolicy) -> dict[str, Any]:
    """Thresholds in force, whether and at what price they can be moved, and the taxonomy."""
    obstacle = caution = ""
    name = policy.decision.name
    if policy.thresholds is None:
        obstacle = (
            f"This model predicts the labels with the highest scores of a row ({name}), so it has no thresholds to "
            "move. To tune thresholds, run manyhot thresholds MODEL --metric f1_macro and write the report again."
        )
    elif not policy.keeps_thresholds:
        obstacle = (
            "Rules between labels, or a taxonomy, change this model's predictions after its thresholds, so thresholds "
            "cannot be moved here. The curves show thresholds without rules."
        )
    elif policy.decision.has_shared_threshold and not policy.has_given_thresholds and not policy.exceptions:
        obstacle = (
            "This model has one threshold for all labels, tuned for the number of labels per row (cardinality), so "
            "single thresholds cannot be moved here. To tune one per label, run manyhot thresholds MODEL --metric "
            "f1_macro and write the report again."
        )
    elif policy.guarantee is not None:
        caution = "The saved thresholds come with a guarantee. Changing any of them ends it."
    return {
        "thresholds": policy.thresholds,
        "obstacle": obstacle,
        "caution": caution,
        "version": __version__,
        "hierarchy": policy.hierarchy,
    }


def _row_contents(model: Model, features: Features, rows: Sequence[int]) -> Mapping[int, Mapping[str, Any]]:
    """Rows as a person sees them, where the model takes a table."""
    encoder = model.encoder
    if not encoder.column_types or not isinstance(features, pl.DataFrame):
        return {}
    column_types = encoder.column_types
    texts = {name: features[name] for name, kind in column_types.items() if kind == "text"}
    images = [name for name, kind in column_types.items() if kind == "image"]
    other_columns = features.select(
        name for name, kind in column_types.items() if kind not in ("text", "image", "id", "ignored")
    )
    shown = iter_images(features[images[0]], list(rows)[:MAX_IMAGES], EDGE) if images else ()
    return contents(rows, texts, shown, other_columns)
