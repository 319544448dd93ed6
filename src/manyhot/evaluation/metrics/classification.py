"""Measures of decisions: is the set of labels that a sample gets the right one?

Everything comes from counts over known entries: true positives, yes answers and positives, by label and by row.
Nothing here knows how the decisions were made. Start reading at `answer_measures`.

The baseline of the accuracies answers every label whose prevalence is at least 0.5. That answer is "nothing" on most
data, and 0 is no honest rival for an F1 whose thresholds were tuned. So F1 and Jaccard stand beside the best of the
answers "every label at least this frequent", with the limit tuned for that very measure on the same targets: for
macro F1, where each label counts for itself, that is to answer every label that occurs at all.
"""

from __future__ import annotations

import numpy as np

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics.score import Entries, Score, blocks, decided

ANSWER_MEASURES = (
    "subset_accuracy",
    "element_accuracy",
    "hamming_loss",
    "f1_micro",
    "f1_macro",
    "f1_macro_all",
    "f1_samples",
    "jaccard_samples",
)


def answer_measures(targets: Targets, decisions: np.ndarray) -> dict[str, Score]:
    """All measures of decisions.

    Args:
        targets: Targets (n, l).
        decisions: bool (n, l), or numbers that are 0 or 1.

    Returns:
        A score for each of `ANSWER_MEASURES`.

    Raises:
        InputError: A shape or decision that is wrong.
    """
    entries = decided(targets, decisions)
    return {**_entry_scores(entries), **_label_scores(entries), **_row_scores(entries)}


def label_counts(entries: Entries) -> tuple[np.ndarray, np.ndarray]:
    """True positives and yes answers of each label over its known entries, both int64 (l,).

    Args:
        entries: Targets beside decisions (n, l).
    """
    answers = entries.answers if entries.known is None else entries.answers & entries.known
    hits = (answers & entries.values).sum(axis=0, dtype=np.int64)
    return hits, answers.sum(axis=0, dtype=np.int64)


def _ratio(top: np.ndarray | float, bottom: np.ndarray | float, otherwise: float = np.nan) -> np.ndarray:
    top, bottom = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    return np.divide(
        top, bottom, out=np.full(np.broadcast_shapes(top.shape, bottom.shape), otherwise), where=bottom > 0
    )


def _entry_scores(entries: Entries) -> dict[str, Score]:
    n_known = int(entries.known_per_label().sum())
    positives = entries.values.sum(axis=0, dtype=np.int64)
    hits, answered = label_counts(entries)
    wrong = int((answered + positives - 2 * hits).sum())
    least = int(np.minimum(positives, entries.known_per_label() - positives).sum())
    share, least_share = float(_ratio(wrong, n_known)), float(_ratio(least, n_known))
    return {
        "element_accuracy": entries.score(1.0 - share, 1.0 - least_share),
        "hamming_loss": entries.score(share, least_share),
    }


def _label_scores(entries: Entries) -> dict[str, Score]:
    hits, answered = label_counts(entries)
    positives, n_known = entries.values.sum(axis=0, dtype=np.int64), entries.known_per_label()
    seen, present = n_known > 0, positives > 0
    f1 = _ratio(2 * hits, answered + positives, otherwise=0.0)
    always = _ratio(2 * positives, n_known + positives, otherwise=0.0)

    def mean(values: np.ndarray, chosen: np.ndarray) -> float:
        return float(values[chosen].mean()) if chosen.any() else np.nan

    order, cuts = _frequency_cuts(entries.prevalence())
    reached = _ratio(2 * np.cumsum(positives[order]), np.cumsum(n_known[order]) + positives.sum(), otherwise=0.0)
    micro = float(_ratio(2 * hits.sum(), answered.sum() + positives.sum()))
    best = float(reached[cuts].max(initial=0.0))
    return {
        "f1_micro": entries.score(micro, best),
        "f1_macro": entries.score(mean(f1, present), mean(always, present), labels=present),
        "f1_macro_all": entries.score(mean(f1, seen), mean(always, seen)),
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
        kept = rows[part]
        values = entries.values[part][kept]
        known = None if entries.known is None else entries.known[part][kept]
        answers = entries.answers[part][kept]
        answers = answers if known is None else answers & known
        frequent = prevalence >= 0.5 if known is None else (prevalence >= 0.5) & known
        hits, answered = (answers & values).sum(axis=1), answers.sum(axis=1)
        positives = values.sum(axis=1)
        sums["subset"] += float((answers == values).all(axis=1).sum())
        sums["subset_without"] += float((frequent == values).all(axis=1).sum())
        sums["f1"] += float(_ratio(2 * hits, answered + positives, otherwise=1.0).sum())
        sums["jaccard"] += float(_ratio(hits, answered + positives - hits, otherwise=1.0).sum())
        f1_part, jaccard_part = _frequent_answers(values, known, order, cuts)
        f1_at += f1_part
        jaccard_at += jaccard_part

    def score(total: float, without: float) -> Score:
        return entries.score(float(_ratio(total, n_rows)), float(_ratio(without, n_rows)))

    return {
        "subset_accuracy": score(sums["subset"], sums["subset_without"]),
        "f1_samples": score(sums["f1"], float(f1_at.max())),
        "jaccard_samples": score(sums["jaccard"], float(jaccard_at.max())),
    }


def _frequent_answers(
    values: np.ndarray, known: np.ndarray | None, order: np.ndarray, cuts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sum over rows of F1 and Jaccard when nothing, or every label down to each cut, is answered.

    Returns:
        Two arrays, float64 (cuts + 1,).
    """
    positives = values.sum(axis=1, dtype=np.int32)[:, None]
    empty = float((positives == 0).sum())
    hits = np.cumsum(values[:, order], axis=1, dtype=np.int32)[:, cuts]
    answered = cuts[None, :] + 1 if known is None else np.cumsum(known[:, order], axis=1, dtype=np.int32)[:, cuts]
    total = answered + positives
    f1 = _ratio(2 * hits, total, otherwise=1.0).sum(axis=0)
    jaccard = _ratio(hits, total - hits, otherwise=1.0).sum(axis=0)
    return np.append(empty, f1), np.append(empty, jaccard)


def subset_accuracy(targets: Targets, decisions: np.ndarray) -> Score:
    """The share of rows whose known labels are all decided right.

    Args:
        targets: Targets (n, l).
        decisions: bool (n, l), or numbers that are 0 or 1.

    Returns:
        The score, 0 to 1 (best), over rows with a known entry.

    Raises:
        InputError: A shape or decision that is wrong.
    """
    return _row_scores(decided(targets, decisions))["subset_accuracy"]


def element_accuracy(targets: Targets, decisions: np.ndarray) -> Score:
    """The share of known entries that are decided right. At 3 % density, answering nothing has 97 %.

    Args:
        targets: Targets (n, l).
        decisions: bool (n, l), or numbers that are 0 or 1.

    Returns:
        The score, 0 to 1 (best), over known entries.

    Raises:
        InputError: A shape or decision that is wrong.
    """
    return _entry_scores(decided(targets, decisions))["element_accuracy"]


def hamming_loss(targets: Targets, decisions: np.ndarray) -> Score:
    """The share of known entries that are decided wrong: 1 - element accuracy.

    Args:
        targets: Targets (n, l).
        decisions: bool (n, l), or numbers that are 0 or 1.

    Returns:
        The score, 0 (best) to 1, over known entries.

    Raises:
        InputError: A shape or decision that is wrong.

    Source:
        Schapire, Singer (2000), BoosTexter.
    """
    return _entry_scores(decided(targets, decisions))["hamming_loss"]


def f1_micro(targets: Targets, decisions: np.ndarray) -> Score:
    """F1 of all known entries in one pot, 2 tp / (answered + positives): frequent labels weigh most.

    Args:
        targets: Targets (n, l).
        decisions: bool (n, l), or numbers that are 0 or 1.

    Returns:
        The score, 0 to 1 (best); NaN when there is neither a positive nor a yes.

    Raises:
        InputError: A shape or decision that is wrong.
    """
    return _label_scores(decided(targets, decisions))["f1_micro"]


def f1_macro(targets: Targets, decisions: np.ndarray) -> Score:
    """The mean of the labels' F1, over labels with a known positive.

    Args:
        targets: Targets (n, l).
        decisions: bool (n, l), or numbers that are 0 or 1.

    Returns:
        The score, 0 to 1 (best); NaN when no label has a known positive.

    Raises:
        InputError: A shape or decision that is wrong.
    """
    return _label_scores(decided(targets, decisions))["f1_macro"]


def f1_macro_all(targets: Targets, decisions: np.ndarray) -> Score:
    """The mean of the labels' F1, where a label without a known positive counts 0 as in most other libraries.

    Args:
        targets: Targets (n, l).
        decisions: bool (n, l), or numbers that are 0 or 1.

    Returns:
        The score, 0 to 1, over labels with a known entry; 1 is out of reach when one has no positive.

    Raises:
        InputError: A shape or decision that is wrong.
    """
    return _label_scores(decided(targets, decisions))["f1_macro_all"]


def f1_samples(targets: Targets, decisions: np.ndarray) -> Score:
    """F1 between the decided and the true label set of each row, averaged over rows.

    Args:
        targets: Targets (n, l).
        decisions: bool (n, l), or numbers that are 0 or 1.

    Returns:
        The score, 0 to 1 (best), over rows with a known entry; an empty answer to an empty row is right and counts 1.

    Raises:
        InputError: A shape or decision that is wrong.
    """
    return _row_scores(decided(targets, decisions))["f1_samples"]


def jaccard_samples(targets: Targets, decisions: np.ndarray) -> Score:
    """Shared labels over all labels of the decided and the true set of each row, averaged over rows.

    Args:
        targets: Targets (n, l).
        decisions: bool (n, l), or numbers that are 0 or 1.

    Returns:
        The score, 0 to 1 (best), over rows with a known entry; an empty answer to an empty row is right and counts 1.

    Raises:
        InputError: A shape or decision that is wrong.

    Source:
        Godbole, Sarawagi (2004), where it is called accuracy.
    """
    return _row_scores(decided(targets, decisions))["jaccard_samples"]
