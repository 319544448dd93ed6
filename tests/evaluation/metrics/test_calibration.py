import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss

from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.evaluation.metrics import score
from manyhot.evaluation.metrics.calibration import calibration_per_label, ece, ece_per_label, reliability


def made_up(n=300, n_labels=5, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    scores = rng.beta(0.5, 2, (n, n_labels)).astype(dtype)
    scores[:, 1] = np.round(scores[:, 1], 1)  # many ties
    values = rng.random(scores.shape) < scores**2
    return scores, Targets(values, rng.random(scores.shape) < 0.7)


def slow_bins(scores, values, bins):
    """Lists of (score, value) per bin; a cut inside a run of equal scores moves to the run's first."""
    pairs = sorted(zip(scores.tolist(), values.tolist(), strict=True))
    found, last = [], None
    cuts = {pairs[i * len(pairs) // bins][0] for i in range(bins)}
    for pair in pairs:
        if pair[0] != last and pair[0] in cuts:
            found.append([])
        found[-1].append(pair)
        last = pair[0]
    return found


def slow_ece(scores, values, bins):
    total = 0.0
    for pairs in slow_bins(scores, values, bins):
        mean = sum(score for score, _ in pairs) / len(pairs)
        total += len(pairs) / len(scores) * abs(mean - sum(value for _, value in pairs) / len(pairs))
    return total


@pytest.mark.parametrize("bins", [1, 2, 15, 400, 5000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_the_slow_plain_version(bins, dtype, monkeypatch):
    scores, targets = made_up(dtype=dtype)
    known = targets.known
    found = ece(targets, scores, bins)
    assert found.value == pytest.approx(slow_ece(scores[known], targets.values[known], bins), abs=1e-12)
    assert (found.n_labels, found.n_samples, found.baseline) == (5, known.any(axis=1).sum(), 0.0)
    for j, value in enumerate(ece_per_label(targets, scores, bins)):
        kept = known[:, j]
        assert value == pytest.approx(slow_ece(scores[kept, j], targets.values[kept, j], bins), abs=1e-12)
    monkeypatch.setattr(score, "MAX_BLOCK_ENTRIES", 64)
    assert ece(targets, scores, bins).value == pytest.approx(found.value, abs=1e-12)


def test_perfect_bins_have_no_error_and_one_bin_sees_only_the_mean():
    scores = np.repeat([0.125, 0.5, 0.75], 8)[:, None]
    values = np.concatenate([np.arange(8) < k for k in (1, 4, 6)])[:, None]
    assert ece(Targets(values), scores, 3).value == 0.0
    assert ece_per_label(Targets(values), scores, 3).tolist() == [0.0]
    assert ece(Targets(values), 1 - scores, 3).value == pytest.approx((0.75 + 0 + 0.5) / 3)
    assert ece(Targets(values), np.full((24, 1), 11 / 24), 15).value == pytest.approx(0.0, abs=1e-15)
    assert ece(Targets(values), 1 - scores, 1).value == pytest.approx(abs(13 - 11) / 24)


def test_prevalence_is_calibrated_which_is_the_baseline():
    _, targets = made_up()
    scores = np.tile(np.nan_to_num(targets.prevalence()), (targets.n_samples, 1))
    assert ece(targets, scores).value == pytest.approx(ece(targets, scores).baseline, abs=1e-12)


def test_the_order_of_rows_and_what_is_unknown_do_not_matter():
    scores, targets = made_up()
    rows = np.random.default_rng(1).permutation(300)
    other = np.where(targets.known, scores, 1 - scores)
    found = ece(targets, scores)
    assert ece(targets.take(rows), scores[rows]).value == pytest.approx(found.value, abs=1e-12)
    assert ece(targets, other) == found
    np.testing.assert_array_equal(ece_per_label(targets, other), ece_per_label(targets, scores))
    deep = Targets(targets.values.reshape(3, 10, 10, 5), targets.known.reshape(3, 10, 10, 5))
    assert ece(deep, scores.reshape(3, 10, 10, 5)).value == found.value


def test_nothing_known_is_nan():
    scores, targets = made_up()
    known = targets.known.copy()
    known[:, 2] = False
    per_label = ece_per_label(Targets(targets.values, known), scores)
    assert np.isnan(per_label).tolist() == [False, False, True, False, False]
    nothing = Targets(targets.values, np.zeros_like(known))
    assert np.isnan(ece(nothing, scores).value)
    assert ece(nothing, scores).baseline is None
    assert reliability(nothing, scores).to_rows() == []


@pytest.mark.parametrize("label", [None, 1, 4])
def test_reliability_tells_the_same_bins_with_wilson_intervals(label):
    scores, targets = made_up()
    found = reliability(targets, scores, 12, label)
    chosen = targets.known if label is None else targets.known & (np.arange(5) == label)
    pairs = slow_bins(scores[chosen], targets.values[chosen], 12)
    assert found.count.tolist() == [len(part) for part in pairs]
    assert (np.diff(found.score) > 0).all()
    for row, part in zip(found.to_rows(), pairs, strict=True):
        hits = sum(value for _, value in part)
        interval = binomtest(hits, len(part)).proportion_ci(0.95, "wilson")
        assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high), abs=1e-12)
        assert row["share"] == pytest.approx(hits / len(part))
        assert row["score"] == pytest.approx(sum(score for score, _ in part) / len(part))
    whole = ece(targets, scores, 12).value if label is None else ece_per_label(targets, scores, 12)[label]
    assert found.count @ np.abs(found.score - found.share) / found.count.sum() == pytest.approx(whole, abs=1e-12)


def test_all_labels_at_once_are_each_label_alone():
    scores, targets = made_up()
    found, errors = calibration_per_label(targets, scores)
    np.testing.assert_array_equal(errors, ece_per_label(targets, scores))
    for j, one in enumerate(found):
        assert one.to_rows() == reliability(targets, scores, label=j).to_rows()


def test_the_error_of_perfect_scores_is_chance_of_the_stated_size():
    rng = np.random.default_rng(0)
    p = 0.3
    scores = p + rng.normal(0, 1e-3, (3000, 1))
    found = [ece(Targets(rng.random(scores.shape) < p), scores, 15).value for _ in range(100)]
    assert np.mean(found) == pytest.approx(0.8 * np.sqrt(p * (1 - p) * 15 / 3000), rel=0.1)


def test_with_a_bin_for_every_score_it_is_the_mean_distance():
    scores, targets = made_up()
    distinct = scores[:, [0]]
    kept = targets.known[:, 0]
    target = Targets(targets.values[:, [0]], targets.known[:, [0]])
    distance = np.abs(distinct[kept, 0].astype(float) - targets.values[kept, 0]).mean()
    assert ece(target, distinct, 1000).value == pytest.approx(distance)
    assert distance >= brier_score_loss(targets.values[kept, 0], distinct[kept, 0])


@pytest.mark.parametrize("function", [ece, ece_per_label, reliability])
def test_what_is_wrong_is_refused(function):
    scores, targets = made_up()
    with pytest.raises(InputError, match="shape"):
        function(targets, scores[:, :-1])
    with pytest.raises(InputError, match="scores"):
        function(targets, scores * 3)
