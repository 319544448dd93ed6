"""`manyhot label-errors`: recorded labels that look wrong, from a trained model's out-of-fold scores."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl

from manyhot import validation
from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.open_model import load_model
from manyhot.cli.jobs.outputs import model_inputs, refuse_overwriting, refuse_training_file
from manyhot.cli.jobs.prediction_writer import check_suffix
from manyhot.config.label_rules import LABEL_SEP
from manyhot.errors import InputError
from manyhot.estimators.prediction_table import escape_formula
from manyhot.estimators.progress import stage_progress
from manyhot.evaluation.label_errors import LabelErrors, find_label_errors
from manyhot.evaluation.report.text import percent, pluralize
from manyhot.files import write_file
from manyhot.models.evidence import OutOfFoldResults
from manyhot.models.model import Model
from manyhot.models.segmentation.model import refuse_pixels
from manyhot.validation import join_names

STALE_NOTE = (
    "the model was trained further after these scores were made: they are still out-of-fold, but do not include what "
    "the model has learned since, nor rows that were added later"
)


def run(bundle: Path, output: Path | None, limit: int, label: str | None, as_json: bool, quiet: bool) -> None:
    """Rank the entries, show the first `limit`, and write as many as are expected to be wrong."""
    validation.integer(limit=limit, low=1)
    if output is not None:
        check_suffix(output)
    refuse_overwriting({"--output": output}, model_inputs(bundle))
    classifier = load_model(bundle)
    refuse_training_file(output, classifier.model_.origin)
    refuse_pixels(classifier.model_, "label errors are searched among labels of rows only")
    model = classifier.model_
    evidence = require_evidence(model, bundle)
    with stage_progress(int(not quiet)) as progress:
        errors = find_label_errors(
            evidence.scores, evidence.targets, evidence.ids, model.labels, label=label, progress=progress
        )
    notes = describe_limits(errors, model, evidence, label)
    if output is not None:
        write_table(to_table(errors), output)
    print_notes(notes, quiet=as_json or quiet)
    document = to_document(errors, limit, label) | {"model": str(bundle), "notes": notes}
    if output is not None:
        document["output"] = str(output)
    print_result(document, as_text(document), as_json)


def require_evidence(model: Model, bundle: Path) -> OutOfFoldResults:
    """The scores that training kept; raise `InputError` if they were left out of the file."""
    if model.evidence is None:
        raise InputError(
            "this model was saved without its out-of-fold scores, which finding label errors needs; "
            "train again without --no-evidence, or save with evidence=True",
            file=bundle,
        )
    return model.evidence


def describe_limits(errors: LabelErrors, model: Model, evidence: OutOfFoldResults, label: str | None) -> list[str]:
    """What a person should know before believing the list."""
    notes = [STALE_NOTE] if evidence.is_stale else []
    n_scored, n_rows = len(evidence.ids), int(model.report["data"]["rows_total"])
    if n_scored < n_rows:
        notes.append(f"only the {n_scored} of {n_rows} rows with an out-of-fold score were examined")
    if errors.n_wrong.sum() > 0.5 * evidence.targets.support()[errors.n_wrong > 0].sum():
        notes.append(
            "the number of wrong labels is more than half of those marked present: either the labels are very noisy, "
            "or the scores are too weak for this list to be trusted"
        )
    names = [model.labels.names[j] for j in errors.left_out]
    if label is not None:
        names = [name for name in names if name == label]
    if names:
        listed = join_names([repr(name) for name in names])
        notes.append(f"left out, because they have the same value in every known row: {listed}")
    return notes


def to_table(errors: LabelErrors, first: int | None = None) -> pl.DataFrame:
    """One row for each of the first entries: id, label, what is recorded, what speaks against it."""
    reasons = errors.reasons(first)
    shown = slice(len(reasons))
    columns = {
        "id": pl.Series(errors.ids[shown].tolist(), dtype=pl.String),
        "label": pl.Series([errors.space.names[j] for j in errors.label[shown]], dtype=pl.String),
        "recorded": pl.Series(["present" if yes else "absent" for yes in errors.recorded[shown]], dtype=pl.String),
        "score": pl.Series(errors.score[shown], dtype=pl.Float64),
        "expected": pl.Series(errors.expected[shown], dtype=pl.Float64),
        "suspicion": pl.Series(errors.suspicion[shown], dtype=pl.Float64),
        "reason": pl.Series(reasons, dtype=pl.String),
    }
    return pl.DataFrame(columns)


def write_table(entries: pl.DataFrame, output: Path) -> None:
    """A table as CSV, JSON lines or Parquet; the file is replaced whole or not at all."""
    suffix, content = output.suffix.lower(), io.BytesIO()
    if suffix == ".parquet":
        entries.write_parquet(content)
    elif suffix == ".csv":
        joined = entries.with_columns(pl.col(pl.List(pl.String)).list.join(LABEL_SEP))
        joined.with_columns(pl.col(pl.String).map_elements(escape_formula, return_dtype=pl.String)).write_csv(content)
    else:
        entries.write_ndjson(content)
    write_file(output, content.getvalue())


def to_document(errors: LabelErrors, limit: int, label: str | None) -> dict[str, Any]:
    """The first entries and rows, and the expected numbers, as plain JSON values."""
    names, rows = errors.space.names, errors.rows()
    by_row = zip(
        rows.ids.tolist(), rows.suspicion.tolist(), rows.worst.tolist(), rows.n_suspicious.tolist(), strict=True
    )
    return {
        "label": label,
        "n_known": errors.n_known,
        "n_wrong": float(errors.n_wrong.sum()),
        "n_wrong_by_label": dict(zip(names, errors.n_wrong.tolist(), strict=True)),
        "left_out": [names[j] for j in errors.left_out],
        "n_entries": len(errors),
        "n_wrong_entries": errors.n_expected_wrong,
        "entries": to_table(errors, limit).to_dicts(),
        "n_rows": len(rows),
        "rows": [
            {"id": name, "suspicion": suspicion, "worst": names[column], "n_suspicious": count}
            for name, suspicion, column, count in list(by_row)[:limit]
        ],
    }


def as_text(document: dict[str, Any]) -> str:
    """The same for people."""
    label_phrase = "" if document["label"] is None else f" of {document['label']!r}"
    n_wrong = document["n_entries"]
    lines = [
        f"{document['model']}: {n_wrong} of {document['n_known']:,} known labels{label_phrase} "
        f"{'looks' if n_wrong == 1 else 'look'} wrong, in {pluralize(document['n_rows'], 'row')}"
    ]
    if document["entries"]:
        n_expected = max(1, round(document["n_wrong_entries"]))
        verb = "is" if n_expected == 1 else "are"
        lines[0] += f"; about {n_expected} of them {verb} expected to be wrong indeed"
        lines += ["", "probability that the label is wrong"]
        lines += [
            f"{percent(entry['suspicion']):>6}  {entry['id']}, {entry['label']}: {entry['reason']}"
            for entry in document["entries"]
        ]
    by_label = sorted(document["n_wrong_by_label"].items(), key=lambda pair: -pair[1])
    worst = [(name, n) for name, n in by_label if n >= 0.5][: len(document["entries"])]
    if worst:
        lines += ["", "estimated number of wrong labels, listed or not", *(f"{n:>5.0f}  {name}" for name, n in worst)]
    if "output" in document:
        lines += ["", f"saved {pluralize(n_wrong, 'suspicious label')} to {document['output']}"]
    return "\n".join(lines)
