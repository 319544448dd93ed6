"""What is more than chance: properties found together, and rankings."""

import numpy as np
import pytest
from scipy.stats import fisher_exact, mannwhitneyu

from manyhot.evaluation.chance import MIN_RANK_ERRORS, more_than_chance, ranks_above_chance


def test_pairs_are_those_of_fishers_exact_test():
    generator = np.random.default_rng(0)
    rows = 60
    first, second = generator.integers(5, 40, 50), generator.integers(5, 40, 50)
    both = np.array(
        [generator.integers(max(0, a + b - rows), min(a, b) + 1) for a, b in zip(first, second, strict=True)]
    )
    found = more_than_chance(both, first, second, rows, 10)
    for k in range(50):
        table = [[both[k], first[k] - both[k]], [second[k] - both[k], rows - first[k] - second[k] + both[k]]]
        assert found[k] == (fisher_exact(table, "greater").pvalue < 0.05 / 10), k
    assert 5 < found.sum() < 45


def test_more_tests_ask_for_more():
    counts = np.array([12]), np.array([20]), np.array([20]), 60
    assert more_than_chance(*counts, 1)
    assert not more_than_chance(*counts, 10_000)


def test_rankings_are_those_of_mann_and_whitney():
    generator = np.random.default_rng(0)
    for shift in (-0.5, 0.0, 0.2, 0.4, 1.0):
        positives, negatives = generator.normal(shift, size=30), generator.normal(size=200)
        statistic = mannwhitneyu(positives, negatives, method="asymptotic", use_continuity=False)
        area = statistic.statistic / (30 * 200)
        z = (area - 0.5) / np.sqrt(231 / (12 * 30 * 200))
        assert ranks_above_chance(np.array([area]), np.array([30]), np.array([230]))[0] == (z > MIN_RANK_ERRORS)
    assert ranks_above_chance(np.array([np.nan, 1.0]), np.array([0, 50]), np.array([9, 100])).tolist() == [False, True]


def test_noise_is_seldom_above_chance():
    generator = np.random.default_rng(1)
    n_above = 0
    for _ in range(300):
        scores, is_positive = generator.random(120), np.arange(120) < 25
        area = (scores[is_positive][:, None] > scores[~is_positive]).mean()
        n_above += int(ranks_above_chance(np.array([area]), np.array([25]), np.array([120]))[0])
    assert n_above <= 18  # 2.3% of 300 are 7
    assert pytest.approx(2.0) == MIN_RANK_ERRORS
