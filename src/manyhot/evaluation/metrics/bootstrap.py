"""Confidence intervals of metrics by resampling rows; nothing is trained or tuned again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from manyhot import validation
from manyhot.data.hierarchy import Hierarchy
from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import counts
from manyhot.evaluation.metrics.calibration import BINS, bin_starts
from manyhot.evaluation.metrics.classification import row_statistics
from manyhot.evaluation.metrics.hierarchical import add_ancestors
from manyhot.evaluation.metrics.probabilistic import log_losses, squared_errors
from manyhot.evaluation.metrics.ranking import ROW_METRICS, row_values
from manyhot.evaluation.metrics.registry import METRICS, compute_metrics
from manyhot.evaluation.metrics.score import Column, Entries, blocks, decision_entries, score_entries

MAX_RESAMPLES, MIN_RESAMPLES = 400, 60
# Draws times rows times labels that are aimed at; larger data get fewer draws, down to `MIN_RESAMPLES`
MAX_WORK = 2_000_000_000
LEVEL = 0.95
UPPER_BOUNDS = {"brier": 1.0, "log_loss": np.inf, "ece": 1.0}  # highest values of what is no row of `METRICS`


@dataclass(frozen=True)
class Interval:
    """Where a metric lies in 95 % of the resamples; NaN where nothing could be scored."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Intervals:
    """Intervals of everything that a report says."""

    n_resamples: int
    metrics: dict[str, Interval]  # also brier, log_loss and ece
    f1: np.ndarray | None  # float64 (l, 2), of each label's F1; None without decisions
    ece: np.ndarray | None  # float64 (l, 2), of each label; None without scores


def choose_n_resamples(n_rows: int, n_labels: int) -> int:
    """Draws for so many rows and labels."""
    return int(np.clip(MAX_WORK // max(1, n_rows * n_labels), MIN_RESAMPLES, MAX_RESAMPLES))


def intervals(
    targets: Targets,
    scores: np.ndarray | None,
    decisions: np.ndarray | None,
    k: int = 5,
    seed: int = 0,
    hierarchy: Hierarchy | None = None,
) -> Intervals:
    """Compute 95 % intervals of all metrics; targets, scores and decisions have the label axis last."""
    # The percentiles are moved by what the mean of the draws is off the measured value. Calibration errors, which
    # chance makes larger in every draw, reach as far to both sides as the bins of 95 % of the draws differ from those
    # of the rows.
    # Source: Efron, Tibshirani (1993), An introduction to the bootstrap: percentile intervals
    n_rows = targets.values.size // max(1, targets.n_labels)
    row_counts = bootstrap_counts(
        n_rows, choose_n_resamples(n_rows, targets.n_labels), validation.integer(seed=seed, low=0)
    )
    statistics: dict[str, np.ndarray] = {}
    f1 = ece = None
    bounds: dict[str, Interval] = {}
    if decisions is not None:
        entries = decision_entries(targets, decisions)
        by_decision = decision_statistics(entries, row_counts)
        if hierarchy is not None:
            statistics |= hierarchical_statistics(add_ancestors(entries, hierarchy), row_counts)
        f1 = _percentile_intervals(by_decision.pop("label_f1"))
        statistics |= by_decision
    if scores is not None:
        entries = score_entries(targets, scores)
        statistics |= score_statistics(entries, row_counts, validation.integer(k=k, low=1))
        bounds["ece"] = Interval(*pooled_ece_interval(entries, row_counts).tolist())
        ece = label_ece_intervals(entries, row_counts)
    provided = {"scores": scores, "decisions": decisions}
    remaining = [
        name
        for name, metric in METRICS.items()
        if provided[metric.needs] is not None and not metric.needs_taxonomy and name not in statistics
    ]
    statistics |= _resampled_metrics(targets, scores, decisions, row_counts, k, remaining)
    for name, values in statistics.items():
        upper_bound = METRICS[name].upper_bound if name in METRICS else UPPER_BOUNDS[name]
        bounds[name] = Interval(*_percentile_intervals(values[:, None], upper_bound)[0].tolist())
    return Intervals(row_counts.shape[1] - 1, bounds, f1, ece)


def bootstrap_counts(n_rows: int, n_resamples: int, seed: int) -> np.ndarray:
    """How often each row is drawn, float32 (n, 1 + draws) of whole numbers; the first column has each row once."""
    rng = np.random.default_rng(seed)
    row_counts = np.ones((n_rows, 1 + n_resamples), dtype=np.float32)
    for column in range(1, 1 + n_resamples):
        row_counts[:, column] = np.bincount(rng.integers(0, n_rows, n_rows), minlength=n_rows)
    return row_counts


def decision_statistics(entries: Entries, row_counts: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics of decisions per resample, float64 (draws,), and `label_f1` (draws, l); a lost label keeps its value."""
    n_known = entries.known_per_row()
    per_row = np.zeros((len(n_known), 5))
    per_row[:, 0], per_row[:, 1] = n_known, n_known > 0
    for part in blocks(*entries.shape):
        per_row[part, 2:] = np.stack(row_statistics(entries, part), axis=1) * per_row[part, 1:2]
    n_known, n_rows, equal, f1, jaccard = _resample_sums(per_row, row_counts).T
    label_hits, label_predicted, label_positives = _label_resample_sums(entries, row_counts)
    hits, n_predicted, positives = (sums.sum(axis=1) for sums in (label_hits, label_predicted, label_positives))
    wrong = counts.ratio(n_predicted + positives - 2 * hits, n_known)
    label_f1 = counts.f1(label_hits, label_predicted, label_positives, 0.0)
    label_f1 = _fill_missing(np.where(label_positives > 0, label_f1, np.nan))
    has_known = np.broadcast_to(entries.known_per_label() > 0, label_f1.shape)
    return {
        "subset_accuracy": counts.ratio(equal, n_rows),
        "element_accuracy": 1.0 - wrong,
        "hamming_loss": wrong,
        "f1_micro": counts.f1(hits, n_predicted, positives),
        "f1_samples": counts.ratio(f1, n_rows),
        "jaccard_samples": counts.ratio(jaccard, n_rows),
        "f1_macro": _mean(label_f1, np.broadcast_to(label_positives[0] > 0, label_f1.shape)),
        "f1_macro_all": _mean(np.nan_to_num(label_f1), has_known),
        "label_f1": label_f1,
    }


def hierarchical_statistics(entries: Entries, row_counts: np.ndarray) -> dict[str, np.ndarray]:
    """Hierarchical metrics per resample, float64 (draws,), of entries with their ancestors."""
    per_row = np.zeros((entries.shape[0], 3))
    for part in blocks(*entries.shape):
        values, decisions = entries.values[part], entries.predictions[part]
        per_row[part] = np.stack([(values & decisions).sum(1), decisions.sum(1), values.sum(1)], axis=1)
    hits, n_predicted, n_positives = _resample_sums(per_row, row_counts).T
    return {
        "hierarchical_f1": counts.f1(hits, n_predicted, n_positives),
        "hierarchical_precision": counts.precision(hits, n_predicted),
        "hierarchical_recall": counts.recall(hits, n_positives),
    }


def score_statistics(entries: Entries, row_counts: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """Metrics of scores per resample, float64 (draws,); row counts float32 (n, draws), all rows once in the first."""
    per_row = np.zeros((entries.shape[0], 4 + len(ROW_METRICS)))
    per_row[:, 2], per_row[:, 3] = entries.known_per_row(), entries.values.any(axis=1)
    for part in blocks(*entries.shape):
        values, known, ranked_rows = entries.values[part], entries.known[part], per_row[part, 3] > 0
        per_row[part, 0] = (squared_errors(entries, part) * known).sum(axis=1)
        per_row[part, 1] = (log_losses(entries, part) * known).sum(axis=1)
        if ranked_rows.any():
            ranked = row_values(values, known, entries.predictions[part], k)
            per_row[part, 4:][ranked_rows] = np.stack([ranked[name] for name in ROW_METRICS], axis=1)
    squares, losses, n_known, n_ranked, *ranking_sums = _resample_sums(per_row, row_counts).T
    statistics = {"brier": counts.ratio(squares, n_known), "log_loss": counts.ratio(losses, n_known)}
    statistics |= {name: counts.ratio(values, n_ranked) for name, values in zip(ROW_METRICS, ranking_sums, strict=True)}
    statistics["map"], statistics["roc_auc_macro"] = _ranking_means(entries, row_counts)
    return statistics


def _resampled_metrics(
    targets: Targets,
    scores: np.ndarray | None,
    decisions: np.ndarray | None,
    row_counts: np.ndarray,
    k: int,
    names: Sequence[str],
) -> dict[str, np.ndarray]:
    """Metrics without sums of their own, computed anew on the rows of each draw, float64 (draws,)."""
    if not names:
        return {}
    shape = (len(row_counts), targets.n_labels)
    flat = Targets(targets.values.reshape(shape), targets.known_mask().reshape(shape))
    inputs = [None if array is None else array.reshape(shape) for array in (scores, decisions)]
    values = np.empty((len(names), row_counts.shape[1]))
    for draw, times in enumerate(row_counts.T):
        rows = np.repeat(np.arange(len(row_counts)), times.astype(int))
        drawn_scores, drawn_decisions = (None if array is None else array[rows] for array in inputs)
        measured = compute_metrics(flat.take(rows), drawn_scores, drawn_decisions, k, names)
        values[:, draw] = [measured[name].value for name in names]
    return dict(zip(names, values, strict=True))


def _mean(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The mean of the chosen ones along the last axis; NaN where none is."""
    return counts.ratio(np.where(chosen, values, 0.0).sum(axis=-1), chosen.sum(axis=-1).astype(float))


def _fill_missing(resampled: np.ndarray) -> np.ndarray:
    """Values by draw (draws, ...), where what a draw lacks is as in the first, which has all rows."""
    return np.where(np.isnan(resampled), resampled[:1], resampled)


def _resample_sums(per_row: np.ndarray, row_counts: np.ndarray) -> np.ndarray:
    """Numbers of rows (n, c) summed over draws, float64 (draws, c)."""
    total = np.zeros((row_counts.shape[1], per_row.shape[1]))
    for part in blocks(len(row_counts), row_counts.shape[1]):
        total += row_counts[part].T.astype(np.float64) @ per_row[part]
    return total


def _label_resample_sums(entries: Entries, row_counts: np.ndarray) -> np.ndarray:
    """Hits, predictions and positives of each label, float64 (3, draws, l)."""
    sums = np.zeros((3, row_counts.shape[1], entries.shape[1]))
    for part in blocks(*entries.shape):
        weights, values = row_counts[part].T, entries.values[part]
        decisions = entries.predictions[part] & entries.known[part]
        for total, chosen in zip(sums, (decisions & values, decisions, values), strict=True):
            total += weights @ chosen.astype(np.float32)
    return sums


def _ranking_means(entries: Entries, row_counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over labels of average precision and of ROC-AUC, each float64 (draws,)."""
    totals = np.zeros((4, row_counts.shape[1]))
    for label in entries.columns():
        if label.values.any():
            precision, area = map(_fill_missing, _label_ranking(label, row_counts))
            totals += np.stack([np.nan_to_num(precision), ~np.isnan(precision), np.nan_to_num(area), ~np.isnan(area)])
    return counts.ratio(totals[0], totals[1]), counts.ratio(totals[2], totals[3])


def _label_ranking(label: Column, row_counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average precision and ROC-AUC of one label that has positives, NaN in draws that lack what they need."""
    order = np.argsort(-label.scores)  # equal scores are counted together, in whatever order
    scores, values, rows = label.scores[order], label.values[order], label.rows[order]
    first = np.flatnonzero(np.append(True, scores[1:] != scores[:-1]))
    last = np.append(first[1:], len(scores))
    has_positive = np.add.reduceat(values, first, dtype=np.int64) > 0
    first, last = first[has_positive], last[has_positive]
    edges = np.unique(np.concatenate([[0], first, last, [len(scores)]]))
    n_through = np.concatenate(
        [np.zeros((1, row_counts.shape[1])), np.cumsum(_part_sums(rows, edges, row_counts), axis=0)]
    )
    hits = _part_sums(rows[values], np.concatenate([[0], np.cumsum(values)])[edges], row_counts)
    hits = np.concatenate([np.zeros((1, row_counts.shape[1])), np.cumsum(hits, axis=0)])
    above, through = np.searchsorted(edges, first), np.searchsorted(edges, last)
    step_hits = hits[through] - hits[above]
    n_positives, n_negatives = hits[-1], n_through[-1] - hits[-1]
    precision = (step_hits * counts.ratio(hits[through], n_through[through], 0.0)).sum(axis=0)
    wrong = (step_hits * (n_through[through] - hits[through] + n_through[above] - hits[above])).sum(axis=0) / 2
    pairs = n_positives * n_negatives
    return counts.ratio(precision, n_positives), np.where(pairs > 0, 1 - counts.ratio(wrong, pairs, 0.0), np.nan)


def _part_sums(
    rows: np.ndarray, edges: np.ndarray, row_counts: np.ndarray, values: np.ndarray | None = None
) -> np.ndarray:
    """How often the rows of each part edges[p]:edges[p + 1] were drawn, times a number each; float64 (parts, draws)."""
    weights = np.ones(len(rows), dtype=np.float32) if values is None else values.astype(np.float32)
    parts = sp.csr_matrix((weights, rows, edges), shape=(len(edges) - 1, len(row_counts)))
    return np.asarray(parts @ row_counts, dtype=np.float64)


def label_ece_intervals(entries: Entries, row_counts: np.ndarray) -> np.ndarray:
    """Intervals of the expected calibration error of each label, float64 (l, 2); NaN where nothing is known."""
    bounds, n_drawn = np.full((entries.shape[1], 2), np.nan), row_counts.sum(axis=0, dtype=np.float64)
    for label in entries.columns():
        if len(label.rows):
            order = np.argsort(label.scores)
            edges = np.append(np.searchsorted(label.scores[order], bin_starts(label.scores, BINS)), len(order))
            deviations = (label.scores.astype(np.float64) - label.values)[order]
            bin_sums = _part_sums(label.rows[order], edges, row_counts, deviations).T
            n_entries = n_drawn
            if len(label.rows) < len(row_counts):
                n_entries = row_counts[label.rows].sum(axis=0, dtype=np.float64)
            bounds[label.label] = _ece_interval(bin_sums, n_entries)
    return bounds


def pooled_ece_interval(entries: Entries, row_counts: np.ndarray) -> np.ndarray:
    """The interval of the expected calibration error of all entries, float64 (2,); NaN where nothing is known."""
    starts = bin_starts(entries.predictions[entries.known], BINS)
    n_bins = len(starts)
    if not n_bins:
        return np.full(2, np.nan)
    per_row = np.zeros((len(row_counts), n_bins + 1))
    for part in blocks(*entries.shape):
        scores, values, known = entries.predictions[part], entries.values[part], entries.known[part]
        bin_indices = np.arange(len(values))[:, None] * n_bins
        bin_indices = bin_indices + np.maximum(np.searchsorted(starts, scores, side="right") - 1, 0)
        deviations = np.where(known, scores.astype(np.float64) - values, 0.0)
        per_row[part, :-1] = np.bincount(bin_indices.ravel(), deviations.ravel(), len(values) * n_bins).reshape(
            -1, n_bins
        )
        per_row[part, -1] = known.sum(axis=1)
    bin_sums = _resample_sums(per_row, row_counts)
    return _ece_interval(bin_sums[:, :-1], bin_sums[:, -1])


def _ece_interval(bin_sums: np.ndarray, n_entries: np.ndarray) -> np.ndarray:
    """Interval of a calibration error from bin sums of score less value (draws, bins), all rows first."""
    distances = counts.ratio(bin_sums, np.broadcast_to(n_entries[:, None], bin_sums.shape), 0.0)
    noise = np.abs(distances[1:] - distances[0]).sum(axis=1)
    measured, radius = np.abs(distances[0]).sum(), np.quantile(noise, LEVEL)
    return np.clip([measured - radius, measured + radius], 0.0, 1.0)


def _percentile_intervals(resampled: np.ndarray, upper_limit: float = 1.0) -> np.ndarray:
    """Interval ends, float64 (c, 2), of statistics (1 + draws, c), all rows first; NaN where all rows have no value."""
    bounds = np.full((resampled.shape[1], 2), np.nan)
    for column, values in enumerate(resampled.T):
        finite = values[1:][~np.isnan(values[1:])]
        if not np.isnan(values[0]) and len(finite):
            bounds[column] = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) + (values[0] - finite.mean())
    return np.clip(bounds, 0.0, upper_limit)
