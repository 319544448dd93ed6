"""The best threshold for one label by trying every cut between two distinct scores."""

import itertools
from fractions import Fraction


def f1_of(targets, answers):
    """F1 as an exact fraction; 0 where it is not defined."""
    hits = sum(t and a for t, a in zip(targets, answers, strict=True))
    total = sum(targets) + sum(answers)
    return Fraction(2 * hits, total) if total else Fraction(0)


def cuts(scores):
    """Midway between neighbouring distinct scores, and midway between 0 and the lowest."""
    distinct = sorted({float(s) for s in scores})
    found = []
    for lower, upper in itertools.pairwise([0.0, *distinct]):
        middle = lower + (upper - lower) / 2
        found.append(middle if middle > lower else upper)
    return found


def f1_at(cut, targets, scores):
    """F1 when every score from the cut upwards is answered; a float32 score is compared as the number it is."""
    return f1_of(targets, [float(s) >= cut for s in scores])


def best_f1(targets, scores):
    """The highest F1 that any threshold reaches."""
    return max(f1_at(cut, targets, scores) for cut in cuts(scores))


def best_threshold(targets, scores):
    """Of the best cuts, the one nearest to 0.5, then the higher; 1 without a positive, 0 with nothing else."""
    targets = [bool(t) for t in targets]
    if not any(targets):
        return 1.0
    if all(targets):
        return 0.0
    return max(cuts(scores), key=lambda cut: (f1_at(cut, targets, scores), -abs(cut - 0.5), cut))
