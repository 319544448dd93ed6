"""Metrics on resampled rows, by each metric's own function: for those that `bootstrap.py` has no sums for."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics.registry import METRICS


def resampled_metrics(
    targets: Targets,
    scores: np.ndarray | None,
    decisions: np.ndarray | None,
    row_counts: np.ndarray,
    k: int,
    measured: Collection[str],
) -> dict[str, np.ndarray]:
    """Metrics without sums of their own, computed anew on the rows of each draw: metric -> float64 (draws,)."""
    provided = {"scores": scores, "decisions": decisions}
    remaining = {}
    for name, metric in METRICS.items():
        inputs = provided[metric.needs]
        if name not in measured and inputs is not None:
            remaining[name] = inputs.reshape(len(row_counts), -1)
    values = {name: np.empty(row_counts.shape[1]) for name in remaining}
    shape = (len(row_counts), targets.n_labels)
    known = None if targets.known is None else np.reshape(targets.known, shape)
    flat = Targets(np.reshape(targets.values, shape), known)
    for draw, counts in enumerate(row_counts.T if remaining else ()):
        rows = np.repeat(np.arange(len(counts)), counts.astype(int))
        for name, provided_values in remaining.items():
            values[name][draw] = METRICS[name].compute(flat.take(rows), provided_values[rows], k).value
    return values
