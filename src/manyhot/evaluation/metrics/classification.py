"""Metrics of decisions, from counts of hits, predictions and positives over known entries."""

from __future__ import annotations

import numpy as np

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import counts
from manyhot.evaluation.metrics.score import Entries, Score, blocks, decision_entries

DECISION_METRICS = (
    "subset_accuracy",
    "element_accuracy",
    "hamming_loss",
    "f1_micro",
    "f1_macro",
    "f1_macro_all",
    "f1_samples",
    "jaccard_samples",
)


def decision_metrics(targets: Targets, decisions: np.ndarray) -> dict[str, Score]:
    """All metrics of decisions, a score for each of `DECISION_METRICS`."""
    # F1 and Jaccard stand beside the best of "every label at least this frequent", tuned for that metric; the others
    # beside "every label with a prevalence of 0.5 or more".
    entries = decision_entries(targets, decisions)
    return {**_entry_scores(entries), **_label_scores(entries), **_row_scores(entries)}


def label_counts(entries: Entries) -> tuple[np.ndarray, np.ndarray]:
    """True positives and predicted positives of each label over its known entries, both int64 (l,)."""
    decisions = entries.predictions if entries.known is None else entries.predictions & entries.known
    hits = (decisions & entries.values).sum(axis=0, dtype=np.int64)
    return hits, decisions.sum(axis=0, dtype=np.int64)


def _entry_scores(entries: Entries) -> dict[str, Score]:
    n_known = int(entries.known_per_label().sum())
    positives = entries.values.sum(axis=0, dtype=np.int64)
    hits, n_predicted = label_counts(entries)
    wrong = int((n_predicted + positives - 2 * hits).sum())
    n_rarer = int(np.minimum(positives, entries.known_per_label() - positives).sum())
    share, rarer_share = float(counts.ratio(wrong, n_known)), float(counts.ratio(n_rarer, n_known))
    return {
        "element_accuracy": entries.score(1.0 - share, 1.0 - rarer_share),
        "hamming_loss": entries.score(share, rarer_share),
    }


def _label_scores(entries: Entries) -> dict[str, Score]:
    hits, n_predicted = label_counts(entries)
    positives, n_known = entries.values.sum(axis=0, dtype=np.int64), entries.known_per_label()
    has_known, has_positive = n_known > 0, positives > 0
    f1 = counts.f1(hits, n_predicted, positives, default=0.0)
    always_f1 = counts.f1(positives, n_known, positives, default=0.0)

    def mean(values: np.ndarray, mask: np.ndarray) -> float:
        return float(values[mask].mean()) if mask.any() else np.nan

    order, cuts = _frequency_cuts(entries.prevalence())
    cumulative_f1 = counts.f1(np.cumsum(positives[order]), np.cumsum(n_known[order]), positives.sum(), default=0.0)
    micro = float(counts.f1(hits.sum(), n_predicted.sum(), positives.sum()))
    best = float(cumulative_f1[cuts].max(initial=0.0))
    return {
        "f1_micro": entries.score(micro, best),
        "f1_macro": entries.score(mean(f1, has_positive), mean(always_f1, has_positive), labels=has_positive),
        "f1_macro_all": entries.score(mean(f1, has_known), mean(always_f1, has_known)),
    }


def _frequency_cuts(prevalence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels from frequent to rare, and the places after which the prevalence changes (the last one included)."""
    order = np.argsort(-prevalence, kind="stable")
    ranked = prevalence[order]
    return order, np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)])


def _row_scores(entries: Entries) -> dict[str, Score]:
    n, width = entries.shape
    rows = entries.known_per_row() > 0
    n_rows = int(rows.sum())
    prevalence = entries.prevalence()
    order, cuts = _frequency_cuts(prevalence)
    sums = dict.fromkeys(("subset", "subset_without", "f1", "jaccard"), 0.0)
    f1_at, jaccard_at = np.zeros(len(cuts) + 1), np.zeros(len(cuts) + 1)  # the first: answer nothing
    for part in blocks(n, width):
        has_known = rows[part]
        values = entries.values[part][has_known]
        known = None if entries.known is None else entries.known[part][has_known]
        decisions = entries.predictions[part][has_known]
        decisions = decisions if known is None else decisions & known
        frequent = prevalence >= 0.5 if known is None else (prevalence >= 0.5) & known
        hits, n_predicted = (decisions & values).sum(axis=1), decisions.sum(axis=1)
        positives = values.sum(axis=1)
        sums["subset"] += float((decisions == values).all(axis=1).sum())
        sums["subset_without"] += float((frequent == values).all(axis=1).sum())
        sums["f1"] += float(counts.f1(hits, n_predicted, positives, default=1.0).sum())
        sums["jaccard"] += float(counts.jaccard(hits, n_predicted, positives, default=1.0).sum())
        f1_part, jaccard_part = _frequency_baselines(values, known, order, cuts)
        f1_at += f1_part
        jaccard_at += jaccard_part

    def score(total: float, baseline: float) -> Score:
        return entries.score(float(counts.ratio(total, n_rows)), float(counts.ratio(baseline, n_rows)))

    return {
        "subset_accuracy": score(sums["subset"], sums["subset_without"]),
        "f1_samples": score(sums["f1"], float(f1_at.max())),
        "jaccard_samples": score(sums["jaccard"], float(jaccard_at.max())),
    }


def _frequency_baselines(
    values: np.ndarray, known: np.ndarray | None, order: np.ndarray, cuts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Row sums of F1 and Jaccard, float64 (cuts + 1,), if nothing or every label down to each cut is predicted."""
    positives = values.sum(axis=1, dtype=np.int32)[:, None]
    empty = float((positives == 0).sum())
    hits = np.cumsum(values[:, order], axis=1, dtype=np.int32)[:, cuts]
    n_predicted = cuts[None, :] + 1 if known is None else np.cumsum(known[:, order], axis=1, dtype=np.int32)[:, cuts]
    f1 = counts.f1(hits, n_predicted, positives, default=1.0).sum(axis=0)
    jaccard = counts.jaccard(hits, n_predicted, positives, default=1.0).sum(axis=0)
    return np.append(empty, f1), np.append(empty, jaccard)


def subset_accuracy(targets: Targets, decisions: np.ndarray) -> Score:
    """The share of rows whose known labels are all decided right."""
    return _row_scores(decision_entries(targets, decisions))["subset_accuracy"]


def element_accuracy(targets: Targets, decisions: np.ndarray) -> Score:
    """The share of known entries that are decided right. At 3 % density, answering nothing has 97 %."""
    return _entry_scores(decision_entries(targets, decisions))["element_accuracy"]


def hamming_loss(targets: Targets, decisions: np.ndarray) -> Score:
    """The share of known entries that are decided wrong: 1 - element accuracy."""
    # Source: Schapire, Singer (2000), BoosTexter
    return _entry_scores(decision_entries(targets, decisions))["hamming_loss"]


def f1_micro(targets: Targets, decisions: np.ndarray) -> Score:
    """F1 of all known entries in one pot, 2 tp / (answered + positives): frequent labels weigh most."""
    return _label_scores(decision_entries(targets, decisions))["f1_micro"]


def f1_macro(targets: Targets, decisions: np.ndarray) -> Score:
    """The mean of the labels' F1, over labels with a known positive."""
    return _label_scores(decision_entries(targets, decisions))["f1_macro"]


def f1_macro_all(targets: Targets, decisions: np.ndarray) -> Score:
    """The mean of the labels' F1, where a label without a known positive counts 0 as in most other libraries."""
    return _label_scores(decision_entries(targets, decisions))["f1_macro_all"]


def f1_samples(targets: Targets, decisions: np.ndarray) -> Score:
    """F1 between the decided and the true label set of each row, averaged over rows."""
    return _row_scores(decision_entries(targets, decisions))["f1_samples"]


def jaccard_samples(targets: Targets, decisions: np.ndarray) -> Score:
    """Shared labels over all labels of the decided and the true set of each row, averaged over rows."""
    # Source: Godbole, Sarawagi (2004), where it is called accuracy
    return _row_scores(decision_entries(targets, decisions))["jaccard_samples"]
