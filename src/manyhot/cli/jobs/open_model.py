"""Opening a model for a command."""

from __future__ import annotations

from pathlib import Path

from manyhot.errors import InputError
from manyhot.estimators.extreme import ManyLabelClassifier
from manyhot.estimators.loading import load
from manyhot.estimators.multilabel import MultiLabelClassifier


def load_model(bundle: Path, text: str | None = None) -> MultiLabelClassifier:
    """The classifier in a file, for commands that a model of very many labels has nothing for.

    Raises:
        BundleError: As for `manyhot.load`.
        InputError: A model of very many labels.
    """
    classifier = load(bundle, text=text)
    if isinstance(classifier, ManyLabelClassifier):
        raise InputError(
            "holds a model of very many labels, which this command does not take; `manyhot predict` and "
            "`manyhot evaluate` do",
            file=bundle,
        )
    return classifier
