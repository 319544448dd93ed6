"""The commands, in the order of `--help`; each registers itself where its module is imported."""

from __future__ import annotations

from manyhot.cli import training, using
from manyhot.cli.command import app

__all__ = ["app", "training", "using"]
