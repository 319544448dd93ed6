"""Where things are kept between processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Where compiled programs and features of texts are kept: MANYHOT_CACHE, else the user's cache folder."""
    if os.environ.get("MANYHOT_CACHE"):
        return Path(os.environ["MANYHOT_CACHE"]).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", "~/AppData/Local")).expanduser() / "manyhot" / "cache"
    if sys.platform == "darwin":
        return Path("~/Library/Caches/manyhot").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "manyhot"
