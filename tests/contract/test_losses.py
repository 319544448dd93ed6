"""Every loss through the same questions."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from manyhot.backend import jax, keras, use_dtype
from manyhot.config.losses import LOSS_SETTINGS, LOSS_SPECS, loss_params
from manyhot.engine.losses import LOSSES, OUTPUTS, LossContext
from tests.reference import losses as slow

SLOW = {name: getattr(slow, ("softmax_" * (name == ("binary_crossentropy", "softmax"))) + name[0]) for name in LOSSES}
SIGMOID = [name for name in LOSSES if name[1] == "sigmoid"]
COUPLED = [name for name in LOSSES if LOSS_SPECS[name[0]].is_coupled]
TIMM = json.loads((Path(__file__).parents[1] / "reference" / "timm_losses.json").read_text())

SHAPES = [(1, 4), (6, 1), (8, 5)]

every_loss = pytest.mark.parametrize("name", LOSSES, ids=" ".join)
every_sigmoid_loss = pytest.mark.parametrize("name", SIGMOID, ids=" ".join)


QUICKLY = {"xla_backend_optimization_level": 0}
"""Compiled in a third of the time; the mathematics is the same."""


@cache
def fast(name, is_quick=True):
    """The loss as a compiled program."""
    return jax.jit(LOSSES[name], compiler_options=QUICKLY if is_quick else None)


def reduced(name):
    """The one reduce of the engine, of (logits, targets, mask, facts, weights)."""

    def reduce(logits, targets, mask, facts, weights=1.0):
        weights = weights * mask
        total = (LOSSES[name](logits, targets, mask, facts) * weights).sum()
        return total / jax.numpy.maximum(weights.sum(), 1e-9)

    return reduce


@cache
def mean(name):
    """The reduce as a compiled program."""
    return jax.jit(reduced(name), compiler_options=QUICKLY)


@cache
def slope(name, is_quick=True):
    """The gradient of the reduce with respect to the logits."""
    return jax.jit(jax.grad(reduced(name)), compiler_options=QUICKLY if is_quick else None)


def facts_of(settings, positives, known, dtype):
    values = {key: np.asarray(value, dtype) for key, value in settings.items()}
    return LossContext(values, np.asarray(positives, dtype), np.asarray(known, dtype))


def facts_for(name, n_labels, dtype=np.float32, **given):
    rare_to_common = np.linspace(0, 30, n_labels)
    return facts_of(loss_params(name[0], given), rare_to_common, np.full(n_labels, 40.0), dtype)


def drawn(name, seed, dtype=np.float64):
    """Random entries, masks, counts and settings; label smoothing where it makes sense."""
    rng = np.random.default_rng(seed)
    shape = SHAPES[seed % len(SHAPES)]
    logits = rng.normal(scale=rng.choice([0.5, 2.0, 4.0]), size=shape).clip(-12, 12)
    targets = (rng.random(shape) < rng.choice([0.1, 0.4, 0.9])).astype(float)
    if name not in COUPLED and seed % 4 == 0:
        targets = targets * 0.9 + 0.05
    mask = rng.random(shape) < rng.choice([0.5, 0.8, 1.0])
    positives = np.where(rng.random(shape[1]) < 0.2, 0, rng.uniform(0, 300, shape[1])).round(1)
    known = np.where(rng.random(shape[1]) < 0.2, positives, positives + rng.integers(0, 500, shape[1]))
    settings = {}
    for key, setting in LOSS_SETTINGS[name[0]].items():
        ends = (max(setting.low, setting.default / 4), min(setting.high, setting.default * 2 + 0.5))
        value = rng.choice([setting.default, setting.low, rng.uniform(*ends)], p=[0.3, 0.1, 0.6])
        settings[key] = max(float(value), 0.3) if "temperature" in key else float(value)
    facts = facts_of(settings, positives, known, dtype)
    return logits.astype(dtype), targets.astype(dtype), mask, facts


def slow_elements(name, logits, targets, mask, facts):
    told = {key: float(value) for key, value in facts.settings.items()}
    rows = SLOW[name](
        *(x.tolist() for x in (logits, targets, mask)), told, facts.positives.tolist(), facts.known.tolist()
    )
    return np.array(rows, dtype=float).reshape(logits.shape)


@pytest.mark.slow
@every_loss
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_it_is_the_equation_of_its_paper(name, dtype):
    tolerance = 1e-9 if dtype == "float64" else 1e-6
    if (dtype, *name) == ("float32", "binary_crossentropy", "softmax"):
        tolerance = 1e-4  # 1 - p of a label that takes nearly all of the softmax has few digits
    with use_dtype(dtype):
        for seed in range(36):
            batch = drawn(name, seed, np.dtype(dtype))
            values = np.asarray(fast(name)(*batch))
            expected = slow_elements(name, *batch)
            assert values.shape == expected.shape
            assert values.dtype == dtype
            assert np.isfinite(values).all()
            slack = tolerance * np.maximum(1, np.abs(expected)).max(initial=1, where=batch[2])
            np.testing.assert_allclose(
                values[batch[2]], expected[batch[2]], rtol=tolerance, atol=slack, err_msg=str(seed)
            )


@pytest.mark.slow
@every_loss
def test_its_gradient_is_that_of_finite_differences(name):
    with use_dtype("float64"):
        for seed in (2, 8):
            logits, targets, mask, facts = drawn(name, seed)
            logits, mask[0, 0] = logits.clip(-4, 4), True
            gradient = slope(name)(logits, targets, mask, facts)
            differences = np.zeros_like(logits)
            for place in np.ndindex(*logits.shape):
                step = np.zeros_like(logits)
                step[place] = 1e-6
                ahead, behind = (float(mean(name)(logits + s * step, targets, mask, facts)) for s in (1, -1))
                differences[place] = (ahead - behind) / 2e-6
            np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
@every_loss
def test_what_is_masked_does_not_matter(name):
    for seed in (2, 5, 8, 11):
        logits, targets, mask, facts = drawn(name, seed, np.float32)
        mask[0, 0] = True
        other_targets = np.where(mask, targets, 1 - targets)
        other = np.where(mask, logits, np.float32(-9)) if name in SIGMOID else logits
        before, after = (mean(name)(*pair, mask, facts) for pair in ((logits, targets), (other, other_targets)))
        assert float(before) == pytest.approx(float(after), rel=1e-6)
        if name in SIGMOID:
            gradient = np.asarray(slope(name)(logits, targets, mask, facts))
            assert not gradient[~mask].any()


@pytest.mark.slow
@every_loss
def test_a_masked_reduce_is_the_reduce_over_what_is_kept(name):
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(8, 5)).astype(np.float32)
    targets = (rng.random((8, 5)) < 0.4).astype(np.float32)
    weights = rng.uniform(0.1, 2, size=(8, 5)).astype(np.float32)
    facts = facts_for(name, 5)
    keep, mask = np.arange(8) % 3 > 0, np.ones((8, 5), bool)
    mask[~keep] = False
    masked = mean(name)(logits, targets, mask, facts, weights)
    kept = mean(name)(logits[keep], targets[keep], mask[keep], facts, weights[keep])
    assert float(masked) == pytest.approx(float(kept), rel=1e-6)
    if name in SIGMOID and name not in COUPLED:
        mask &= rng.random(mask.shape) < 0.7
        elements = slow_elements(name, logits, targets, mask, facts)[mask]
        assert float(mean(name)(logits, targets, mask, facts, weights)) == pytest.approx(
            (elements * weights[mask]).sum() / weights[mask].sum(), rel=1e-5
        )


@pytest.mark.parametrize("name", COUPLED, ids=" ".join)
def test_a_label_that_nobody_knows_is_as_if_it_were_not_there(name):
    rng = np.random.default_rng(4)
    logits = rng.normal(size=(8, 5)).astype(np.float32)
    targets = (rng.random((8, 5)) < 0.4).astype(np.float32)
    mask = np.ones((8, 5), bool)
    mask[:, 2] = False
    rest = np.arange(5) != 2
    with_it = mean(name)(logits, targets, mask, facts_for(name, 5))
    without = mean(name)(logits[:, rest], targets[:, rest], mask[:, rest], facts_for(name, 4))
    assert float(with_it) == pytest.approx(float(without), rel=1e-6)


@every_loss
def test_nothing_known_is_no_loss_but_finite(name):
    logits = np.random.default_rng(5).normal(size=(8, 5)).astype(np.float32)
    mask = np.zeros((8, 5), bool)
    for targets in (np.zeros((8, 5), np.float32), np.ones((8, 5), np.float32)):
        facts = facts_of(loss_params(name[0], {}), np.zeros(5), np.zeros(5), np.float32)
        assert np.isfinite(fast(name)(logits, targets, mask, facts)).all()
        gradient = slope(name)(logits, targets, mask, facts)
        assert not np.asarray(gradient).any()


@every_loss
def test_permuting_labels_and_rows_permutes(name):
    for seed in (2, 5, 8):
        logits, targets, mask, facts = drawn(name, seed, np.float32)
        rng = np.random.default_rng(seed)
        rows, labels = (rng.permutation(n) for n in logits.shape)
        moved = LossContext(facts.settings, facts.positives[labels], facts.known[labels])
        values = fast(name)(*(x[rows][:, labels] for x in (logits, targets, mask)), moved)
        expected = np.asarray(fast(name)(logits, targets, mask, facts))[rows][:, labels]
        np.testing.assert_allclose(values, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.slow
@every_loss
def test_pixels_are_rows(name):
    rng = np.random.default_rng(6)
    logits = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    targets = (rng.random(logits.shape) < 0.4).astype(np.float32)
    mask = rng.random(logits.shape) < 0.8
    flat = fast(name)(*(x.reshape(-1, 5) for x in (logits, targets, mask)), facts_for(name, 5))
    values = fast(name)(logits, targets, mask, facts_for(name, 5))
    np.testing.assert_allclose(values, np.asarray(flat).reshape(logits.shape), rtol=1e-6, atol=1e-6)


def extreme_settings(name):
    """The defaults, and each setting at its ends."""
    yield {}
    for key, setting in LOSS_SETTINGS[name[0]].items():
        for value in (setting.low, setting.high, 0.1):
            if setting.low <= value <= setting.high:
                yield {key: value}
    if name[0] == "asymmetric":
        yield {"gamma_negative": 0.1, "margin": 0.0}
        yield {"gamma_negative": 0.0, "margin": 0.0}


@pytest.mark.slow
@every_loss
def test_extreme_logits_stay_finite(name):
    edges = [0, 1e-30, 1e-8, 1, 3, 17, 40, 87, 89, 100, 103.5, 150, 1e3, 1e4]
    logits = np.array([edges, np.negative(edges)], np.float32).reshape(-1, 1).repeat(3, axis=1)
    logits[:, 2] = logits[::-1, 2]
    mask = np.ones(logits.shape, bool)
    as_in_the_engine, slope_in_the_engine = fast(name, is_quick=False), slope(name, is_quick=False)
    for given in extreme_settings(name):
        facts = facts_for(name, 3, **given)
        for yes in ([0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 1]):
            targets = np.broadcast_to(np.array(yes, np.float32), logits.shape)
            assert np.isfinite(as_in_the_engine(logits, targets, mask, facts)).all(), given
            assert np.isfinite(slope_in_the_engine(logits, targets, mask, facts)).all(), given


@pytest.mark.slow
@every_loss
def test_settings_and_counts_are_data_to_the_compiled_program(name):
    traced = []

    @jax.jit
    def program(*batch):
        traced.append(1)
        return LOSSES[name](*batch)

    logits = np.random.default_rng(7).normal(size=(8, 5)).astype(np.float32)
    targets = np.eye(8, 5, dtype=np.float32)
    mask = np.ones((8, 5), bool)
    for key in [None, *LOSS_SETTINGS[name[0]]]:
        given = {} if key is None else {key: LOSS_SETTINGS[name[0]][key].high}
        facts = facts_for(name, 5, **given)
        facts = facts._replace(positives=facts.positives + len(traced))
        np.testing.assert_allclose(
            program(logits, targets, mask, facts), fast(name)(logits, targets, mask, facts), rtol=2e-5, atol=1e-6
        )
    assert len(traced) == 1


@every_loss
def test_every_setting_changes_something(name):
    rng = np.random.default_rng(8)
    logits = rng.normal(size=(8, 5)).astype(np.float32)
    targets = (rng.random((8, 5)) < 0.4).astype(np.float32)
    mask = np.ones((8, 5), bool)
    usual = np.asarray(fast(name)(logits, targets, mask, facts_for(name, 5)))
    for key, setting in LOSS_SETTINGS[name[0]].items():
        changed = fast(name)(logits, targets, mask, facts_for(name, 5, **{key: setting.high}))
        assert np.abs(np.asarray(changed) - usual).max() > 1e-3, key


@every_sigmoid_loss
def test_what_is_said_about_it_is_true(name):
    """Coupled: another entry's target changes an entry's loss. Shift-free: a shift of all logits does not."""
    rng = np.random.default_rng(9)
    logits = rng.normal(size=(8, 5)).astype(np.float32)
    targets = (rng.random((8, 5)) < 0.4).astype(np.float32)
    targets[0, :2] = 1
    mask, facts = np.ones((8, 5), bool), facts_for(name, 5)
    other = targets.copy()
    other[0, 0] = 0.8  # still a yes to whoever asks only whether it is one
    values, moved = (np.asarray(fast(name)(logits, t, mask, facts)) for t in (targets, other))
    assert (values[0, 0] == moved[0, 0]) == LOSS_SPECS[name[0]].is_coupled
    assert (values.ravel()[1:] == moved.ravel()[1:]).all()
    shifted = fast(name)(logits + 3, targets, mask, facts)
    assert np.allclose(values, shifted, rtol=1e-4) == LOSS_SPECS[name[0]].is_shift_free


@pytest.mark.slow
@pytest.mark.parametrize("case", TIMM["cases"], ids=lambda case: f"{case['loss']} {case['settings']}")
def test_it_has_the_numbers_of_timm(case):
    name = (case["loss"], "sigmoid")
    logits, targets = (np.array(TIMM[key], np.float32) for key in ("logits", "targets"))
    known = np.full(4, TIMM["rows"])
    facts = facts_of(loss_params(case["loss"], case["settings"]), TIMM["positives"], known, np.float32)
    mask = np.ones(logits.shape, bool)
    held = np.ones(len(logits), bool)
    if case["loss"] == "distribution_balanced":  # rows without a yes are on purpose not as there
        held = targets.any(axis=1)
    if "elements" in case:
        values = fast(name)(logits, targets, mask, facts)
        np.testing.assert_allclose(values[held], np.array(case["elements"])[held], rtol=2e-5, atol=1e-6)
    value, gradient = mean(name)(logits, targets, mask, facts), slope(name)(logits, targets, mask, facts)
    np.testing.assert_allclose(gradient[held], np.array(case["gradient"])[held], rtol=1e-4, atol=2e-7)
    if held.all():
        assert float(value) == pytest.approx(case["mean"], rel=2e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("balance", [None, 0.25, 0.7])
def test_focal_is_that_of_keras(gamma, balance):
    rng = np.random.default_rng(10)
    logits = rng.normal(size=(40, 5)).astype(np.float32)
    targets = (rng.random((40, 5)) < 0.4).astype(np.float32)
    given = {"gamma": gamma} if balance is None else {"gamma": gamma, "balance": balance}
    ours = fast(("focal", "sigmoid"))(logits, targets, targets > -1, facts_for(("focal", "sigmoid"), 5, **given))
    theirs = keras.losses.BinaryFocalCrossentropy(
        apply_class_balancing=balance is not None, alpha=balance or 0.25, gamma=gamma, from_logits=True, reduction=None
    )(targets, logits)
    factor = 1 if balance is None else 2
    np.testing.assert_allclose(np.asarray(ours).mean(axis=1), factor * np.asarray(theirs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "given", "same_as", "with_settings"),
    [
        ("focal", {"gamma": 0}, "binary_crossentropy", {}),
        ("asymmetric", {"gamma_positive": 0, "gamma_negative": 0, "margin": 0}, "binary_crossentropy", {}),
        ("asymmetric", {"gamma_positive": 3, "gamma_negative": 3, "margin": 0}, "focal", {"gamma": 3}),
        ("weak_negatives", {"row_negatives": 4}, "binary_crossentropy", {}),
        ("class_balanced", {"gamma": 1}, "focal", {"gamma": 1}),
        ("class_balanced", {"beta": 0, "gamma": 1}, "focal", {"gamma": 1}),
        (
            "distribution_balanced",
            {"alpha": 0.5, "beta": 0, "kappa": 0, "lambda": 1, "gamma": 0},
            "binary_crossentropy",
            {},
        ),
    ],
)
def test_a_special_case_is_another_loss(loss, given, same_as, with_settings):
    logits, targets, mask, _ = drawn((loss, "sigmoid"), 8, np.float32)
    mask = np.ones((8, 5), bool)
    counts = np.full(5, 7.0) if "beta" not in given else np.arange(1.0, 6)
    one, other = (
        fast((name, "sigmoid"))(
            logits, targets, mask, facts_of(loss_params(name, told), counts, counts + 50, "float32")
        )
        for name, told in ((loss, given), (same_as, with_settings))
    )
    np.testing.assert_allclose(one, other, rtol=2e-6, atol=1e-7)


def test_rare_labels_count_more_where_counts_matter():
    logits, mask = np.zeros((1, 3), np.float32), np.ones((1, 3), bool)
    facts = facts_of(loss_params("class_balanced", {}), [2, 20, 200], [500] * 3, np.float32)
    values = np.asarray(fast(("class_balanced", "sigmoid"))(logits, np.ones_like(logits), mask, facts))[0]
    assert values[0] > 5 * values[1] > 25 * values[2] > 0


def test_a_row_without_a_yes_weighs_like_a_label_that_a_row_holds_alone():
    logits, mask = np.ones((2, 3), np.float32), np.ones((2, 3), bool)
    targets = np.array([[1, 0, 0], [0, 0, 0]], np.float32)
    facts = facts_of(loss_params("distribution_balanced", {}), [9, 9, 9], [50] * 3, np.float32)
    values = np.asarray(fast(("distribution_balanced", "sigmoid"))(logits, targets, mask, facts))
    assert values[1] == pytest.approx(values[0, 1])


@pytest.mark.parametrize("name", [n for n in LOSSES if "crossentropy" in n[0]], ids=" ".join)
def test_its_mean_is_the_loss_of_keras(name):
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(40, 5)).astype(np.float32)
    targets = (generator.random((40, 5)) < 0.4).astype(np.float32)
    loss, output = name
    theirs = keras.losses.get(loss)(targets, OUTPUTS[output](logits))
    ours = mean(name)(logits, targets, targets > -1, facts_for(name, 5))
    assert float(ours) == pytest.approx(float(np.mean(theirs)), rel=1e-5)


def test_the_losses_and_their_settings_have_the_same_names():
    assert set(LOSS_SETTINGS) == set(LOSS_SPECS) == {loss for loss, _ in LOSSES}


@every_loss
def test_it_reads_exactly_its_settings(name):
    read = set()

    class Watched(dict):
        def __getitem__(self, key):
            read.add(key)
            return super().__getitem__(key)

    facts = facts_for(name, 3)
    ones = np.ones((2, 3), np.float32)
    facts = facts._replace(settings=Watched(facts.settings))
    jax.eval_shape(lambda z: LOSSES[name](z, ones, ones > 0, facts), ones)
    assert read == set(LOSS_SETTINGS[name[0]])
