"""What members say of rows that they never saw, as the report of a fit measures it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from manyhot import engine
from manyhot.config.runtime import RuntimeConfig
from manyhot.data.hierarchy import Hierarchy
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.decisions.policy import (
    cross_fitted_decisions,
    cross_fitted_scores,
    fit_policy,
    merge_equal_scores,
    untrained_policy,
)
from manyhot.evaluation.metrics import METRICS, compute_metrics
from manyhot.evaluation.metrics.registry import choose_k
from manyhot.models.branch_shares import score_with_chosen_shares
from manyhot.models.cross_fitting import CrossFit
from manyhot.models.half_precision import round_fit

N_GROUPS = 20
"""Groups of rows that a jackknife leaves out in turn."""


@dataclass(frozen=True)
class OutOfFold:
    """Rows that some member never saw, r of them, decided on without their own targets."""

    row: np.ndarray  # int64 (r,), among all rows
    targets: Targets  # (r, l)
    scores: np.ndarray  # float (r, l), calibrated
    decisions: np.ndarray | None  # bool (r, l); None where the metric needs scores alone
    k: int  # for metrics at k
    hierarchy: Hierarchy | None

    def value(self, metric: str, is_used: np.ndarray | None = None) -> float:
        """The metric, on all rows or on some, bool (r,)."""
        rows = np.ones(len(self.row), dtype=bool) if is_used is None else is_used
        decisions = None if self.decisions is None else self.decisions[rows]
        return compute_metrics(self.targets.take(rows), self.scores[rows], decisions, self.k, [metric], self.hierarchy)[
            metric
        ].value

    def jackknife(self, metric: str) -> np.ndarray:
        """The metric without each of `N_GROUPS` groups of rows, float64 (g,)."""
        return np.array([self.value(metric, self.row % N_GROUPS != group) for group in range(N_GROUPS)])


def score_out_of_fold(
    fit: CrossFit, weights: engine.Weights, targets: Targets, labels: LabelSpace, runtime: RuntimeConfig, metric: str
) -> OutOfFold:
    """Score, calibrate and, where the metric needs it, decide on the rows of a fit; `targets` are all its rows'."""
    config = fit.config
    scorer = engine.Scorer(fit.network.factory(len(fit.members)), weights, config.dtype, runtime, config.head)
    round_fit(scorer, fit, weights)
    scores, n_scorers = score_with_chosen_shares(scorer, fit, weights)
    scored = np.flatnonzero(n_scorers > 0)
    unique = merge_equal_scores(
        scores[scored], fit.data.targets.take(fit.rows[scored]), fit.data.weights[fit.rows[scored]]
    )
    row = np.flatnonzero(n_scorers[fit.place] > 0)
    place, own_targets = (np.cumsum(n_scorers > 0)[fit.place] - 1)[row], targets.take(row)
    if METRICS[metric].needs == "scores":
        calibrated, decisions = cross_fitted_scores(config, labels, unique), None
    else:
        policy = fit_policy(config, labels, unique, has_spread=False)
        calibrated, decisions = cross_fitted_decisions(config, labels, unique, policy)
        decisions = decisions[place]
    hierarchy = untrained_policy(config, labels).hierarchy
    return OutOfFold(row, own_targets, calibrated[place], decisions, choose_k(own_targets), hierarchy)


@dataclass(frozen=True)
class EnsembleEstimate:
    """What all members of a fit together would score on rows that none of them saw."""

    value: float
    jackknife: np.ndarray  # float64 (g,), the same without each group of rows

    def gain_over(self, other: EnsembleEstimate) -> tuple[float, float]:
        """The difference to another estimate on the same rows, and its standard error over rows."""
        differences = self.jackknife - other.jackknife
        n_groups = len(differences)
        spread = float(np.square(differences - differences.mean()).sum())
        return self.value - other.value, math.sqrt((n_groups - 1) / n_groups * spread)


def estimate_ensemble(
    halves: tuple[OutOfFold, OutOfFold], both: OutOfFold, n_folds: int, metric: str
) -> EnsembleEstimate:
    """Extrapolate to all members of a fit from those that never saw a row.

    `halves` are two rounds of folds, in each of which a row is scored by one member in `n_folds`; `both` are the means
    of the two. The variance of a mean of m members falls with 1/m, and the metric with it: f(m) = a + b/m.
    """

    def extrapolate(first: Any, second: Any, mean: Any) -> Any:
        return mean + (1 - 2 / n_folds) * (mean - (first + second) / 2)

    first, second = halves
    value = extrapolate(first.value(metric), second.value(metric), both.value(metric))
    return EnsembleEstimate(value, extrapolate(*(part.jackknife(metric) for part in (first, second, both))))
