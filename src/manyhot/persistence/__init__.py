"""Models to files, and files to models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from manyhot.lazy_imports import lazy_submodules

if TYPE_CHECKING:
    from manyhot.persistence import container as container
    from manyhot.persistence import extreme_model as extreme_model
    from manyhot.persistence import model_file as model_file

__getattr__, __dir__ = lazy_submodules(
    __name__,
    (
        "container",
        "extreme_model",
        "model_file",
    ),
)
