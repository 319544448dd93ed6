"""Reports and images for people to look at; modules are imported on first use (`reports.model_page`)."""

from __future__ import annotations

import lazy_loader

MAX_DRAWN_ROWS = 100  # rows that get a picture, unless more are asked for

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
