"""The order in which thresholds are tested; it never sees the calibration rows, or the tests would prove nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, xlogy

from manyhot.evaluation.metrics.score import Column, Entries

# Without a guide, testing starts at each of these and goes down; the probability of being wrong is split evenly.
STARTS = (0.98, 0.95, 0.9, 0.8, 0.7, 0.5, 0.3, 0.1)
LOWEST, LOGIT_STEP = 0.001, 0.1
# With a guide: at most so many thresholds in a row, none whose rate in the guide is this many times the one asked for.
MAX_TESTS, MAX_RATE = 50, 2.0


@dataclass(frozen=True)
class RiskCurve:
    """What every threshold would have done on some rows."""

    thresholds: np.ndarray  # distinct scores, descending, float64 (c,)
    n_units: np.ndarray  # rows with an answer at each (c,)
    rate: np.ndarray  # mean share of wrong answers among those rows, float64 (c,)
    n_predicted: np.ndarray  # answers at each (c,)


@dataclass(frozen=True)
class ThresholdOrder:
    """Thresholds in the order of their tests."""

    thresholds: np.ndarray  # descending, float64 (c,)
    parts: np.ndarray  # share of the error level that each brings along (c,), sum 1


def fixed_order() -> ThresholdOrder:
    """Evenly spaced logits from the first of `STARTS` down, with an equal part for each start."""
    steps = np.arange(logit(STARTS[0]), logit(LOWEST), -LOGIT_STEP)
    thresholds = np.unique(np.concatenate([expit(steps), STARTS]))[::-1]
    return ThresholdOrder(thresholds, np.isin(thresholds, STARTS) / len(STARTS))


def learn_order(curve: RiskCurve, at_most: float) -> ThresholdOrder:
    """The thresholds worth testing, the one with the strongest evidence first, each with more answers than the last."""
    # Evidence is the exponent of Hoeffding's bound. A threshold is left out when a lower one has as strong evidence.
    evidence = np.sign(at_most - curve.rate) * curve.n_units * divergence(curve.rate, at_most)
    best_below = np.append(np.maximum.accumulate(evidence[::-1])[::-1][1:], -np.inf)
    selected = np.flatnonzero((evidence > best_below) & (curve.rate <= MAX_RATE * at_most))
    if len(selected) > MAX_TESTS:
        counts = curve.n_predicted[selected]
        selected = selected[np.unique(np.searchsorted(counts, np.linspace(counts[0], counts[-1], MAX_TESTS)))]
    return ThresholdOrder(curve.thresholds[selected], np.eye(1, len(selected))[0])


def divergence(rate: np.ndarray, at_most: float) -> np.ndarray:
    """Kullback-Leibler divergence of a coin with chance `rate` from one with chance `at_most`, float64, 0 or more."""
    return xlogy(rate, rate / at_most) + xlogy(1 - rate, (1 - rate) / (1 - at_most))


def label_curve(column: Column) -> RiskCurve:
    """The curve of one label: its known rows are the units, and each holds one answer at most."""
    order = np.argsort(-column.scores, kind="stable")
    is_wrong = (~column.values[order]).astype(np.float64)
    return _curve_at_distinct(column.scores[order], np.ones(len(order)), is_wrong)


def row_curve(entries: Entries) -> RiskCurve:
    """The curve of a threshold that all labels share: rows are the units, however many answers each holds."""
    n, n_labels = entries.shape
    known = entries.known
    order = np.argsort(np.where(known, -entries.predictions, np.inf), axis=1, kind="stable")
    invalid = np.cumsum(np.take_along_axis(~entries.values & known, order, axis=1), axis=1)
    share = invalid / np.arange(1, n_labels + 1)  # of the first answers of each row
    change = np.diff(share, axis=1, prepend=0.0)
    first = np.zeros((n, n_labels))
    first[:, 0] = 1.0
    is_known = np.take_along_axis(known, order, axis=1)
    scores = np.take_along_axis(entries.predictions, order, axis=1)[is_known]
    falling = np.argsort(-scores, kind="stable")
    return _curve_at_distinct(scores[falling], first[is_known][falling], change[is_known][falling])


def _curve_at_distinct(scores: np.ndarray, new_units: np.ndarray, change: np.ndarray) -> RiskCurve:
    """Running sums at the last of equal scores."""
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else np.zeros(0, dtype=np.int64)
    n_units = np.cumsum(new_units)[last]
    rate = np.clip(np.cumsum(change)[last] / np.maximum(n_units, 1), 0.0, 1.0)
    return RiskCurve(scores[last], n_units, rate, last + 1)
