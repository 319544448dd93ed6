from fractions import Fraction

import numpy as np
import pytest

from manyhot.data.targets import Targets
from manyhot.decisions.thresholds import ALWAYS, NEVER, samplewise, shrinkage
from manyhot.evaluation.metrics import compute_metrics, score
from tests.decisions.thresholds.cases import fitted, made_up, small
from tests.reference.thresholds import best_alone, best_together, mean_of_rows, micro_f1

ROW_METRICS = {
    "f1_samples": lambda values, known, answers: mean_of_rows(values, known, answers),
    "jaccard_samples": lambda values, known, answers: mean_of_rows(values, known, answers, is_jaccard=True),
}


def measure(name, targets, decisions):
    return compute_metrics(targets, None, decisions, names=[name])[name].value


def decide(name, scores, targets, **settings):
    return fitted(name, scores, targets, shrink=0, **settings).apply(scores)


@pytest.mark.slow
def test_micro_f1_is_the_highest_of_all_choices():
    n_positive = 0
    for seed in range(300):
        scores, targets = small(seed)
        if not targets.values.any():
            continue
        n_positive += 1
        found = micro_f1(targets.values, targets.known_mask(), decide("f1_micro", scores, targets))
        assert found == best_together(targets.values, targets.known_mask(), scores, micro_f1), seed
    assert n_positive > 200


def test_micro_f1_goes_from_both_ends_to_the_same_place():
    """A label whose own best cut would cost the pot more than it brings is answered higher up than for itself."""
    scores = np.array([[0.9, 0.5], [0.8, 0.4], [0.7, 0.3], [0.6, 0.2], [0.1, 0.1], [0.2, 0.05]])
    values = np.array([[1, 0], [1, 0], [1, 0], [1, 0], [0, 0], [0, 1]], dtype=bool)
    assert not decide("f1_micro", scores, Targets(values))[:, 1].any()
    assert decide("f1_macro", scores, Targets(values))[:, 1].all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ROW_METRICS)
def test_measures_of_rows_reach_at_least_the_best_shared_threshold_and_mostly_the_best_of_all(name):
    metric = ROW_METRICS[name]
    n_cases = n_best = 0
    for seed in range(300):
        scores, targets = small(seed)
        known = targets.known_mask()
        if not known.any():
            continue
        found = metric(targets.values, known, decide(name, scores, targets))
        assert found >= best_alone(targets.values, known, scores, metric), seed
        best = best_together(targets.values, known, scores, metric)
        assert found <= best + Fraction(1, 10**9)
        n_cases, n_best = n_cases + 1, n_best + (found >= best - Fraction(1, 10**9))
    assert n_best >= 0.9 * n_cases


@pytest.mark.parametrize("name", ROW_METRICS)
def test_no_single_threshold_can_be_moved_to_a_better_place(name, monkeypatch):
    monkeypatch.setattr(samplewise, "MIN_GAIN", 0.0)
    scores, targets = made_up(n=60, n_labels=8, seed=3)
    decision = fitted(name, scores, targets, shrink=0)
    here = measure(name, targets, decision.apply(scores))
    for j in range(8):
        for cut in np.unique(scores[:, j]):
            values = decision.thresholds.values.copy()
            values[j] = cut
            assert measure(name, targets, scores >= values) <= here + 1e-9


def test_every_joint_decision_beats_one_half_and_the_others_on_its_own_measure():
    scores, targets = made_up(n=400)
    scores = np.sqrt(scores)
    found = {name: decide(name, scores, targets) for name in ("f1_macro", "f1_micro", *ROW_METRICS)}
    found["fixed"] = scores >= 0.5
    for name in ("f1_micro", *ROW_METRICS):
        reached = {other: measure(name, targets, answers) for other, answers in found.items()}
        assert max(reached, key=reached.get) == name, (name, reached)


@pytest.mark.parametrize("name", ["f1_macro", "f1_micro", *ROW_METRICS])
def test_labels_may_stand_in_any_order_and_blocks_be_of_any_size(name, monkeypatch):
    scores, targets = made_up(dtype=np.float64)
    whole = fitted(name, scores, targets).thresholds.values
    order = np.random.default_rng(0).permutation(targets.n_labels)
    turned = Targets(targets.values[:, order], targets.known_mask()[:, order])
    np.testing.assert_array_equal(fitted(name, scores[:, order], turned).thresholds.values, whole[order])
    monkeypatch.setattr(score, "MAX_BLOCK_ENTRIES", 1000)
    np.testing.assert_array_equal(fitted(name, scores, targets).thresholds.values, whole)


@pytest.mark.parametrize("name", ROW_METRICS)
def test_labels_take_turns_by_what_they_are_not_by_where_they_stand(name):
    for seed in range(200):
        rng = np.random.default_rng(seed)
        scores, values = rng.random((8, 4)), rng.random((8, 4)) < 0.4
        whole = fitted(name, scores, Targets(values), shrink=0).thresholds.values
        order = rng.permutation(4)
        turned = fitted(name, scores[:, order], Targets(values[:, order]), shrink=0).thresholds.values
        np.testing.assert_array_equal(turned, whole[order])


@pytest.mark.parametrize("name", ["f1_macro", "f1_micro", *ROW_METRICS])
def test_scores_of_labels_without_a_positive_change_no_other_threshold(name):
    for seed in range(20):
        scores, targets = made_up(n=12, n_labels=6, seed=seed, dtype=np.float64)
        whole = fitted(name, scores, targets).thresholds.values
        others = scores.copy()
        others[:, targets.support() == 0] = np.linspace(0, 0.999, len(scores))[:, None]
        np.testing.assert_array_equal(fitted(name, others, targets).thresholds.values, whole)


@pytest.mark.parametrize("name", ["f1_macro", *ROW_METRICS])
def test_few_candidates_for_the_shared_threshold_are_enough(name, monkeypatch):
    scores, targets = made_up(n=400)
    whole = fitted(name, scores, targets)
    monkeypatch.setattr(shrinkage, "MAX_CANDIDATES", 100)
    np.testing.assert_allclose(fitted(name, scores, targets).thresholds.values, whole.thresholds.values, atol=0.1)


def test_cardinality_answers_as_much_as_there_is():
    for seed in range(300):
        scores, targets = small(seed)
        known, wanted = targets.known_mask(), int(targets.values.sum())
        decision = fitted("cardinality", scores, targets)
        assert len(set(decision.thresholds.values)) == 1
        if wanted in (0, int(known.sum())):
            assert decision.thresholds.values[0] == (NEVER if wanted == 0 else ALWAYS)
            continue
        reached = int((decision.apply(scores) & known).sum())
        options = [int((scores[known] >= cut).sum()) for cut in np.append(np.unique(scores[known]), 1.0)]
        assert abs(reached - wanted) == min(abs(option - wanted) for option in options), seed


@pytest.mark.parametrize("name", ["f1_micro", *ROW_METRICS, "cardinality"])
@pytest.mark.parametrize("case", ["one row", "constant scores", "nothing known", "all positive", "no positive"])
def test_degenerate_cases(name, case):
    scores, targets = made_up(n=20, n_labels=4)
    values, known = targets.values.copy(), np.ones((20, 4), dtype=bool)
    values[:, 3] = np.arange(20) % 2 == 0
    if case == "one row":
        scores, values, known = scores[:1], values[:1], known[:1]
    elif case == "constant scores":
        scores = np.full_like(scores, 0.25)
    elif case == "nothing known":
        known[:] = False
    else:
        values[:] = case == "all positive"
    yes = fitted(name, scores, Targets(values, known)).apply(scores)
    if case == "all positive":
        assert yes.all()
    elif case in ("no positive", "nothing known"):
        assert not yes.any()
    assert yes.shape == scores.shape
