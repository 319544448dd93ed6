import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, label_ranking_average_precision_score

from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.decisions import thresholds
from manyhot.decisions.thresholds import ALWAYS, NEVER
from manyhot.decisions.thresholds.labelwise import F1Macro
from manyhot.errors import InputError
from manyhot.evaluation.metrics import compute_metrics, score
from tests.decisions.thresholds.cases import fitted, made_up, small
from tests.reference import thresholds as truth
from tests.reference.thresholds import best_f1, best_threshold, f1_of


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
    decision = F1Macro(shrink=0).fit(scores[:, None], targets)
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
    whole = F1Macro(shrink=0).fit(scores, targets)
    decided = whole.apply(scores)
    for j in range(targets.n_labels):
        mask = targets.known_mask()[:, j]
        values = targets.values[mask, j].tolist()
        assert whole.thresholds.values[j] == best_threshold(values, scores[mask, j]), j
        if any(values):
            assert f1_of(values, decided[mask, j].tolist()) == best_f1(values, scores[mask, j]), j
    monkeypatch.setattr(score, "MAX_BLOCK_ENTRIES", 1000)
    np.testing.assert_array_equal(F1Macro(shrink=0).fit(scores, targets).thresholds.values, whole.thresholds.values)


@pytest.mark.parametrize("is_next", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neighbouring_floats_are_told_apart(dtype, is_next):
    first = dtype(0.3)
    lower = np.nextafter(first, dtype(1)) if is_next else first  # the middle rounds down for one and up for the other
    upper = np.nextafter(lower, dtype(1))
    scores = np.array([[lower], [upper]], dtype=dtype)
    targets = Targets(np.array([[False], [True]]))
    decision = F1Macro(shrink=0).fit(scores, targets)
    np.testing.assert_array_equal(decision.apply(scores), targets.values)
    again = thresholds.from_spec(json.loads(json.dumps(decision.to_spec())))
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
    decision = F1Macro(shrink=0).fit(np.array(scores)[:, None], Targets(np.array(values, dtype=bool)[:, None]))
    assert decision.thresholds.values[0] == expected


def test_labels_that_do_not_vary_are_answered_by_their_prior():
    scores = np.random.default_rng(0).random((9, 3)) * 0.9
    values = np.zeros((9, 3), dtype=bool)
    values[:, 1] = True
    known = np.ones(values.shape, dtype=bool)
    known[:, 2] = False
    decision = F1Macro(shrink=0).fit(scores, Targets(values, known))
    assert decision.thresholds.values.tolist() == [1.0, 0.0, 1.0]
    np.testing.assert_array_equal(decision.apply(np.full((1, 3), 0.999)), [[False, True, False]])
    np.testing.assert_array_equal(decision.apply(np.zeros((1, 3))), [[False, True, False]])


def test_a_rare_label_that_ranks_badly_is_not_answered_everywhere_when_guarded():
    scores = np.linspace(0.001, 0.03, 100)[:, None]
    values = np.zeros((100, 1), dtype=bool)
    values[3] = True
    exact = F1Macro(shrink=0).fit(scores, Targets(values))
    assert exact.apply(scores).sum() == 97
    guarded = F1Macro(shrink=0, min_f1=0.1).fit(scores, Targets(values))
    assert guarded.thresholds.values[0] == 0.03
    assert guarded.apply(scores).sum() == 1
    good = F1Macro(shrink=0, min_f1=0.1).fit(scores, Targets(values[::-1].copy()))
    assert good.thresholds.values[0] == F1Macro(shrink=0).fit(scores, Targets(values[::-1].copy())).thresholds.values[0]
    assert F1Macro(shrink=0, min_f1=2 / 98).fit(scores, Targets(values)).apply(scores).sum() == 97
    assert F1Macro(shrink=0, min_f1=2 / 97).fit(scores, Targets(values)).apply(scores).sum() == 1
    assert thresholds.from_spec(guarded.to_spec()).to_spec() == guarded.to_spec()
    with pytest.raises(InputError, match="min_f1"):
        F1Macro(shrink=0, min_f1=1.5)


def test_tuning_beats_one_half_where_scores_are_low():
    scores, targets = made_up()
    f1 = {name: [] for name in ("f1_macro", "fixed")}
    for name, found in f1.items():
        exact = {"shrink": 0} if name == "f1_macro" else {}
        decided = fitted(name, scores, targets, **exact).apply(scores) & targets.known_mask()
        found += [f1_of(*pair) for pair in zip(targets.values.T.tolist(), decided.T.tolist(), strict=True)]
    assert all(tuned >= half for tuned, half in zip(f1["f1_macro"], f1["fixed"], strict=True))
    assert sum(f1["f1_macro"], Fraction(0)) > sum(f1["fixed"], Fraction(0))


# Each with the settings it is built with, and the same by plain enumeration.
SEPARATE = {
    "f1_macro": ({"shrink": 0}, lambda values, scores: best_threshold(values, scores)),
    "fbeta_macro": (
        {"beta": 2, "shrink": 0},
        lambda values, scores: best_threshold(values, scores, lambda t, a: truth.fbeta_of(t, a, 2)),
    ),
    "hamming": (
        {"shrink": 0},
        lambda values, scores: best_threshold(values, scores, lambda t, a: -truth.cost_of(t, a, 1, 1)),
    ),
    "cost": (
        {"false_negative_cost": 2.5, "false_positive_cost": 0.75, "shrink": 0},
        lambda values, scores: best_threshold(values, scores, lambda t, a: -truth.cost_of(t, a, 2.5, 0.75)),
    ),
    "precision": ({"min_precision": 0.6}, lambda values, scores: truth.precise_threshold(values, scores, 0.6)),
    "recall": ({"min_recall": 0.6}, lambda values, scores: truth.recalling_threshold(values, scores, 0.6)),
}


@pytest.mark.parametrize("name", SEPARATE)
def test_each_threshold_is_the_best_of_all_in_a_thousand_small_cases(name):
    settings, best = SEPARATE[name]
    n_varying = 0
    for seed in range(1000):
        scores, targets = small(seed, n_labels=1, most_rows=12)
        known = targets.known_mask()[:, 0]
        values, seen = targets.values[known, 0], scores[known, 0]
        found = fitted(name, scores, targets, **settings).thresholds.values[0]
        if not values.any():
            assert found == NEVER
        elif values.all():
            assert found == ALWAYS
        else:
            n_varying += 1
            assert found == best(values.tolist(), seen), seed
    assert n_varying > 500


def test_costs_pull_thresholds_to_where_they_belong():
    rng = np.random.default_rng(0)
    scores = rng.random((20_000, 1))
    targets = Targets(rng.random(scores.shape) < scores)  # scores that can be trusted
    for miss, false_alarm in [(1, 1), (4, 1), (1, 9)]:
        decision = fitted("cost", scores, targets, false_negative_cost=miss, false_positive_cost=false_alarm)
        assert decision.thresholds.values[0] == pytest.approx(false_alarm / (miss + false_alarm), abs=0.05)


def test_costs_and_shares_may_differ_by_label():
    scores, targets = small(3, n_labels=3, most_rows=60)
    scores, targets = np.tile(scores[:, :1], (40, 3)), Targets(np.tile(targets.values[:, :1], (40, 3)))
    space = LabelSpace(("a", "b", "c"))
    by_name = {"c": 9.0, "a": 1.0, "b": 3.0}
    built = thresholds.build("cost", {"false_negative_cost": by_name, "shrink": 0}, space)
    assert built.false_negative_cost == [1.0, 3.0, 9.0]
    found = built.fit(scores, targets).thresholds.values
    for j, cost in enumerate([1.0, 3.0, 9.0]):
        alone = fitted("cost", scores, targets, false_negative_cost=cost, shrink=0)
        assert found[j] == alone.thresholds.values[j]
    shares = thresholds.build("recall", {"min_recall": {"a": 0.2, "b": 0.9, "c": 0.5}}, space).fit(scores, targets)
    for j, share in enumerate([0.2, 0.9, 0.5]):
        assert shares.thresholds.values[j] == fitted("recall", scores, targets, min_recall=share).thresholds.values[j]
    with pytest.raises(InputError, match="expected one or 3"):
        thresholds.build("cost", {"false_negative_cost": [1.0, 2.0]}).fit(scores, targets)
    with pytest.raises(InputError, match="'c'"):
        thresholds.build("cost", {"false_negative_cost": {"a": 1.0, "b": 2.0}}, space)
    with pytest.raises(InputError, match="there is no label 'aa'"):
        thresholds.build("cost", {"false_negative_cost": {**by_name, "aa": 1.0}}, space)
    with pytest.raises(InputError, match="no label names"):
        thresholds.build("cost", {"false_negative_cost": by_name})


def test_what_a_wanted_precision_or_recall_promises_on_the_fitted_scores():
    scores, targets = made_up(seed=4)
    known, varying = targets.known_mask(), np.setdiff1d(np.arange(30), targets.constant_labels())
    for share in (0.0, 0.3, 0.9, 1.0):
        yes = fitted("precision", scores, targets, min_precision=share).apply(scores) & known
        hits, n_predicted = (yes & targets.values).sum(axis=0), yes.sum(axis=0)
        assert np.all(hits[varying] >= share * n_predicted[varying])
        yes = fitted("recall", scores, targets, min_recall=share).apply(scores) & known
        assert np.all((yes & targets.values).sum(axis=0)[varying] >= share * targets.support()[varying])


def test_a_precision_out_of_reach_is_never_answered():
    scores, targets = np.array([[0.9], [0.8], [0.1]]), Targets(np.array([[False], [True], [False]]))
    assert fitted("precision", scores, targets, min_precision=0.5).thresholds.values[0] == pytest.approx(0.45)
    assert fitted("precision", scores, targets, min_precision=0.51).thresholds.values[0] == NEVER


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("fbeta_macro", {"beta": 0}),
        ("fbeta_macro", {"min_fbeta": -1}),
        ("f1_macro", {"shrink": -1}),
        ("hamming", {"shrink": float("nan")}),
        ("cost", {"false_negative_cost": 0}),
        ("cost", {"false_positive_cost": [1, -1]}),
        ("precision", {"min_precision": 1.1}),
        ("recall", {"min_recall": [0.5, 2]}),
    ],
)
def test_settings_outside_their_range_are_refused(name, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        thresholds.build(name, wrong)


def test_on_real_songs_every_label_is_at_its_best_and_better_answered(data_folder):
    lines = (data_folder("emotions") / "emotions-test.arff").read_text().split("@data")[1].split()
    table = np.array([line.split(",") for line in lines], dtype=float)
    features, targets = table[:, :-6], Targets(table[:, -6:] == 1)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    near = np.argsort(((features[:, None] - features[None]) ** 2).sum(axis=2), axis=1)[:, 1:8]
    scores = targets.values[near].mean(axis=1).astype(np.float32)  # seven neighbours, not itself: many ties
    decision = F1Macro(shrink=0).fit(scores, targets)
    for j in range(6):
        values = targets.values[:, j].tolist()
        assert decision.thresholds.values[j] == best_threshold(values, scores[:, j])
    own = compute_metrics(targets, scores, decision.apply(scores))
    half = compute_metrics(targets, None, fitted("fixed", scores, targets).apply(scores))
    assert own["f1_macro"].value > half["f1_macro"].value
    assert own["f1_macro"].value > own["f1_macro"].baseline + 0.1
    y = targets.values.astype(np.int64)
    assert own["lrap"].value == pytest.approx(label_ranking_average_precision_score(y, scores))
    assert own["map"].value == pytest.approx(average_precision_score(y, scores, average="macro"))
    assert own["f1_macro"].value == pytest.approx(f1_score(y, decision.apply(scores), average="macro"))
