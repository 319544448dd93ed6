"""Measures of the first k answers by their definition, with loops over rows and sets of labels."""

import math


def propensities(label_sets, n_labels, a=0.55, b=1.5):
    n = len(label_sets)
    c = (math.log(n) - 1) * (b + 1) ** a
    return [1 / (1 + c * (sum(j in one for one in label_sets) + b) ** -a) for j in range(n_labels)]


def best_first(scores, k):
    return sorted(range(len(scores)), key=lambda j: (-scores[j], j))[:k]


def known_rows(values, known, top):
    """(positives, answers at known entries, number of known labels) of each row in which something is known."""
    rows = []
    for targets, looked_at, answers in zip(values, known, top, strict=True):
        seen = {j for j, is_known in enumerate(looked_at) if is_known}
        if seen:
            rows.append(({j for j in seen if targets[j]}, [j for j in answers if j in seen], len(seen)))
    return rows


def discount(place):
    return 1 / math.log2(place + 2)


def top_measures(values, known, top, k, weights, count_empty):
    """The five metrics at k by name."""
    rows = known_rows(values, known, top)
    if not count_empty:
        rows = [row for row in rows if row[0]]
    sums = dict.fromkeys(("precision", "recall", "ndcg", "psp", "best_psp", "psndcg", "best_psndcg"), 0.0)
    for positives, answers, n_known in rows:
        hits = [(place, j) for place, j in enumerate(answers[:k]) if j in positives]
        heaviest = list(enumerate(sorted((weights[j] for j in positives), reverse=True)[:k]))
        ideal = sum(discount(place) for place, _ in heaviest)
        sums["precision"] += len(hits) / min(k, n_known)
        if positives:
            sums["recall"] += len(hits) / len(positives)
            sums["ndcg"] += sum(discount(place) for place, _ in hits) / ideal
            sums["psp"] += sum(weights[j] for _, j in hits) / k
            sums["best_psp"] += sum(weight for _, weight in heaviest) / k
            sums["psndcg"] += sum(weights[j] * discount(place) for place, j in hits) / ideal
            sums["best_psndcg"] += sum(weight * discount(place) for place, weight in heaviest) / ideal
    found = {name: sums[name] / len(rows) if rows else math.nan for name in ("precision", "recall", "ndcg")}
    for name in ("psp", "psndcg"):
        found[name] = sums[name] / sums[f"best_{name}"] if sums[f"best_{name}"] else math.nan
    return found


def most_frequent(values, known, m):
    """The m labels with the largest share of positives among known entries."""
    shares = []
    for j in range(len(values[0])):
        column = [row[j] for row, looked_at in zip(values, known, strict=True) if looked_at[j]]
        shares.append(sum(column) / len(column) if column else 0)
    return best_first(shares, m)
