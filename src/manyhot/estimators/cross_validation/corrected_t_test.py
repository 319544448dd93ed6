"""What repeated folds say about a mean: their training rows overlap, so the plain standard error is too small."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats


def corrected_scale(values: np.ndarray, test_share: float) -> tuple[float, float, int]:
    """Mean of scores over repeated folds and the scale of its Student t distribution.

    Args:
        values: float (j,), one score per fold of all repeats; NaN where a fold could not be scored.
        test_share: Test rows over training rows.

    Returns:
        Mean, scale, degrees of freedom; NaN and 0 where fewer than two folds could be scored.

    Source:
        Nadeau and Bengio (2003), Machine Learning 52, eq. 9: variance times (1/j + n_test/n_train); for repeated folds
        Bouckaert and Frank (PAKDD 2004).
    """
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return (float(values[0]) if len(values) else math.nan), math.nan, 0
    scale = math.sqrt((1 / len(values) + test_share) * values.var(ddof=1))
    return float(values.mean()), scale, len(values) - 1


def interval(values: np.ndarray, test_share: float, level: float) -> tuple[float, float]:
    """The corrected interval of a mean over repeated folds.

    Args:
        values: float (j,).
        test_share: Test rows over training rows.
        level: Share of the distribution inside, such as 0.95.
    """
    mean, scale, freedom = corrected_scale(values, test_share)
    if not freedom:
        return math.nan, math.nan
    reach = float(stats.t.ppf(0.5 + level / 2, freedom)) * scale
    return mean - reach, mean + reach


def share_above_zero(values: np.ndarray, test_share: float) -> float:
    """Probability that the mean of paired differences is above zero.

    Args:
        values: float (j,), differences on the same folds.
        test_share: Test rows over training rows.

    Source:
        Corani and Benavoli (2015), Machine Learning 100, eq. 6, with the correlation n_test / n of eq. 5; the same
        Student t distribution as in `corrected_scale`.
    """
    mean, scale, freedom = corrected_scale(values, test_share)
    if not freedom:
        return math.nan
    if scale == 0:
        return 0.5 if mean == 0 else float(mean > 0)
    return float(stats.t.cdf(mean / scale, freedom))
