"""Metrics of decisions where rows count with weights: weight k has the effect of k copies of the row."""

from __future__ import annotations

import numpy as np

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import counts


def weighted_metrics(targets: Targets, decisions: np.ndarray, weights: np.ndarray) -> dict[str, float | None]:
    """Metrics of decisions where a row of weight k counts as k rows, weights float (n,); None where undefined."""
    known = targets.known_mask()
    values, decided = targets.values & known, decisions & known
    hits, n_decided, n_positives = (weights @ entries for entries in (values & decided, decided, values))
    label_f1 = counts.f1(hits, n_decided, n_positives)
    has_f1 = ~np.isnan(label_f1)
    is_scored = known.any(axis=1)
    is_right = (values == decided).all(axis=1)
    return {
        "precision_micro": _or_none(counts.precision(hits.sum(), n_decided.sum())),
        "recall_micro": _or_none(counts.recall(hits.sum(), n_positives.sum())),
        "f1_micro": _or_none(counts.f1(hits.sum(), n_decided.sum(), n_positives.sum())),
        "f1_macro": float(np.mean(label_f1[has_f1])) if has_f1.any() else None,
        "hamming_loss": _or_none(counts.ratio((weights @ (values != decided)).sum(), (weights @ known).sum())),
        "subset_accuracy": _or_none(counts.ratio(weights[is_scored & is_right].sum(), weights[is_scored].sum())),
    }


def _or_none(value: np.ndarray) -> float | None:
    return None if np.isnan(value) else float(value)
