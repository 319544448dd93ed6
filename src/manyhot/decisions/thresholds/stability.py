"""How much each threshold would vary with other rows: refits that leave out a part of them."""

from __future__ import annotations

import copy
from typing import TypeVar

import numpy as np

from manyhot.data.targets import Targets
from manyhot.decisions.thresholds.base import Decision
from manyhot.errors import InputError

# With more scores than this the refits would take longer than what they tell is worth; the spread stays None.
MAX_SCORES = 20_000_000
N_FOLDS = 5

_AnyDecision = TypeVar("_AnyDecision", bound=Decision)


def with_spread(
    decision: _AnyDecision, scores: np.ndarray, targets: Targets, folds: np.ndarray | None = None
) -> _AnyDecision:
    """A fitted copy with its `spread`: each threshold's standard deviation over refits without one fold."""
    # The refits share most rows, so it is below the deviation between independent samples; labels compare well by it.
    result = copy.copy(decision)
    if result.thresholds is None:
        result = type(decision)(**decision.settings()).fit(scores, targets)
    result.spread = None
    array = np.asarray(scores)
    if result.thresholds is None or array.size > MAX_SCORES:
        return result
    parts = np.arange(len(array)) % N_FOLDS if folds is None else np.asarray(folds)
    if parts.shape != (len(array),) or parts.dtype.kind not in "iu" or (distinct := np.unique(parts)).size < 2:
        raise InputError(
            f"got {parts.dtype} values of shape {parts.shape}, expected a whole number for each of {len(array)} rows "
            "and at least two folds",
            argument="folds",
        )
    refits = []
    for part in distinct:
        rows = np.flatnonzero(parts != part)
        refit = type(decision)(**decision.settings()).fit(array[rows], targets.take(rows))
        refits.append(refit.require_fitted(refit.thresholds).values)
    result.spread = np.std(refits, axis=0)
    return result
