"""Opening a model for a command."""

from __future__ import annotations

from pathlib import Path

from manyhot.cli.jobs.read_model import unsupported_extreme
from manyhot.estimators.extreme import ExtremeMultiLabelClassifier
from manyhot.estimators.loading import load
from manyhot.estimators.multilabel import MultiLabelClassifier


def load_model(bundle: Path, text: str | None = None) -> MultiLabelClassifier:
    """The classifier in a file, for commands that do not support extreme multi-label models."""
    classifier = load(bundle, text=text)
    if isinstance(classifier, ExtremeMultiLabelClassifier):
        raise unsupported_extreme(bundle)
    return classifier
