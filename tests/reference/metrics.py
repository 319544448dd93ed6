"""Every metric by its definition, with loops over the known entries alone; for a handful of rows and labels.

Each function takes lists of (target, answer) pairs, one list per row (or per label), from which the unknown entries
have been dropped already. Ties in places are settled by trying every order of the entries.
"""

import itertools
import math
from collections import Counter

import numpy as np

from tests.reference.rules import ancestors


def kept_rows(values, known, answers):
    """Rows of (target, answer) with the unknown entries dropped; rows with nothing known are gone."""
    rows = [
        [(bool(t), a) for t, k, a in zip(*row, strict=True) if k] for row in zip(values, known, answers, strict=True)
    ]
    return [row for row in rows if row]


def kept_labels(values, known, answers):
    """The same by label."""
    return kept_rows(np.asarray(values).T, np.asarray(known).T, np.asarray(answers).T)


def mean(numbers):
    numbers = list(numbers)
    return math.fsum(numbers) / len(numbers) if numbers else math.nan


def with_positive(lines):
    return [line for line in lines if any(t for t, _ in line)]


def f1(pairs, empty):
    hits = sum(t and a for t, a in pairs)
    total = sum(t for t, _ in pairs) + sum(bool(a) for _, a in pairs)
    return 2 * hits / total if total else empty


def jaccard(pairs):
    either = sum(t or bool(a) for t, a in pairs)
    return sum(t and bool(a) for t, a in pairs) / either if either else 1.0


def over_orders(row, value):
    """The mean of value(targets from the highest score down) over every order of the entries."""
    return mean(
        value([t for t, _ in sorted(order, key=lambda pair: -pair[1])]) for order in itertools.permutations(row)
    )


def ndcg(targets, k):
    gain = sum(t / math.log2(place + 2) for place, t in enumerate(targets[:k]))
    return gain / sum(1 / math.log2(place + 2) for place in range(min(k, sum(targets))))


def ranking_loss(row):
    positives, negatives = [s for t, s in row if t], [s for t, s in row if not t]
    return mean(float(p <= q) for p in positives for q in negatives) if negatives else 0.0


def average_precision(line):
    """For each positive, the share of positives among the entries with at least its score. Rows: LRAP."""
    return mean(mean(float(u) for u, r in line if r >= s) for t, s in line if t)


def roc_auc(line):
    positives, negatives = [s for t, s in line if t], [s for t, s in line if not t]
    if not positives or not negatives:
        return None
    return mean((p > q) + 0.5 * (p == q) for p in positives for q in negatives)


def hierarchical(values, known, decisions, pairs):
    """Hierarchical metrics by name: sets with their ancestors, without the root, over the known entries."""
    n_labels = len(values[0])
    tops = [j for j in range(n_labels) if not any(child == j for child, _ in pairs)]
    skipped = tops if len(tops) == 1 and n_labels > 1 else []
    pot = []
    for row in zip(values, known, decisions, strict=True):
        sets = []
        for cells in (row[0], row[2]):
            chosen = [j for j in range(n_labels) if row[1][j] and cells[j]]
            sets.append({a for j in chosen for a in ancestors(j, pairs)})
        pot += [(j in sets[0], j in sets[1]) for j in range(n_labels) if row[1][j] and j not in skipped]
    hits = sum(t and a for t, a in pot)
    n_true, n_predicted = sum(t for t, _ in pot), sum(a for _, a in pot)
    return {
        "hierarchical_f1": f1(pot, math.nan),
        "hierarchical_precision": hits / n_predicted if n_predicted else math.nan,
        "hierarchical_recall": hits / n_true if n_true else math.nan,
    }


def hierarchical_baselines(values, known, pairs):
    """The same of what an answer that does not look at the features gets, by how often labels and ancestors hold."""
    values, known = np.asarray(values), np.asarray(known)
    lifted = np.array([[j in found for j in range(values.shape[1])] for found in lifted_sets(values, known, pairs)])
    seen = known.sum(axis=0)
    prevalence = np.where(seen > 0, (lifted & known).sum(axis=0) / np.maximum(seen, 1), 0.0)
    tops = [j for j in range(values.shape[1]) if not any(child == j for child, _ in pairs)]
    columns = [j for j in range(values.shape[1]) if not (len(tops) == 1 and values.shape[1] > 1 and j == tops[0])]
    lifted, known, prevalence = lifted[:, columns], known[:, columns], prevalence[columns]
    limits = [2.0, *prevalence]
    tuned = [hierarchical(lifted, known, np.broadcast_to(prevalence >= limit, lifted.shape), []) for limit in limits]
    found = hierarchical(lifted, known, np.broadcast_to(prevalence >= 0.5, lifted.shape), [])
    for name in ("hierarchical_f1", "hierarchical_precision"):
        found[name] = max(0.0 if math.isnan(one[name]) else one[name] for one in tuned)
    return found


def lifted_sets(values, known, pairs):
    """The known labels of each row that hold, with all their ancestors."""
    return [
        {a for j in np.flatnonzero(row & seen) for a in ancestors(int(j), pairs)}
        for row, seen in zip(values, known, strict=True)
    ]


def all_measures(values, known, scores, decisions, k):
    """Every metric by name, but for hierarchical ones."""
    rows, labels = kept_rows(values, known, decisions), kept_labels(values, known, decisions)
    pot = [pair for row in rows for pair in row]
    ranked = with_positive(kept_rows(values, known, scores))
    columns = kept_labels(values, known, scores)
    areas = [area for area in map(roc_auc, columns) if area is not None]
    return {
        "subset_accuracy": mean(float(all(t == bool(a) for t, a in row)) for row in rows),
        "element_accuracy": mean(float(t == bool(a)) for t, a in pot),
        "hamming_loss": mean(float(t != bool(a)) for t, a in pot),
        "f1_micro": f1(pot, math.nan),
        "f1_macro": mean(f1(line, 0.0) for line in with_positive(labels)),
        "f1_macro_all": mean(f1(line, 0.0) for line in labels),
        "f1_samples": mean(f1(row, 1.0) for row in rows),
        "jaccard_samples": mean(jaccard(row) for row in rows),
        "ranking_loss": mean(ranking_loss(row) for row in ranked),
        "lrap": mean(average_precision(row) for row in ranked),
        "coverage_error": mean(sum(s >= min(r for t, r in row if t) for _, s in row) for row in ranked),
        "one_error": mean(over_orders(row, lambda targets: float(not targets[0])) for row in ranked),
        "map": mean(average_precision(line) for line in with_positive(columns)),
        "roc_auc_macro": mean(areas),
        "precision_at_k": mean(over_orders(row, lambda targets: mean(map(float, targets[:k]))) for row in ranked),
        "ndcg_at_k": mean(over_orders(row, lambda targets: ndcg(targets, k)) for row in ranked),
    }


def baselines(values, known, k):
    """Every measure of what an answer that does not look at the features gets."""
    values, known = np.asarray(values), np.asarray(known)
    seen = known.sum(axis=0)
    prevalence = np.where(seen > 0, (values & known).sum(axis=0) / np.maximum(seen, 1), 0.0)
    scores = np.broadcast_to(prevalence, values.shape)
    found = all_measures(values, known, scores, scores >= 0.5, k)
    limits = [2.0, *prevalence]
    tuned = [all_measures(values, known, scores, scores >= limit, k) for limit in limits]
    for name in ("f1_micro", "f1_samples", "jaccard_samples"):
        found[name] = max(0.0 if math.isnan(one[name]) else one[name] for one in tuned)
    sets = Counter(tuple(row) for row, seen_row in zip(values & known, known, strict=True) if seen_row.any())
    if sets:
        found["subset_accuracy"] = max(found["subset_accuracy"], max(sets.values()) / sets.total())
    everything = all_measures(values, known, scores, np.ones(values.shape, bool), k)
    return found | {name: everything[name] for name in ("f1_macro", "f1_macro_all")}
