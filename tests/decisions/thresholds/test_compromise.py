"""The default decision: what it maximises, where it stops, and that it ruins nothing that 0.5 gets right."""

import numpy as np
import pytest

from manyhot.data.targets import Targets
from manyhot.decisions.thresholds import compromise
from manyhot.evaluation.metrics import compute_metrics
from tests.decisions.thresholds.cases import fitted, made_up
from tests.reference.thresholds import cuts


def calibrated(n_rows, n_labels, seed, signal=2.0, intercept=-2.0):
    """Scores that are the true probabilities of the targets."""
    rng = np.random.default_rng(seed)
    logits = intercept + signal * rng.normal(size=(n_rows, n_labels)) + rng.normal(size=n_labels)
    scores = 1 / (1 + np.exp(-logits))
    return scores, rng.random(scores.shape) < scores


def plain_quality(threshold, label, scores, values, thresholds, error_cost, exact_match):
    """What one label's threshold is worth given the others, by loops; each entry half by target, half by score."""
    n_rows, n_labels = scores.shape
    wrong_at_half = sum((scores[i, j] >= 0.5) != values[i, j] for i in range(n_rows) for j in range(n_labels))
    hits = predicted = positives = exact = 0.0
    for i in range(n_rows):
        positive = (values[i, label] + scores[i, label]) / 2
        positives += positive
        if scores[i, label] >= threshold:
            predicted += 1
            hits += positive
            others = [j for j in range(n_labels) if j != label]
            if all((scores[i, j] >= thresholds[j]) == values[i, j] for j in others):
                exact += 2 * positive - 1
    f1 = 2 * hits / (predicted + positives)
    wrong = predicted + positives - 2 * hits
    return f1 + exact_match * n_labels * exact / n_rows - error_cost * n_labels * wrong / wrong_at_half


@pytest.mark.parametrize("seed", range(4))
def test_no_threshold_can_be_moved_to_a_better_place(seed):
    scores, values = calibrated(120, 3, seed, signal=3.0)
    decision = fitted("auto", scores, Targets(values), shrink=0, max_errors=100)
    thresholds = decision.thresholds.values
    for j in range(3):
        rating = {
            cut: plain_quality(cut, j, scores, values, thresholds, decision.error_cost, decision.exact_match)
            for cut in [*(cut for cut in cuts(scores[:, j]) if cut <= 0.5), 0.5, thresholds[j]]
        }
        assert rating[thresholds[j]] == pytest.approx(max(rating.values()), abs=1e-9)


def test_labels_that_rank_no_better_than_chance_stay_at_one_half():
    scores, values = calibrated(200, 6, seed=7)
    noise = np.random.default_rng(0).permuted(values, axis=0)
    thresholds = fitted("auto", scores, Targets(np.where(np.arange(6) < 3, values, noise))).thresholds.values
    for j in range(6):
        positive, negative = scores[noise[:, j], j], scores[~noise[:, j], j]
        above = (positive[:, None] > negative).mean() - 0.5
        is_clear = above > 2 * np.sqrt((len(scores) + 1) / (12 * len(positive) * len(negative)))
        assert thresholds[j] < 0.5 if j < 3 or is_clear else thresholds[j] == 0.5


def test_a_dear_error_leaves_one_half():
    scores, values = calibrated(400, 5, seed=1)
    thresholds = fitted("auto", scores, Targets(values), error_cost=1000).thresholds.values
    at_half = ((scores >= 0.5) != values).sum()
    assert ((scores >= thresholds) != values).sum() <= at_half
    assert (np.abs(thresholds - 0.5) < 0.1).all()


def test_thresholds_of_calibrated_scores_are_at_most_one_half():
    for seed in range(5):
        scores, values = calibrated(150, 8, seed)
        assert (fitted("auto", scores, Targets(values)).thresholds.values <= 0.5).all()


def test_inflated_scores_take_thresholds_above_one_half():
    scores, values = calibrated(500, 4, seed=2)
    inflated = scores**0.25
    assert inflated.sum() > compromise.MAX_SCORE_SUM * values.sum()
    thresholds = fitted("auto", inflated, Targets(values)).thresholds.values
    assert (thresholds > 0.5).all()


def test_labels_that_do_not_vary():
    scores, targets = made_up()  # label 1 has no positive, label 2 only positives
    thresholds = fitted("auto", scores, targets).thresholds.values
    assert thresholds[1] == 0.5
    assert thresholds[2] == 0.0
    nothing = Targets(np.zeros(scores.shape, dtype=bool))
    assert (fitted("auto", scores, nothing).thresholds.values == 0.5).all()


def test_rare_labels_stay_nearer_to_one_half():
    scores, values = calibrated(300, 6, seed=3)
    free, pulled = (fitted("auto", scores, Targets(values), shrink=shrink).thresholds.values for shrink in (0, 50))
    assert (np.abs(pulled - 0.5) <= np.abs(free - 0.5) + 0.02).all()
    assert np.abs(pulled - 0.5).sum() < np.abs(free - 0.5).sum()


@pytest.mark.parametrize("max_errors", [1.0, 1.02, 1.1])
def test_wrong_answers_are_limited(max_errors):
    scores, values = calibrated(300, 6, seed=4, signal=0.8)
    unlimited = fitted("auto", scores, Targets(values), error_cost=0, max_errors=100).apply(scores)
    limited = fitted("auto", scores, Targets(values), error_cost=0, max_errors=max_errors).apply(scores)
    at_half = ((scores >= 0.5) != values).sum()
    assert (unlimited != values).sum() > max_errors * at_half
    assert (limited != values).sum() <= max_errors * at_half


def test_what_gains_nothing_on_rows_left_out_is_given_up():
    names = ["f1_macro", "f1_micro", "f1_samples"]
    outcomes = set()
    for seed in range(12):
        scores, values = calibrated(50, 3, seed, signal=3.0)
        folds = np.arange(50) % 5
        decided = np.zeros(values.shape, dtype=bool)
        for fold in range(5):
            left_in, left_out = folds != fold, folds == fold
            decided[left_out] = fitted("auto", scores[left_in], Targets(values[left_in])).apply(scores[left_out])
        tuned, half = (compute_metrics(Targets(values), None, d, names=names) for d in (decided, scores >= 0.5))
        has_gained = sum(tuned[name].value - half[name].value for name in names) > 0
        decision = fitted("auto", scores, Targets(values))
        kept = decision.thresholds.values.tolist()
        decision.confirm(scores, Targets(values), folds, np.ones(50, dtype=np.int64))
        assert decision.thresholds.values.tolist() == (kept if has_gained else [0.5] * 3)
        assert ("0.5 for every label" in decision.describe()) == (decision.thresholds.values == 0.5).all()
        outcomes.add(has_gained)
    assert outcomes == {True, False}


@pytest.mark.parametrize("signal", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("n_rows", [80, 400])
def test_on_fresh_rows_f1_gains_and_nothing_is_ruined(signal, n_rows):
    """Twelve problems whose scores are true probabilities, thresholds fitted on few rows, measured on many."""
    names = ["f1_macro", "f1_micro", "f1_samples", "hamming_loss", "subset_accuracy"]
    gains = []
    for seed in range(12):
        fresh_scores, fresh_values = calibrated(n_rows + 4000, 8, seed, signal)
        (scores, fresh_scores), (values, fresh_values) = (
            np.split(array, [n_rows]) for array in (fresh_scores, fresh_values)
        )
        decision = fitted("auto", scores, Targets(values))
        tuned, half = (
            compute_metrics(Targets(fresh_values), None, decided, names=names)
            for decided in (decision.apply(fresh_scores), fresh_scores >= 0.5)
        )
        gains.append([tuned[name].value - half[name].value for name in names[:3]])
        assert tuned["hamming_loss"].value <= 1.3 * half["hamming_loss"].value
        assert tuned["subset_accuracy"].value >= half["subset_accuracy"].value - 0.1
    assert (np.mean(gains, axis=0) > (0.005 if signal else -0.01)).all(), np.mean(gains, axis=0)
