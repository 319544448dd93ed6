"""Opening a model for a command; the estimators, and scikit-learn, are imported only by commands that need one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import manyhot
from manyhot.errors import InputError
from manyhot.models.extreme.model import ExtremeModel
from manyhot.models.model import Model
from manyhot.persistence import container, extreme_model, model_file

if TYPE_CHECKING:
    from manyhot.estimators.base_classifier import BaseModelClassifier


def read_model(bundle: Path) -> Model:
    """The model in a file; raise `InputError` for an extreme multi-label model."""
    model = read_any_model(bundle)
    if isinstance(model, ExtremeModel):
        raise _unsupported_extreme(bundle)
    return model


def read_any_model(bundle: Path) -> Model | ExtremeModel:
    """The model in a file."""
    contents = container.read(bundle)
    if extreme_model.is_extreme(contents):
        return extreme_model.construct(contents, bundle)[0]
    return model_file.construct(contents, bundle, {})[0]


def load_model(bundle: Path, text: Path | None = None) -> BaseModelClassifier:
    """The classifier in a file; raise `InputError` for an extreme multi-label model."""
    classifier = manyhot.load(bundle, text=None if text is None else str(text))
    if isinstance(classifier, manyhot.ExtremeMultiLabelClassifier):
        raise _unsupported_extreme(bundle)
    return classifier


def _unsupported_extreme(bundle: Path) -> InputError:
    return InputError(
        "is an extreme multi-label model, which this command does not support; use `manyhot predict`, "
        "`manyhot evaluate` or `manyhot inspect`",
        file=bundle,
    )
