"""`manyhot predict`: rows in, answers out, a piece at a time."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl

from manyhot.cli.jobs.opening import extra_columns, options_for
from manyhot.cli.jobs.speech import tell
from manyhot.cli.jobs.why import READABLE, WHY, AskedReasons, asked_reasons, lines_with_reasons, readable
from manyhot.errors import InputError
from manyhot.estimator import MultiLabelClassifier
from manyhot.loading import load
from manyhot.read import read_chunks
from manyhot.replacing import put, replacing
from manyhot.samples import Samples

SUFFIXES = (".csv", ".jsonl", ".parquet")
EXPLAINED_ROWS = 4096
"""Rows of a piece when every row comes with its reasons, which take more room than its answers."""
DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a text for a formula."""

Writer = Callable[[pl.DataFrame], None]


def run(
    bundle: Path,
    file: Path,
    output: Path | None,
    label_sep: str,
    format: str | None,
    as_json: bool,
    quiet: bool,
    why: bool = False,
    top: int | None = None,
    text: Path | None = None,
) -> None:
    """Score every row and write the answers, with the reasons where they are asked for."""
    suffix = (".jsonl" if as_json else ".csv") if output is None else suffix_of(output)
    asked = asked_reasons(why, top, suffix, is_screen=output is None and not as_json and sys.stdout.isatty())
    suffix = suffix if asked is None else asked.suffix
    classifier = load(bundle, text=None if text is None else str(text))
    clash = next((name for name in classifier.labels_ if label_sep in name), None)
    if suffix == ".csv" and clash is not None:
        raise InputError(
            f"got {label_sep!r}, which is part of the label {clash!r}; choose another text, or write .jsonl",
            argument="--label-sep",
        )
    options = options_for(classifier, {"format": format}, require_labels=False, unknown_labels="ignore")
    n_rows = 0
    with writing(output, suffix, label_sep) as write:
        for samples in read_chunks(file, options, None if asked is None else EXPLAINED_ROWS):
            if n_rows == 0:
                tell(extra_columns(classifier, samples), quiet)
            write(answers(classifier, samples, n_rows, asked))
            n_rows += samples.n_samples
    if output is not None:
        print(json.dumps({"output": str(output), "rows": n_rows}) if as_json else f"{n_rows} rows answered in {output}")


def suffix_of(output: Path) -> str:
    """The suffix that says what is written; `InputError` for another than `SUFFIXES`."""
    suffix = output.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"got {suffix!r}, expected a name that ends in {', '.join(SUFFIXES)}", argument="--output")
    return suffix


def answers(
    classifier: MultiLabelClassifier, samples: Samples, n_before: int, asked: AskedReasons | None = None
) -> pl.DataFrame:
    """One row a sample: id, labels (a list), the probability of each label, and the reasons that were asked for."""
    features = classifier.features_of(samples)
    scores = classifier.model_.scores(features)
    labels = classifier.model_.labels
    decisions = classifier.model_.decider.answers(scores)
    names = np.asarray(labels.names, dtype=object)
    ids = samples.ids
    if ids is None:
        ids = np.arange(n_before + 1, n_before + 1 + samples.n_samples).astype(str)
    columns = {
        "id": pl.Series("id", ids.tolist(), dtype=pl.String),
        "labels": pl.Series("labels", [names[row].tolist() for row in decisions], dtype=pl.List(pl.String)),
    }
    columns |= {f"p_{name}": pl.Series(f"p_{name}", scores[:, j]) for j, name in enumerate(labels.names)}
    if asked is not None:
        columns[WHY] = asked.column(classifier.model_, features, scores)
    return pl.DataFrame(columns)


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
    safe = frame.with_columns(
        frame["id"].map_elements(harmless, return_dtype=pl.String),
        frame["labels"].list.join(label_sep).map_elements(harmless, return_dtype=pl.String),
        *(frame[name].map_elements(harmless, return_dtype=pl.String) for name in frame.columns if name == WHY),
    )
    safe.columns = [harmless(name) for name in safe.columns]
    return safe.write_csv(include_header=with_header)


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula: a quote goes before = + - @ TAB and CR."""
    return f"'{text}" if text.startswith(DANGEROUS) else text
