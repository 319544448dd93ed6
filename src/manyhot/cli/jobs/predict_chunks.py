"""A file's rows answered a piece at a time, whatever a model answers with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl

from manyhot.cli.jobs.console import print_notes
from manyhot.cli.jobs.prediction_writer import writing
from manyhot.data.readers import ReadOptions, read_chunks
from manyhot.data.samples import Samples
from manyhot.estimators.extreme import ManyLabelClassifier
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.estimators.read_options import extra_columns


def answer_rows(
    classifier: MultiLabelClassifier | ManyLabelClassifier,
    file: Path,
    options: ReadOptions,
    answers: Callable[[Samples, int], pl.DataFrame],
    output: Path | None,
    suffix: str,
    label_sep: str,
    rows: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Read, answer and write piece by piece, and say how many rows that were.

    Args:
        classifier: The model.
        file: The rows.
        options: How they are read.
        answers: (a piece, rows before it) -> its answers.
        output: Where to; None for standard output.
        suffix: What is written, as for `writing`.
        label_sep: What stands between two labels.
        rows: Rows of a piece, as for `read_chunks`.
        as_json: Whether the end is told as JSON.
        quiet: Whether notes are kept to oneself.
    """
    n_rows = 0
    with writing(output, suffix, label_sep) as write:
        for samples in read_chunks(file, options, rows):
            if n_rows == 0:
                print_notes(extra_columns(classifier, samples), quiet)
            if options.images is not None:
                print_notes(samples.notes, quiet)
            write(answers(samples, n_rows))
            n_rows += samples.n_samples
    if output is not None:
        print(json.dumps({"output": str(output), "rows": n_rows}) if as_json else f"{n_rows} rows answered in {output}")
