"""Metrics of scores: is the order right, within each row and within each label?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import counts
from manyhot.evaluation.metrics.ranks import rank_positives
from manyhot.evaluation.metrics.score import Entries, Score, blocks, score_entries

ROW_METRICS = ("ranking_loss", "lrap", "coverage_error", "one_error", "precision_at_k", "ndcg_at_k")


def row_ranking(targets: Targets, scores: np.ndarray, k: int) -> dict[str, Score]:
    """All metrics of the order of labels within rows, `ROW_METRICS`, over the rows with a known positive."""
    # A tie counts as an error where scikit-learn counts it so, and as its expected value over all orders of the tied
    # entries where places are counted (one error, precision at k, nDCG).
    entries = score_entries(targets, scores)
    n, width = entries.shape
    rows = np.asarray(entries.values.any(axis=1))
    if not rows.any():
        return {name: Score(np.nan, 0, 0) for name in ROW_METRICS}
    prevalence = np.broadcast_to(entries.prevalence(), (n, width))
    means, baselines = _row_means(entries, entries.predictions, k), _row_means(entries, prevalence, k)
    coverage = entries.score(0.0, 0.0, rows=rows)
    return {name: replace(coverage, value=means[name], baseline=baselines[name]) for name in ROW_METRICS}


def _row_means(entries: Entries, scores: np.ndarray, k: int) -> dict[str, float]:
    sums = dict.fromkeys(ROW_METRICS, 0.0)
    n_rows = 0
    for part in blocks(*entries.shape):
        per_row = row_values(entries.values[part], entries.known[part], scores[part], k)
        n_rows += len(per_row["lrap"])
        for name, values in per_row.items():
            sums[name] += float(values.sum())
    return {name: total / n_rows for name, total in sums.items()}


def row_values(values: np.ndarray, known: np.ndarray, scores: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """The six metrics of each row that has a known positive, float64 (rows,) each."""
    n, width = values.shape
    n_positives, n_known = values.sum(axis=1, dtype=np.int64), known.sum(axis=1, dtype=np.int64)
    rows = n_positives > 0
    ranked = rank_positives(values, known, scores)
    tied = ranked.reached - ranked.above
    discounts = np.zeros(width)
    discounts[:k] = 1.0 / np.log2(np.arange(2, min(k, width) + 2))
    cumulative_discounts = np.concatenate([[0.0], np.cumsum(discounts)])

    def per_row(weights: np.ndarray) -> np.ndarray:
        return np.bincount(ranked.line, weights=weights, minlength=n)[rows]

    positives, negatives = n_positives[rows], (n_known - n_positives)[rows]
    lowest = (np.cumsum(n_positives) - n_positives)[rows]
    wrong_pairs = per_row(ranked.reached - ranked.hits_reached)
    hits_at_1 = per_row(np.clip(1 - ranked.above, 0, tied) / tied)
    hits_at_k = per_row(np.clip(k - ranked.above, 0, tied) / tied)
    dcg = per_row((cumulative_discounts[ranked.reached] - cumulative_discounts[ranked.above]) / tied)
    return {
        "ranking_loss": wrong_pairs / np.maximum(positives * negatives, 1),
        "lrap": per_row(ranked.hits_reached / ranked.reached) / positives,
        "coverage_error": ranked.reached[lowest].astype(np.float64),
        "one_error": 1.0 - hits_at_1,
        "precision_at_k": hits_at_k / np.minimum(k, n_known[rows]),
        "ndcg_at_k": dcg / cumulative_discounts[positives],
    }


def label_ranking(entries: Entries) -> tuple[np.ndarray, np.ndarray]:
    """Average precision and ROC-AUC of every label over its known entries, float64 (l,) each; NaN where undefined."""
    n, width = entries.shape
    n_positives = entries.values.sum(axis=0, dtype=np.int64)
    n_negatives = entries.known_per_label() - n_positives
    precision_sum, wrong_pairs = np.zeros(width), np.zeros(width)
    for part in blocks(width, n):
        arrays = (entries.values, entries.known, entries.predictions)
        ranked = rank_positives(*(np.ascontiguousarray(array[:, part].T) for array in arrays))
        n_lines = part.stop - part.start
        precision_sum[part] = np.bincount(ranked.line, weights=ranked.hits_reached / ranked.reached, minlength=n_lines)
        # A negative above a positive is one wrong pair, a tie half of one: twice the count stays a whole number.
        twice_wrong = (ranked.reached - ranked.hits_reached) + (ranked.above - ranked.hits_above)
        wrong_pairs[part] = np.bincount(ranked.line, weights=twice_wrong, minlength=n_lines) / 2
    pairs = n_positives * n_negatives
    return counts.ratio(precision_sum, n_positives), 1.0 - counts.ratio(wrong_pairs, pairs)


def label_means(targets: Targets, scores: np.ndarray, k: int) -> dict[str, Score]:
    """`map` and `roc_auc_macro` from one ranking of each label's samples; k is unused."""
    entries = score_entries(targets, scores)
    precision, area = label_ranking(entries)
    has_positive, has_both = ~np.isnan(precision), ~np.isnan(area)
    mean = counts.masked_mean
    return {
        "map": entries.score(
            mean(precision, has_positive), mean(entries.prevalence(), has_positive), labels=has_positive
        ),
        "roc_auc_macro": entries.score(mean(area, has_both), 0.5, labels=has_both),
    }
