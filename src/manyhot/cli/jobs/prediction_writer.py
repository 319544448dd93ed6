"""Predictions -> CSV, Parquet or JSON lines, a piece at a time, harmless to spreadsheets."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from manyhot.cli.jobs.explanations import READABLE, to_json_lines, to_readable_text
from manyhot.errors import InputError
from manyhot.estimators.prediction_table import to_csv
from manyhot.files import atomic_write, write_all

SUFFIXES = (".csv", ".jsonl", ".parquet")
Writer = Callable[[pl.DataFrame], None]


def check_suffix(output: Path) -> str:
    """The suffix that says what is written; `InputError` for another than `SUFFIXES`."""
    suffix = output.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"got {suffix!r}, expected a name that ends in {', '.join(SUFFIXES)}", argument="--output")
    return suffix


@contextmanager
def open_writer(output: Path | None, suffix: str, label_sep: str) -> Iterator[Writer]:
    """A function to call with each chunk of predictions; a file appears only when all went well."""
    if output is None:
        n_chunks = 0

        def to_screen(frame: pl.DataFrame) -> None:
            nonlocal n_chunks
            sys.stdout.write(as_text(frame, suffix, label_sep, with_header=n_chunks == 0))
            n_chunks += 1

        yield to_screen
        return
    with atomic_write(output) as descriptor:
        frames: list[pl.DataFrame] = []
        n_chunks = 0

        def to_file(frame: pl.DataFrame) -> None:
            nonlocal n_chunks
            if suffix == ".parquet":
                frames.append(frame)
            else:
                write_all(descriptor, memoryview(as_text(frame, suffix, label_sep, with_header=n_chunks == 0).encode()))
            n_chunks += 1

        yield to_file
        if suffix == ".parquet":
            with open(descriptor, "wb", closefd=False) as file:
                pl.concat(frames).write_parquet(file)


def as_text(frame: pl.DataFrame, suffix: str, label_sep: str, with_header: bool) -> str:
    """The predictions as CSV or JSON lines, or for a person to read."""
    if suffix == ".jsonl":
        return to_json_lines(frame)
    if suffix == READABLE:
        return to_readable_text(frame, label_sep)
    return to_csv(frame, label_sep, with_header)
