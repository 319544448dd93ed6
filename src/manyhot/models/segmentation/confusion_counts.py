"""Counts of pixels by label, and metrics from them; average precision comes from a histogram of scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import counts

BINS = 4096
MAX_LOGIT = 12.0
"""Bins are of equal width in the logit of a score, from minus this to this; rare labels have scores near 0."""


class ConfusionCounts:
    """Counts of pixels by label."""

    def __init__(self, n_labels: int) -> None:
        self.true_positives, self.predicted, self.support, self.known = (
            np.zeros(n_labels, dtype=np.int64) for _ in range(4)
        )
        self.scores = np.zeros((n_labels, 2, BINS), dtype=np.int64)

    def add_predictions(self, predictions: np.ndarray, targets: Targets) -> None:
        """Count answers."""
        axes = tuple(range(predictions.ndim - 1))
        known = targets.known_mask()
        self.true_positives += (predictions & targets.values).sum(axis=axes)
        self.predicted += (predictions & known).sum(axis=axes)
        self.support += targets.values.sum(axis=axes)
        self.known += known.sum(axis=axes)

    def add_scores(self, scores: np.ndarray, targets: Targets) -> None:
        """Put scores, float (..., l) in [0, 1], into their bins."""
        values, known = targets.values, targets.known
        for j in range(scores.shape[-1]):
            bins = bin_indices(scores[..., j]) + BINS * values[..., j]
            bins = bins.ravel() if known is None else bins[known[..., j]]
            self.scores[j] += np.bincount(bins, minlength=2 * BINS).reshape(2, BINS)

    def average_precision(self) -> np.ndarray:
        """Average precision of each label, float64 (l,); NaN without positives."""
        negatives, positives = (np.cumsum(self.scores[:, k, ::-1], axis=1) for k in range(2))
        precision = positives / np.maximum(positives + negatives, 1)
        gained = self.scores[:, 1, ::-1]
        total = positives[:, -1]
        return np.where(total > 0, (gained * precision).sum(axis=1) / np.maximum(total, 1), np.nan)

    def metrics(self) -> dict[str, np.ndarray]:
        """Intersection over union, Dice (which is F1), precision and recall of each label, float64 (l,)."""
        three = (self.true_positives, self.predicted, self.support)
        return {
            "iou": counts.jaccard(*three),
            "dice": counts.f1(*three),
            "precision": counts.precision(self.true_positives, self.predicted),
            "recall": counts.recall(self.true_positives, self.support),
        }

    def to_values(self, names: tuple[str, ...]) -> dict[str, Any]:
        """`labels` (label, support, the metrics and `average_precision`), and the means `mean_iou` and `mean_dice` over
        the labels that have them."""
        columns = {**self.metrics(), "average_precision": self.average_precision()}
        labels = [
            {
                "label": name,
                "support": int(self.support[j]),
                **{key: float(values[j]) for key, values in columns.items()},
            }
            for j, name in enumerate(names)
        ]
        return {"labels": labels, "mean_iou": _mean(columns["iou"]), "mean_dice": _mean(columns["dice"])}


def bin_indices(scores: np.ndarray) -> np.ndarray:
    """The bin of each score, int64."""
    with np.errstate(divide="ignore"):
        logits = np.log(scores) - np.log1p(-scores)
    position = (logits + MAX_LOGIT) * (BINS / (2 * MAX_LOGIT))
    return np.clip(position, 0, BINS - 1).astype(np.int64)


def _mean(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None
