"""Intervals by resampling rows: each draw is what the metrics say of the drawn rows, and intervals cover."""

import numpy as np
import pytest

from manyhot.data.hierarchy import Hierarchy
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import (
    METRICS,
    brier,
    compute_label_metrics,
    compute_metrics,
    intervals,
    log_loss,
    metric_names,
)
from manyhot.evaluation.metrics.bootstrap import (
    MAX_RESAMPLES,
    MIN_RESAMPLES,
    bootstrap_counts,
    choose_n_resamples,
    decision_statistics,
    hierarchical_statistics,
    label_ece_intervals,
    score_statistics,
)
from manyhot.evaluation.metrics.hierarchical import add_ancestors
from manyhot.evaluation.metrics.score import decision_entries, score_entries


def made(n=60, n_labels=6, seed=0, share_known=0.8):
    generator = np.random.default_rng(seed)
    values = generator.random((n, n_labels)) < np.linspace(0.05, 0.7, n_labels)
    values[:, 1], values[:5] = False, False
    values[:, 0] = np.arange(n) == 7  # lost in every third draw
    scores = np.round(generator.random((n, n_labels)) * 0.7 + 0.3 * values, 1).astype(np.float32)  # with ties
    known = None if share_known == 1 else generator.random((n, n_labels)) < share_known
    return Targets(values, known), scores


@pytest.mark.parametrize("share_known", [1, 0.8])
def test_a_draw_says_what_the_measures_say_of_the_rows_as_often_as_they_were_drawn(share_known):
    targets, scores = made(share_known=share_known)
    decisions = scores >= 0.55
    times = bootstrap_counts(len(scores), 4, seed=3)
    found = decision_statistics(decision_entries(targets, decisions), times) | score_statistics(
        score_entries(targets, scores), times, 3
    )
    hierarchy = Hierarchy([(2, 4), (4, 5), (3, 5)], tuple("abcdef"))
    found |= hierarchical_statistics(add_ancestors(decision_entries(targets, decisions), hierarchy), times)
    label_f1 = found.pop("label_f1")
    space = LabelSpace(tuple("abcdef"))
    of_all = compute_label_metrics(space, targets, scores, decisions)
    for column in range(5):
        rows = np.repeat(np.arange(len(scores)), times[:, column].astype(int))
        assert len(rows) == len(scores)
        drawn = targets.take(rows)
        expected = {
            name: score.value
            for name, score in compute_metrics(drawn, scores[rows], decisions[rows], 3, hierarchy=hierarchy).items()
        }
        expected |= {"brier": brier(drawn, scores[rows]).value, "log_loss": log_loss(drawn, scores[rows]).value}
        of_labels = compute_label_metrics(space, drawn, scores[rows], decisions[rows])
        for name, of in (("f1_macro", "f1"), ("map", "average_precision"), ("roc_auc_macro", "roc_auc")):
            of_labels[of] = np.where(np.isnan(of_labels[of]), of_all[of], of_labels[of])  # lost in this draw
            expected[name] = np.nanmean(of_labels[of])
        expected["f1_macro_all"] = np.nan_to_num(of_labels["f1"]).mean()
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(found[name][column], value, rtol=1e-9, err_msg=name)
        np.testing.assert_allclose(label_f1[column], of_labels["f1"])


def test_intervals_are_reproducible_and_hold_the_measured_values():
    targets, scores = made(n=200)
    decisions = scores >= 0.55
    first, again = intervals(targets, scores, decisions), intervals(targets, scores, decisions)
    assert first.metrics == again.metrics
    assert first.metrics != intervals(targets, scores, decisions, seed=1).metrics
    measured = compute_metrics(targets, scores, decisions)
    assert set(first.metrics) == {*metric_names(has_taxonomy=False), "brier", "log_loss", "ece"}
    for name, score in measured.items():
        assert first.metrics[name].low <= score.value <= first.metrics[name].high, name
    assert np.isnan(first.f1[1]).all()  # the label without a positive
    assert set(intervals(targets, None, decisions).metrics) == {
        name for name in metric_names(has_taxonomy=False) if METRICS[name].needs == "decisions"
    }


def test_fewer_draws_for_more_data():
    assert choose_n_resamples(600, 6) == MAX_RESAMPLES
    assert choose_n_resamples(20_000, 983) == 101
    assert choose_n_resamples(10_000_000, 1000) == MIN_RESAMPLES


def test_most_intervals_hold_the_true_f1():
    generator = np.random.default_rng(0)
    n, held = 150, 0
    for seed in range(120):
        values = generator.random((n, 3)) < 0.3
        decisions = np.where(generator.random((n, 3)) < 0.2, ~values, values)
        # 0.3 hit with 0.8, 0.7 answered wrongly with 0.2
        truth = 2 * 0.24 / (0.24 + 0.14 + 0.3)
        ends = intervals(Targets(values), None, decisions, seed=seed).metrics["f1_micro"]
        held += ends.low <= truth <= ends.high
    assert 0.88 * 120 <= held <= 0.995 * 120


@pytest.mark.slow
def test_the_interval_of_a_calibration_error_reaches_0_where_probabilities_are_frequencies():
    generator = np.random.default_rng(0)
    reached = wrong = off_held = 0
    for seed in range(60):
        scores = generator.random((300, 1)).astype(np.float32)
        true, off = generator.random((300, 1)) < scores, generator.random((300, 1)) < scores**3
        reached += intervals(Targets(true), scores, None, seed=seed).ece[0, 0] == 0
        ends = intervals(Targets(off), scores, None, seed=seed).ece[0]
        off_held += ends[0] <= 1 / 4 <= ends[1]  # the mean of s - s^3
        wrong += ends[0] == 0
    assert reached >= 0.9 * 60
    assert off_held >= 0.9 * 60
    assert wrong == 0


def test_labels_of_which_nothing_is_known_have_no_calibration_error():
    targets, scores = made(n=30)
    known = targets.known_mask().copy()
    known[:, 2] = False
    entries = score_entries(Targets(targets.values, known), scores)
    found = label_ece_intervals(entries, bootstrap_counts(30, 5, 0))
    assert np.isnan(found[2]).all()
    assert not np.isnan(found[0]).any()


def test_rows_that_are_drawn_twice_do_not_push_an_interval_off_the_measured_value():
    generator, off = np.random.default_rng(0), []
    for seed in range(8):
        values = generator.random((300, 4)) < [0.005, 0.01, 0.02, 0.03]
        scores = 1 / (1 + np.exp(-(generator.normal(size=values.shape) + 1.5 * values - 2)))
        found = intervals(Targets(values), scores, None, seed=seed).metrics["map"]
        value = compute_metrics(Targets(values), scores, None, names=["map"])["map"].value
        off.append(((found.low + found.high) / 2 - value) / (found.high - found.low))
    assert abs(np.mean(off)) < 0.1  # percentiles as they are: 0.16
