import json

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from manyhot.config.training import CALIBRATIONS
from manyhot.data.targets import Targets
from manyhot.decisions import calibration as calibrate
from manyhot.decisions.calibration import Calibration
from manyhot.decisions.calibration.histogram import known_entries
from manyhot.decisions.calibration.irls import maximize_posterior
from manyhot.decisions.calibration.parametric import N_FREE, apply_logit_maps, to_parameters
from manyhot.errors import InputError
from manyhot.evaluation.metrics import brier, compute_metrics, log_loss, score

KINDS = [kind for kind in CALIBRATIONS if kind != "auto"]
STRICT = ["temperature", "platt", "beta"]


def made_up(n=400, n_labels=8, seed=0, slope=3.0, dtype=np.float32, gaps=True):
    """Scores whose logits are `slope` times too far from 0."""
    rng = np.random.default_rng(seed)
    z = rng.normal(rng.normal(-1.0, 0.7, n_labels), 1.2, (n, n_labels))
    values = rng.random(z.shape) < expit(z)
    known = rng.random(z.shape) < 0.8 if gaps else None
    return expit(slope * z).astype(dtype), Targets(values, known)


def slow_fit(z, values, kind):
    """The likeliest parameters of one label by a general optimiser, from every entry."""

    def loss(numbers):
        f = apply_logit_maps(z, to_parameters(np.array([*numbers, 0.0, 0.0, 0.0][:3])[None]))
        return (np.logaddexp(0.0, f) - values * f).sum()

    return minimize(loss, np.zeros(N_FREE[kind]), method="BFGS", options={"gtol": 1e-6}).x


@pytest.mark.parametrize("kind", STRICT)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_without_shrinkage_the_parameters_are_the_likeliest(kind, dtype):
    scores, targets = made_up(n=600, n_labels=5, dtype=dtype)
    entries = known_entries(scores, targets, None)
    found = maximize_posterior(entries.histogram(slice(0, 5)), N_FREE[kind], np.zeros((5, 3)), np.zeros(3))
    for j in range(5):
        mask = targets.known[:, j]
        expected = slow_fit(logit(scores[mask, j].astype(float)), targets.values[mask, j], kind)
        np.testing.assert_allclose(found[j, : N_FREE[kind]], expected, atol=3e-3)
        assert not found[j, N_FREE[kind] :].any()


@pytest.mark.parametrize(
    ("kind", "a", "b", "c"), [("temperature", 0.4, 0.4, 0.0), ("platt", 0.6, 0.6, -0.8), ("beta", 0.5, 1.4, 0.3)]
)
def test_a_true_map_is_recovered(kind, a, b, c):
    rng = np.random.default_rng(1)
    scores = rng.beta(0.7, 0.9, (40_000, 3)).clip(1e-6, 1 - 1e-6)
    true = expit(a * np.log(scores) - b * np.log1p(-scores) + c)
    found = calibrate.fit(scores, Targets(rng.random(scores.shape) < true), kind)
    np.testing.assert_allclose(found.parameters, np.tile([a, b, c], (3, 1)), atol=0.06)
    assert np.abs(found.apply(scores) - true).max() < 0.02
    isotonic = calibrate.fit(scores, Targets(rng.random(scores.shape) < true), "isotonic")
    assert np.abs(isotonic.apply(scores) - true).mean() < 0.02


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("slope", [0.3, 1.0, 4.0])
def test_no_two_scores_are_turned_round(kind, dtype, slope):
    scores, targets = made_up(n=120, seed=3, slope=slope, dtype=dtype)
    calibration = calibrate.fit(scores, targets, kind)
    rng = np.random.default_rng(2)
    some = np.concatenate([rng.random(2000), 10.0 ** rng.uniform(-30, 0, 2000), 1 - 10.0 ** rng.uniform(-7, 0, 2000)])
    ordered = np.unique(np.append(some, [0, 1]).astype(dtype))
    mapped = calibration.apply(np.tile(ordered[:, None], (1, 8)))
    assert mapped.dtype == dtype
    assert mapped.min() >= 0
    assert mapped.max() <= 1
    assert (np.diff(mapped, axis=0) >= 0).all()
    if kind in STRICT:
        apart = calibration.apply(np.tile(expit(np.arange(-3, 3, 0.01)).astype(dtype)[:, None], (1, 8)))
        assert (np.diff(apart, axis=0) > 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("start", [1e-30, 1e-5, 0.2, 0.4999, 0.5, 0.77, 0.999999])
def test_neighbouring_floats_stay_in_order(dtype, start):
    whole = {np.float32: np.int32, np.float64: np.int64}[dtype]
    run = (dtype(start).view(whole) + np.arange(-10_000, 10_000, dtype=whole)).view(dtype)
    run = run[run <= 1]
    for a, b, c in ([0.3, 0.3, 0.1], [0.7, 2.5, -0.4], [3.0, 0.2, 1.0]):
        mapped = Calibration(("beta",), np.array([[a, b, c]])).apply(run[:, None])
        assert (np.diff(mapped, axis=0) >= 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_0_and_1_keep_their_place(dtype):
    ends = np.array([0, 1e-30, 0.5, 1 - 1e-6, np.nextafter(dtype(1), dtype(0)), 1], dtype=dtype)[:, None]
    mapped = Calibration(("platt",), np.array([[0.3, 0.3, 0.0]])).apply(ends)
    assert (np.diff(mapped, axis=0) > 0).all()
    assert mapped[0, 0] > 0
    assert mapped[-1, 0] < 1
    mixed = Calibration(("none", "platt"), np.array([[1.0, 1.0, 0.0], [0.3, 0.3, 0.0]])).apply(np.tile(ends, (1, 2)))
    np.testing.assert_array_equal(mixed, np.hstack([ends, mapped]))


@pytest.mark.parametrize("kind", STRICT)
def test_the_order_of_a_label_stays(kind):
    scores, targets = made_up(dtype=np.float64)
    after = calibrate.fit(scores, targets, kind).apply(scores)
    before, now = (compute_metrics(targets, s, None, names=["roc_auc_macro"]) for s in (scores, after))
    assert now["roc_auc_macro"].value == before["roc_auc_macro"].value
    assert not np.array_equal(after, scores)


def test_isotonic_maps_are_those_of_scikit_learn():
    scores, targets = made_up(n=300, dtype=np.float64)
    scores = np.where(np.arange(8) < 4, np.round(scores, 2), scores)
    weights = np.random.default_rng(4).integers(1, 4, 300).astype(float)
    fresh = np.random.default_rng(5).random((500, 8))
    found = calibrate.fit(scores, targets, "isotonic", weights=weights)
    mapped = found.apply(fresh)
    for j in range(8):
        mask = targets.known[:, j]
        margin = 1 / (weights[mask].sum() + 2)
        oracle = IsotonicRegression(y_min=margin, y_max=1 - margin, out_of_bounds="clip")
        oracle.fit(scores[mask, j], targets.values[mask, j], weights[mask])
        np.testing.assert_allclose(mapped[:, j], oracle.predict(fresh[:, j]), rtol=1e-9)
    assert np.isfinite(logit(mapped)).all()


@pytest.mark.parametrize("kind", [*STRICT, "isotonic"])
def test_a_weight_of_k_is_the_row_k_times(kind):
    scores, targets = made_up(n=150)
    weights = np.random.default_rng(6).integers(0, 4, 150)
    rows = np.repeat(np.arange(150), weights)
    weighted = calibrate.fit(scores, targets, kind, weights=weights)
    repeated = calibrate.fit(scores[rows], targets.take(rows), kind)
    assert_alike(weighted, repeated)
    assert not np.allclose(weighted.apply(scores), calibrate.fit(scores, targets, kind).apply(scores), atol=1e-3)


@pytest.mark.parametrize("kind", CALIBRATIONS)
def test_what_is_scored_where_nothing_is_known_changes_nothing(kind):
    scores, targets = made_up()
    other = calibrate.fit(np.where(targets.known, scores, 1 - scores), targets, kind)
    assert_same(other, calibrate.fit(scores, targets, kind))


@pytest.mark.slow
def test_auto_leaves_calibrated_scores_alone():
    identities = [calibrate.fit(*made_up(seed=seed, slope=1.0), seed=seed).is_identity for seed in range(20)]
    assert sum(identities) >= 18


@pytest.mark.parametrize("slope", [0.4, 3.0])
def test_auto_improves_scores_that_say_too_much_or_too_little(slope):
    for seed in range(5):
        scores, targets = made_up(n=800, seed=seed, slope=slope)
        seen, fresh = np.arange(400), np.arange(400, 800)
        calibration = calibrate.fit(scores[seen], targets.take(seen), seed=seed)
        after = calibration.apply(scores[fresh])
        assert not calibration.is_identity
        assert log_loss(targets.take(fresh), after).value < log_loss(targets.take(fresh), scores[fresh]).value - 0.01
        assert brier(targets.take(fresh), after).value < brier(targets.take(fresh), scores[fresh]).value
        assert set(calibration.evidence) == set(KINDS)
        assert calibration.evidence[calibration.kinds[0]] < calibration.evidence["none"]


def test_auto_takes_isotonic_maps_only_where_no_formula_does():
    rng = np.random.default_rng(8)
    scores = rng.random((6000, 3))
    stairs = np.where(scores < 0.3, 0.02, np.where(scores < 0.7, 0.5, 0.6))
    assert calibrate.fit(scores, Targets(rng.random(scores.shape) < stairs)).kinds == ("isotonic",) * 3
    smooth = expit(0.5 * logit(scores) - 1)
    assert calibrate.fit(scores, Targets(rng.random(scores.shape) < smooth)).kinds[0] in ("platt", "beta")


@pytest.mark.parametrize("kind", STRICT)
def test_a_rare_label_stays_near_the_shared_map(kind):
    scores, targets = made_up(n=1500, n_labels=12, gaps=False)
    values = targets.values.copy()
    values[:, 0] = False
    values[[10, 500, 1000], 0] = True  # three positives wherever they fall, as in a label whose scores say nothing
    rare = Targets(values)
    alone = maximize_posterior(
        known_entries(scores, rare, None).histogram(slice(0, 1)), N_FREE[kind], np.zeros((1, 3)), np.zeros(3)
    )
    found = calibrate.fit(scores, rare, kind).parameters
    usual = found[1:, :2].mean()
    away = np.abs(np.log(found[0, :2] / usual))
    assert away.max() < 0.5
    if kind != "temperature":  # where even a single number is settled by the 1,497 negatives
        assert away.max() < 0.3 * np.abs(np.log(to_parameters(alone)[0, :2] / usual)).max()
    values[:, 0] = np.random.default_rng(0).random(1500) < 0.5
    frequent = calibrate.fit(scores, Targets(values), kind).parameters
    assert frequent[0, :2].mean() < 0.5 * usual


def test_labels_that_do_not_vary_get_the_shared_map():
    scores, targets = made_up(n_labels=6)
    values, known = targets.values.copy(), targets.known.copy()
    values[:, 1], values[:, 2], known[:, 3] = False, True, False
    targets = Targets(values, known)
    found = calibrate.fit(scores, targets, "platt").parameters
    for j in (2, 3):
        np.testing.assert_array_equal(found[j], found[1])
    assert len(np.unique(found, axis=0)) == 4
    stepped = calibrate.fit(scores, targets, "isotonic")
    assert stepped.kinds == ("isotonic", "platt", "platt", "platt", "isotonic", "isotonic")
    np.testing.assert_array_equal(stepped.parameters[1], found[1])


@pytest.mark.parametrize("kind", CALIBRATIONS)
def test_where_no_label_varies_nothing_is_learned(kind):
    scores = np.random.default_rng(0).random((9, 3))
    values = np.zeros((9, 3), dtype=bool)
    values[:, 1] = True
    found = calibrate.fit(scores, Targets(values, np.arange(3) != np.full((9, 1), 2)), kind)
    assert found.is_identity
    np.testing.assert_array_equal(found.apply(scores), scores)
    empty = calibrate.fit(np.zeros((0, 3)), Targets(np.zeros((0, 3), dtype=bool)), kind)
    assert empty.apply(np.zeros((0, 3))).shape == (0, 3)
    assert len(calibrate.fit(scores[:2], Targets(np.array([[True, False, True], [False, True, False]])), kind)) == 3


@pytest.mark.parametrize("kind", CALIBRATIONS)
def test_permuting_labels_permutes_the_maps(kind):
    scores, targets = made_up()
    order = np.random.default_rng(7).permutation(8)
    swapped = Targets(targets.values[:, order], targets.known[:, order])
    direct = calibrate.fit(scores, targets, kind)
    found = calibrate.fit(scores[:, order], swapped, kind)
    np.testing.assert_allclose(found.apply(scores[:, order]), direct.apply(scores)[:, order], atol=1e-5)


@pytest.mark.parametrize("kind", CALIBRATIONS)
def test_blocks_of_labels_and_pixels_change_nothing(kind, monkeypatch):
    scores, targets = made_up()
    whole = calibrate.fit(scores, targets, kind)
    if kind != "auto":
        shape = (4, 10, 10, 8)
        deep = Targets(targets.values.reshape(shape), targets.known.reshape(shape))
        assert_same(calibrate.fit(scores.reshape(shape), deep, kind), whole)
        weights = np.array([0.0, 1.0, 2.0, 3.0])
        weighted = calibrate.fit(scores, targets, kind, weights=np.repeat(weights, 100))
        assert_same(calibrate.fit(scores.reshape(shape), deep, kind, weights=weights), weighted)
        np.testing.assert_array_equal(whole.apply(scores.reshape(shape)), whole.apply(scores).reshape(shape))
    expected = whole.apply(scores)
    monkeypatch.setattr(score, "MAX_BLOCK_ENTRIES", 900)
    again = calibrate.fit(scores, targets, kind)
    assert_alike(again, whole)
    np.testing.assert_array_equal(whole.apply(scores), expected)
    np.testing.assert_array_equal(whole.apply(scores[5:6]), expected[5:6])


def test_pixels_of_a_sample_share_a_fold():
    scores, targets = made_up(n=60)
    copies = np.repeat(np.arange(60), 4).reshape(60, 4)
    deep = calibrate.fit(scores[copies], targets.take(copies))  # a copy in another fold would tell a map the answer
    assert deep.evidence["isotonic"] > 0.95 * calibrate.fit(scores, targets).evidence["isotonic"]


@pytest.mark.parametrize("kind", KINDS)
def test_single_and_double_precision_give_the_same_maps(kind):
    scores, targets = made_up()
    wide = scores.astype(np.float64)
    np.testing.assert_allclose(
        calibrate.fit(wide, targets, kind).apply(wide), calibrate.fit(scores, targets, kind).apply(scores), atol=1e-6
    )


@pytest.mark.parametrize("kind", CALIBRATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_of_0_and_1(kind, dtype):
    rng = np.random.default_rng(0)
    values = rng.random((200, 3)) < 0.4
    wrong = rng.random(values.shape) < 0.1
    scores = (values ^ wrong).astype(dtype)
    mapped = calibrate.fit(scores, Targets(values), kind).apply(scores)
    if kind != "none":
        np.testing.assert_allclose(mapped[scores == 1], 0.85, atol=0.12)
        np.testing.assert_allclose(mapped[scores == 0], 0.08, atol=0.1)


@pytest.mark.parametrize("kind", CALIBRATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_calibration_read_back_is_the_same(kind, dtype):
    scores, targets = made_up(dtype=dtype)
    found = calibrate.fit(scores, targets, kind)
    spec, arrays = found.to_spec()
    again = Calibration.from_spec(json.loads(json.dumps(spec, allow_nan=False)), arrays)
    assert_same(again, found)
    fresh = np.random.default_rng(1).random((50, 8)).astype(dtype)
    np.testing.assert_array_equal(again.apply(fresh), found.apply(fresh))


def _hostile():
    def changed(name, value):
        return lambda spec, arrays: (spec if name in spec else arrays).__setitem__(name, value)

    def entry(name, place, value):
        return lambda spec, arrays: arrays[name].__setitem__(place, value)

    yield from (changed("kinds", value) for value in (None, [], "platt", ["platt"] * 7, ["plat"] * 8, [["platt"]] * 8))
    yield from (changed("evidence", value) for value in (None, {"plat": 1.0}, {"platt": "1"}, {"platt": float("nan")}))
    yield from (changed("kinds", kinds) for kinds in (["none"] * 8, ["isotonic"] * 8, ["platt"] * 8, [1] * 8))
    yield from (
        changed("parameters", value) for value in (None, np.ones((8, 2)), np.ones((8, 3), "f4"), [[1.0] * 3] * 8)
    )
    yield from (entry("parameters", (2, k), value) for k in (0, 1, 2) for value in (np.nan, np.inf))
    yield from (entry("parameters", (2, k), value) for k in (0, 1) for value in (0.0, -1.0, 5.0, 1e308))
    yield from (entry("parameters", 5, value) for value in ([1e308, 1e308, 0.0], [1e-9, 1e-9, 0.0], [0.5, 0.7, 1e9]))
    yield from (entry("curve_x", slice(0, 3), value) for value in (0.5, [0.2, 0.1, 0.3], np.nan, -1.0))
    yield from (entry("curve_y", slice(0, 3), value) for value in ([0.5, 0.4, 0.6], np.nan, 0.0, 1.0))
    yield from (entry("curve_ends", k, value) for k in (0, 1, -1) for value in (-1, 0, 2**40))
    yield from (changed(name, np.zeros(3)) for name in ("curve_ends", "curve_x", "curve_y"))
    yield lambda spec, arrays: spec.pop("kinds")
    yield lambda spec, arrays: arrays.pop("curve_x")
    yield lambda spec, arrays: spec.update(more=1)
    yield lambda spec, arrays: arrays.update(more=np.zeros(1))


@pytest.mark.parametrize("harm", list(_hostile()))
def test_a_spec_that_is_wrong_is_refused(harm):
    scores, targets = made_up()
    curves = calibrate.fit(scores, targets, "isotonic").curves
    kinds = ("isotonic", "isotonic", "platt", "none", "temperature", "beta", "none", "isotonic")
    numbers = np.ones((8, 3)) * [1, 1, 0]
    numbers[2], numbers[4], numbers[5] = (0.5, 0.5, 0.1), (0.4, 0.4, 0.0), (0.4, 0.6, 0.2)
    spec, arrays = Calibration(kinds, numbers, {j: curves[j] for j in (0, 1, 7)}, {"none": 0.5}).to_spec()
    Calibration.from_spec(spec, {name: array.copy() for name, array in arrays.items()})
    harm(spec, arrays)
    with pytest.raises(InputError):
        Calibration.from_spec(spec, arrays)


def test_what_is_wrong_is_refused():
    scores, targets = made_up()
    with pytest.raises(InputError, match="shape"):
        calibrate.fit(scores[:, :-1], targets, "platt")
    found = calibrate.fit(scores, targets, "platt")
    with pytest.raises(InputError, match="expected 8"):
        found.apply(scores[:, :-1])
    for wrong in (np.nan, -0.5, 2.0):
        broken = scores.copy()
        broken[3, 4] = wrong
        with pytest.raises(InputError, match="scores"):
            found.apply(broken)
        with pytest.raises(InputError, match="scores"):
            calibrate.fit(broken, targets, "platt")
    spec, arrays = Calibration.none(2).to_spec()
    for wrong in (None, [], "none"):
        with pytest.raises(InputError):
            Calibration.from_spec(wrong, arrays)
        with pytest.raises(InputError):
            Calibration.from_spec(spec, wrong)


def assert_same(first, second):
    (spec, arrays), (other, others) = first.to_spec(), second.to_spec()
    assert spec == other
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name])


def assert_alike(first, second):
    assert first.kinds == second.kinds
    grid = np.tile(np.linspace(0, 1, 501)[:, None], (1, len(first)))
    np.testing.assert_allclose(first.apply(grid), second.apply(grid), atol=1e-6)
