"""At most so many answers wrong, with a confidence: learn then test, over all labels or for every label."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import bdtr

from manyhot import validation
from manyhot.data.targets import Targets
from manyhot.decisions.guarantees.guarantee import (
    Guarantee,
    calibration_entries,
    check_fraction,
    error_level,
    make_guarantee,
    min_rows,
)
from manyhot.decisions.guarantees.test_order import (
    STARTS,
    ThresholdOrder,
    fixed_order,
    label_curve,
    learn_order,
    row_curve,
)
from manyhot.decisions.thresholds import NEVER
from manyhot.errors import InputError
from manyhot.evaluation.metrics.score import Column, Entries

# A threshold's p-value on the calibration rows, and how many of them are answered at it.
ThresholdTest = Callable[[float], tuple[float, int]]


def control_false_discoveries(
    scores: np.ndarray,
    targets: Targets,
    at_most: float,
    confidence: float = 0.9,
    per_label: bool = False,
    simultaneous: bool = False,
    guide: tuple[np.ndarray, Targets] | None = None,
) -> Guarantee:
    """The thresholds with the most answers whose rate of wrong answers is shown to be at most a number."""
    # The rate is that of rows with an answer: counting the others as free of errors would be a weaker promise. A label
    # for which no threshold passes is never answered. `guide`: scores and targets of other rows, which only order the
    # tests.
    # Source: Angelopoulos and others, Learn then test (arXiv 2110.01052), Theorem 1, fixed sequence testing; the
    # p-value, the loss (given that a row is answered) and the learned order are our own
    check_fraction(at_most=at_most)
    level = error_level(check_fraction(confidence=confidence))
    if validation.boolean(simultaneous=simultaneous) and not per_label:
        raise InputError(
            "one promise for all labels needs no other; ask for per_label as well", argument="simultaneous"
        )
    entries = calibration_entries(scores, targets)
    guide_entries = None if guide is None else calibration_entries(*guide)
    if guide_entries is not None and guide_entries.shape[1] != entries.shape[1]:
        raise InputError(f"got {guide_entries.shape[1]} labels, expected {entries.shape[1]}", argument="guide")
    n_promises = 1
    if per_label:
        orders = _orders_per_label(entries.shape[1], guide_entries, at_most)
        if simultaneous:
            n_promises = max(1, sum(bool(len(order.thresholds)) for order in orders))
        tests = [_label_test(column, at_most) for column in entries.columns()]
    else:
        orders = [fixed_order() if guide_entries is None else learn_order(row_curve(guide_entries), at_most)]
        tests = [_row_test(entries, at_most)]
    chosen = [_test_in_sequence(test, order, level / n_promises) for test, order in zip(tests, orders, strict=True)]
    refused = tuple(j for j, best in enumerate(chosen) if best is None)
    if len(refused) == len(chosen):
        if not any(len(order.thresholds) for order in orders):
            raise InputError(
                f"no threshold comes near {100 * at_most:g}% wrong answers on the guide's own rows; these scores "
                "cannot keep such a rate, so ask for a higher one",
                argument="guide",
            )
        parts = n_promises * (len(STARTS) if guide is None else 1)
        raise _too_few_error(entries, at_most, confidence, parts, per_label)
    passed = [(NEVER, 0) if best is None else best for best in chosen]
    thresholds = np.resize([threshold for threshold, _ in passed], entries.shape[1])
    return make_guarantee(
        entries,
        thresholds,
        refused,
        kind="false_discovery_rate",
        at_most=float(at_most),
        confidence=float(confidence),
        per_label=per_label,
        simultaneous=simultaneous,
        n_used=tuple(n for _, n in passed),
    )


def mean_p_value(losses: np.ndarray, at_most: float) -> float:
    """P-value of "the mean loss is above `at_most`"; losses float64 in [0, 1], one for each independent row."""
    # By Markov, P(S <= x) <= E (t - B)+ / (t - x) for the sum S of n losses, B binomial (n, at_most) and every t > x:
    # (t - s)+ is convex in each loss and falls with the mean. The best t is whole: E (t - B)+ is linear in between.
    # Source: Hoeffding (1963), section 4, for the binomial B; Bentkus (2004), Annals of Probability 32(2), whose bound
    # this is never above
    n = len(losses)
    total = math.fsum(losses)  # the same whatever the order of the rows
    expected = np.cumsum(bdtr(np.arange(n), n, at_most))  # E (t - B)+ for t = 1 to n: the sum of P(B <= k) for k < t
    first = math.floor(total)
    return float(np.min(expected[first:] / (np.arange(first + 1, n + 1) - total), initial=1.0))


def _test_in_sequence(test: ThresholdTest, order: ThresholdOrder, level: float) -> tuple[float, int] | None:
    """The lowest threshold that passes, which has the most answers, and the rows it rests on."""
    # Each threshold is tested at its own part of the level and what the one before has handed on, so a wrong one passes
    # with a chance of at most `level` over all tests.
    # Source: Wiens (2003), A fixed sequence Bonferroni procedure, Pharmaceutical Statistics 2(3)
    best, handed_on = None, 0.0
    for threshold, part in zip(order.thresholds.tolist(), order.parts.tolist(), strict=True):
        available = handed_on + part * level
        handed_on = 0.0
        if available > 0:
            p_value, n_used = test(threshold)
            if p_value <= available:
                best, handed_on = (threshold, n_used), available
    return best


def _row_test(entries: Entries, at_most: float) -> ThresholdTest:
    scores = np.where(entries.known, entries.predictions, -1.0)
    absent = ~entries.values

    def test(threshold: float) -> tuple[float, int]:
        decisions = scores >= threshold
        n_predicted = decisions.sum(axis=1)
        rows = n_predicted > 0
        losses = (decisions & absent).sum(axis=1)[rows] / n_predicted[rows]
        return mean_p_value(losses, at_most), len(losses)

    return test


def _label_test(column: Column, at_most: float) -> ThresholdTest:
    def test(threshold: float) -> tuple[float, int]:
        decisions = column.scores >= threshold
        n_predicted = int(decisions.sum())
        n_wrong = int((decisions & ~column.values).sum())
        return (float(bdtr(n_wrong, n_predicted, at_most)) if n_predicted else 1.0), n_predicted

    return test


def _orders_per_label(n_labels: int, guide_entries: Entries | None, at_most: float) -> list[ThresholdOrder]:
    """The order of each label; empty for a label where the guide has no hope, which then costs the others nothing."""
    if guide_entries is None:
        return [fixed_order()] * n_labels
    return [learn_order(label_curve(column), at_most) for column in guide_entries.columns()]


def _too_few_error(entries: Entries, at_most: float, confidence: float, parts: int, per_label: bool) -> InputError:
    n_required = min_rows(at_most, confidence, parts)
    known = entries.known_per_row() > 0
    got = (
        f"the label with the most known targets has {int(entries.known_per_label().max())}"
        if per_label
        else f"{int(known.sum())} calibration rows have a known target"
    )
    return InputError(
        f"at most {100 * at_most:g}% wrong predictions cannot be guaranteed with {100 * confidence:g}% confidence: "
        f"{got}, and {n_required} or more need a prediction{' of one label' if per_label else ''} even if none is "
        "wrong; give more rows, or ask for a higher rate or a lower confidence",
        argument="at_most",
    )
