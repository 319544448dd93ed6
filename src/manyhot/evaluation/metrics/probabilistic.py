"""Metrics of the scores as probabilities, entry by entry."""

from __future__ import annotations

import numpy as np

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import counts
from manyhot.evaluation.metrics.score import Entries, Score, blocks, score_entries


def brier(targets: Targets, scores: np.ndarray) -> Score:
    """Mean squared distance between score and target over known entries."""
    # Source: Brier (1950), for one outcome with two values (not his sum over both)
    entries = score_entries(targets, scores)
    prevalence, weight = entries.prevalence(), entries.known_per_label()
    return _mean_score(entries, brier_sums(entries).sum(), (prevalence * (1 - prevalence) * weight).sum())


def brier_sums(entries: Entries) -> np.ndarray:
    """Squared distances summed over the known entries of each label, float64 (l,)."""
    sums = np.zeros(entries.shape[1])
    for part in blocks(*entries.shape):
        sums += (squared_errors(entries, part) * entries.known[part]).sum(axis=0)
    return sums


def squared_errors(entries: Entries, part: slice) -> np.ndarray:
    """Squared distances of some rows' entries, known or not, float64 (m, l)."""
    return (entries.predictions[part].astype(np.float64) - entries.values[part]) ** 2


def log_losses(entries: Entries, part: slice) -> np.ndarray:
    """Log losses of some rows' entries, known or not, float64 (m, l)."""
    margin = float(np.finfo(entries.predictions.dtype).eps)
    clipped = np.clip(entries.predictions[part].astype(np.float64), margin, 1 - margin)
    return -np.log(np.where(entries.values[part], clipped, 1 - clipped))


def log_loss(targets: Targets, scores: np.ndarray) -> Score:
    """Mean of -log(probability of the truth) over known entries, in nats, clipped by the spacing of the type at 1."""
    # Source: Good (1952); binary per label, where scikit-learn's function of this name takes rows as one distribution
    entries = score_entries(targets, scores)
    prevalence, weight = entries.prevalence(), entries.known_per_label()
    loss = sum(float(log_losses(entries, part)[entries.known[part]].sum()) for part in blocks(*entries.shape))
    is_mixed = (prevalence > 0) & (prevalence < 1)
    mixed = prevalence[is_mixed]
    entropy = -(mixed * np.log(mixed) + (1 - mixed) * np.log1p(-mixed))
    return _mean_score(entries, loss, (entropy * weight[is_mixed]).sum())


def _mean_score(entries: Entries, total: float, baseline: float) -> Score:
    """Sums over the known entries as means."""
    n_known = entries.known_per_label().sum()
    return entries.score(float(counts.ratio(total, n_known)), float(counts.ratio(baseline, n_known)))
