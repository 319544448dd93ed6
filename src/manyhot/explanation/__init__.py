"""What speaks for and against a label in one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from manyhot.lazy_imports import lazy_submodules

if TYPE_CHECKING:
    from manyhot.explanation import explain as explain
    from manyhot.explanation import image_maps as image_maps

MAX_REASONS = 10  # most reasons for and most against

__getattr__, __dir__ = lazy_submodules(
    __name__,
    (
        "explain",
        "image_maps",
    ),
)
