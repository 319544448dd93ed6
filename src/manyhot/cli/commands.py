"""The commands, in the order of `--help`; each registers itself where its module is imported."""

from __future__ import annotations

from manyhot.cli import model_commands, training_commands
from manyhot.cli.app import app

__all__ = ["app", "model_commands", "training_commands"]
