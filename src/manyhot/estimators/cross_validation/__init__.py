"""Repeated cross-validation: the fits of all folds are trained as one job."""

from manyhot.estimators.cross_validation.comparison import Comparison
from manyhot.estimators.cross_validation.fold_training import cross_validate
from manyhot.estimators.cross_validation.head_comparison import Heads, compare_heads
from manyhot.estimators.cross_validation.result import CrossValidation

__all__ = ["Comparison", "CrossValidation", "Heads", "compare_heads", "cross_validate"]
