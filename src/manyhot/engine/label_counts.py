"""What each member knows of the labels from its training rows: how often each holds, and what a positive weighs."""

from __future__ import annotations

import numpy as np

from manyhot.engine.device_data import DeviceData, MemberSplits
from manyhot.engine.state import LabelCounts

MAX_POSITIVE_WEIGHT = 10.0
"""A positive of a rare label weighs this many negatives at most, one of a frequent label at least its inverse."""


def count_labels(data: DeviceData, splits: MemberSplits, is_counted: bool, is_balanced: bool) -> LabelCounts:
    """The facts of all members.

    Args:
        data: All rows, on the host.
        splits: Which rows each member uses.
        is_counted: Whether the loss looks at the counts; they are ones otherwise.
        is_balanced: Whether positives weigh as much as negatives within each label, within limits.

    Returns:
        Arrays (m, l) in the type of the rows' weights.
    """
    width = data.values.shape[-1]
    dtype = data.weights.dtype
    positives, known = np.ones((len(splits), width), dtype), np.ones((len(splits), width), dtype)
    if is_counted or is_balanced:
        for k, rows in enumerate(splits.train):
            positives[k], known[k] = _count_member(data, rows)
    return make_label_counts(positives, known, is_balanced)


def make_label_counts(positives: np.ndarray, known: np.ndarray, is_balanced: bool) -> LabelCounts:
    """Counts (m, l) -> facts in their type; `count_labels` says the rest."""
    positive_weights = balanced_weights(positives, known) if is_balanced else np.ones_like(positives)
    return LabelCounts(positives, known, positive_weights.astype(positives.dtype))


def balanced_weights(positives: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Negatives per positive of each label, kept within `MAX_POSITIVE_WEIGHT` both ways; 1 without either.

    Args:
        positives: Weighted counts of positives.
        known: Weighted counts of known entries.
    """
    negatives = known - positives
    has_both = (positives > 0) & (negatives > 0)
    ratio = np.divide(negatives, positives, out=np.ones_like(positives), where=has_both)
    return np.clip(ratio, 1 / MAX_POSITIVE_WEIGHT, MAX_POSITIVE_WEIGHT)


def _count_member(data: DeviceData, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values = data.values[rows]
    weights = data.weights[rows].astype(np.float64)
    axes = tuple(range(1, values.ndim - 1))
    known = np.ones_like(values) if data.known is None else data.known[rows]
    row_counts = ((values * known).sum(axis=axes, dtype=np.int64), known.sum(axis=axes, dtype=np.int64))
    return weights @ row_counts[0], weights @ row_counts[1]
