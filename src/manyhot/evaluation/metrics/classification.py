"""Metrics of decisions, from counts of hits, predictions and positives over known entries."""

from __future__ import annotations

import numpy as np

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import counts
from manyhot.evaluation.metrics.score import Entries, Score, blocks, decision_entries


def decision_metrics(targets: Targets, decisions: np.ndarray, k: int) -> dict[str, Score]:
    """All metrics of decisions by name; k is unused."""
    # F1 and Jaccard stand beside the best of "every label at least this frequent", tuned for that metric; the others
    # beside "every label with a prevalence of 0.5 or more", exact match also beside the most common label set.
    entries = decision_entries(targets, decisions)
    return {**label_scores(entries), **_row_scores(entries)}


def label_counts(entries: Entries) -> tuple[np.ndarray, np.ndarray]:
    """True positives and predicted positives of each label over its known entries, both int64 (l,)."""
    decisions = entries.predictions & entries.known
    hits = (decisions & entries.values).sum(axis=0, dtype=np.int64)
    return hits, decisions.sum(axis=0, dtype=np.int64)


def label_scores(entries: Entries) -> dict[str, Score]:
    """The metrics that the counts of each label give."""
    hits, n_predicted = label_counts(entries)
    positives, n_known = entries.values.sum(axis=0, dtype=np.int64), entries.known_per_label()
    wrong = counts.ratio((n_predicted + positives - 2 * hits).sum(), n_known.sum())
    rarer = counts.ratio(np.minimum(positives, n_known - positives).sum(), n_known.sum())
    has_known, has_positive = n_known > 0, positives > 0
    f1 = counts.f1(hits, n_predicted, positives, default=0.0)
    always_f1 = counts.f1(positives, n_known, positives, default=0.0)
    order, cuts = _frequency_cuts(entries.prevalence())
    cumulative_f1 = counts.f1(np.cumsum(positives[order]), np.cumsum(n_known[order]), positives.sum(), default=0.0)
    micro = float(counts.f1(hits.sum(), n_predicted.sum(), positives.sum()))
    best = float(cumulative_f1[cuts].max(initial=0.0))
    mean = counts.masked_mean
    return {
        "element_accuracy": entries.score(1.0 - float(wrong), 1.0 - float(rarer)),
        "hamming_loss": entries.score(float(wrong), float(rarer)),
        "f1_micro": entries.score(micro, best),
        "f1_macro": entries.score(mean(f1, has_positive), mean(always_f1, has_positive), labels=has_positive),
        "f1_macro_all": entries.score(mean(f1, has_known), mean(always_f1, has_known)),
    }


def _frequency_cuts(prevalence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels from frequent to rare, and the places after which the prevalence changes (the last one included)."""
    order = np.argsort(-prevalence, kind="stable")
    ranked = prevalence[order]
    return order, np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)])


def row_statistics(entries: Entries, part: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of some rows, (m,) each: whether all known labels are right, F1 and Jaccard; an empty answer may be right."""
    values, decisions = entries.values[part], entries.predictions[part] & entries.known[part]
    row_counts = (decisions & values).sum(axis=1), decisions.sum(axis=1), values.sum(axis=1)
    f1, jaccard = counts.f1(*row_counts, default=1.0), counts.jaccard(*row_counts, default=1.0)
    return (decisions == values).all(axis=1), f1, jaccard


def _row_scores(entries: Entries) -> dict[str, Score]:
    has_known = entries.known_per_row() > 0
    n_rows = int(has_known.sum())
    prevalence = entries.prevalence()
    order, cuts = _frequency_cuts(prevalence)
    names = ("subset_accuracy", "f1_samples", "jaccard_samples")
    sums, baseline_sums = np.zeros(3), [np.zeros(1), np.zeros(len(cuts) + 1), np.zeros(len(cuts) + 1)]
    for part in blocks(*entries.shape):
        rows = has_known[part]
        sums += [float(values[rows].sum()) for values in row_statistics(entries, part)]
        values, known = entries.values[part][rows], entries.known[part][rows]
        baseline_sums[0] += (((prevalence >= 0.5) & known) == values).all(axis=1).sum()
        for total, values_at in zip(baseline_sums[1:], _frequency_baselines(values, known, order, cuts), strict=True):
            total += values_at
    baseline_sums[0][:] = max(baseline_sums[0][0], _most_common_set(entries.values, has_known))
    best_sums = [float(total.max()) for total in baseline_sums]
    return {
        name: entries.score(float(counts.ratio(total, n_rows)), float(counts.ratio(best, n_rows)))
        for name, total, best in zip(names, sums, best_sums, strict=True)
    }


def _most_common_set(values: np.ndarray, rows: np.ndarray) -> int:
    """How many of some rows, bool (n,), have the label set that most of them have; what is unknown is no label."""
    packed = np.ascontiguousarray(np.packbits(values, axis=1)[rows])
    sets = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    return int(np.unique(sets, return_counts=True)[1].max(initial=0))


def _frequency_baselines(
    values: np.ndarray, known: np.ndarray, order: np.ndarray, cuts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Row sums of F1 and Jaccard, float64 (cuts + 1,), if nothing or every label down to each cut is predicted."""
    positives = values.sum(axis=1, dtype=np.int32)[:, None]
    empty = float((positives == 0).sum())
    hits, n_predicted = (np.cumsum(array[:, order], axis=1, dtype=np.int32)[:, cuts] for array in (values, known))
    f1 = counts.f1(hits, n_predicted, positives, default=1.0).sum(axis=0)
    jaccard = counts.jaccard(hits, n_predicted, positives, default=1.0).sum(axis=0)
    return np.append(empty, f1), np.append(empty, jaccard)


def weighted_metrics(targets: Targets, decisions: np.ndarray, weights: np.ndarray) -> dict[str, float | None]:
    """Metrics of decisions where a row of weight k counts as k rows, weights float (n,); None where undefined."""
    known = targets.known_mask()
    values, decided = targets.values & known, decisions & known
    hits, n_decided, n_positives = (weights @ entries for entries in (values & decided, decided, values))
    label_f1 = counts.f1(hits, n_decided, n_positives)
    macro_f1 = counts.masked_mean(label_f1, ~np.isnan(label_f1))
    is_scored = known.any(axis=1)
    is_right = (values == decided).all(axis=1)
    return {
        "precision_micro": _or_none(counts.precision(hits.sum(), n_decided.sum())),
        "recall_micro": _or_none(counts.recall(hits.sum(), n_positives.sum())),
        "f1_micro": _or_none(counts.f1(hits.sum(), n_decided.sum(), n_positives.sum())),
        "f1_macro": _or_none(macro_f1),
        "hamming_loss": _or_none(counts.ratio((weights @ (values != decided)).sum(), (weights @ known).sum())),
        "subset_accuracy": _or_none(counts.ratio(weights[is_scored & is_right].sum(), weights[is_scored].sum())),
    }


def _or_none(value: counts.Count) -> float | None:
    return None if np.isnan(value) else float(value)
