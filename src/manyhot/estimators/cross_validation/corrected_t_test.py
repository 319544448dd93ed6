"""The corrected t-test: training rows of repeated folds overlap, so the plain standard error of a mean is too small."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats


def corrected_scale(values: np.ndarray, test_share: float) -> tuple[float, float, int]:
    """Mean of the scores (j,) of repeated folds, scale of its Student t distribution (NaN), degrees of freedom (0)."""
    # Source: Nadeau and Bengio (2003), Machine Learning 52, eq. 9: variance times (1/j + n_test/n_train); for repeated
    # folds Bouckaert and Frank (PAKDD 2004). `test_share` is n_test/n_train.
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return (float(values[0]) if len(values) else math.nan), math.nan, 0
    scale = math.sqrt((1 / len(values) + test_share) * values.var(ddof=1))
    return float(values.mean()), scale, len(values) - 1


def interval(values: np.ndarray, test_share: float, level: float) -> tuple[float, float]:
    """The corrected confidence interval of a mean over repeated folds."""
    mean, scale, degrees_of_freedom = corrected_scale(values, test_share)
    if not degrees_of_freedom:
        return math.nan, math.nan
    margin = float(stats.t.ppf(0.5 + level / 2, degrees_of_freedom)) * scale
    return mean - margin, mean + margin


def probability_above_zero(values: np.ndarray, test_share: float) -> float:
    """Probability that the mean of paired differences is above zero."""
    # Source: Corani and Benavoli (2015), Machine Learning 100, eq. 6, with the correlation n_test / n of eq. 5.
    mean, scale, degrees_of_freedom = corrected_scale(values, test_share)
    if not degrees_of_freedom:
        return math.nan
    if scale == 0:
        return 0.5 if mean == 0 else float(mean > 0)
    return float(stats.t.cdf(mean / scale, degrees_of_freedom))
