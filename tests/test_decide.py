import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, label_ranking_average_precision_score

from manyhot import decide
from manyhot.decide import DECISIONS, F1Macro, Half, Thresholds, TopK
from manyhot.errors import InputError
from manyhot.labels import LabelSpace, Targets
from manyhot.metrics import measure, score
from manyhot.plan import Plan
from reference.thresholds import best_f1, best_threshold, f1_of


def made_up(n=250, n_labels=30, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    values = rng.random((n, n_labels)) < rng.beta(0.5, 4, n_labels)
    values[:, 1], values[:, 2] = False, True
    known = rng.random(values.shape) < 0.8
    scores = 1 / (1 + np.exp(-(rng.normal(size=values.shape) * 2 + 2 * values - 3)))
    scores[:, 3] = np.round(scores[:, 3], 1)
    return scores.astype(dtype), Targets(values, known)


def fitted(name, scores, targets):
    return decide.build(name, top_k=2).fit(scores, targets)


@st.composite
def columns(draw):
    n = draw(st.integers(1, 12))
    grid = st.one_of(st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 1.0]), st.floats(0, 1, width=32))
    scores = np.array(draw(st.lists(grid, min_size=n, max_size=n)), dtype=draw(st.sampled_from(["f4", "f8"])))
    bits = st.lists(st.booleans(), min_size=n, max_size=n)
    return scores, np.array(draw(bits)), np.array(draw(bits)) | draw(st.booleans())


@given(columns())
@settings(max_examples=150, deadline=None)
def test_a_threshold_is_the_best_of_all_cuts(column):
    scores, values, known = column
    targets = Targets(values[:, None], known[:, None])
    decision = F1Macro().fit(scores[:, None], targets)
    if not known.any():
        assert decision.thresholds.values[0] == 1.0
        return
    assert decision.thresholds.values[0] == best_threshold(values[known], scores[known])
    answers = decision.apply(scores[:, None])[known, 0]
    if values[known].any():
        assert f1_of(values[known].tolist(), answers.tolist()) == best_f1(values[known].tolist(), scores[known])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_labels_at_once_are_each_at_their_best(dtype, monkeypatch):
    scores, targets = made_up(dtype=dtype)
    whole = F1Macro().fit(scores, targets)
    decided = whole.apply(scores)
    for j in range(targets.n_labels):
        kept = targets.known_mask()[:, j]
        values = targets.values[kept, j].tolist()
        assert whole.thresholds.values[j] == best_threshold(values, scores[kept, j]), j
        if any(values):
            assert f1_of(values, decided[kept, j].tolist()) == best_f1(values, scores[kept, j]), j
    monkeypatch.setattr(score, "ENTRIES_AT_ONCE", 1000)
    np.testing.assert_array_equal(F1Macro().fit(scores, targets).thresholds.values, whole.thresholds.values)


@pytest.mark.parametrize("is_next", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neighbouring_floats_are_told_apart(dtype, is_next):
    first = dtype(0.3)
    lower = np.nextafter(first, dtype(1)) if is_next else first  # the middle rounds down for one and up for the other
    upper = np.nextafter(lower, dtype(1))
    scores = np.array([[lower], [upper]], dtype=dtype)
    targets = Targets(np.array([[False], [True]]))
    decision = F1Macro().fit(scores, targets)
    np.testing.assert_array_equal(decision.apply(scores), targets.values)
    again = decide.from_spec(json.loads(json.dumps(decision.to_spec())))
    np.testing.assert_array_equal(again.apply(scores), targets.values)


@pytest.mark.parametrize(
    ("scores", "values", "expected"),
    [
        ([0.2, 0.4, 0.6, 0.8], [0, 0, 1, 1], 0.5),
        ([0.1, 0.3, 0.9], [1, 0, 1], (0.0 + 0.1) / 2),
        ([0.2, 0.3, 0.6, 0.9], [0, 1, 0, 1], 0.25),
        ([0.5, 0.5, 0.5], [1, 0, 0], 0.25),
        ([0.0, 0.0, 1.0], [0, 1, 0], 0.0),
        ([0.25, 0.5, 0.5, 0.75, 0.75], [1, 0, 0, 0, 1], 0.125),
        # 1 of 1 and 2 of 4 answered right are equally good: the cut nearer to 0.5, then the higher
        ([0.875, 0.75, 0.625, 0.5, 0.125], [1, 0, 0, 1, 0], 0.3125),
        ([0.625, 0.5, 0.375, 0.25, 0.0], [1, 0, 0, 1, 0], 0.5625),
        ([0.75, 0.625, 0.5, 0.375, 0.25], [1, 0, 0, 1, 0], 0.6875),
    ],
)
def test_small_examples_by_hand(scores, values, expected):
    decision = F1Macro().fit(np.array(scores)[:, None], Targets(np.array(values, dtype=bool)[:, None]))
    assert decision.thresholds.values[0] == expected


def test_labels_that_do_not_vary_are_answered_by_their_prior():
    scores = np.random.default_rng(0).random((9, 3)) * 0.9
    values = np.zeros((9, 3), dtype=bool)
    values[:, 1] = True
    known = np.ones(values.shape, dtype=bool)
    known[:, 2] = False
    decision = F1Macro().fit(scores, Targets(values, known))
    assert decision.thresholds.values.tolist() == [1.0, 0.0, 1.0]
    np.testing.assert_array_equal(decision.apply(np.full((1, 3), 0.999)), [[False, True, False]])
    np.testing.assert_array_equal(decision.apply(np.zeros((1, 3))), [[False, True, False]])


def test_a_rare_label_that_ranks_badly_is_not_answered_everywhere_when_guarded():
    scores = np.linspace(0.001, 0.03, 100)[:, None]
    values = np.zeros((100, 1), dtype=bool)
    values[3] = True
    exact = F1Macro().fit(scores, Targets(values))
    assert exact.apply(scores).sum() == 97
    guarded = F1Macro(least_f1=0.1).fit(scores, Targets(values))
    assert guarded.thresholds.values[0] == 0.03
    assert guarded.apply(scores).sum() == 1
    good = F1Macro(least_f1=0.1).fit(scores, Targets(values[::-1].copy()))
    assert good.thresholds.values[0] == F1Macro().fit(scores, Targets(values[::-1].copy())).thresholds.values[0]
    assert F1Macro(least_f1=2 / 98).fit(scores, Targets(values)).apply(scores).sum() == 97
    assert F1Macro(least_f1=2 / 97).fit(scores, Targets(values)).apply(scores).sum() == 1
    assert decide.from_spec(guarded.to_spec()).to_spec() == guarded.to_spec()
    with pytest.raises(InputError, match="least_f1"):
        F1Macro(least_f1=1.5)


def test_tuning_beats_one_half_where_scores_are_low():
    scores, targets = made_up()
    f1 = {name: [] for name in ("f1_macro", "half")}
    for name, found in f1.items():
        decided = fitted(name, scores, targets).apply(scores) & targets.known_mask()
        found += [f1_of(*pair) for pair in zip(targets.values.T.tolist(), decided.T.tolist(), strict=True)]
    assert all(tuned >= half for tuned, half in zip(f1["f1_macro"], f1["half"], strict=True))
    assert sum(f1["f1_macro"], Fraction(0)) > sum(f1["half"], Fraction(0))


def test_half_says_yes_from_one_half():
    scores = np.array([[0.5, np.nextafter(np.float32(0.5), np.float32(0))]], dtype=np.float32)
    decision = Half().fit(scores, Targets(np.zeros((1, 2), dtype=bool)))
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
        again = decide.from_spec(spec)
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
            decide.build(name, top_k=2).apply(scores)
        with pytest.raises(InputError, match="not fitted"):
            decide.build(name, top_k=2).to_spec()
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
        {"name": "half"},
        {"name": "half", "thresholds": [0.5], "least_f1": 0.1},
        {"name": "half", "thresholds": 0.5},
        {"name": "half", "thresholds": ["0.5"]},
        {"name": "half", "thresholds": [float("nan")]},
        {"name": "half", "thresholds": [True]},
        {"name": "half", "thresholds": []},
        {"name": "f1_macro", "thresholds": [0.5]},
        {"name": "f1_macro", "least_f1": 2, "thresholds": [0.5]},
        {"name": "f1_macro", "least_f1": 0.0, "thresholds": [1.5]},
        {"name": "top_k", "k": 3},
        {"name": "top_k", "k": "3", "n_labels": 4},
        {"name": "top_k", "k": 3, "n_labels": 0},
        {"name": ["half"], "thresholds": [0.5]},
    ],
)
def test_a_spec_that_is_wrong_is_refused(spec):
    with pytest.raises(InputError):
        decide.from_spec(spec)


def test_the_plan_names_decisions_that_are_there():
    plan = Plan()
    assert decide.build(plan.decide, plan.top_k).name == plan.decide
    with pytest.raises(InputError, match="did you mean 'f1_macro'"):
        decide.build("f1_makro", 3)


def test_on_real_songs_every_label_is_at_its_best_and_better_answered(data_folder):
    lines = (data_folder("emotions") / "emotions-test.arff").read_text().split("@data")[1].split()
    table = np.array([line.split(",") for line in lines], dtype=float)
    features, targets = table[:, :-6], Targets(table[:, -6:] == 1)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    near = np.argsort(((features[:, None] - features[None]) ** 2).sum(axis=2), axis=1)[:, 1:8]
    scores = targets.values[near].mean(axis=1).astype(np.float32)  # seven neighbours, not itself: many ties
    decision = F1Macro().fit(scores, targets)
    for j in range(6):
        values = targets.values[:, j].tolist()
        assert decision.thresholds.values[j] == best_threshold(values, scores[:, j])
    own = measure(targets, scores, decision.apply(scores))
    half = measure(targets, None, fitted("half", scores, targets).apply(scores))
    assert own["f1_macro"].value > half["f1_macro"].value
    assert own["f1_macro"].value > own["f1_macro"].baseline + 0.1
    y = targets.values.astype(np.int64)
    assert own["lrap"].value == pytest.approx(label_ranking_average_precision_score(y, scores))
    assert own["map"].value == pytest.approx(average_precision_score(y, scores, average="macro"))
    assert own["f1_macro"].value == pytest.approx(f1_score(y, decision.apply(scores), average="macro"))
