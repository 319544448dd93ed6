"""Predict the rows of a file and write CSV, Parquet or JSON lines, a chunk at a time, harmless to spreadsheets."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import polars as pl

from manyhot.cli.jobs.explanations import READABLE, to_json_lines, to_readable_text
from manyhot.cli.jobs.row_predictor import NoteCallback, RowPredictor
from manyhot.data.readers import read_chunks
from manyhot.data.samples import Samples
from manyhot.errors import InputError
from manyhot.estimators.prediction_table import to_csv
from manyhot.estimators.read_options import unused_column_notes
from manyhot.files import atomic_write, write_all

SUFFIXES = (".csv", ".jsonl", ".parquet")
JSON_DOCUMENT = ".json"  # stands for one document on standard output
OPENING = '{"predictions":['


def check_suffix(output: Path) -> str:
    """The suffix that says what is written; `InputError` for another than `SUFFIXES`."""
    suffix = output.suffix.lower()
    if suffix not in SUFFIXES:
        endings = ", ".join(SUFFIXES)
        raise InputError(
            f"got {output.name!r}, expected a name that ends in {endings}",
            argument="--output",
        )
    return suffix


def write_predictions(
    file: Path,
    predictor: RowPredictor,
    output: Path | None,
    label_sep: str,
    on_notes: NoteCallback,
    on_rows: Callable[[int], None] | None = None,
) -> int:
    """Read, predict and write chunk by chunk, and call `on_rows` with the rows so far; the number of rows."""
    n_rows = 0
    options = predictor.options
    with open_writer(output, predictor.suffix, label_sep) as write:
        for samples in read_chunks(file, options, predictor.chunk_rows):
            if n_rows == 0:
                on_notes(unused_column_notes(predictor.classifier, samples))
            if options.images is not None:
                on_notes(samples.notes)
            for part in _parts(samples, predictor.part_rows):
                write(predictor.predict_chunk(part, n_rows))
                n_rows += part.n_samples
                if on_rows is not None:
                    on_rows(n_rows)
    return n_rows


def _parts(samples: Samples, rows: int | None) -> Iterator[Samples]:
    """The rows in parts of at most so many, so that what is written last is not worked on first."""
    step = samples.n_samples if rows is None else rows
    if step >= samples.n_samples:
        yield samples
        return
    for start in range(0, samples.n_samples, step):
        yield samples.slice(start, min(start + step, samples.n_samples))


@contextmanager
def open_writer(output: Path | None, suffix: str, label_sep: str) -> Iterator[Callable[[pl.DataFrame], None]]:
    """A function to call with each chunk of predictions; a file appears only when all went well."""
    frames: list[pl.DataFrame] = []
    n_chunks = n_rows = 0
    with nullcontext() if output is None else atomic_write(output) as descriptor:

        def write(frame: pl.DataFrame) -> None:
            nonlocal n_chunks, n_rows
            if suffix == ".parquet":
                frames.append(frame)
                return
            text = _as_text(frame, suffix, label_sep, with_header=n_chunks == 0)
            n_chunks += 1
            n_rows += frame.height
            if descriptor is None:
                sys.stdout.write(text)
            else:
                write_all(descriptor, memoryview(text.encode()))

        yield write
        if suffix == JSON_DOCUMENT:
            opening = "" if n_chunks else OPENING
            sys.stdout.write(f'{opening}\n],"rows":{n_rows}}}\n')
        if descriptor is not None and suffix == ".parquet":
            with open(descriptor, "wb", closefd=False) as file:
                try:
                    pl.concat(frames).write_parquet(file)
                except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
                    raise _as_os_error(error) from None


def _as_os_error(error: BaseException) -> OSError:
    """What the system said when polars could not write, which polars tells in words of its own."""
    number = re.search(r"os error (\d+)", str(error))
    code = int(number[1]) if number else errno.EIO
    return OSError(code, os.strerror(code) if number else str(error).split("\n", 1)[0][:200])


def _as_text(frame: pl.DataFrame, suffix: str, label_sep: str, with_header: bool) -> str:
    """The predictions as CSV or JSON lines, or for a person to read."""
    if suffix == JSON_DOCUMENT:
        opening = OPENING if with_header else ","
        return f"{opening}\n" + to_json_lines(frame).rstrip("\n").replace("\n", ",\n")
    if suffix == ".jsonl":
        return to_json_lines(frame)
    if suffix == READABLE:
        return to_readable_text(frame, label_sep)
    return to_csv(frame, label_sep, with_header)
