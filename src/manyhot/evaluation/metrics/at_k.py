"""Metrics of the first k answers of each row, for so many labels that no matrix (n, l) fits into memory."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from manyhot import validation
from manyhot.errors import InputError
from manyhot.evaluation.metrics.score import Score, blocks
from manyhot.evaluation.metrics.sparse_lookup import SparsePositions, sparse_positions
from manyhot.evaluation.metrics.top_k_labels import TopK, top_k

Sums = dict[str, np.ndarray]


def compute_top_k_metrics(
    targets: Any,
    top: TopK | np.ndarray,
    ks: Iterable[int] = (1, 3, 5),
    propensities: np.ndarray | None = None,
    unknown: Any = None,
    count_empty: bool = True,
) -> dict[str, Score]:
    """Score the first k answers of each row: precision, recall, nDCG and, given propensities, PSP and PSnDCG."""
    # Unknown entries do not exist: the next answer moves up to their place, and a place that stays empty is wrong. The
    # propensity-scored metrics are sums over all rows divided by the same sum for the best possible answers.
    # Source: Bhatia and others, The extreme classification repository; Jain, Prabhu, Varma (KDD 2016), equations 6 and
    # 7; Järvelin, Kekäläinen (2002)
    positives, unknown_entries = (
        sparse_positions(targets, "targets"),
        None if unknown is None else sparse_positions(unknown, "unknown"),
    )
    if unknown_entries is not None:
        if unknown_entries.shape != positives.shape:
            raise InputError(
                f"got shape {unknown_entries.shape}, expected {positives.shape} as in the targets", argument="unknown"
            )
        positives = positives.difference(unknown_entries)
    validation.boolean(count_empty=count_empty)
    checked_ks = _check_ks(ks)
    top_labels = _check_top_labels(top, positives.shape, max(checked_ks))
    weights = None if propensities is None else _inverse_propensities(propensities, positives.width)
    k = max(checked_ks)
    sums = _metric_sums(positives, unknown_entries, top_labels, weights, k)
    baseline_sums = _metric_sums(
        positives, unknown_entries, _most_frequent(positives, unknown_entries, top_labels.shape), weights, k
    )
    counted_rows = _rows_with_known(positives, unknown_entries) if count_empty else positives.per_row() > 0
    n_rows = np.full(k, float(counted_rows.sum()))
    best_sums = {"precision": n_rows, "recall": n_rows, "ndcg": n_rows}
    scores = _scores(
        sums, baseline_sums, best_sums, _coverage(counted_rows, unknown_entries, positives.width), checked_ks
    )
    if weights is not None:
        coverage = _coverage(positives.per_row() > 0, unknown_entries, positives.width)
        scores |= _scores(sums, baseline_sums, _best_sums(positives, weights, k), coverage, checked_ks)
    return scores


def label_propensities(targets: Any, a: float = 0.55, b: float = 1.5) -> np.ndarray:
    """Chance that a positive of each label was recorded, float64 (l,), from its frequency in the training targets."""
    # Source: Jain, Prabhu, Varma (KDD 2016), section 4: p = 1 / (1 + C (N_l + b)^-a) with C = (log N - 1) (b + 1)^a; a
    # and b per data set
    a, b = validation.positive(a=a), validation.positive(b=b)
    positives = sparse_positions(targets, "targets")
    n = positives.shape[0]
    if n < 3:
        raise InputError(f"got {n} rows, expected 3 or more: the formula takes log(n) - 1", argument="targets")
    scale = (math.log(n) - 1.0) * (b + 1.0) ** a
    return 1.0 / (1.0 + scale * (positives.per_label() + b) ** -a)


def _check_ks(ks: Iterable[int]) -> list[int]:
    if isinstance(ks, str) or not isinstance(ks, Iterable):
        raise InputError(
            f"got {validation.shorten(ks)}, expected several whole numbers such as (1, 3, 5)", argument="ks"
        )
    checked = [validation.integer(ks=k, low=1) for k in ks]
    if not checked:
        raise InputError("got none, expected at least one whole number", argument="ks")
    return checked


def _check_top_labels(top: TopK | np.ndarray, shape: tuple[int, int], k: int) -> np.ndarray:
    top_labels = np.asarray(top.labels if isinstance(top, TopK) else top)
    n, width = shape
    if top_labels.ndim != 2 or len(top_labels) != n:
        raise InputError(
            f"got shape {top_labels.shape}, expected ({n}, m) with a row as in the targets", argument="top"
        )
    if top_labels.dtype.kind not in "iu":
        raise InputError(f"got {top_labels.dtype} values, expected indices of labels; see top_k", argument="top")
    if top_labels.shape[1] < k:
        raise InputError(
            f"got {top_labels.shape[1]} answers a row, expected {k} or more, the largest of ks", argument="top"
        )
    if isinstance(top, TopK):
        _check_order(top.scores, top_labels.shape)
    for part in blocks(n, top_labels.shape[1]):
        ordered_labels = np.sort(top_labels[part], axis=1)
        is_outside = (ordered_labels[:, 0] < -1) | (ordered_labels[:, -1] >= width)
        is_repeated = ((ordered_labels[:, 1:] == ordered_labels[:, :-1]) & (ordered_labels[:, 1:] >= 0)).any(axis=1)
        for is_wrong, problem in (
            (is_outside, f"a label outside -1 to {width - 1}"),
            (is_repeated, "a label twice in a row"),
        ):
            if is_wrong.any():
                raise InputError(f"got {problem}", argument="top", row=part.start + int(np.argmax(is_wrong)) + 1)
    return top_labels


def _check_order(scores: np.ndarray, shape: tuple[int, ...]) -> None:
    if scores.shape != shape:
        raise InputError(f"got scores of shape {scores.shape}, expected {shape} as its labels", argument="top")
    is_rising = ~(scores[:, :-1] >= scores[:, 1:]).all(axis=1)
    if is_rising.any():
        raise InputError("got scores that are not best first", argument="top", row=int(np.argmax(is_rising)) + 1)


def _inverse_propensities(propensities: np.ndarray, width: int) -> np.ndarray:
    array = np.asarray(propensities)
    if array.shape != (width,) or array.dtype.kind not in "iuf":
        raise InputError(
            f"got {array.dtype} values of shape {array.shape}, expected numbers ({width},)", argument="propensities"
        )
    if not ((array > 0) & (array <= 1)).all():
        raise InputError("got a value that is not above 0 and at most 1", argument="propensities")
    return 1.0 / array.astype(np.float64)


def _most_frequent(positives: SparsePositions, unknown: SparsePositions | None, shape: tuple[int, ...]) -> np.ndarray:
    """The labels from the most prevalent on, the same in each row: a view (n, m) of one row."""
    n, m = shape
    n_known = n - (0 if unknown is None else unknown.per_label())
    labels = top_k((positives.per_label() / np.maximum(n_known, 1))[None], m).labels
    ranking = np.full((1, m), -1, dtype=np.int64)
    ranking[:, : labels.shape[1]] = labels
    return np.broadcast_to(ranking, (n, m))


def _rows_with_known(positives: SparsePositions, unknown: SparsePositions | None) -> np.ndarray:
    """Rows with a known entry, bool (n,)."""
    n, width = positives.shape
    return np.full(n, width > 0) if unknown is None else unknown.per_row() < width


def _coverage(rows: np.ndarray, unknown: SparsePositions | None, width: int) -> tuple[int, int]:
    """How many labels have a known entry in the chosen rows, and how many rows these are."""
    n_rows = int(rows.sum())
    if unknown is None:
        return (width if n_rows else 0), n_rows
    return int((unknown.per_label(rows) < n_rows).sum()), n_rows


def _row_blocks(positives: SparsePositions, n_places: int) -> Iterable[slice]:
    n = positives.shape[0]
    return blocks(n, n_places + len(positives.keys) // max(n, 1))


def _discounts(k: int) -> np.ndarray:
    return 1.0 / np.log2(np.arange(2, k + 2))


def _ideal(n_positives: np.ndarray, k: int) -> np.ndarray:
    """The best discounted gain at each of the first k places, float64 (m, k); 1 for a row without positives."""
    n_reached = np.minimum(np.arange(1, k + 1), np.maximum(n_positives, 1)[:, None])
    gains: np.ndarray = np.cumsum(_discounts(k))[n_reached - 1]
    return gains


def _metric_sums(
    positives: SparsePositions, unknown: SparsePositions | None, top: np.ndarray, weights: np.ndarray | None, k: int
) -> Sums:
    """Each metric at the first 1 to k places, summed over rows, float64 (k,); a row without positives adds 0."""
    names = ("precision", "recall", "ndcg") if weights is None else ("precision", "recall", "ndcg", "psp", "psndcg")
    sums = {name: np.zeros(k) for name in names}
    n_positives, width = positives.per_row(), positives.width
    n_known = np.full(len(n_positives), width) if unknown is None else width - unknown.per_row()
    for part in _row_blocks(positives, top.shape[1]):
        labels = _known_top_k(unknown, top, part, k)
        hits = positives.contains(part, labels).astype(np.float64)
        n_hits, ideal = np.cumsum(hits, axis=1), _ideal(n_positives[part], k)
        n_ranked = np.minimum(np.arange(1, k + 1), np.maximum(n_known[part], 1)[:, None])
        sums["precision"] += (n_hits / n_ranked).sum(axis=0)
        sums["recall"] += (n_hits / np.maximum(n_positives[part], 1)[:, None]).sum(axis=0)
        sums["ndcg"] += (np.cumsum(hits * _discounts(k), axis=1) / ideal).sum(axis=0)
        if weights is not None:
            _add_weighted(sums, hits * weights[labels], ideal)
    return sums


def _known_top_k(unknown: SparsePositions | None, top: np.ndarray, part: slice, k: int) -> np.ndarray:
    """The first k answers of some rows at known entries, int64 (m, k); -1 behind them where there are fewer."""
    labels = top[part].astype(np.int64)
    is_valid = labels >= 0
    if unknown is not None:
        is_valid &= ~unknown.contains(part, labels)
    if is_valid.all():
        return labels[:, :k]
    order = np.argsort(~is_valid, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(np.where(is_valid, labels, -1), order, axis=1)


def _add_weighted(sums: Sums, gains: np.ndarray, ideal: np.ndarray) -> None:
    """Add some rows' weighted gains (m, k) at each place to both propensity-scored sums."""
    sums["psp"] += np.cumsum(gains, axis=1).sum(axis=0)
    sums["psndcg"] += (np.cumsum(gains * _discounts(gains.shape[1]), axis=1) / ideal).sum(axis=0)


def _best_sums(positives: SparsePositions, weights: np.ndarray, k: int) -> Sums:
    """What `_metric_sums` gives for the best possible answers: a row's positives from the heaviest on."""
    sums = {"psp": np.zeros(k), "psndcg": np.zeros(k)}
    n_positives = positives.per_row()
    for part in _row_blocks(positives, k):
        line, label, place = positives.entries_of(part)
        order = np.lexsort((-weights[label], line))  # lines stay where they were, so `place` holds as it is
        in_top_k = place < k
        gains = np.zeros((part.stop - part.start, k))
        gains[line[in_top_k], place[in_top_k]] = weights[label[order]][in_top_k]
        _add_weighted(sums, gains, _ideal(n_positives[part], k))
    return sums


def _scores(
    metric_sums: Sums, baseline_sums: Sums, best_sums: Sums, coverage: tuple[int, int], ks: list[int]
) -> dict[str, Score]:
    """Sums as shares of the best possible ones, for the metrics that `best_sums` names."""
    if coverage[1] == 0:
        return {f"{name}_at_{k}": Score(math.nan, 0, 0) for name in best_sums for k in ks}

    def share(sums: Sums, name: str, k: int) -> float:
        return float(sums[name][k - 1] / best_sums[name][k - 1])

    return {
        f"{name}_at_{k}": Score(share(metric_sums, name, k), *coverage, share(baseline_sums, name, k))
        for name in best_sums
        for k in ks
    }
