"""Metrics of scores: is the order right, within each row and within each label?"""

from __future__ import annotations

import numpy as np

from manyhot import validation
from manyhot.data.targets import Targets
from manyhot.evaluation.metrics.ranks import rank_positives
from manyhot.evaluation.metrics.score import Entries, Score, blocks, score_entries

LABEL_METRICS = ("map", "roc_auc_macro")
ROW_METRICS = ("ranking_loss", "lrap", "coverage_error", "one_error", "precision_at_k", "ndcg_at_k")


def row_ranking(targets: Targets, scores: np.ndarray, k: int = 5) -> dict[str, Score]:
    """All metrics of the order of labels within rows, `ROW_METRICS`, over the rows with a known positive."""
    # A tie counts as an error where scikit-learn counts it so, and as its expected value over all orders of the tied
    # entries where places are counted (one error, precision at k, nDCG).
    k = validation.integer(k=k, low=1)
    entries = score_entries(targets, scores)
    n, width = entries.shape
    rows = np.asarray(entries.values.any(axis=1))
    if not rows.any():
        return {name: Score(np.nan, 0, 0) for name in ROW_METRICS}
    prevalence = np.broadcast_to(entries.prevalence(), (n, width))
    means = _row_means(entries, entries.predictions, k)
    baseline_means = _row_means(entries, prevalence, k)
    coverage = entries.score(0.0, 0.0, rows=rows)
    return {
        name: Score(means[name], coverage.n_labels, coverage.n_samples, baseline_means[name]) for name in ROW_METRICS
    }


def _row_means(entries: Entries, scores: np.ndarray, k: int) -> dict[str, float]:
    sums: dict[str, float] = {name: 0.0 for name in ROW_METRICS}
    n_rows = 0
    for part in blocks(*entries.shape):
        known = None if entries.known is None else entries.known[part]
        per_row = row_values(entries.values[part], known, scores[part], k)
        n_rows += len(per_row["lrap"])
        for name, values in per_row.items():
            sums[name] += float(values.sum())
    return {name: total / n_rows for name, total in sums.items()}


def row_values(values: np.ndarray, known: np.ndarray | None, scores: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """The six metrics of each row that has a known positive, float64 (rows,) each."""
    n, width = values.shape
    n_positives = values.sum(axis=1, dtype=np.int64)
    n_known = np.full(n, width) if known is None else known.sum(axis=1, dtype=np.int64)
    rows = n_positives > 0
    ranked = rank_positives(values, known, scores)
    tied = ranked.tied()
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


def ranking_loss(targets: Targets, scores: np.ndarray) -> Score:
    """The share of (positive, negative) pairs of a row that stand in the wrong order or tie, averaged over rows."""
    # Source: Tsoumakas, Katakis, Vlahavas (2010), Mining multi-label data; ties and full rows as in scikit-learn
    return row_ranking(targets, scores)["ranking_loss"]


def lrap(targets: Targets, scores: np.ndarray) -> Score:
    """Label ranking average precision: of the labels ranked at or above a positive, the share that is positive."""
    # Source: Schapire, Singer (2000), BoosTexter; ties as in scikit-learn (the worst place of the tied)
    return row_ranking(targets, scores)["lrap"]


def coverage_error(targets: Targets, scores: np.ndarray) -> Score:
    """How many labels of the ranking must be taken to have all positives of a row, averaged over rows."""
    # Source: Tsoumakas, Katakis, Vlahavas (2010), plus one, as in scikit-learn; ties take the worst place
    return row_ranking(targets, scores)["coverage_error"]


def one_error(targets: Targets, scores: np.ndarray) -> Score:
    """How often the label with the highest score is wrong; tied for highest counts as drawing one of them."""
    # Source: Schapire, Singer (2000), BoosTexter
    return row_ranking(targets, scores)["one_error"]


def precision_at_k(targets: Targets, scores: np.ndarray, k: int = 5) -> Score:
    """The share of positives among a row's k highest scores, averaged over rows."""
    # Source: Bhatia and others, The extreme classification repository; ties are averaged over their orders
    return row_ranking(targets, scores, k)["precision_at_k"]


def ndcg_at_k(targets: Targets, scores: np.ndarray, k: int = 5) -> Score:
    """Discounted gain of the positives among a row's k highest scores, as a share of the best that row allows."""
    # Source: Järvelin, Kekäläinen (2002), discount 1 / log2(place + 1); ties averaged as in McSherry, Najork (2008)
    return row_ranking(targets, scores, k)["ndcg_at_k"]


def label_ranking(entries: Entries) -> tuple[np.ndarray, np.ndarray]:
    """Average precision and ROC-AUC of every label over its known entries, float64 (l,) each; NaN where undefined."""
    n, width = entries.shape
    n_positives = entries.values.sum(axis=0, dtype=np.int64)
    n_negatives = entries.known_per_label() - n_positives
    precision_sum, wrong_pairs = np.zeros(width), np.zeros(width)
    for part in blocks(width, n):
        known = None if entries.known is None else np.ascontiguousarray(entries.known[:, part].T)
        values = np.ascontiguousarray(entries.values[:, part].T)
        ranked = rank_positives(values, known, np.ascontiguousarray(entries.predictions[:, part].T))
        n_lines = len(values)
        precision_sum[part] = np.bincount(ranked.line, weights=ranked.hits_reached / ranked.reached, minlength=n_lines)
        # A negative above a positive is one wrong pair, a tie half of one: twice the count stays a whole number.
        twice_wrong = (ranked.reached - ranked.hits_reached) + (ranked.above - ranked.hits_above)
        wrong_pairs[part] = np.bincount(ranked.line, weights=twice_wrong, minlength=n_lines) / 2
    pairs = n_positives * n_negatives
    precision = np.where(n_positives > 0, precision_sum / np.maximum(n_positives, 1), np.nan)
    return precision, np.where(pairs > 0, 1.0 - wrong_pairs / np.maximum(pairs, 1), np.nan)


def label_means(targets: Targets, scores: np.ndarray) -> dict[str, Score]:
    """`map` and `roc_auc_macro` from one ranking of each label's samples."""
    entries = score_entries(targets, scores)
    precision, area = label_ranking(entries)
    has_positive, has_both = ~np.isnan(precision), ~np.isnan(area)

    def mean(values: np.ndarray, mask: np.ndarray) -> float:
        return float(values[mask].mean()) if mask.any() else np.nan

    return {
        "map": entries.score(
            mean(precision, has_positive), mean(entries.prevalence(), has_positive), labels=has_positive
        ),
        "roc_auc_macro": entries.score(mean(area, has_both), 0.5, labels=has_both),
    }


def map(targets: Targets, scores: np.ndarray) -> Score:
    """Mean average precision: each label's average precision over samples, averaged over labels."""
    # Source: The step-wise sum of precisions that scikit-learn uses, without interpolation; tied samples share one step
    return label_means(targets, scores)["map"]


def roc_auc_macro(targets: Targets, scores: np.ndarray) -> Score:
    """The chance that a label's positive has a higher score than its negative (a tie is half), averaged over labels."""
    # Source: Mann, Whitney (1947); Hanley, McNeil (1982)
    return label_means(targets, scores)["roc_auc_macro"]
