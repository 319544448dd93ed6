"""At most so many answers wrong, with a confidence: learn-then-test, over all labels or for every label.

Thresholds are tested one after another in an order that the calibration rows had no part in, until one fails. Nothing
here knows how the scores came about. Start reading at `_test_in_sequence`; `test_order` says where the order comes
from.
"""

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
    min_rows,
    prediction_rates,
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
from manyhot.evaluation.metrics.score import Entries

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
    """The thresholds with the most answers whose rate of wrong answers is shown to be at or below a number.

    Over all labels, a row's loss is the share of its known answers that are wrong, and there is one threshold for all
    labels. The rate is that of the rows with at least one known answer. Counting the other rows as free of errors, as
    is common, is a weaker promise, which this one contains, and an empty one where few rows are answered or few
    targets known. Per label, the rate is that of the rows for which the label is answered.

    Per label, a label for which no threshold passes is refused: it is never answered, and the statement names it.

    Args:
        scores: Probabilities (n, l), float in [0, 1], of rows held out from all training and tuning.
        targets: Targets (n, l) of the same rows; unknown entries are left out.
        at_most: The rate to promise, between 0 and 1.
        confidence: How surely, over the draw of the calibration rows, between 0 and 1.
        per_label: A threshold and a promise for every label by itself.
        simultaneous: Per label only: the confidence holds for all labels at once, at the price of fewer answers.
        guide: Scores and targets of other rows, such as the out-of-fold scores of the training rows. They only say in
            which order thresholds are tested, so they may be biased, but must not share a row with the calibration
            rows. Without a guide, testing starts at fixed scores, which costs answers.

    Returns:
        The thresholds with their promise.

    Raises:
        InputError: Shapes or scores that are wrong, or nothing that could be promised; it says what is missing.

    Source:
        Angelopoulos, Bates, Candes, Jordan, Lei, Learn then test (arXiv 2110.01052): Theorem 1 (any choice among
        thresholds that pass tests with a controlled family-wise error), fixed sequence testing. We
        depart in the p-value, see `mean_p_value`, in the loss (given that the row is answered, which makes
        the number of rows in a test random; given that number their losses are independent and equally distributed,
        so every test is valid) and in learning the order from rows that are there anyway. Per label the number of
        wrong answers given the number of answers is binomial, and its tail is the p-value.
    """
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
        tests = [_label_test(entries, j, at_most) for j in range(entries.shape[1])]
    else:
        orders = [fixed_order() if guide_entries is None else learn_order(row_curve(guide_entries), at_most)]
        tests = [_row_test(entries, at_most)]
    chosen = [_test_in_sequence(test, order, level / n_promises) for test, order in zip(tests, orders, strict=True)]
    refused = tuple(j for j, best in enumerate(chosen) if best is None)
    if len(refused) == len(chosen):
        if not any(len(order.thresholds) for order in orders):
            raise InputError(
                f"no threshold comes near {100 * at_most:g} % wrong answers on the guide's own rows; these scores "
                "cannot keep such a rate, so ask for a higher one",
                argument="guide",
            )
        parts = n_promises * (len(STARTS) if guide is None else 1)
        raise _too_few_error(entries, at_most, confidence, parts, per_label)
    passed = [(NEVER, 0) if best is None else best for best in chosen]
    thresholds = np.resize([threshold for threshold, _ in passed], entries.shape[1])
    predictions_per_row, share_predicted = prediction_rates(entries.predictions, thresholds, refused)
    return Guarantee(
        kind="false_discovery_rate",
        at_most=float(at_most),
        confidence=float(confidence),
        per_label=per_label,
        simultaneous=simultaneous,
        thresholds=thresholds,
        refused=refused,
        n_used=tuple(n for _, n in passed),
        predictions_per_row=predictions_per_row,
        share_predicted=share_predicted,
    )


def mean_p_value(losses: np.ndarray, at_most: float) -> float:
    """The p-value of "the mean loss is above `at_most`".

    With S the sum of n losses, whose mean is at least a, and B binomial (n, a): E (t - S)+ <= E (t - B)+ for every t,
    since (t - s)+ is convex in each loss and falls with the mean. So P(S <= x) <= E (t - B)+ / (t - x) for every
    t > x, by Markov's inequality. The best t is a whole number, because E (t - B)+ is linear in between.

    Args:
        losses: One number in [0, 1] for each independent row, float64.
        at_most: The mean under test.

    Returns:
        A number in [0, 1]; 1 without rows.

    Source:
        Hoeffding (1963), section 4, for the comparison with a binomial; Bentkus (2004), On Hoeffding's inequalities,
        Annals of Probability 32(2), who goes on to bound the best of these by e P(B <= ceil(x)). We compute the best
        itself, which is never above that, nor above Hoeffding's exponential bound, whose function is a mixture of
        such (t - s)+; it is thus at most the Hoeffding-Bentkus p-value of Learn then test.
    """
    n = len(losses)
    total = math.fsum(losses)  # the same whatever the order of the rows
    expected = np.cumsum(bdtr(np.arange(n), n, at_most))  # E (t - B)+ for t = 1 to n: the sum of P(B <= k) for k < t
    first = math.floor(total)
    return float(np.min(expected[first:] / (np.arange(first + 1, n + 1) - total), initial=1.0))


def _test_in_sequence(test: ThresholdTest, order: ThresholdOrder, level: float) -> tuple[float, int] | None:
    """The lowest threshold that passes, which has the most answers, and the rows it rests on.

    A threshold is tested at its own part of the level and what the one before has handed on: all it had where it
    passed, nothing where it failed. So a wrong threshold passes with a chance of at most `level`, over all tests.

    Source:
        Wiens (2003), A fixed sequence Bonferroni procedure for testing multiple endpoints, Pharmaceutical Statistics
        2(3); with everything on the first threshold it is fixed sequence testing. Learn then test starts several
        sequences at equal parts, without handing on.
    """
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
    scores = entries.predictions if entries.known is None else np.where(entries.known, entries.predictions, -1.0)
    absent = ~entries.values

    def test(threshold: float) -> tuple[float, int]:
        decisions = scores >= threshold
        n_predicted = decisions.sum(axis=1)
        rows = n_predicted > 0
        losses = (decisions & absent).sum(axis=1)[rows] / n_predicted[rows]
        return mean_p_value(losses, at_most), len(losses)

    return test


def _label_test(entries: Entries, label: int, at_most: float) -> ThresholdTest:
    known = slice(None) if entries.known is None else entries.known[:, label]
    scores, values = entries.predictions[known, label], entries.values[known, label]

    def test(threshold: float) -> tuple[float, int]:
        decisions = scores >= threshold
        n_predicted = int(decisions.sum())
        n_wrong = int((decisions & ~values).sum())
        return (float(bdtr(n_wrong, n_predicted, at_most)) if n_predicted else 1.0), n_predicted

    return test


def _orders_per_label(n_labels: int, guide_entries: Entries | None, at_most: float) -> list[ThresholdOrder]:
    """The order of each label; empty for a label where the guide has no hope, which then costs the others nothing."""
    if guide_entries is None:
        return [fixed_order()] * n_labels
    return [learn_order(label_curve(guide_entries, j), at_most) for j in range(n_labels)]


def _too_few_error(entries: Entries, at_most: float, confidence: float, parts: int, per_label: bool) -> InputError:
    n_required = min_rows(at_most, confidence, parts)
    known = entries.known_per_row() > 0
    got = (
        f"the label with the most known targets has {int(entries.known_per_label().max())}"
        if per_label
        else f"{int(known.sum())} calibration rows have a known target"
    )
    return InputError(
        f"at most {100 * at_most:g} % wrong answers cannot be promised with confidence {100 * confidence:g} %: {got}, "
        f"and {n_required} or more must be answered{' with one label' if per_label else ''} even if none is wrong; "
        "hand in "
        "more rows, or ask for a higher rate or a lower confidence",
        argument="at_most",
    )
