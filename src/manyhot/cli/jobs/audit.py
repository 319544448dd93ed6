"""`manyhot audit`: recorded labels that look wrong, from what a trained model kept of its training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from manyhot import validation
from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.open_model import load_model
from manyhot.cli.jobs.outputs import model_inputs, refuse_overwriting
from manyhot.cli.jobs.prediction_writer import suffix_of
from manyhot.errors import InputError
from manyhot.estimators.prediction_table import harmless
from manyhot.evaluation.label_errors import LabelErrors, suspicious_labels
from manyhot.files import put, replacing
from manyhot.models.evidence import OutOfFoldResults
from manyhot.models.model import Model
from manyhot.models.segmentation.model import refuse_pixels

STALE = (
    "the model was trained further after these scores were made: they still come from members that had not seen the "
    "row, but what the model has learned since, and rows that came later, do not count"
)


def run(bundle: Path, output: Path | None, limit: int, label: str | None, as_json: bool) -> None:
    """Rank the entries, show the first `limit`, and write as many as are expected to be wrong."""
    validation.integer(limit=limit, low=1)
    if output is not None:
        suffix_of(output)
    refuse_overwriting({"--output": output}, model_inputs(bundle))
    classifier = load_model(bundle)
    refuse_pixels(classifier.model_, "only labels of rows are audited")
    model = classifier.model_
    evidence = evidence_of(model, bundle)
    found = suspicious_labels(evidence.scores, evidence.targets, evidence.ids, model.labels, label=label)
    notes = notes_on(found, model, evidence, label)
    if output is not None:
        write(table(found), output)
    print_notes(notes, quiet=as_json)
    document = document_of(found, limit, label) | {"model": str(bundle), "notes": notes}
    if output is not None:
        document["output"] = str(output)
    print_result(document, as_text(document), as_json)


def evidence_of(model: Model, bundle: Path) -> OutOfFoldResults:
    """The scores that training kept.

    Raises:
        InputError: They were left out of the file.
    """
    if model.evidence is None:
        raise InputError(
            "this model was saved without its out-of-fold scores, and they are what an audit rests on; "
            "train again without --no-evidence, or save with evidence=True",
            file=bundle,
        )
    return model.evidence


def notes_on(found: LabelErrors, model: Model, evidence: OutOfFoldResults, label: str | None) -> list[str]:
    """What a person should know before believing the list."""
    notes = [STALE] if evidence.is_stale else []
    n_scored, n_given = len(evidence.ids), int(model.report["data"]["rows_given"])
    if n_scored < n_given:
        notes.append(
            f"only the {n_scored} of {n_given} rows that have a score from a member that had not seen them are judged"
        )
    if found.n_wrong.sum() > 0.5 * evidence.targets.support()[found.n_wrong > 0].sum():
        notes.append(
            "the number of wrong entries is more than half of what is recorded as present: either the labels are very "
            "noisy, or the scores tell so little that the list is not to be trusted"
        )
    names = [model.labels.names[j] for j in found.left_out]
    if label is not None:
        names = [name for name in names if name == label]
    if names:
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        notes.append(
            f"left out, because what is known of them is all yes or all no: {', '.join(map(repr, names[:8]))}{more}"
        )
    return notes


def table(found: LabelErrors, first: int | None = None) -> pl.DataFrame:
    """One row for each of the first entries: id, label, what is recorded, what speaks against it."""
    reasons = found.reasons(first)
    shown = slice(len(reasons))
    columns = {
        "id": pl.Series(found.ids[shown].tolist(), dtype=pl.String),
        "label": pl.Series([found.space.names[j] for j in found.label[shown]], dtype=pl.String),
        "recorded": pl.Series(["present" if yes else "absent" for yes in found.recorded[shown]], dtype=pl.String),
        "score": pl.Series(found.score[shown], dtype=pl.Float64),
        "expected": pl.Series(found.expected[shown], dtype=pl.Float64),
        "suspicion": pl.Series(found.suspicion[shown], dtype=pl.Float64),
        "reason": pl.Series(reasons, dtype=pl.String),
    }
    return pl.DataFrame(columns)


def write(entries: pl.DataFrame, output: Path) -> None:
    """The entries as CSV, JSON lines or Parquet; the file is replaced whole or not at all."""
    suffix = output.suffix.lower()
    with replacing(output) as descriptor:
        if suffix == ".parquet":
            with open(descriptor, "wb", closefd=False) as file:
                entries.write_parquet(file)
            return
        if suffix == ".csv":
            texts = [pl.col(name).map_elements(harmless, return_dtype=pl.String) for name in ("id", "label")]
            text = entries.with_columns(texts).write_csv()
        else:
            text = entries.write_ndjson()
        put(descriptor, memoryview(text.encode()))


def document_of(found: LabelErrors, limit: int, label: str | None) -> dict[str, Any]:
    """The first entries and rows, and the expected numbers, as plain JSON values."""
    names, rows = found.space.names, found.rows()
    by_row = zip(
        rows.ids.tolist(), rows.suspicion.tolist(), rows.worst.tolist(), rows.n_suspicious.tolist(), strict=True
    )
    return {
        "label": label,
        "n_known": found.n_known,
        "n_wrong": float(found.n_wrong.sum()),
        "n_wrong_by_label": dict(zip(names, found.n_wrong.tolist(), strict=True)),
        "left_out": [names[j] for j in found.left_out],
        "n_entries": len(found),
        "entries": table(found, limit).to_dicts(),
        "n_rows": len(rows),
        "rows": [
            {"id": name, "suspicion": suspicion, "worst": names[column], "n_suspicious": count}
            for name, suspicion, column, count in list(by_row)[:limit]
        ],
    }


def as_text(document: dict[str, Any]) -> str:
    """The same for people."""
    of = "" if document["label"] is None else f" of {document['label']!r}"
    lines = [
        f"{document['model']}: of {document['n_known']} known entries{of} about {document['n_entries']} are expected "
        f"to be wrong, in about {document['n_rows']} rows"
    ]
    if document["entries"]:
        lines += ["", "suspicion  entry"]
        lines += [
            f"{entry['suspicion']:>9.2f}  {entry['id']}, {entry['label']}: {entry['reason']}"
            for entry in document["entries"]
        ]
    by_label = sorted(document["n_wrong_by_label"].items(), key=lambda pair: -pair[1])
    worst = [(name, n) for name, n in by_label if n >= 0.5][: len(document["entries"])]
    if worst:
        lines += ["", "wrong  label", *(f"{n:>5.0f}  {name}" for name, n in worst)]
    if "output" in document:
        lines += ["", f"{document['n_entries']} entries written to {document['output']}"]
    return "\n".join(lines)
