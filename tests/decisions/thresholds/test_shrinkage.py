import numpy as np
import pytest

from manyhot.data.targets import Targets
from manyhot.decisions import thresholds
from manyhot.decisions.thresholds import ALWAYS, NEVER
from manyhot.errors import InputError
from tests.decisions.thresholds.cases import built, fitted, made_up

SHRINKING = ["f1_macro", "fbeta_macro", "f1_micro", "f1_samples", "jaccard_samples", "hamming", "cost"]
SHARED = [name for name in SHRINKING if name not in ("hamming", "cost")]


def logit(p):
    return np.log(p / (1 - p))


def all_known(seed=0):
    scores, targets = made_up(seed=seed)
    return scores, Targets(targets.values)


@pytest.mark.parametrize("name", SHRINKING)
def test_thresholds_move_towards_a_centre_by_their_positives(name):
    scores, targets = all_known()
    own = fitted(name, scores, targets, shrink=0).thresholds.values
    support = targets.support()
    inner = (own > 1e-6) & (own < 1 - 1e-6) & (support > 0) & (support < len(scores))
    pulled = {s: fitted(name, scores, targets, shrink=s).thresholds.values for s in (0.5, 8.0)}
    for shrink, values in pulled.items():
        weight = support[inner] / (support[inner] + shrink)
        centre = (logit(values[inner]) - weight * logit(own[inner])) / (1 - weight)
        np.testing.assert_allclose(centre, centre[0], atol=1e-6)
    assert np.any(np.abs(pulled[8.0] - own)[inner] > np.abs(pulled[0.5] - own)[inner])
    assert np.abs(logit(fitted(name, scores, targets, shrink=1e12).thresholds.values[inner])).max() < 1e-6


@pytest.mark.parametrize("name", SHRINKING)
def test_a_label_without_a_positive_takes_the_centre_and_one_that_nobody_looked_at_is_never_answered(name):
    scores, targets = all_known()
    known = np.ones(targets.values.shape, dtype=bool)
    values = targets.values.copy()
    known[:, 5], values[:, 6], values[:, 7] = False, False, True
    targets = Targets(values, known)
    exact = fitted(name, scores, targets, shrink=0).thresholds.values
    assert (exact[5], exact[6], exact[7]) == (NEVER, NEVER, ALWAYS)
    found = fitted(name, scores, targets, shrink=5).thresholds.values
    assert (found[5], found[7]) == (NEVER, ALWAYS)
    assert found[6] == found[1]  # another one without a positive
    assert 0 < found[6] < 1


@pytest.mark.parametrize("name", SHARED)
def test_the_shared_threshold_is_what_one_label_repeated_finds(name):
    scores, targets = all_known(seed=2)
    j = int(np.argmax(np.where(targets.support() < len(scores), targets.support(), -1)))
    alone = scores[:, [j]], targets.values[:, [j]]
    own = fitted(name, alone[0], Targets(alone[1]), shrink=0).thresholds.values[0]
    n = int(alone[1].sum())
    found = fitted(name, alone[0], Targets(alone[1]), shrink=3).thresholds.values[0]
    centre = n / (n + 3) * logit(own)
    assert logit(found) == pytest.approx((n * logit(own) + 3 * centre) / (n + 3))


def test_without_positives_there_is_nothing_to_share():
    scores, targets = np.full((4, 2), 0.3), Targets(np.zeros((4, 2), dtype=bool))
    for name in SHARED:
        assert fitted(name, scores, targets, shrink=9).thresholds.values.tolist() == [NEVER, NEVER]


def test_trusted_probabilities_are_the_centre_of_costs():
    scores, targets = all_known()
    found = fitted("cost", scores, targets, false_negative_cost=3, false_positive_cost=1, shrink=1e9).thresholds.values
    varying = np.setdiff1d(np.arange(30), [2])  # this one has nothing but positives
    np.testing.assert_allclose(found[varying], 0.25, atol=1e-6)
    assert fitted("hamming", scores, targets).to_spec()["thresholds"] == pytest.approx(
        fitted("cost", scores, targets).to_spec()["thresholds"]
    )


def test_a_saved_decision_says_how_far_it_shrinks():
    with pytest.raises(InputError, match="expected name, min_f1, shrink"):
        thresholds.from_spec({"name": "f1_macro", "min_f1": 0.1, "thresholds": [0.5]})
    assert built("f1_macro").shrink > 0


def test_rare_labels_are_answered_better_on_other_rows():
    gains = {name: [] for name in ("f1_micro", "f1_samples")}
    for seed in range(12):
        rng = np.random.default_rng(seed)
        values = rng.random((800, 40)) < 0.03
        noise = rng.normal(size=values.shape)
        scores = 1 / (1 + np.exp(-(1.5 * noise + 3 * values - 3)))
        own, other = slice(0, 200), slice(200, 800)
        for name, found in gains.items():
            f1 = []
            for shrink in (0, 20):
                yes = fitted(name, scores[own], Targets(values[own]), shrink=shrink).apply(scores[other])
                f1.append(2 * (yes & values[other]).sum() / (yes.sum() + values[other].sum()))
            found.append(f1[1] - f1[0])
    assert all(np.mean(found) > 0.01 for found in gains.values())
