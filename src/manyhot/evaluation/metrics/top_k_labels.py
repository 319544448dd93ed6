"""The k labels with the highest scores of each row, also where labels are scored block by block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from manyhot import validation
from manyhot.errors import InputError
from manyhot.evaluation.metrics.score import blocks


@dataclass(frozen=True)
class TopK:
    """The labels with the highest scores of each row, best first."""

    labels: np.ndarray  # integers (n, k); -1 where there is no further answer
    scores: np.ndarray  # float (n, k), never rising along a row


def top_k(scores: np.ndarray, k: int, first: int = 0) -> TopK:
    """The k highest scores of each row of a block of labels from `first` on; of equal ones the lower label first."""
    k, first = validation.integer(k=k, low=1), validation.integer(first=first, low=0)
    array = np.asarray(scores)
    if array.ndim != 2:
        raise InputError(f"got shape {array.shape}, expected (n, l)", argument="scores")
    if array.dtype.kind not in "biuf":
        raise InputError(f"got {array.dtype} values, expected real numbers", argument="scores")
    n, width = array.shape
    k = min(k, width)
    labels = np.empty((n, k), dtype=np.int64)
    top_scores = np.empty((n, k), dtype=array.dtype if array.dtype.kind == "f" else np.float64)
    for part in blocks(n, width):
        labels[part], top_scores[part] = _top_k_rows(array[part].astype(top_scores.dtype, copy=False), k, part.start)
    return TopK(labels + first, top_scores)


def _top_k_rows(scores: np.ndarray, k: int, first_row: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores (m, k) of some rows."""
    if k == 0:
        return np.empty((len(scores), 0), dtype=np.int64), scores[:, :0]
    highest = np.partition(scores, scores.shape[1] - k, axis=1)[:, -k:]  # NaN counts as highest
    is_nan = np.isnan(highest).any(axis=1)
    if is_nan.any():
        row = first_row + int(np.argmax(is_nan)) + 1
        raise InputError("got a score that is NaN, expected real numbers", argument="scores", row=row)
    min_scores = highest.min(axis=1, keepdims=True)
    chosen = scores >= min_scores
    tied = np.flatnonzero(chosen.sum(axis=1) > k)
    if len(tied):  # more labels share the last score than there are places: the lower labels get them
        tied_scores, tied_min = scores[tied], min_scores[tied]
        above, equal = tied_scores > tied_min, tied_scores == tied_min
        n_free = k - above.sum(axis=1, keepdims=True)
        chosen[tied] = above | (equal & (np.cumsum(equal, axis=1) <= n_free))
    labels = np.nonzero(chosen)[1].reshape(-1, k)
    best = np.take_along_axis(scores, labels, axis=1)
    order = np.argsort(-best, axis=1, kind="stable")  # labels ascend, so a tie keeps the lower one first
    return np.take_along_axis(labels, order, axis=1), np.take_along_axis(best, order, axis=1)


def merge_top_k(a: TopK, b: TopK, k: int) -> TopK:
    """The top k of two blocks of labels together; exact where each block was asked for k or more."""
    k = validation.integer(k=k, low=1)
    for name, top in (("a", a), ("b", b)):
        if top.labels.ndim != 2 or top.labels.shape != top.scores.shape:
            raise InputError(
                f"got labels of shape {top.labels.shape} and scores of {top.scores.shape}, expected (n, k) for both",
                argument=name,
            )
    if len(a.labels) != len(b.labels):
        raise InputError(f"got {len(b.labels)} rows, expected {len(a.labels)} as in a", argument="b")
    labels = np.concatenate([a.labels, b.labels], axis=1)
    scores = np.concatenate([a.scores, b.scores], axis=1)
    order = np.lexsort((labels, -scores), axis=1)[:, :k]
    return TopK(np.take_along_axis(labels, order, axis=1), np.take_along_axis(scores, order, axis=1))
