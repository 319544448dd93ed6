"""Reports and images for people to look at; modules are imported on first use (`reports.model_page`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from manyhot.lazy_imports import lazy_submodules

if TYPE_CHECKING:
    from manyhot.reports import model_page as model_page
    from manyhot.reports import prediction_images as prediction_images

MAX_DRAWN_ROWS = 100  # rows that get a picture, unless more are asked for

__getattr__, __dir__ = lazy_submodules(
    __name__,
    (
        "model_page",
        "prediction_images",
    ),
)
