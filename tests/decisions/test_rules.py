import json
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from manyhot.config.label_rules import groups_from_text, implications_from_text, implications_to_text
from manyhot.data.labels import LabelSpace
from manyhot.decisions.rules import exclusive_groups
from manyhot.decisions.rules.rules import Rules
from manyhot.errors import InputError
from manyhot.evaluation.metrics import score
from tests.reference.rules import ancestors, answer, is_exclusive

ROUGH = st.sampled_from([-np.inf, -2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0, np.inf])
WILD = st.one_of(ROUGH, st.floats(-5, 5, width=32))


def space_of(n_labels):
    return LabelSpace(tuple(f"label {j}" for j in range(n_labels)))


def rules_of(pairs=(), groups=(), min_labels=0, max_labels=None):
    def named(columns):
        return tuple(f"label {j}" for j in columns)

    return Rules(tuple(map(named, pairs)), tuple(map(named, groups)), min_labels, max_labels)


def columns_of(row):
    return set(np.flatnonzero(row).tolist())


@st.composite
def structures(draw, with_counts=True):
    """A number of labels, pairs without circles, groups that may clash with them, least, most."""
    n_labels = draw(st.integers(1, 9))
    order = draw(st.permutations(range(n_labels)))
    above = [(order[a], order[b]) for a in range(n_labels) for b in range(a)]
    pairs = draw(st.lists(st.sampled_from(above), max_size=8)) if above else []
    group = st.lists(st.integers(0, n_labels - 1), min_size=2, max_size=4, unique=True)
    groups = draw(st.lists(group, max_size=4)) if n_labels > 1 else []
    min_labels, max_labels = 0, None
    if with_counts:
        min_labels = draw(st.integers(0, n_labels))
        max_labels = draw(st.one_of(st.none(), st.integers(max(1, min_labels), n_labels + 1)))
    return n_labels, pairs, groups, min_labels, max_labels


def can_all_be_answered(n_labels, pairs, groups):
    return all(is_exclusive(ancestors(j, pairs), groups) for j in range(n_labels))


@st.composite
def cases(draw, margin=WILD, with_counts=True, is_unique=False):
    """Structures that bind, with a few rows of margins."""
    case = draw(structures(with_counts))
    assume(can_all_be_answered(*case[:3]))
    row = st.lists(margin, min_size=case[0], max_size=case[0], unique=is_unique)
    margins = np.array(draw(st.lists(row, min_size=1, max_size=4)), dtype=draw(st.sampled_from(["f4", "f8"])))
    return case, margins


@pytest.mark.slow
@given(cases())
@settings(max_examples=500, deadline=None)
def test_answers_are_those_of_the_plain_way(case):
    (n_labels, *rules), margins = case
    answers = rules_of(*rules).bind(space_of(n_labels)).apply(margins)
    assert answers.dtype == np.bool_
    for row, given_answers in zip(margins.tolist(), answers, strict=True):
        assert columns_of(given_answers) == answer(row, *rules)


@pytest.mark.slow
def test_answers_are_those_of_the_plain_way_for_larger_structures():
    rng = np.random.default_rng(0)
    compared = 0
    while compared < 150:
        n_labels = int(rng.integers(10, 30))
        pairs = [tuple(rng.choice(n_labels, 2, replace=False).tolist()) for _ in range(rng.integers(0, 40))]
        pairs = [(max(pair), min(pair)) for pair in pairs]
        groups = [rng.choice(n_labels, rng.integers(2, 5), replace=False).tolist() for _ in range(rng.integers(0, 8))]
        if not can_all_be_answered(n_labels, pairs, groups):
            continue
        min_labels = int(rng.integers(0, 4))
        rules = (pairs, groups, min_labels, None if rng.random() < 0.3 else int(rng.integers(max(1, min_labels), 9)))
        margins = np.round(rng.normal(size=(20, n_labels)), rng.integers(0, 9)) - rng.random() * 2
        answers = rules_of(*rules).bind(space_of(n_labels)).apply(margins)
        for row, given_answers in zip(margins.tolist(), answers, strict=True):
            assert columns_of(given_answers) == answer(row, *rules)
        compared += 1


@pytest.mark.slow
@given(cases())
@settings(max_examples=200, deadline=None)
def test_answers_keep_the_rules_and_stay_when_they_do(case):
    (n_labels, pairs, groups, min_labels, max_labels), margins = case
    bound = rules_of(pairs, groups, min_labels, max_labels).bind(space_of(n_labels))
    answers = bound.apply(margins)
    for row in answers:
        label_set = columns_of(row)
        assert all(parent in label_set for child, parent in pairs if child in label_set)
        assert is_exclusive(label_set, groups)
        assert max_labels is None or len(label_set) <= max_labels
        if len(label_set) < min_labels:
            others = set(range(n_labels)) - label_set
            assert not any(is_exclusive(label_set | ancestors(j, pairs), groups) for j in others)
    sizes = np.abs(margins) + 1
    np.testing.assert_array_equal(bound.apply(np.where(answers, sizes, -sizes)), answers)


@pytest.mark.slow
@given(cases(with_counts=False))
@settings(max_examples=100, deadline=None)
def test_nothing_changes_without_a_reason(case):
    (n_labels, pairs, groups, *_), margins = case
    space = space_of(n_labels)
    wanted = margins >= 0
    np.testing.assert_array_equal(Rules().bind(space).apply(margins), wanted)
    answers = rules_of(pairs, groups).bind(space).apply(margins)
    for row, given_answers in zip(wanted, answers, strict=True):
        label_set = columns_of(row)
        is_closed = all(parent in label_set for child, parent in pairs if child in label_set)
        if is_closed and is_exclusive(label_set, groups):
            assert columns_of(given_answers) == label_set


@pytest.mark.slow
@given(cases(margin=st.floats(-5, 5, width=32).map(lambda x: x + 0.0), is_unique=True), st.randoms())
@settings(max_examples=150, deadline=None)
def test_order_has_no_influence(case, random):
    (n_labels, pairs, groups, min_labels, max_labels), margins = case
    answers = rules_of(pairs, groups, min_labels, max_labels).bind(space_of(n_labels)).apply(margins)
    mixed_pairs = random.sample(pairs + pairs, 2 * len(pairs))
    mixed_groups = [random.sample(group, len(group)) for group in random.sample(groups + groups, 2 * len(groups))]
    again = rules_of(mixed_pairs, mixed_groups, min_labels, max_labels).bind(space_of(n_labels))
    np.testing.assert_array_equal(again.apply(margins), answers)
    labels = random.sample(range(n_labels), n_labels)
    turned = LabelSpace(tuple(f"label {j}" for j in labels))
    np.testing.assert_array_equal(
        rules_of(pairs, groups, min_labels, max_labels).bind(turned).apply(margins[:, labels]), answers[:, labels]
    )
    rows = list(range(len(margins)))[::-1]
    np.testing.assert_array_equal(again.apply(margins[rows]), answers[rows])
    np.testing.assert_array_equal(again.apply(margins[:1]), answers[:1])


FAMILY = ("animal", "cat", "dog", "plant", "poodle", "tree")
TREE = (("cat", "animal"), ("dog", "animal"), ("poodle", "dog"), ("tree", "plant"))


@pytest.mark.parametrize(
    ("rules", "margins", "expected"),
    [
        # animal, cat, dog, plant, poodle, tree
        (Rules(TREE), [-5, -1, -1, -1, 0, -1], {"animal", "dog", "poodle"}),
        (Rules(TREE), [1, -1, -1, -1, -0.1, -1], {"animal"}),
        # a poodle speaks for the animal, against the plant; the loser's tree goes too
        (Rules(TREE, (("animal", "plant"),)), [-1, -1, -1, 2, 3, 1], {"animal", "dog", "poodle"}),
        (Rules(TREE, (("animal", "plant"),)), [-1, -1, -1, 4, 3, 1], {"plant", "tree"}),
        # the animal that only the losing dog spoke for falls back to its own margin, and that says no
        (Rules(TREE, (("dog", "plant"),)), [-1, -1, 2, 3, 1, -1], {"plant"}),
        (Rules(TREE, (("dog", "plant"),)), [0, -1, 2, 3, 1, -1], {"animal", "plant"}),
        # equal margins: the first label
        (Rules((), (("tree", "cat"), ("dog", "plant"))), [-1, 1, 1, 1, -1, 1], {"cat", "dog"}),
        # of three in a row that exclude their neighbours, the strongest lets the far one live
        (Rules((), (("animal", "cat"), ("cat", "dog"))), [1, 2, 3, -1, -1, -1], {"animal", "dog"}),
        (Rules((), (("animal", "cat"), ("cat", "dog"))), [1, 3, 2, -1, -1, -1], {"cat"}),
        # at least: the highest margin with all that it implies, even if that is more than asked for
        (Rules(TREE, min_labels=1), [-4, -5, -3, -2, -1, -6], {"animal", "dog", "poodle"}),
        (Rules(TREE, min_labels=2), [-1, -5, -4, -2, -3, -6], {"animal", "plant"}),
        (Rules((), (("cat", "dog", "plant"),), min_labels=2), [-9, -1, -2, -3, -9, -9], {"animal", "cat"}),
        (Rules((), (FAMILY,), min_labels=3), [-9, -1, -2, -3, -9, -9], {"cat"}),
        (Rules(min_labels=2), [-np.inf] * 6, {"animal", "cat"}),
        # at most: the lowest margin goes first, children before their parents
        (Rules(max_labels=2), [1, 3, 2, 0, 0, 0], {"cat", "dog"}),
        (Rules(max_labels=2), [1, 1, 1, 1, 1, 1], {"animal", "cat"}),
        (Rules(TREE, max_labels=2), [-3, 1, -2, -1, 4, -1], {"animal", "dog"}),
        (Rules(TREE, max_labels=3), [-3, 1, -2, 3, 4, 2], {"animal", "dog", "poodle"}),
        (Rules(TREE, min_labels=1, max_labels=1), [-4, -5, -3, -2, -1, -6], {"animal"}),
        (Rules(max_labels=1), [np.inf, np.inf, 0, 0, 0, 0], {"animal"}),
    ],
)
def test_small_examples_by_hand(rules, margins, expected):
    space = LabelSpace(FAMILY)
    assert space.decode(rules.bind(space).apply(np.array([margins], dtype=float)))[0] == expected


def test_blocks_pixels_and_empty_inputs(monkeypatch):
    bound = Rules(TREE, (("animal", "plant"),), min_labels=1, max_labels=3).bind(LabelSpace(FAMILY))
    margins = np.random.default_rng(0).normal(size=(2, 7, 5, 6)).astype(np.float32)
    original = margins.copy()
    answers = bound.apply(margins)
    assert answers.shape == margins.shape
    monkeypatch.setattr(score, "MAX_BLOCK_ENTRIES", 50)
    np.testing.assert_array_equal(bound.apply(margins.reshape(-1, 6)), answers.reshape(-1, 6))
    np.testing.assert_array_equal(margins, original)
    assert bound.apply(np.zeros((0, 6))).shape == (0, 6)
    assert Rules(min_labels=1, max_labels=1).bind(LabelSpace(("one",))).apply(np.array([[-1.0]])).tolist() == [[True]]


@pytest.mark.parametrize("rules", [Rules(), Rules(TREE)])
@pytest.mark.parametrize(
    "margins",
    [
        np.full((2, 6), np.nan),
        np.zeros((2, 5)),
        np.zeros(6),
        np.zeros((2, 6), dtype=int),
        np.zeros((2, 6), dtype=bool),
        "x",
    ],
)
def test_wrong_margins_are_refused(rules, margins):
    with pytest.raises(InputError, match="margins"):
        rules.bind(LabelSpace(FAMILY)).apply(margins)


@given(structures())
@settings(max_examples=200, deadline=None)
def test_rules_that_no_label_can_keep_are_refused(case):
    n_labels, pairs, groups, *_ = case
    if can_all_be_answered(n_labels, pairs, groups):
        rules_of(pairs, groups).bind(space_of(n_labels))
    else:
        with pytest.raises(InputError, match="could never be answered") as caught:
            rules_of(pairs, groups).bind(space_of(n_labels))
        assert caught.value.argument == "exclusive"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (Rules((("poodel", "dog"),)), "argument 'implies': there is no label 'poodel'; did you mean 'poodle'?"),
        (Rules((), (("tree", "Dog"),)), "argument 'exclusive': there is no label 'Dog'; did you mean 'dog'?"),
        (Rules((*TREE, ("animal", "poodle"))), "circle: 'animal > poodle > dog > animal'"),
        (Rules((("tree", "cat"), ("cat", "tree"))), "circle: 'cat > tree > cat'"),
        (
            Rules(TREE, (("animal", "poodle"),)),
            "'poodle' and 'animal' exclude each other, but 'poodle' implies 'animal'",
        ),
        (
            Rules((*TREE, ("tree", "animal")), (("animal", "plant"),)),
            "'animal' and 'plant' exclude each other, but 'tree' implies both 'animal' and 'plant'",
        ),
        (Rules(min_labels=7), "argument 'min_labels': got 7, but there are 6 labels"),
    ],
)
def test_rules_that_do_not_fit_the_labels_are_explained(rules, message):
    with pytest.raises(InputError) as caught:
        rules.bind(LabelSpace(FAMILY))
    assert message in str(caught.value)


def test_a_diamond_is_no_circle_and_no_clash():
    pairs = (("cat", "dog"), ("cat", "tree"), ("dog", "plant"), ("tree", "plant"))
    bound = Rules(pairs, (("plant", "animal"),)).bind(LabelSpace(FAMILY))
    assert columns_of(bound.apply(np.array([[1.0, 2, -1, -1, -1, -1]]))[0]) == {1, 2, 3, 5}


@pytest.mark.parametrize(
    ("settings_given", "argument"),
    [
        ({"implies": "car>vehicle"}, "implies"),
        ({"implies": ["ab"]}, "implies"),
        ({"implies": [("a",)]}, "implies"),
        ({"implies": [("a", "b", "c")]}, "implies"),
        ({"implies": [("a", "a")]}, "implies"),
        ({"implies": [("a", "")]}, "implies"),
        ({"implies": [("a", 1)]}, "implies"),
        ({"implies": None}, "implies"),
        ({"implies": {"a": "b"}}, "implies"),
        ({"exclusive": [("a",)]}, "exclusive"),
        ({"exclusive": [()]}, "exclusive"),
        ({"exclusive": [("a", "b", "a")]}, "exclusive"),
        ({"exclusive": ["day"]}, "exclusive"),
        ({"exclusive": ("day", "night")}, "exclusive"),
        ({"exclusive": [["a", None]]}, "exclusive"),
        ({"min_labels": -1}, "min_labels"),
        ({"min_labels": 1.5}, "min_labels"),
        ({"min_labels": True}, "min_labels"),
        ({"min_labels": None}, "min_labels"),
        ({"min_labels": float("nan")}, "min_labels"),
        ({"max_labels": 0}, "max_labels"),
        ({"max_labels": "3"}, "max_labels"),
        ({"min_labels": 3, "max_labels": 2}, "max_labels"),
    ],
)
def test_rules_of_another_form_are_refused(settings_given, argument):
    with pytest.raises(InputError) as caught:
        Rules(**settings_given)
    assert caught.value.argument == argument
    with pytest.raises(InputError) as caught:
        Rules.from_spec({**Rules().to_spec(), **settings_given})
    assert caught.value.argument == argument


def test_rules_are_plain_values():
    rules = Rules([["a b", "b"], ["a b", "b"]], [["c", "d"], ("c", "d")], 1.0, 2)
    assert rules == Rules((("a b", "b"),), (("c", "d"),), 1, 2)
    assert hash(rules) == hash(Rules((("a b", "b"),), (("c", "d"),), 1, 2))
    assert Rules.from_spec(json.loads(json.dumps(rules.to_spec(), allow_nan=False))) == rules
    assert Rules().is_empty
    assert not any(
        r.is_empty for r in (rules, Rules(TREE), Rules((), (("c", "d"),)), Rules(min_labels=1), Rules(max_labels=9))
    )


@pytest.mark.parametrize(
    "spec",
    [None, [], "rules", {}, {"implies": []}, {**Rules().to_spec(), "leest": 1}, {**Rules().to_spec(), 3: 1}],
)
def test_a_spec_that_is_wrong_is_refused(spec):
    with pytest.raises(InputError, match="rules"):
        Rules.from_spec(spec)


def test_text_forms():
    assert implications_from_text(" ") == ()
    assert implications_from_text("car>vehicle, red dog > animal") == (("car", "vehicle"), ("red dog", "animal"))
    assert implications_from_text("poodle>dog>animal") == (("poodle", "dog"), ("dog", "animal"))
    assert implications_from_text('[["a,b", "c>d"]]') == (("a,b", "c>d"),)
    assert implications_from_text("day|night>time") == (("day|night", "time"),)
    assert groups_from_text("") == ()
    assert groups_from_text("day|night,indoor| out door |cellar") == (
        ("day", "night"),
        ("indoor", "out door", "cellar"),
    )
    assert groups_from_text(' [["a|b", "c,d"]]') == (("a|b", "c,d"),)


@pytest.mark.parametrize(
    "text", ["car", "car>", ">car", "car>vehicle,", "a>b>a>", "a>a", "[", '["a"]', '[["a"]]', '[{"a": 1}]', "[" * 10**5]
)
def test_text_of_another_form_is_refused(text):
    with pytest.raises(InputError) as caught:
        implications_from_text(text)
    assert caught.value.argument == "implies"
    with pytest.raises(InputError) as caught:
        groups_from_text(text.replace(">", "|"))
    assert caught.value.argument == "exclusive"


@given(
    st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)).filter(lambda pair: pair[0] != pair[1]), unique=True)
)
def test_text_reads_back(pairs):
    assert implications_from_text(implications_to_text(pairs)) == tuple(pairs)


def test_text_is_json_only_where_needed():
    assert implications_to_text([("red dog", "dog"), ("dog", "animal")]) == "red dog>dog,dog>animal"
    assert json.loads(implications_to_text([("a>b", "ü")])) == [["a>b", "ü"]]


def test_long_chains_and_wide_groups_bind_in_time(monkeypatch):
    n_labels = 3000
    chain = [(j, j + 1) for j in range(n_labels - 1)]
    started = time.perf_counter()
    bound = rules_of(chain).bind(space_of(n_labels))
    margins = np.full((2, n_labels), -1.0)
    margins[0, 10] = 1.0
    assert bound.apply(margins).sum(axis=1).tolist() == [n_labels - 10, 0]
    with pytest.raises(InputError, match="circle"):
        rules_of([*chain, (n_labels - 1, 0)]).bind(space_of(n_labels))
    everyone = rules_of((), [range(n_labels)]).bind(space_of(n_labels))
    margins[1] = np.arange(n_labels)
    assert everyone.apply(margins).argmax(axis=1).tolist() == [10, n_labels - 1]
    assert time.perf_counter() - started < 10
    monkeypatch.setattr(exclusive_groups, "MAX_MEMBERSHIPS", 1000)
    with pytest.raises(InputError, match="too many"):
        rules_of(chain[:100], [(j, 200 + j) for j in range(100)]).bind(space_of(n_labels))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(100_000, 200), (12_920, 983)], ids=str)
def test_many_rows_take_seconds_and_little_memory(size):
    n_labels = size[1]
    if n_labels == 200:
        pairs = [(20 + k, k % 20 if k < 60 else 20 + k - 60) for k in range(100)]
        groups = [(2 * g, 2 * g + 1) for g in range(10)]
    else:
        pairs = [(23 + k, k % 23) for k in range(160)] + [(183 + k, 23 + k % 160) for k in range(800)]
        groups = [range(23)]
    margins = np.random.default_rng(0).normal(size=size).astype(np.float32)
    bound = rules_of(pairs, groups, 1, 8).bind(space_of(n_labels))
    tracemalloc.start()
    started = time.perf_counter()
    answers = bound.apply(margins)
    seconds = time.perf_counter() - started
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answers.sum(axis=1).max() <= 8
    assert seconds < 20
    assert peak < 2 * margins.nbytes
