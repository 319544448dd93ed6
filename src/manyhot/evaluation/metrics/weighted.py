"""Metrics of decisions where rows count with weights: weight k has the effect of k copies of the row."""

from __future__ import annotations

import numpy as np

from manyhot.data.targets import Targets


def weighted_metrics(targets: Targets, decisions: np.ndarray, weights: np.ndarray) -> dict[str, float | None]:
    """Precision, recall and F1 over all entries, F1 averaged over labels, Hamming loss and subset accuracy.

    Args:
        targets: Targets (n, l); unknown entries do not count, nor do rows without any known one in subset accuracy.
        decisions: bool (n, l).
        weights: float (n,), 0 or more.

    Returns:
        Name of a metric -> 0 to 1; None where nothing can be divided by, and labels without known positives or
        predictions are left out of the mean.
    """
    known = targets.known_mask()
    values, decided = targets.values & known, decisions & known
    hits, n_decided, n_positives = (weights @ entries for entries in (values & decided, decided, values))
    totals = n_decided + n_positives
    has_f1 = totals > 0
    is_scored = known.any(axis=1)
    is_right = (values == decided).all(axis=1)
    return {
        "precision_micro": _ratio(hits.sum(), n_decided.sum()),
        "recall_micro": _ratio(hits.sum(), n_positives.sum()),
        "f1_micro": _ratio(2 * hits.sum(), totals.sum()),
        "f1_macro": float(np.mean(2 * hits[has_f1] / totals[has_f1])) if has_f1.any() else None,
        "hamming_loss": _ratio((weights @ (values != decided)).sum(), (weights @ known).sum()),
        "subset_accuracy": _ratio(weights[is_scored & is_right].sum(), weights[is_scored].sum()),
    }


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0 else None
