"""Made-up scores and targets, and how each decision is built where it needs to be told something."""

import numpy as np

from manyhot.data.targets import Targets
from manyhot.decisions import thresholds

SETTINGS = {"top_k": {"k": 2}, "precision": {"min_precision": 0.5}, "recall": {"min_recall": 0.8}}


def made_up(n=250, n_labels=30, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    values = rng.random((n, n_labels)) < rng.beta(0.5, 4, n_labels)
    values[:, 1], values[:, 2] = False, True
    known = rng.random(values.shape) < 0.8
    scores = 1 / (1 + np.exp(-(rng.normal(size=values.shape) * 2 + 2 * values - 3)))
    scores[:, 3] = np.round(scores[:, 3], 1)
    return scores.astype(dtype), Targets(values, known)


def small(seed, n_labels=3, most_rows=7):
    """A few rows: some with ties, some with unknown entries, float32 or float64, now and then a score of 0 or 1."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, most_rows + 1))
    scores = rng.random((n, n_labels))
    if rng.random() < 0.5:
        scores = np.round(scores * rng.integers(2, 9)) / 8
    scores = np.minimum(scores, 1.0).astype(rng.choice(["f4", "f8"]))
    values = rng.random((n, n_labels)) < rng.random()
    known = rng.random((n, n_labels)) < rng.choice([0.7, 1.0])
    return scores, Targets(values, known)


def built(name, **settings):
    return thresholds.build(name, {**SETTINGS.get(name, {}), **settings})


def fitted(name, scores, targets, **settings):
    return built(name, **settings).fit(scores, targets)
