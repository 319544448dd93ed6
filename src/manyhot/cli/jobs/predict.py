"""`manyhot predict`: rows in, answers out, a piece at a time."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl

from manyhot.cli.jobs import many
from manyhot.cli.jobs.opening import extra_columns, options_for
from manyhot.cli.jobs.speech import tell
from manyhot.cli.jobs.why import WHY, AskedReasons, asked_reasons
from manyhot.cli.jobs.writing import suffix_of, writing
from manyhot.errors import InputError
from manyhot.estimator import MultiLabelClassifier
from manyhot.loading import load
from manyhot.many import ManyLabelClassifier
from manyhot.read import read_chunks
from manyhot.samples import Samples

EXPLAINED_ROWS = 4096
"""Rows of a piece when every row comes with its reasons, which take more room than its answers."""


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
    classifier = load(bundle, text=None if text is None else str(text))
    if isinstance(classifier, ManyLabelClassifier):
        if why:
            raise InputError("reasons are not given for models of very many labels", argument="--why")
        many.predict(classifier, file, output, {"format": format, "label_sep": label_sep}, top, as_json, quiet)
        return
    asked = asked_reasons(why, top, suffix, is_screen=output is None and not as_json and sys.stdout.isatty())
    suffix = suffix if asked is None else asked.suffix
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
