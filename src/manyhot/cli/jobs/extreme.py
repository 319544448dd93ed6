"""`train --many`, and `predict` and `evaluate` with a model of very many labels."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.outputs import refuse_other_file, refuse_overwriting, training_inputs
from manyhot.cli.jobs.predict_chunks import answer_rows
from manyhot.cli.jobs.prediction_writer import suffix_of
from manyhot.cli.jobs.read_options import options_of, saved_options
from manyhot.data.readers import read
from manyhot.data.samples import Samples
from manyhot.errors import InputError, OutputError
from manyhot.estimators.extreme import ManyLabelClassifier
from manyhot.estimators.prediction_table import ids_of
from manyhot.estimators.read_options import extra_columns, options_for
from manyhot.models.extreme.config import SHARED

ROWS = 65536
TOP = 5
"""Labels answered for each row where nothing is said."""


def train(file: Path, output: Path, reading: Mapping[str, Any], settings: Mapping[str, Any], as_json: bool) -> None:
    """Read with sparse targets, train, save, report."""
    known = (*SHARED, "quiet")
    for name in settings:
        if name not in known:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"has no effect with --many, which takes {', '.join(known)}", argument=flag)
    classifier = ManyLabelClassifier(**settings, kinds=reading["kinds"] or None)
    if not output.parent.is_dir():
        raise OutputError(f"{output} could not be written: the folder {output.parent} does not exist; create it first")
    options = options_of(reading, sparse_targets=True)
    refuse_overwriting({"--output": output}, training_inputs(file, options, settings))
    refuse_other_file(output)
    samples = read(file, options)
    print_notes(samples.notes, bool(settings.get("quiet")))
    began = time.perf_counter()
    classifier.fit(samples)
    seconds = time.perf_counter() - began
    classifier.reading_ = saved_options(reading)
    classifier.save(output)
    size = output.stat().st_size
    document = {
        "model": str(output),
        "bytes": size,
        "seconds": round(seconds, 3),
        "n_labels": len(classifier.labels_),
        "threshold": classifier.threshold_,
        "report": classifier.report_.to_dict(),
    }
    told = f"saved {output} ({size / 2**20:.1f} MiB, trained in {seconds:.1f} s)"
    text = f"{classifier.report_}\n\n{told}\nnext: manyhot predict {output} FILE --top 5 -o answers.csv"
    print_result(document, text, as_json)


def predict(
    classifier: ManyLabelClassifier,
    file: Path,
    output: Path | None,
    told: Mapping[str, Any],
    top: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the best labels of every row, and their scores.

    Args:
        classifier: The model.
        file: The rows.
        output: Where to; None for standard output.
        told: `format` and `label_sep`.
        top: Labels a row; None for five.
        as_json: JSON lines on standard output.
        quiet: Whether notes are kept to oneself.
    """
    suffix = (".jsonl" if as_json else ".csv") if output is None else suffix_of(output)
    k = min(TOP, len(classifier.labels_)) if top is None else top
    options = options_for(
        classifier, {"format": told["format"]}, require_labels=False, unknown_labels="ignore", sparse_targets=True
    )
    answers = partial(_answers, classifier, k)
    answer_rows(classifier, file, options, answers, output, suffix, told["label_sep"], ROWS, as_json, quiet)


def evaluate(
    classifier: ManyLabelClassifier,
    file: Path,
    told: Mapping[str, Any],
    unknown_labels: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure the first answers on rows whose labels are known."""
    options = options_for(classifier, told, unknown_labels=unknown_labels, sparse_targets=True)
    samples = read(file, options)
    print_notes([*samples.notes, *extra_columns(classifier, samples)], quiet)
    if samples.labels is None:
        raise InputError("there are no labels in this file to evaluate on; name them with --labels", file=file)
    report = classifier.evaluate(samples)
    print_result({**report.to_dict(), "file": str(file)}, str(report), as_json)


def _answers(classifier: ManyLabelClassifier, k: int, samples: Samples, n_before: int) -> pl.DataFrame:
    """One row a sample: id, the best labels (a list, best first) and their scores (a list)."""
    top = classifier.predict_top(samples, k)
    names = [[classifier.labels_[j] for j in row] for row in top.labels.tolist()]
    return pl.DataFrame(
        {
            "id": ids_of(samples, n_before),
            "labels": pl.Series("labels", names, dtype=pl.List(pl.String)),
            "scores": pl.Series("scores", top.scores.tolist(), dtype=pl.List(pl.Float32)),
        }
    )
