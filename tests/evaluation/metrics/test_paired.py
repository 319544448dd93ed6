"""Differences between two sets of decisions: the values are those of the metrics, the errors those of new samples."""

import numpy as np
import pytest

from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import compute_metrics
from manyhot.evaluation.metrics.bootstrap import bootstrap_counts, decision_statistics
from manyhot.evaluation.metrics.paired import PAIRED_METRICS, decision_differences
from manyhot.evaluation.metrics.score import decision_entries


def problem(n_rows: int, seed: int = 0) -> tuple[Targets, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    scores = generator.random((n_rows, 5)) ** np.array([1, 1, 2, 3, 4])
    values = generator.random((n_rows, 5)) < scores
    known = generator.random((n_rows, 5)) > 0.2
    known[:3] = False
    return Targets(values & known, known), scores >= 0.3, scores >= 0.5


def test_values_are_the_differences_of_the_metrics():
    targets, first, second = problem(60)
    found = decision_differences(targets, first, second)
    measured = [compute_metrics(targets, None, decisions, names=list(PAIRED_METRICS)) for decisions in (first, second)]
    for name in PAIRED_METRICS:
        assert found[name].value == pytest.approx(measured[0][name].value - measured[1][name].value)


def test_errors_are_those_of_paired_resamples():
    targets, first, second = problem(800)
    row_counts = bootstrap_counts(800, 2000, seed=1)
    drawn = [decision_statistics(decision_entries(targets, decisions), row_counts) for decisions in (first, second)]
    found = decision_differences(targets, first, second)
    for name in PAIRED_METRICS:
        resampled = (drawn[0][name] - drawn[1][name])[1:]
        assert found[name].standard_error == pytest.approx(resampled.std(), rel=0.08), name


def test_equal_decisions_differ_in_nothing():
    targets, first, _ = problem(40)
    for difference in decision_differences(targets, first, first).values():
        assert difference == (0.0, 0.0)
        assert not difference.is_clear


def test_nothing_known_is_nothing_compared():
    values = np.zeros((3, 2), dtype=bool)
    found = decision_differences(Targets(values, values), values, ~values)
    assert np.isnan([difference.value for difference in found.values()]).all()
    assert not any(difference.is_clear for difference in found.values())


def test_a_label_without_positives_is_no_part_of_macro_f1():
    values = np.array([[True, False], [False, False], [True, False]])
    first, second = values.copy(), values.copy()
    first[0, 1] = True
    assert decision_differences(Targets(values), first, second)["f1_macro"] == (0.0, 0.0)
