"""What `train`, `predict` and `evaluate` do otherwise for extreme multi-label models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from manyhot.cli.jobs.console import print_result
from manyhot.cli.jobs.score_file import read_rows
from manyhot.config.extreme import ExtremeConfig
from manyhot.config.fields import settings_of
from manyhot.config.training import TrainingConfig
from manyhot.data.samples import Samples
from manyhot.errors import InputError
from manyhot.estimators.extreme import ExtremeMultiLabelClassifier
from manyhot.estimators.prediction_table import id_series
from manyhot.estimators.read_options import model_read_options

CHUNK_ROWS = 65536
DEFAULT_TOP = 5  # default number of labels predicted per row


def make_classifier(settings: Mapping[str, Any], column_types: Mapping[str, str]) -> ExtremeMultiLabelClassifier:
    """The classifier of `train --extreme`; raise `InputError` for settings that it does not have."""
    allowed = [name for name in settings_of(ExtremeConfig) if name in TrainingConfig.__dataclass_fields__]
    for name in settings:
        if name not in (*allowed, "verbose"):
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in (*allowed, "quiet"))
            raise InputError(
                f"has no effect with --extreme, which takes {flags}", argument=f"--{name.replace('_', '-')}"
            )
    return ExtremeMultiLabelClassifier(**settings, column_types=column_types or None)


def evaluate(
    classifier: ExtremeMultiLabelClassifier, file: Path, read_flags: Mapping[str, Any], as_json: bool, quiet: bool
) -> None:
    """Evaluate the top-k labels on labelled rows."""
    samples = read_rows(classifier, file, model_read_options(classifier, read_flags, sparse_targets=True), quiet)
    report = classifier.evaluate(samples)
    print_result({**report.to_dict(), "file": str(file)}, str(report), as_json)


def predict_table(
    classifier: ExtremeMultiLabelClassifier, top: int | None, samples: Samples, n_before: int
) -> pl.DataFrame:
    """One row a sample: id, the best labels (a list, best first) and their scores (a list)."""
    best = classifier.predict_top_k(samples, min(DEFAULT_TOP, len(classifier.labels_)) if top is None else top)
    names = [[classifier.labels_[j] for j in row] for row in best.labels.tolist()]
    return pl.DataFrame(
        {
            "id": id_series(samples, n_before),
            "labels": pl.Series("labels", names, dtype=pl.List(pl.String)),
            "scores": pl.Series("scores", best.scores.tolist(), dtype=pl.List(pl.Float32)),
        }
    )
