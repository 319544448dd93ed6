"""What speaks for and against a label in one row."""

from __future__ import annotations

import lazy_loader

MAX_REASONS = 10  # most reasons for and most against

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
