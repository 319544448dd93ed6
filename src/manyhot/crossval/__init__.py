"""Repeated cross-validation: every fit of every fold trained as one job."""

from manyhot.crossval.heads import Heads, compare_heads
from manyhot.crossval.result import Comparison, CrossValidation
from manyhot.crossval.run import cross_validate

__all__ = ["Comparison", "CrossValidation", "Heads", "compare_heads", "cross_validate"]
