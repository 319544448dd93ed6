"""Metrics of the scores as probabilities, entry by entry."""

from __future__ import annotations

import numpy as np

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics.score import Entries, Score, blocks, score_entries


def brier(targets: Targets, scores: np.ndarray) -> Score:
    """Mean squared distance between score and target over known entries."""
    # Source: Brier (1950), for one outcome with two values (not his sum over both)
    entries = score_entries(targets, scores)
    prevalence, weight = entries.prevalence(), entries.known_per_label()
    total = int(weight.sum())
    if total == 0:
        return entries.score(np.nan, np.nan)
    sums = brier_sums(entries)
    return entries.score(float(sums.sum()) / total, float((prevalence * (1 - prevalence) * weight).sum()) / total)


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
    total = int(weight.sum())
    if total == 0:
        return entries.score(np.nan, np.nan)
    loss = sum(float(log_losses(entries, part)[entries.known[part]].sum()) for part in blocks(*entries.shape))
    mixed = prevalence[(prevalence > 0) & (prevalence < 1)]
    entropy = -(mixed * np.log(mixed) + (1 - mixed) * np.log1p(-mixed))
    baseline = float((entropy * weight[(prevalence > 0) & (prevalence < 1)]).sum())
    return entries.score(loss / total, baseline / total)
