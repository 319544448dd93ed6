"""The trained model, and every way to make or change one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from manyhot.lazy_imports import lazy_submodules

if TYPE_CHECKING:
    from manyhot.models import (
        decision_updates,
        incremental,
        model,
        prediction,
        segmentation,
        stream_survey,
        streaming,
        training,
        training_data,
    )

__all__ = [
    "decision_updates",
    "incremental",
    "model",
    "prediction",
    "segmentation",
    "stream_survey",
    "streaming",
    "training",
    "training_data",
]

__getattr__, __dir__ = lazy_submodules(__name__, __all__)
