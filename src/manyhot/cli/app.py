"""The commands, in the order of `--help`."""

from __future__ import annotations

import manyhot.cli.training  # its commands register themselves
import manyhot.cli.using  # noqa: F401
from manyhot.cli.base import app

__all__ = ["app"]
