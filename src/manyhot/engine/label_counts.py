"""What each member knows of the labels from its training rows: how often each holds, and what a positive weighs."""

from __future__ import annotations

import numpy as np

from manyhot.engine.device_data import EncodedRows, MemberSplits
from manyhot.engine.state import LabelCounts

# a positive of a rare label weighs this many negatives at most, one of a frequent label at least its inverse
MAX_POSITIVE_WEIGHT = 10.0


def count_labels(data: EncodedRows, splits: MemberSplits, is_counted: bool, is_balanced: bool) -> LabelCounts:
    """Count each member's labels (m, l); ones where neither loss nor balance asks for counts."""
    width = data.values.shape[-1]
    dtype = data.dtype
    positives, known = np.ones((len(splits), width), dtype), np.ones((len(splits), width), dtype)
    if is_counted or is_balanced:
        for k, rows in enumerate(splits.train):
            positives[k], known[k] = _count_member(data, rows)
    return make_label_counts(positives, known, is_balanced)


def make_label_counts(positives: np.ndarray, known: np.ndarray, is_balanced: bool) -> LabelCounts:
    """Label counts (m, l) with the weights of positives."""
    positive_weights = balanced_weights(positives, known) if is_balanced else np.ones_like(positives)
    return LabelCounts(positives, known, positive_weights.astype(positives.dtype))


def balanced_weights(positives: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Negatives per positive of each label, kept within `MAX_POSITIVE_WEIGHT` both ways; 1 without either."""
    negatives = known - positives
    has_both = (positives > 0) & (negatives > 0)
    ratio = np.divide(negatives, positives, out=np.ones_like(positives), where=has_both)
    return np.clip(ratio, 1 / MAX_POSITIVE_WEIGHT, MAX_POSITIVE_WEIGHT)


def _count_member(data: EncodedRows, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values = data.values[rows]
    weights = data.weights[rows].astype(data.dtype).astype(np.float64)
    axes = tuple(range(1, values.ndim - 1))
    known = np.ones_like(values) if data.known is None else data.known[rows]
    row_counts = ((values * known).sum(axis=axes, dtype=np.int64), known.sum(axis=axes, dtype=np.int64))
    return weights @ row_counts[0], weights @ row_counts[1]
