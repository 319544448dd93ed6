"""The best thresholds by trying every cut between two distinct scores, and for joint metrics every choice of cuts."""

import itertools
from fractions import Fraction


def f1_of(targets, answers):
    """F1 as an exact fraction; 0 where it is not defined."""
    return fbeta_of(targets, answers, 1)


def fbeta_of(targets, answers, beta):
    """F-beta as an exact fraction; 0 where it is not defined."""
    hits = sum(t and a for t, a in zip(targets, answers, strict=True))
    square = Fraction(beta) ** 2
    total = square * sum(targets) + sum(answers)
    return (1 + square) * hits / total if total else Fraction(0)


def cost_of(targets, answers, false_negative_cost, false_positive_cost):
    """The exact cost of all wrong answers."""
    pairs = list(zip(targets, answers, strict=True))
    misses, false_alarms = sum(t and not a for t, a in pairs), sum(a and not t for t, a in pairs)
    return Fraction(false_negative_cost) * misses + Fraction(false_positive_cost) * false_alarms


def between(lower, upper):
    """Midway, or the upper one where nothing lies between two neighbouring floats."""
    middle = lower + (upper - lower) / 2
    return middle if middle > lower else upper


def cuts(scores):
    """Midway between neighbouring distinct scores, and midway between 0 and the lowest."""
    distinct = sorted({float(s) for s in scores})
    return [between(lower, upper) for lower, upper in itertools.pairwise([0.0, *distinct])]


def all_cuts(scores):
    """The same, and the cut above the highest score, where there is room."""
    highest = max(float(s) for s in scores)
    return cuts(scores) + ([between(highest, 1.0)] if highest < 1 else [])


def answers_at(cut, scores):
    """Yes from the cut upwards; a float32 score is compared as the number it is."""
    return [float(s) >= cut for s in scores]


def f1_at(cut, targets, scores):
    """F1 when every score from the cut upwards is answered."""
    return f1_of(targets, answers_at(cut, scores))


def best_f1(targets, scores):
    """The highest F1 that any threshold reaches."""
    return max(f1_at(cut, targets, scores) for cut in cuts(scores))


def best_threshold(targets, scores, quality=f1_of):
    """Of the best cuts, the one nearest to 0.5, then the higher; 1 without a positive, 0 with nothing else."""
    targets = [bool(t) for t in targets]
    if not any(targets):
        return 1.0
    if all(targets):
        return 0.0
    rated = {cut: quality(targets, answers_at(cut, scores)) for cut in all_cuts(scores)}
    return max(rated, key=lambda cut: (rated[cut], -abs(cut - 0.5), cut))


def precise_threshold(targets, scores, at_least):
    """The lowest cut just below a positive whose precision is reached; 1 where there is none."""
    for lower, upper in itertools.pairwise([0.0, *sorted({float(s) for s in scores})]):
        answers = answers_at(upper, scores)
        hits = sum(t and a for t, a in zip(targets, answers, strict=True))
        is_positive = any(t and float(s) == upper for t, s in zip(targets, scores, strict=True))
        if is_positive and hits / sum(answers) >= at_least:
            return between(lower, upper)
    return 1.0


def recalling_threshold(targets, scores, at_least):
    """The highest cut whose recall is reached."""
    found = 0.0
    for cut in all_cuts(scores):
        hits = sum(t and a for t, a in zip(targets, answers_at(cut, scores), strict=True))
        if hits / sum(targets) >= at_least:
            found = max(found, cut)
    return found


def micro_f1(values, known, answers):
    """F1 of all known entries in one pot; 0 where it is not defined."""
    flat = [(v, a) for v, k, a in zip(values.ravel(), known.ravel(), answers.ravel(), strict=True) if k]
    return f1_of([bool(v) for v, _ in flat], [bool(a) for _, a in flat])


def mean_of_rows(values, known, answers, is_jaccard=False):
    """The mean F1 or Jaccard index of the rows with a known entry; an empty answer to an empty row counts 1."""
    found = []
    for row_values, row_known, row_answers in zip(values, known, answers, strict=True):
        if not row_known.any():
            continue
        truth, said = set((row_values & row_known).nonzero()[0]), set((row_answers & row_known).nonzero()[0])
        top, bottom = len(truth & said), len(truth | said)
        if not is_jaccard:
            top, bottom = 2 * top, len(truth) + len(said)
        found.append(Fraction(top, bottom) if bottom else Fraction(1))
    return sum(found, Fraction(0)) / len(found) if found else Fraction(0)


def best_together(values, known, scores, quality):
    """The highest quality over all choices of one cut per label."""
    options = [all_cuts(scores[known[:, j], j]) if known[:, j].any() else [1.0] for j in range(values.shape[1])]
    return max(quality(values, known, scores >= list(choice)) for choice in itertools.product(*options))


def best_alone(values, known, scores, quality):
    """The highest quality over all thresholds that every label shares."""
    options = all_cuts(scores[known]) if known.any() else [1.0]
    return max(quality(values, known, scores >= [cut] * values.shape[1]) for cut in options)
