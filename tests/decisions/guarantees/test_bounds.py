from fractions import Fraction

import numpy as np
import pytest

from manyhot.decisions.guarantees.false_discovery_rate import _test_in_sequence, mean_p_value
from manyhot.decisions.guarantees.test_order import STARTS, ThresholdOrder, fixed_order
from tests.reference import risk as reference


@pytest.mark.parametrize("at_most", [0.05, 0.1, 0.3, 0.6])
def test_the_p_value_is_the_best_of_its_kind_and_below_the_usual_one(at_most):
    rng = np.random.default_rng(1)
    for n in (1, 2, 5, 30, 200):
        for top in (1, 2, 5):
            of = rng.integers(1, top + 1, n)
            found = [Fraction(int(a), int(b)) for a, b in zip(rng.binomial(of, at_most / 2), of, strict=True)]
            ours = mean_p_value(np.array([float(f) for f in found]), at_most)
            assert ours == pytest.approx(reference.mean_p_value(found, at_most), rel=1e-9)
            assert ours <= reference.hoeffding_bentkus(found, at_most) * (1 + 1e-9)
            if n <= 5:
                assert ours == pytest.approx(reference.mean_p_value(found, at_most, steps=7), rel=1e-9)
    assert mean_p_value(np.zeros(0), at_most) == 1.0
    assert mean_p_value(np.ones(50), at_most) == 1.0
    assert mean_p_value(np.zeros(50), at_most) == pytest.approx((1 - at_most) ** 50)
    thirds = np.full(9, 1 / 3)  # their sum is no whole number in floats, and just below or above must make no jump
    assert mean_p_value(thirds, at_most) == pytest.approx(reference.mean_p_value([Fraction(1, 3)] * 9, at_most))


@pytest.mark.parametrize("at_most", [0.1, 0.4])
def test_the_p_value_bounds_the_exact_tail_of_every_small_case(at_most):
    """Losses of 0, 1/2 and 1 with mean `at_most`: P(p <= u) is at most u, counted over all outcomes."""
    for half in np.linspace(0, min(1, 2 * at_most), 5):
        chances = np.array([1 - at_most - half / 2, half, at_most - half / 2])
        for n in (1, 4, 9):
            sums = np.array([1.0])
            for _ in range(n):
                sums = np.convolve(sums, chances)
            for doubled, below in enumerate(np.cumsum(sums)):
                losses = np.zeros(n)
                losses[: doubled // 2] = 1.0
                losses[doubled // 2 : doubled // 2 + doubled % 2] = 0.5
                assert below <= mean_p_value(losses, at_most) + 1e-12


def test_levels_are_handed_on_by_what_passes_and_lost_by_what_fails():
    order = ThresholdOrder(np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([0.5, 0.0, 0.25, 0.0, 0.25]))

    def chosen(*p_values):
        seen = dict(zip(order.thresholds.tolist(), p_values, strict=True))
        best = _test_in_sequence(lambda threshold: (seen[threshold], 7), order, 0.1)
        return best and best[0]

    assert chosen(0.06, 0, 0.03, 0, 0.03) is None
    assert chosen(0.05, 0.06, 0.03, 0, 0.03) == 0.9
    assert chosen(0.05, 0.05, 0.076, 0, 0.03) == 0.8
    assert chosen(0.05, 0.05, 0.075, 0.075, 0.1) == 0.5
    assert chosen(0.05, 0.05, 0.075, 0.076, 0.026) == 0.7
    assert chosen(0.06, 0.0, 0.025, 0.025, 0.05) == 0.5
    assert chosen(0.06, 0.0, 0.03, 0.0, 0.025) == 0.5


def test_the_fixed_order_falls_and_spends_everything_once():
    order = fixed_order()
    assert (np.diff(order.thresholds) < 0).all()
    assert order.parts.sum() == pytest.approx(1)
    assert order.thresholds[order.parts > 0].tolist() == sorted(STARTS, reverse=True)
