"""Opening a model for a command that neither trains nor scores, and so needs no estimator."""

from __future__ import annotations

from pathlib import Path

from manyhot.errors import InputError
from manyhot.models.model import Model
from manyhot.persistence import container, model_file
from manyhot.persistence.extreme_model import is_extreme


def read_model(bundle: Path) -> Model:
    """The model in a file; raise `InputError` for an extreme multi-label model."""
    contents = container.read(bundle)
    if is_extreme(contents):
        raise unsupported_extreme(bundle)
    return model_file.construct(contents, bundle, {})[0]


def unsupported_extreme(bundle: Path) -> InputError:
    """What is said of a model of very many labels by commands that cannot use it."""
    return InputError(
        "is an extreme multi-label model, which this command does not support; use `manyhot predict` or "
        "`manyhot evaluate`",
        file=bundle,
    )
