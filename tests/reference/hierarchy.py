"""What a taxonomy asks for, by its definitions, in sets and plain floats."""

from math import exp, log

from tests.reference.rules import ancestors


def descendants(label, pairs, n_labels):
    """The label and all that imply it."""
    return {j for j in range(n_labels) if label in ancestors(j, pairs)}


def constrained(row, pairs):
    """Each number of a row raised to the highest of the label's descendants."""
    return [max(row[j] for j in descendants(a, pairs, len(row))) for a in range(len(row))]


def probability(logit):
    return 1 / (1 + exp(-logit))


def max_constraint_loss(logits, targets, known, pairs):
    """The MCLoss of Giunchiglia and Lukasiewicz (2020) for each entry of a row; None where unknown."""
    n = len(logits)
    losses = []
    for a in range(n):
        below = descendants(a, pairs, n)
        if not known[a]:
            losses.append(None)
        elif targets[a]:
            losses.append(-log(max(probability(logits[b]) for b in below if known[b] and targets[b])))
        else:
            losses.append(-log(1 - max(probability(logits[b]) for b in below)))
    return losses


def completed(row, pairs):
    """A row of True, False and None, where what holds lifts all above it, and what does not hold denies all below."""
    n = len(row)
    holds = {a for j in range(n) if row[j] for a in ancestors(j, pairs)}
    denied = {j for a in range(n) if row[a] is False and a not in holds for j in descendants(a, pairs, n)}
    return [True if j in holds else False if j in denied else row[j] for j in range(n)]


def with_ancestors(sets, pairs):
    """Sets of labels with all their ancestors."""
    return [{a for j in one for a in ancestors(j, pairs)} for one in sets]
