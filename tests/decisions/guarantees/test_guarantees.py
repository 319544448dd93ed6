import dataclasses
import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.decisions.guarantees import Guarantee, control_false_discoveries, control_miss_rate, min_rows
from manyhot.decisions.guarantees.false_discovery_rate import _test_in_sequence
from manyhot.decisions.guarantees.test_order import (
    MAX_TESTS,
    STARTS,
    fixed_order,
    label_curve,
    learn_order,
    row_curve,
)
from manyhot.errors import InputError
from manyhot.evaluation.metrics.score import score_entries
from tests.reference import risk as reference

NAMES = LabelSpace(tuple(f"name {j}" for j in range(6)))


def made_up(n=400, n_labels=6, seed=0, dtype=np.float64, known=1.0, digits=None):
    rng = np.random.default_rng(seed)
    strength = 2 * rng.normal(size=(n, n_labels)) + rng.normal(size=(n, 1)) - 1
    values = rng.random((n, n_labels)) < 1 / (1 + np.exp(-strength))
    scores = 1 / (1 + np.exp(-1.5 * strength - rng.normal(size=values.shape) / 2))
    if digits is not None:
        scores = np.round(scores, digits)
    mask = rng.random(values.shape) < known
    return scores.astype(dtype), Targets(values, mask)


def brute(scores, targets, at_most):
    return reference.highest_threshold(scores, targets.values, targets.known_mask(), at_most)


@st.composite
def small_cases(draw):
    n, n_labels = draw(st.integers(1, 8)), draw(st.integers(1, 4))
    grid = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.floats(0, 1, width=32))
    size = n * n_labels
    scores = np.array(draw(st.lists(grid, min_size=size, max_size=size)), dtype=draw(st.sampled_from(["f4", "f8"])))
    bits = st.lists(st.booleans(), min_size=size, max_size=size)
    values, known = np.array(draw(bits)), np.array(draw(bits)) | draw(st.booleans())
    at_most = draw(st.sampled_from([0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 0.9]))
    shape = (n, n_labels)
    return scores.reshape(shape), Targets(values.reshape(shape), known.reshape(shape)), at_most


@pytest.mark.slow
@given(small_cases())
@settings(max_examples=200, deadline=None)
def test_the_miss_threshold_is_the_highest_of_all_cuts(case):
    scores, targets, at_most = case
    expected = brute(scores, targets, at_most)
    if expected is None:
        with pytest.raises(InputError, match="or more"):
            control_miss_rate(scores, targets, at_most)
        return
    promise = control_miss_rate(scores, targets, at_most)
    assert set(promise.thresholds.tolist()) == {expected}
    found = reference.losses(reference.miss_loss, scores, targets.values, targets.known_mask(), expected)
    assert promise.n_used == (len(found),)


@pytest.mark.slow
@given(small_cases())
@settings(max_examples=200, deadline=None)
def test_each_label_has_the_threshold_it_has_alone(case):
    scores, targets, at_most = case
    alone = [
        brute(scores[:, [j]], Targets(targets.values[:, [j]], targets.known_mask()[:, [j]]), at_most)
        for j in range(targets.n_labels)
    ]
    if all(threshold is None for threshold in alone):
        with pytest.raises(InputError, match="or more"):
            control_miss_rate(scores, targets, at_most, per_label=True)
        return
    promise = control_miss_rate(scores, targets, at_most, per_label=True)
    assert promise.refused == tuple(j for j, threshold in enumerate(alone) if threshold is None)
    assert promise.thresholds.tolist() == [1.0 if threshold is None else threshold for threshold in alone]
    assert promise.n_used == tuple(targets.support().tolist())


@pytest.mark.parametrize("at_most", [0.05, 0.1, 0.15, 0.3])
def test_on_many_rows_the_threshold_is_exact_as_well(at_most):
    scores, targets = made_up(known=0.8, digits=2)
    assert control_miss_rate(scores, targets, at_most).thresholds[0] == brute(scores, targets, at_most)


def test_a_label_alone_gets_an_order_statistic():
    scores = np.random.default_rng(0).permutation(np.arange(1, 100) / 100)[:, None]
    values = np.ones((99, 1), dtype=bool)
    for at_most, rank in [(0.01, 1), (0.1, 10), (0.105, 10), (0.29, 29), (0.995, 99)]:  # floor of 0.29 * 100 is 28
        for per_label in (False, True):
            promise = control_miss_rate(scores, Targets(values), at_most, per_label=per_label)
            assert promise.thresholds.tolist() == [rank / 100]
            assert promise.predictions_per_row == (100 - rank) / 99


@pytest.mark.parametrize(
    ("at_most", "n", "n_labels", "missed"), [(0.2, 9, 3, 3), (0.29, 99, 10, 280), (0.07, 99, 6, 36)]
)
def test_shares_that_add_up_to_exactly_what_is_allowed_are_allowed(at_most, n, n_labels, missed):
    """Rows that all carry every label: `missed` shares of 1 / n_labels are at_most (n + 1) - 1, to the last digit."""
    assert Fraction(missed, n_labels) == Fraction(repr(at_most)) * (n + 1) - 1
    scores = np.random.default_rng(0).permutation(np.linspace(0.1, 0.9, n * n_labels)).reshape(n, n_labels)
    promise = control_miss_rate(scores, Targets(np.ones((n, n_labels), dtype=bool)), at_most)
    assert (~promise.apply(scores)).sum() == missed


@pytest.mark.parametrize("at_most", [0.01, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.29, 1 / 3, 0.5, 0.9])
def test_one_row_fewer_than_needed_is_refused(at_most):
    least = min_rows(at_most)
    scores, values = np.linspace(0, 1, least)[:, None], np.ones((least, 1), dtype=bool)
    for per_label in (False, True):
        promise = control_miss_rate(scores, Targets(values), at_most, per_label=per_label)
        assert promise.thresholds[0] == scores.min()
        if least > 1:
            with pytest.raises(InputError, match=f"expected {least} or more"):
                control_miss_rate(scores[1:], Targets(values[1:]), at_most, per_label=per_label)


@pytest.mark.parametrize(("at_most", "confidence"), [(0.05, 0.9), (0.1, 0.9), (0.1, 0.95), (0.2, 0.8), (0.5, 0.5)])
def test_one_answer_fewer_than_needed_is_refused(at_most, confidence):
    guide = (np.full((400, 1), 0.9), Targets(np.ones((400, 1), dtype=bool)))
    for per_label in (False, True):
        for simultaneous in {False, per_label}:
            options = {"confidence": confidence, "per_label": per_label, "simultaneous": simultaneous}
            for guided, parts in ((guide, 1), (None, len(STARTS))):
                least = min_rows(at_most, confidence, parts)
                scores, values = np.full((least, 1), 0.99), np.ones((least, 1), dtype=bool)
                promise = control_false_discoveries(scores, Targets(values), at_most, guide=guided, **options)
                assert promise.n_used == (least,)
                assert promise.predictions_per_row == promise.share_predicted == 1
                if least > 1:
                    fewer = Targets(values[1:])
                    with pytest.raises(InputError, match=f"and {least} or more"):
                        control_false_discoveries(scores[1:], fewer, at_most, guide=guided, **options)


def test_few_rows_by_hand():
    assert [min_rows(rate) for rate in (0.5, 0.1, 0.05, 0.01)] == [1, 9, 19, 99]
    assert [min_rows(rate, 0.9) for rate in (0.5, 0.1, 0.05, 0.01)] == [4, 22, 45, 230]
    assert min_rows(0.1, 0.9, parts=8) == 42


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_curves_are_what_every_cut_does(dtype):
    scores, targets = made_up(n=40, n_labels=4, known=0.7, digits=1, dtype=dtype)
    known, entries = targets.known_mask(), score_entries(targets, scores.astype(np.float64))
    curves = [(row_curve(entries), slice(None))] + [
        (label_curve(one), slice(one.label, one.label + 1)) for one in entries.columns()
    ]
    for curve, part in curves:
        cuts = sorted({float(s) for s in scores[:, part][known[:, part]]}, reverse=True)
        assert curve.thresholds.tolist() == cuts
        for i, cut in enumerate(cuts):
            inputs = scores[:, part], targets.values[:, part], known[:, part]
            found = reference.losses(reference.wrong_loss, *inputs, cut)
            assert curve.n_units[i] == len(found)
            assert curve.rate[i] == pytest.approx(float(sum(found) / len(found)), abs=1e-12)
            assert curve.n_predicted[i] == (inputs[0][inputs[2]] >= cut).sum()


def test_a_learned_order_goes_from_the_surest_to_more_answers():
    scores, targets = made_up(n=1000, seed=3)
    curve = row_curve(score_entries(targets, scores))
    order = learn_order(curve, 0.2)
    assert 10 < len(order.thresholds) <= MAX_TESTS
    assert order.parts.tolist() == [1.0] + [0.0] * (len(order.thresholds) - 1)
    assert (np.diff(order.thresholds) < 0).all()
    p_values = []
    for threshold in order.thresholds:
        found = reference.losses(reference.wrong_loss, scores, targets.values, targets.known_mask(), threshold)
        p_values.append(reference.hoeffding_bentkus(found, 0.2))
    assert p_values == sorted(p_values)
    assert len(learn_order(row_curve(score_entries(Targets(~targets.values), scores)), 0.01).thresholds) == 0


@pytest.mark.parametrize("known", [1.0, 0.7])
@pytest.mark.parametrize("guided", [False, True])
def test_the_false_discovery_threshold_is_the_last_of_its_order_that_passes(known, guided):
    scores, targets = made_up(n=1000, known=known, dtype=np.float32)
    guide = made_up(n=700, seed=9) if guided else None
    promise = control_false_discoveries(scores, targets, 0.25, guide=guide)
    order = learn_order(row_curve(score_entries(guide[1], guide[0])), 0.25) if guided else fixed_order()

    def test(threshold):
        found = reference.losses(reference.wrong_loss, scores, targets.values, targets.known_mask(), threshold)
        return reference.mean_p_value(found, 0.25), len(found)

    threshold, n_used = _test_in_sequence(test, order, 0.1)
    assert set(promise.thresholds.tolist()) == {threshold}
    assert promise.n_used == (n_used,)
    decisions = promise.apply(scores)
    assert promise.predictions_per_row == decisions.sum() / len(scores)
    assert promise.share_predicted == decisions.any(axis=1).mean()


@pytest.mark.parametrize("simultaneous", [False, True])
def test_a_label_alone_is_tested_by_its_binomial_tail(simultaneous):
    scores, targets = made_up(n=1500, known=0.8)
    guide = made_up(n=900, seed=9)
    guide[1].values[:, 2] = False  # the guide gives this label no hope, and it costs the others nothing
    promise = control_false_discoveries(
        scores, targets, 0.25, confidence=0.8, per_label=True, simultaneous=simultaneous, guide=guide
    )
    assert 2 in promise.refused
    known = targets.known_mask()
    for j in range(6):
        order = learn_order(label_curve(next(score_entries(guide[1], guide[0]).columns([j]))), 0.25)

        def test(threshold, j=j):
            answers = (scores[:, j] >= threshold) & known[:, j]
            return binom.cdf((answers & ~targets.values[:, j]).sum(), answers.sum(), 0.25), int(answers.sum())

        best = _test_in_sequence(test, order, 0.2 / (5 if simultaneous else 1))
        assert (best is None) == (j in promise.refused)
        assert (promise.thresholds[j], promise.n_used[j]) == (best or (1.0, 0))


CONTROLS = {
    "miss": control_miss_rate,
    "miss per label": lambda s, t, a: control_miss_rate(s, t, a, per_label=True),
    "wrong": control_false_discoveries,
    "wrong per label": lambda s, t, a: control_false_discoveries(s, t, a, per_label=True),
    "wrong at once": lambda s, t, a: control_false_discoveries(s, t, a, per_label=True, simultaneous=True),
    "wrong with a guide": lambda s, t, a: control_false_discoveries(s, t, a, guide=made_up(n=500, seed=7)),
    "wrong per label with a guide": lambda s, t, a: control_false_discoveries(
        s, t, a, per_label=True, guide=made_up(n=500, seed=7)
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
class TestEveryPromise:
    def test_it_is_the_same_when_read_back(self, name):
        scores, targets = made_up(n=1000)
        promise = CONTROLS[name](scores, targets, 0.3)
        spec = json.loads(json.dumps(promise.to_spec(), allow_nan=False))
        again = Guarantee.from_spec(spec)
        assert again.to_spec() == spec == promise.to_spec()
        assert again.statement(NAMES) == promise.statement(NAMES)
        np.testing.assert_array_equal(again.apply(scores), promise.apply(scores))

    def test_the_order_of_rows_does_not_matter(self, name):
        scores, targets = made_up(n=900, known=0.8)
        rows = np.random.default_rng(1).permutation(len(scores))
        expected = CONTROLS[name](scores, targets, 0.3).to_spec()
        assert CONTROLS[name](scores[rows], targets.take(rows), 0.3).to_spec() == expected

    def test_the_order_of_labels_does_not_matter(self, name):
        if "guide" in name:
            pytest.skip("the guide's labels stay where they are")
        scores, targets = made_up(n=900, known=0.8)
        columns = np.random.default_rng(1).permutation(targets.n_labels)
        moved = Targets(targets.values[:, columns], targets.known_mask()[:, columns])
        expected = CONTROLS[name](scores, targets, 0.3)
        np.testing.assert_array_equal(
            CONTROLS[name](scores[:, columns], moved, 0.3).thresholds, expected.thresholds[columns]
        )

    def test_what_is_scored_where_nothing_is_known_changes_no_threshold(self, name):
        scores, targets = made_up(n=900, known=0.7)
        other = np.where(targets.known_mask(), scores, 1 - scores)
        first, second = (CONTROLS[name](s, targets, 0.3) for s in (scores, other))
        np.testing.assert_array_equal(first.thresholds, second.thresholds)
        assert first.n_used == second.n_used

    def test_rows_without_anything_known_change_no_threshold(self, name):
        scores, targets = made_up(n=900)
        more = Targets(np.tile(targets.values, (2, 1)), np.repeat([[True], [False]], 900, axis=0).repeat(6, axis=1))
        first = CONTROLS[name](scores, targets, 0.3)
        second = CONTROLS[name](np.tile(scores, (2, 1)), more, 0.3)
        np.testing.assert_array_equal(first.thresholds, second.thresholds)
        assert first.n_used == second.n_used

    def test_single_precision_decides_like_double(self, name):
        scores, targets = made_up(n=900, dtype=np.float32)
        single, double = (CONTROLS[name](s, targets, 0.3) for s in (scores, scores.astype(np.float64)))
        assert single.to_spec() == double.to_spec()
        np.testing.assert_array_equal(single.apply(scores), double.apply(scores.astype(np.float64)))

    def test_nothing_known_is_refused_with_what_is_needed(self, name):
        scores, targets = made_up()
        nothing = Targets(targets.values, np.zeros(targets.values.shape, dtype=bool))
        with pytest.raises(InputError, match=r"\d+ or more"):
            CONTROLS[name](scores, nothing, 0.2)

    def test_scores_that_say_nothing_are_refused_or_answer_everything(self, name):
        _, targets = made_up(n=600)
        constant = np.full(targets.values.shape, 0.4)
        if "wrong" in name:
            with pytest.raises(InputError, match="cannot be guaranteed"):
                CONTROLS[name](constant, targets, 0.2)
        else:
            promise = CONTROLS[name](constant, targets, 0.2)
            assert set(promise.thresholds.tolist()) == {0.4}
            assert promise.apply(constant).all()

    def test_what_is_wrong_is_refused(self, name):
        scores, targets = made_up()
        for wrong in (0, 1, -0.1, 1.5, float("nan"), "0.1", None, True):
            with pytest.raises(InputError, match="at_most"):
                CONTROLS[name](scores, targets, wrong)
        for wrong in (scores[:, :-1], scores[:-1], 3 * scores, np.full(scores.shape, np.nan)):
            with pytest.raises(InputError, match="scores"):
                CONTROLS[name](wrong, targets, 0.2)
        pixels = Targets(targets.values.reshape(20, 20, 6))
        with pytest.raises(InputError, match="pixels"):
            CONTROLS[name](scores.reshape(20, 20, 6), pixels, 0.2)
        with pytest.raises(InputError, match="rows"):
            CONTROLS[name](scores[:0], targets.take(np.arange(0)), 0.2)

    def test_the_statement_says_what_is_promised_and_when(self, name):
        promise = CONTROLS[name](*made_up(n=1000), 0.3)
        text, details = promise.statement(NAMES), promise.details()
        assert "30%" in text
        assert ("90% confidence" in text) == ("wrong" in name)
        assert ("exchangeable" in details) == ("miss" in name)
        assert ("independently" in details) == ("wrong" in name)
        assert ("all labels simultaneously" in text) == ("at once" in name)
        assert f"{promise.predictions_per_row:.2f} labels are predicted per row" in details
        assert len(text.split(".")[0].split()) < 35
        if not promise.per_label:
            assert f"({promise.n_used[0]} with a " in text


def test_refused_labels_are_named_and_never_answered():
    scores, targets = made_up()
    targets.values[:, 4] = False
    targets.values[:8, 4] = True
    scores[:, 4] = 1.0
    for promise in (
        control_miss_rate(scores, targets, 0.1, per_label=True),
        control_false_discoveries(scores, targets, 0.3, per_label=True, guide=made_up(seed=2, n=900)),
    ):
        assert 4 in promise.refused
        assert promise.thresholds[4] == 1.0
        assert not promise.apply(scores)[:, 4].any()
        assert "'name 4'" in promise.statement(NAMES)
        assert "label 5" in promise.statement()
        assert promise.predictions_per_row == promise.apply(scores).sum() / len(scores)
    many = dataclasses.replace(
        promise, thresholds=np.append(np.ones(30), 0.5), refused=tuple(range(30)), n_used=(0,) * 30 + (50,)
    )
    assert "and 20 more" in many.statement()
    with pytest.raises(InputError, match="labels"):
        many.statement(NAMES)


def test_rows_without_labels_make_no_promise_easier():
    scores, targets = made_up(n=200)
    none = np.zeros_like(targets.values)
    padded = Targets(np.concatenate([targets.values, none, none]))
    longer = np.concatenate([scores, scores * 0, scores * 0])
    first, second = control_miss_rate(scores, targets, 0.1), control_miss_rate(longer, padded, 0.1)
    np.testing.assert_array_equal(first.thresholds, second.thresholds)
    first, second = (control_false_discoveries(s, t, 0.3) for s, t in ((scores, targets), (longer, padded)))
    np.testing.assert_array_equal(first.thresholds, second.thresholds)
    assert second.share_predicted == pytest.approx(first.share_predicted / 3)


def test_a_guide_must_fit_and_give_hope():
    scores, targets = made_up()
    with pytest.raises(InputError, match="guide"):
        control_false_discoveries(scores, targets, 0.3, guide=made_up(n_labels=5))
    guide = made_up()
    with pytest.raises(InputError, match="guide's own rows"):
        control_false_discoveries(scores, targets, 0.05, guide=(guide[0], Targets(np.zeros_like(guide[1].values))))
    with pytest.raises(InputError, match="simultaneous"):
        control_false_discoveries(scores, targets, 0.3, simultaneous=True)
    for wrong in (0, 1, 1.5, None):
        with pytest.raises(InputError, match="confidence"):
            control_false_discoveries(scores, targets, 0.3, confidence=wrong)
