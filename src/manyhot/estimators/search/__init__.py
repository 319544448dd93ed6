"""Search of settings: trials measured by the out-of-fold scores of their fits."""

from manyhot.estimators.search.result import Search
from manyhot.estimators.search.trial import Trial
from manyhot.estimators.search.tuning import tune

__all__ = ["Search", "Trial", "tune"]
