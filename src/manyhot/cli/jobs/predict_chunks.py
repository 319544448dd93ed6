"""Predict the rows of a file chunk by chunk, for any model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl

from manyhot.cli.jobs.console import print_notes
from manyhot.cli.jobs.prediction_writer import open_writer
from manyhot.data.readers import ReadOptions, read_chunks
from manyhot.data.samples import Samples
from manyhot.estimators.extreme import ExtremeMultiLabelClassifier
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.estimators.read_options import unused_column_notes


def predict_file(
    classifier: MultiLabelClassifier | ExtremeMultiLabelClassifier,
    file: Path,
    options: ReadOptions,
    predict_chunk: Callable[[Samples, int], pl.DataFrame],  # of a chunk and the number of rows before it
    output: Path | None,
    suffix: str,
    label_sep: str,
    chunk_rows: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Read, predict and write chunk by chunk, and print the number of rows."""
    n_rows = 0
    with open_writer(output, suffix, label_sep) as write:
        for samples in read_chunks(file, options, chunk_rows):
            if n_rows == 0:
                print_notes(unused_column_notes(classifier, samples), quiet)
            if options.images is not None:
                print_notes(samples.notes, quiet)
            write(predict_chunk(samples, n_rows))
            n_rows += samples.n_samples
    if output is not None:
        print(
            json.dumps({"output": str(output), "rows": n_rows})
            if as_json
            else f"saved predictions of {n_rows} rows to {output}"
        )
