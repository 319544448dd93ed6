import json

import numpy as np
import pytest

from manyhot.config.training import TrainingConfig
from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.decisions import thresholds
from manyhot.decisions.thresholds import DECISIONS, Thresholds, base
from manyhot.decisions.thresholds.fixed import Fixed, TopK
from manyhot.decisions.thresholds.margins import signed_margins
from manyhot.errors import InputError
from tests.decisions.thresholds.cases import SETTINGS, built, fitted, made_up, small


def test_half_says_yes_from_one_half():
    scores = np.array([[0.5, np.nextafter(np.float32(0.5), np.float32(0))]], dtype=np.float32)
    decision = Fixed().fit(scores, Targets(np.zeros((1, 2), dtype=bool)))
    np.testing.assert_array_equal(decision.apply(scores), [[True, False]])
    assert decision.thresholds.values.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("k", [1, 2, 3, 4, 9])
def test_top_k_answers_k_labels_and_settles_ties_by_order(k):
    scores = np.round(np.random.default_rng(k).random((200, 4)), 1).astype(np.float32)
    decided = TopK(k).fit(scores, Targets(np.zeros(scores.shape, dtype=bool))).apply(scores)
    for row, answers in zip(scores, decided, strict=True):
        first = sorted(range(4), key=lambda j: (-row[j], j))[:k]
        assert np.flatnonzero(answers).tolist() == sorted(first)


def test_top_k_has_no_thresholds_to_edit():
    scores, targets = made_up()
    decision = fitted("top_k", scores, targets)
    assert decision.thresholds is None
    with pytest.raises(InputError, match="no thresholds"):
        decision.with_thresholds(Thresholds(np.full(targets.n_labels, 0.5)))
    with pytest.raises(InputError, match="argument 'k'"):
        TopK(0)


@pytest.mark.parametrize("name", DECISIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
class TestEveryDecision:
    def test_it_decides_and_is_the_same_when_read_back(self, name, dtype):
        scores, targets = made_up(dtype=dtype)
        decision = fitted(name, scores, targets)
        decided = decision.apply(scores)
        assert decision.name == name
        assert decided.dtype == np.bool_
        assert decided.shape == scores.shape
        spec = json.loads(json.dumps(decision.to_spec(), allow_nan=False))
        again = thresholds.from_spec(spec)
        assert type(again) is type(decision)
        assert again.to_spec() == spec
        fresh = np.random.default_rng(5).random((50, scores.shape[1])).astype(dtype)
        np.testing.assert_array_equal(again.apply(fresh), decision.apply(fresh))

    def test_what_is_scored_where_nothing_is_known_changes_nothing(self, name, dtype):
        scores, targets = made_up(dtype=dtype)
        other = np.where(targets.known_mask(), scores, 1 - scores)
        assert fitted(name, other, targets).to_spec() == fitted(name, scores, targets).to_spec()

    def test_rows_stand_alone_and_their_order_does_not_matter(self, name, dtype):
        scores, targets = made_up(dtype=dtype)
        rows = np.random.default_rng(1).permutation(len(scores))
        decision = fitted(name, scores, targets)
        assert fitted(name, scores[rows], targets.take(rows)).to_spec() == decision.to_spec()
        np.testing.assert_array_equal(decision.apply(scores[3:4]), decision.apply(scores)[3:4])

    def test_pixels_are_rows(self, name, dtype):
        scores, targets = made_up(dtype=dtype)
        shape = (2, 5, 25, scores.shape[1])
        deep = Targets(targets.values.reshape(shape), targets.known_mask().reshape(shape))
        decision = fitted(name, scores.reshape(shape), deep)
        assert decision.to_spec() == fitted(name, scores, targets).to_spec()
        np.testing.assert_array_equal(decision.apply(scores.reshape(shape)), decision.apply(scores).reshape(shape))

    def test_one_label_and_no_rows(self, name, dtype):
        scores, targets = np.zeros((0, 1), dtype=dtype), Targets(np.zeros((0, 1), dtype=bool))
        assert fitted(name, scores, targets).apply(scores).shape == (0, 1)

    def test_what_is_wrong_is_refused(self, name, dtype):
        scores, targets = made_up(dtype=dtype)
        with pytest.raises(InputError, match="not fitted"):
            built(name).apply(scores)
        with pytest.raises(InputError, match="not fitted"):
            built(name).to_spec()
        with pytest.raises(InputError, match="shape"):
            fitted(name, scores[:, :-1], targets)
        decision = fitted(name, scores, targets)
        with pytest.raises(InputError, match="expected 30"):
            decision.apply(scores[:, :-1])
        for wrong in (np.nan, -0.5, 2.0):
            broken = scores.copy()
            broken[3, 4] = wrong
            with pytest.raises(InputError, match="scores"):
                decision.apply(broken)
            with pytest.raises(InputError, match="scores"):
                fitted(name, broken, targets)


def test_thresholds_are_edited_by_name():
    scores, targets = made_up()
    space = LabelSpace(tuple(f"label {j}" for j in range(targets.n_labels)))
    decision = fitted("f1_macro", scores, targets)
    before = decision.to_spec()
    edited = decision.with_thresholds(decision.thresholds.with_value(space, "label 7", 0.125))
    assert decision.to_spec() == before
    assert edited.thresholds.to_dict(space) == {**decision.thresholds.to_dict(space), "label 7": 0.125}
    np.testing.assert_array_equal(edited.apply(scores)[:, 7], scores[:, 7] >= 0.125)
    with pytest.raises(InputError, match="did you mean 'label 7'"):
        decision.thresholds.with_value(space, "labl 7", 0.5)
    for wrong in (-0.1, 1.1, float("nan"), "0.5", None, True):
        with pytest.raises(InputError, match="value"):
            decision.thresholds.with_value(space, "label 7", wrong)
    with pytest.raises(InputError, match="space"):
        decision.thresholds.with_value(LabelSpace(("label 7",)), "label 7", 0.5)
    with pytest.raises(InputError, match="expected 30"):
        decision.with_thresholds(Thresholds(np.array([0.5])))
    with pytest.raises(ValueError, match="read-only"):
        decision.thresholds.values[0] = 0.5


@pytest.mark.parametrize("values", [[0.5, 1.1], [np.nan], [-0.1], [], [[0.5]], ["a"], [True]])
def test_thresholds_are_probabilities(values):
    with pytest.raises(InputError, match="thresholds"):
        Thresholds(np.array(values))


@pytest.mark.parametrize(
    "spec",
    [
        {},
        [],
        {"name": "f1_makro", "thresholds": [0.5]},
        {"name": "fixed"},
        {"name": "fixed", "threshold": 0.5, "thresholds": [0.5], "min_f1": 0.1},
        {"name": "fixed", "threshold": 0.5, "thresholds": 0.5},
        {"name": "fixed", "threshold": 0.5, "thresholds": ["0.5"]},
        {"name": "fixed", "threshold": 0.5, "thresholds": [float("nan")]},
        {"name": "fixed", "threshold": 0.5, "thresholds": [True]},
        {"name": "fixed", "threshold": 0.5, "thresholds": []},
        {"name": "f1_macro", "thresholds": [0.5]},
        {"name": "f1_macro", "min_f1": 2, "shrink": 0.0, "thresholds": [0.5]},
        {"name": "f1_macro", "min_f1": 0.0, "shrink": 0.0, "thresholds": [1.5]},
        {"name": "top_k", "k": 3},
        {"name": "top_k", "k": "3", "n_labels": 4},
        {"name": "top_k", "k": 3, "n_labels": 0},
        {"name": ["fixed"], "thresholds": [0.5]},
    ],
)
def test_a_spec_that_is_wrong_is_refused(spec):
    with pytest.raises(InputError):
        thresholds.from_spec(spec)


def test_the_plan_names_decisions_that_are_there():
    config = TrainingConfig()
    assert thresholds.build(config.decision).name == config.decision
    with pytest.raises(InputError, match="did you mean 'f1_macro'"):
        thresholds.build("f1_makro")


@pytest.mark.parametrize("name", DECISIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
class TestMargins:
    def test_their_sign_is_the_answer_bit_for_bit(self, name, dtype):
        for seed in range(40):
            scores, targets = small(seed)
            decision = fitted(name, scores.astype(dtype), targets)
            limits = [0.5] if decision.thresholds is None else decision.thresholds.values
            near = [f(t) for t in limits for f in (dtype, lambda t: np.nextafter(dtype(t), dtype(0)))]
            fresh = np.random.default_rng(seed).choice(np.array([0.0, 1e-40, 0.25, 1.0, *near], dtype=dtype), (50, 3))
            margins = decision.margins(fresh)
            assert margins.dtype == dtype
            assert not np.isnan(margins).any()
            np.testing.assert_array_equal(margins >= 0, decision.apply(fresh))

    def test_they_grow_with_the_score_within_a_label_or_a_row(self, name, dtype):
        scores, targets = made_up(dtype=dtype)
        decision = fitted(name, scores, targets)
        margins = decision.margins(scores)
        assert margins.shape == scores.shape
        if decision.thresholds is None:
            margins, scores = margins.T, scores.T
        order = np.argsort(scores, axis=0, kind="stable")
        assert np.all(np.diff(np.take_along_axis(scores, order, 0), axis=0) >= 0)
        ranked = np.take_along_axis(margins, order, 0)
        rises = np.diff(np.take_along_axis(scores, order, 0), axis=0) > 0
        assert np.all(ranked[1:][rises] >= ranked[:-1][rises])


def test_an_answer_overrules_the_rounding_of_its_margin():
    scores, limits = np.array([[0.3, 0.3, 1.0, 1.0]]), np.array([0.4, 0.2, 1.0, 1.0])
    margins = signed_margins(scores, limits, np.array([[True, False, True, False]]))
    assert margins[0, [0, 2]].tolist() == [0.0, 0.0]
    assert np.all((margins[0, [1, 3]] < 0) & (margins[0, [1, 3]] > -1e-300))


def test_a_margin_is_a_difference_of_logits():
    decision = Fixed().fit(np.zeros((1, 2)), Targets(np.zeros((1, 2), dtype=bool)))
    decision = decision.with_thresholds(Thresholds(np.array([0.5, 0.2])))
    margins = decision.margins(np.array([[0.9, 0.9], [0.1, 0.2], [0.0, 1.0]]))
    np.testing.assert_allclose(margins, [[np.log(9), np.log(36)], [-np.log(9), 0], [-np.inf, np.inf]], atol=1e-12)
    top = TopK(1).fit(np.zeros((1, 2)), Targets(np.zeros((1, 2), dtype=bool)))
    np.testing.assert_allclose(top.margins(np.array([[0.9, 0.5]])), [[0, -np.log(9)]], atol=1e-12)
    deep = np.random.default_rng(0).random((3, 4, 5, 2))
    np.testing.assert_array_equal(decision.margins(deep).reshape(-1, 2), decision.margins(deep.reshape(-1, 2)))


@pytest.mark.parametrize("name", [name for name in DECISIONS if name != "top_k"])
def test_labels_may_stand_in_any_order(name):
    scores, targets = made_up(dtype=np.float64)
    order = np.random.default_rng(0).permutation(targets.n_labels)
    turned = Targets(targets.values[:, order], targets.known_mask()[:, order])
    whole = fitted(name, scores, targets).thresholds.values
    np.testing.assert_array_equal(fitted(name, scores[:, order], turned).thresholds.values, whole[order])


class TestSpread:
    @pytest.mark.parametrize("name", ["f1_macro", "f1_micro", "f1_samples", "precision", "cardinality"])
    def test_it_is_the_deviation_over_refits_and_is_kept(self, name):
        scores, targets = made_up()
        folds = np.random.default_rng(0).integers(0, 3, len(scores))
        decision = fitted(name, scores, targets)
        spread = decision.measure_spread(scores, targets, folds)
        refits = [fitted(name, scores[folds != k], targets.take(folds != k)).thresholds.values for k in range(3)]
        np.testing.assert_allclose(spread, np.std(refits, axis=0))
        assert spread.max() > 0
        assert decision.spread is None
        before = decision.thresholds.values
        decision.spread = spread
        spec = json.loads(json.dumps(decision.to_spec()))
        again = thresholds.from_spec(spec)
        assert again.to_spec() == spec
        np.testing.assert_array_equal(again.spread, spread)
        np.testing.assert_array_equal(again.thresholds.values, before)
        assert decision.with_thresholds(decision.thresholds).spread is None
        assert decision.fit(scores, targets).spread is None

    def test_it_is_left_out_where_it_says_nothing_or_takes_too_long(self, monkeypatch):
        scores, targets = made_up()
        folds = np.arange(len(scores)) % 5
        assert fitted("top_k", scores, targets).measure_spread(scores, targets, folds) is None
        assert fitted("fixed", scores, targets).measure_spread(scores, targets, folds).tolist() == [0.0] * 30
        monkeypatch.setattr(base, "MAX_SPREAD_SCORES", scores.size - 1)
        assert fitted("f1_macro", scores, targets).measure_spread(scores, targets, folds) is None

    @pytest.mark.parametrize("wrong", [[0.1, 0.2], [-1.0], ["0.1"], 0.1])
    def test_a_spec_with_another_spread_is_refused(self, wrong):
        with pytest.raises(InputError, match="spread"):
            thresholds.from_spec({"name": "fixed", "threshold": 0.5, "thresholds": [0.5], "spread": wrong})


class TestBuild:
    def test_settings_are_the_constructors_and_near_misses_are_named(self):
        assert thresholds.build("f1_macro", {"min_f1": 0.1}).min_f1 == 0.1
        with pytest.raises(InputError, match="did you mean 'min_f1'"):
            thresholds.build("f1_macro", {"minf1": 0.1})
        with pytest.raises(InputError, match="no setting 'shrink'"):
            thresholds.build("fixed", {"shrink": 1})
        for name in ("top_k", "precision", "recall"):
            with pytest.raises(InputError, match="needs the setting"):
                thresholds.build(name)

    @pytest.mark.parametrize("name", DECISIONS)
    def test_settings_come_back(self, name):
        decision = built(name)
        assert built(name, **decision.settings()).settings() == decision.settings()
        assert decision.settings().items() >= SETTINGS.get(name, {}).items()
