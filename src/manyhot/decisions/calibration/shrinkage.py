"""Every label's map, pulled to the map of all labels pooled as far as the labels are alike (empirical Bayes)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from manyhot.decisions.calibration.histogram import Histogram
from manyhot.decisions.calibration.irls import maximize_posterior, posterior_variance

# Standard deviation of the prior of the shared map's (slope, shift, skew) around the identity's 0, 0, 0
SHARED_SPREAD = np.array([1.0, 1.0, 0.5])
# How far labels differ from the shared map, as a standard deviation, before anything is learned about it
LABEL_SPREAD = 0.1
PRIOR_LABELS = 2.0  # how many labels the belief in `LABEL_SPREAD` weighs as much as
N_ROUNDS = 10  # rounds of learning how far labels differ; thirty gave the same losses on five sets


@dataclass(frozen=True)
class LearnedMaps:
    """The maps of one kind, as numbers (slope, shift, skew)."""

    numbers: np.ndarray  # float64 (l, 3); the shared map's where a label does not vary
    shared: np.ndarray  # float64 (3,), of all labels pooled
    precision: np.ndarray  # float64 (3,), 1 / squared spread of labels around the shared map


def fit_shared_map(cells: Histogram, n_free: int) -> np.ndarray:
    """(slope, shift, skew) of the map of all labels pooled, float64 (3,); the cells are `histogram.pool_histograms`."""
    return maximize_posterior(cells, n_free, np.zeros((1, 3)), 1 / SHARED_SPREAD**2)[0]


def learn_maps(cells: Histogram, pooled: Histogram, varying: np.ndarray, n_free: int) -> LearnedMaps:
    """Learn the maps of one kind; `varying` marks labels with a known positive and a known negative, at least one."""
    # Source: expectation maximisation, normal approximation of the posteriors: Bishop (2006), 3.5.1 and 4.4
    shared = fit_shared_map(pooled, n_free)
    varying_cells = cells.select_labels(varying)
    n_varying = int(varying.sum())
    spread2 = np.full(3, LABEL_SPREAD**2)
    centre = np.tile(shared, (n_varying, 1))
    estimate = centre
    for _ in range(N_ROUNDS):
        estimate = maximize_posterior(varying_cells, n_free, centre, 1 / spread2, start=estimate)
        variance = posterior_variance(varying_cells, estimate, n_free, centre, 1 / spread2)
        summed = ((estimate - centre)[:, :n_free] ** 2 + variance).sum(axis=0)
        spread2[:n_free] = (summed + PRIOR_LABELS * LABEL_SPREAD**2) / (n_varying + PRIOR_LABELS)
    numbers = np.tile(shared, (len(varying), 1))
    numbers[varying] = maximize_posterior(varying_cells, n_free, centre, 1 / spread2, start=estimate)
    return LearnedMaps(numbers, shared, 1 / spread2)
