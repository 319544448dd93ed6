"""Answers -> CSV, Parquet or JSON lines, a piece at a time, harmless to spreadsheets."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from manyhot.cli.jobs.explanations import READABLE, lines_with_reasons, readable
from manyhot.errors import InputError
from manyhot.estimators.prediction_table import as_csv
from manyhot.files import put, replacing

SUFFIXES = (".csv", ".jsonl", ".parquet")
Writer = Callable[[pl.DataFrame], None]


def suffix_of(output: Path) -> str:
    """The suffix that says what is written; `InputError` for another than `SUFFIXES`."""
    suffix = output.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"got {suffix!r}, expected a name that ends in {', '.join(SUFFIXES)}", argument="--output")
    return suffix


@contextmanager
def writing(output: Path | None, suffix: str, label_sep: str) -> Iterator[Writer]:
    """What to call with each piece of the answers; a file appears only when all went well."""
    if output is None:
        pieces = 0

        def to_screen(frame: pl.DataFrame) -> None:
            nonlocal pieces
            sys.stdout.write(as_text(frame, suffix, label_sep, with_header=pieces == 0))
            pieces += 1

        yield to_screen
        return
    with replacing(output) as descriptor:
        frames: list[pl.DataFrame] = []
        pieces = 0

        def to_file(frame: pl.DataFrame) -> None:
            nonlocal pieces
            if suffix == ".parquet":
                frames.append(frame)
            else:
                put(descriptor, memoryview(as_text(frame, suffix, label_sep, with_header=pieces == 0).encode()))
            pieces += 1

        yield to_file
        if suffix == ".parquet":
            with open(descriptor, "wb", closefd=False) as file:
                pl.concat(frames).write_parquet(file)


def as_text(frame: pl.DataFrame, suffix: str, label_sep: str, with_header: bool) -> str:
    """The answers as CSV or JSON lines, or for a person to read."""
    if suffix == ".jsonl":
        return lines_with_reasons(frame)
    if suffix == READABLE:
        return readable(frame, label_sep)
    return as_csv(frame, label_sep, with_header)
