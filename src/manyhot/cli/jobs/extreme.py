"""`train --extreme`, and `predict` and `evaluate` with an extreme multi-label model."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from manyhot.cli.jobs.console import print_notes, print_result
from manyhot.cli.jobs.outputs import Input, refuse_other_file, refuse_overwriting, training_inputs
from manyhot.cli.jobs.predict_chunks import predict_file
from manyhot.cli.jobs.prediction_writer import check_suffix
from manyhot.cli.jobs.read_options import build_read_options, saved_options
from manyhot.data.readers import read
from manyhot.data.samples import Samples
from manyhot.errors import InputError, OutputError
from manyhot.estimators.extreme import ExtremeMultiLabelClassifier
from manyhot.estimators.prediction_table import id_series
from manyhot.estimators.read_options import model_read_options, unused_column_notes
from manyhot.models.extreme.config import SHARED

CHUNK_ROWS = 65536
DEFAULT_TOP = 5  # default number of labels predicted per row


def train(
    file: Path,
    output: Path,
    read_flags: Mapping[str, Any],
    flag_files: Iterable[Input],
    settings: Mapping[str, Any],
    as_json: bool,
) -> None:
    """Read with sparse targets, train, save, report."""
    allowed = (*SHARED, "verbose")
    for name in settings:
        if name not in allowed:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in (*SHARED, "quiet"))
            raise InputError(
                f"has no effect with --extreme, which takes {flags}", argument=f"--{name.replace('_', '-')}"
            )
    classifier = ExtremeMultiLabelClassifier(**settings, column_types=read_flags["column_types"] or None)
    if not output.parent.is_dir():
        raise OutputError(f"{output} could not be written: the folder {output.parent} does not exist; create it first")
    options = build_read_options(read_flags, sparse_targets=True)
    refuse_overwriting({"--output": output}, training_inputs(file, options, settings, flag_files))
    refuse_other_file(output)
    samples = read(file, options)
    print_notes(samples.notes, settings.get("verbose", 1) == 0)
    start_time = time.perf_counter()
    classifier.fit(samples)
    seconds = time.perf_counter() - start_time
    classifier.read_options_ = saved_options(read_flags)
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
    message = f"saved {output} ({size / 2**20:.1f} MiB, trained in {seconds:.1f} s)"
    text = f"{classifier.report_}\n\n{message}\nnext: manyhot predict {output} FILE --top 5 -o predictions.csv"
    print_result(document, text, as_json)


def predict(
    classifier: ExtremeMultiLabelClassifier,
    file: Path,
    output: Path | None,
    output_options: Mapping[str, Any],
    top: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the best labels of every row, and their scores."""
    suffix = (".jsonl" if as_json else ".csv") if output is None else check_suffix(output)
    top_k = min(DEFAULT_TOP, len(classifier.labels_)) if top is None else top
    options = model_read_options(
        classifier,
        {"format": output_options["format"]},
        require_labels=False,
        unknown_labels="ignore",
        sparse_targets=True,
    )
    predict_chunk = partial(_predict_chunk, classifier, top_k)
    predict_file(
        classifier,
        file,
        options,
        predict_chunk,
        output,
        suffix,
        output_options["label_sep"],
        CHUNK_ROWS,
        as_json,
        quiet,
    )


def evaluate(
    classifier: ExtremeMultiLabelClassifier,
    file: Path,
    read_flags: Mapping[str, Any],
    unknown_labels: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Evaluate the top-k labels on labelled rows."""
    options = model_read_options(classifier, read_flags, unknown_labels=unknown_labels, sparse_targets=True)
    samples = read(file, options)
    print_notes([*samples.notes, *unused_column_notes(classifier, samples)], quiet)
    if samples.labels is None:
        raise InputError("there are no labels in this file to evaluate on; name them with --labels", file=file)
    report = classifier.evaluate(samples)
    print_result({**report.to_dict(), "file": str(file)}, str(report), as_json)


def _predict_chunk(classifier: ExtremeMultiLabelClassifier, k: int, samples: Samples, n_before: int) -> pl.DataFrame:
    """One row a sample: id, the best labels (a list, best first) and their scores (a list)."""
    best = classifier.predict_top_k(samples, k)
    names = [[classifier.labels_[j] for j in row] for row in best.labels.tolist()]
    return pl.DataFrame(
        {
            "id": id_series(samples, n_before),
            "labels": pl.Series("labels", names, dtype=pl.List(pl.String)),
            "scores": pl.Series("scores", best.scores.tolist(), dtype=pl.List(pl.Float32)),
        }
    )
