"""Scores become decisions, yes where score >= threshold; compared in float64, whatever the type of the scores."""

from manyhot.decisions.thresholds.base import Decision
from manyhot.decisions.thresholds.registry import DECISIONS, build, from_spec
from manyhot.decisions.thresholds.thresholds import ALWAYS, NEVER, Thresholds

__all__ = ["ALWAYS", "DECISIONS", "NEVER", "Decision", "Thresholds", "build", "from_spec"]
