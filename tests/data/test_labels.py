"""Label sets in, arrays inside, label sets out."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from manyhot.data.indicators import parse_indicator
from manyhot.data.label_cells import parse_label_cells
from manyhot.data.labels import LabelSpace
from manyhot.data.target_conversion import as_targets
from manyhot.data.targets import Targets
from manyhot.decisions.thresholds import Thresholds
from manyhot.errors import InputError

NAMES = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=8, unique=True)


@given(st.data())
def test_decode_of_encode_is_the_identity(data):
    names = data.draw(NAMES)
    sets = data.draw(st.lists(st.sets(st.sampled_from(names)), max_size=12))
    space = LabelSpace(tuple(names))
    targets, unseen = space.encode(sets)
    assert space.decode(targets.values) == sets
    assert not unseen
    assert targets.known is None


@given(st.data())
def test_the_order_of_names_is_the_order_of_columns(data):
    names = data.draw(NAMES)
    order = data.draw(st.permutations(names))
    sets = data.draw(st.lists(st.sets(st.sampled_from(names)), min_size=1, max_size=8))
    one = LabelSpace(tuple(names)).encode(sets)[0].values
    other = LabelSpace(tuple(order)).encode(sets)[0].values
    np.testing.assert_array_equal(other, one[:, [names.index(name) for name in order]])


def test_unknown_is_none_nan_and_question_mark():
    space, targets = as_targets([{"a"}, None, float("nan"), "?", set()], labels=["a", "b"])
    assert targets.known_mask().tolist() == [[True] * 2, [False] * 2, [False] * 2, [False] * 2, [True] * 2]
    assert targets.values.tolist() == [[True, False], *[[False, False]] * 4]
    assert space.names == ("a", "b")
    for form in (
        [[1, None], [0, 1]],
        np.array([[1, np.nan], [0, 1]]),
        pd.DataFrame({"a": [1, 0], "b": [np.nan, 1]}),
        pl.DataFrame({"a": ["1", "0"], "b": ["?", "true"]}),
        np.array([["yes", "?"], ["no", "true"]], dtype=object),
    ):
        targets = as_targets(form)[1]
        assert targets.values.tolist() == [[True, False], [False, True]], type(form)
        assert targets.known_mask().tolist() == [[True, False], [True, True]], type(form)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ("sad", "list of label sets"),
        ([["a"], "sad"], "row 2.*\\['sad'\\]"),
        ([["a", 1.5]], "1.5"),
        ([["a", ""]], "non-empty"),
        ([3], "one number per row"),
        (np.array([[0, 2]]), "row 1, column 'label_1'"),
        (np.array([[0.5, 1]]), "0.5"),
        (pd.DataFrame({"x": [0, 7]}), "row 2, column 'x'"),
        ([[], []], "no row has any label"),
        (None, "expected"),
    ],
)
def test_what_is_no_target_is_named(y, message):
    with pytest.raises(InputError, match=message):
        as_targets(y)


def test_unseen_labels():
    space = LabelSpace(("sad", "quiet"))
    with pytest.raises(InputError, match=r"row 2.*did you mean 'quiet'"):
        space.encode([{"sad"}, {"quite"}])
    targets, unseen = space.encode([{"sad", "odd"}, {"odd"}], "report")
    assert unseen == {"odd": 2}
    assert targets.values.tolist() == [[True, False], [False, False]]
    assert space.encode([{"odd"}], "ignore")[1] == {}
    with pytest.raises(InputError, match="unknown_labels"):
        space.encode([], "drop")


def test_names_are_unique_text():
    for names in ((), ("a", "a"), ("a", ""), ("a", 3)):
        with pytest.raises(InputError):
            LabelSpace(names)
    with pytest.raises(InputError, match="did you mean 'quiet'"):
        LabelSpace(("sad", "quiet")).index("quit")


def test_names_of_numpy_become_plain_text():
    space = LabelSpace((np.str_("a"), np.str_("b")))
    assert [type(name) for name in space.names] == [str, str]
    assert str(Thresholds(np.array([0.25, 0.5])).to_dict(space)) == "{'a': 0.25, 'b': 0.5}"
    names = np.array(["sad", "quiet"])
    frame = pl.DataFrame({"sad": [1], "loud": [0]})
    for wrong, message in (
        (lambda: space.index(np.str_("c")), "there is no label 'c'"),
        (lambda: space.encode([{np.str_("c")}]), "label 'c'"),
        (lambda: as_targets(frame, names), r"missing \['quiet'\], extra \['loud'\]"),
    ):
        with pytest.raises(InputError, match=message):
            wrong()
    for y in ([names, names[:1]], np.array([[1, 1], [1, 0]])):
        found, targets = as_targets(y, names)
        assert [type(name) for name in found.names] == [str, str]
        assert targets.values.tolist() == [[True, True], [True, False]]


def test_text_cells():
    assert parse_label_cells(["a|b ", "", " a ", "?", None], "|").sets == [["a", "b"], [], ["a"], None, None]
    assert parse_label_cells(['["a", "b|c"]', "[]"]).sets == [["a", "b|c"], []]
    with pytest.raises(InputError, match=r"row 1, column 'moods'.*separator"):
        parse_label_cells(["a|b"], column="moods")
    with pytest.raises(InputError, match="JSON"):
        parse_label_cells(['["a"'])


@pytest.mark.parametrize(
    "cells", [[0, 1, 1], [0.0, 1.0, 1.0], [False, True, True], ["0", "1", "TRUE"], ["no", "Yes", 1]]
)
def test_indicators_of_every_kind(cells):
    values, known, _ = parse_indicator(np.asarray(cells, dtype=object))
    assert values.tolist() == [False, True, True]
    assert known.all()


def test_sparse_and_pixel_targets():
    Y = np.array([[0, 1], [1, 0]])
    np.testing.assert_array_equal(as_targets(sp.csr_array(Y))[1].values, Y.astype(bool))
    pixels = np.random.default_rng(0).random((2, 4, 5, 3)) < 0.3
    targets = as_targets(pixels)[1]
    assert (targets.n_samples, targets.n_labels) == (2, 3)
    assert targets.support().tolist() == pixels.sum(axis=(0, 1, 2)).tolist()


def test_prevalence_counts_what_is_known():
    targets = Targets(np.array([[1, 1], [0, 1], [1, 0]], bool), np.array([[1, 1], [1, 0], [0, 0]], bool))
    assert targets.support().tolist() == [1, 1]
    assert targets.prevalence().tolist() == [0.5, 1.0]
    assert targets.constant_labels().tolist() == [1]
    assert targets.take(np.array([1])).known_mask().tolist() == [[True, False]]


def test_twin_names_in_a_frame_of_targets_are_refused():
    frame = pd.DataFrame(np.eye(2), columns=["sad", "sad"])
    with pytest.raises(InputError, match="argument 'y': column names must be unique, found more than once: sad"):
        as_targets(frame)
