"""Cells of label sets in every notation that people bring, through one parser."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from manyhot.data.label_cells import parse_label_cells, sort_names
from manyhot.data.label_notation import looks_delimited
from manyhot.errors import InputError

NOTATIONS = [
    ('["a", "b c"]', ["a", "b c"]),
    ("['a', 'b c']", ["a", "b c"]),
    ("['a' 'b c']", ["a", "b c"]),
    ("['a'\n 'b c']", ["a", "b c"]),
    ("('a', 'b c')", ["a", "b c"]),
    ("('a',)", ["a"]),
    ("{'a', 'b c'}", ["a", "b c"]),
    ("{'a:1', 'b c'}", ["a:1", "b c"]),
    ("{a,b c}", ["a", "b c"]),
    ('{a,"b, c"}', ["a", "b, c"]),
    ("<a><b c>", ["a", "b c"]),
    ("[a, b c]", ["a", "b c"]),
    ("[u'a', u'b']", ["a", "b"]),
    ("[np.str_('a'), np.str_('b')]", ["a", "b"]),
    ("array(['a', 'b'], dtype=object)", ["a", "b"]),
    ("array(['a', 'b'], dtype='<U1')", ["a", "b"]),
    ("frozenset({'a', 'b'})", ["a", "b"]),
    ("set()", []),
    ("[]", []),
    ("{}", []),
    ("", []),
    ("""['it\\'s', "rock 'n' roll"]""", ["it's", "rock 'n' roll"]),
    ("[3, 10]", ["3", "10"]),
    ("[ 3 10]", ["3", "10"]),
]


@pytest.mark.parametrize("sep", [None, ",", "|"])
@pytest.mark.parametrize(("text", "names"), NOTATIONS)
def test_every_notation_with_and_without_a_separator(text, names, sep):
    cells = [text, None, "[2]" if "3" in text else "['z']"]
    parsed = parse_label_cells(cells, sep)
    assert sorted(parsed.sets[0]) == sorted(names)
    assert parsed.sets[1] is None


def test_tags_by_their_own_separator():
    parsed = parse_label_cells(["<python><pandas>", "<java>", ""], "><")
    assert parsed.sets == [["python", "pandas"], ["java"], []]


def test_brackets_of_names_stay_where_only_some_cells_have_them():
    assert parse_label_cells(["[a]|[b]", "[a]", "c|[b]"], "|").sets == [["[a]", "[b]"], ["[a]"], ["c", "[b]"]]
    assert parse_label_cells(["<unk>", "<unk>|b"], "|").sets == [["<unk>"], ["<unk>", "b"]]
    assert parse_label_cells(["(live)", "(live)|b"], "|").sets == [["(live)"], ["(live)", "b"]]
    assert parse_label_cells(["'a', 'b c'", "'c'"], ",").sets == [["a", "b c"], ["c"]]


def test_words_for_missing_values_are_unknown_and_stated():
    cells = ["a|b", "nan", "None", "NULL", "N/A", "<NA>", "?", None, float("nan"), pd.NA, pd.NaT, ""]
    parsed = parse_label_cells(cells, "|", column="tags")
    assert parsed.sets == [["a", "b"], *[None] * 10, []]
    assert parsed.names == ("a", "b")
    assert len(parsed.notes) == 2  # and one on the empty cell
    assert "column 'tags'" in parsed.notes[0]
    assert "'None' (1)" in parsed.notes[0]


def test_such_a_word_is_a_label_where_it_is_one_elsewhere():
    assert parse_label_cells(["none|a", "none"], "|").sets == [["none", "a"], ["none"]]
    assert parse_label_cells(["NA", "EU"], "|", names=["EU", "NA"]).sets == [["NA"], ["EU"]]


@pytest.mark.parametrize(
    ("cells", "sep", "words"),
    [
        (["a|b"], None, "separator"),
        (["['a', 'b'"], None, "no JSON list"),
        (['[["a"], ["b"]]'], None, "inside a label set"),
        (["['a' 'b' ... 'z']"], None, r"row 1.*shortened by '...'"),
        (["['a' 'b' ... 'z']"], ",", "labels are missing"),
        ([["a"], {"a": 1}], None, "beside mappings"),
        ([{"a": 0.7}], None, "0.7"),
        ([{"a": 1}, {1.5: 1}], None, "1.5"),
        ([[0], [1]], None, r"array \(n, 1\)"),
        (["[0]", "[1]"], None, "sets of the labels 0 and 1"),
    ],
)
def test_what_cannot_be_read_is_named(cells, sep, words):
    with pytest.raises(InputError, match=words):
        parse_label_cells(cells, sep)


@pytest.mark.parametrize(
    "cells",
    [
        [{"q": 1, "p": 0}, {"p": None, "q": False}, {"p": True}, None],
        ['{"q": 1, "p": 0}', '{"p": null, "q": false}', '{"p": true}', "nan"],
        ["{'q': 1, 'p': 0}", "{'p': nan, 'q': False}", "{'p': True}", None],
        [[{"key": "q", "value": 1}, {"key": "p", "value": 0}], {"q": "no"}, {"p": "Y"}, pd.NA],
    ],
)
def test_mappings_are_indicators_by_name_and_an_absent_key_is_unknown(cells):
    parsed = parse_label_cells(cells)
    assert parsed.names == ("p", "q")
    assert parsed.targets.values.tolist() == [[False, True], [False, False], [True, False], [False, False]]
    assert parsed.targets.known.tolist() == [[True, True], [False, True], [True, False], [False, False]]


@pytest.mark.parametrize("cells", [["[0, 1, 0]", "[1, 0, 0]"], ["[0 1 0]", "[1 0 0]"], ["[0. 1. 0.]", "[1. 0. 0.]"]])
@pytest.mark.parametrize("sep", [None, ","])
def test_rows_of_0_and_1_in_a_cell(cells, sep):
    parsed = parse_label_cells(cells, sep, column="y")
    assert parsed.names == ("label_0", "label_1", "label_2")
    assert parsed.targets.values.tolist() == [[False, True, False], [True, False, False]]
    assert "lists 0 and 1" in parsed.notes[0]
    assert parse_label_cells(cells, sep, names=["x", "y", "z"]).names == ("x", "y", "z")


def test_sets_of_whole_numbers():
    parsed = parse_label_cells([[10, 2], {3}, np.array([0, 1])])
    assert (parsed.names, parsed.is_integer) == (("0", "1", "2", "3", "10"), True)
    assert parse_label_cells([[0, 1], [1, 0]], names=["0", "1"], is_integer=True).sets == [["0", "1"], ["1", "0"]]
    assert parse_label_cells([[0], [1]], names=["0", "1", "2"]).sets == [["0"], ["1"]]
    assert parse_label_cells([[True], [False]]).targets.values.tolist() == [[True], [False]]
    assert parse_label_cells([[0], [1]], names=["a"]).targets.values.tolist() == [[False], [True]]


@pytest.mark.parametrize(
    ("texts", "is_list"),
    [
        (["drama|comedy", "drama"], True),
        (["drama comedy", "drama"], True),
        (["16,0", "7"], True),
        (["['a' 'b']", "['a']"], True),
        (["<a><b>", "<a>"], True),
        (["spam", "not spam"], False),
        (["yes", "Yes "], False),
        (["1,0", "0,0", "<NA>", "N/A"], False),
        (["red", "blue"], False),
        (["big cat", "small dog"], False),
        ([], False),
    ],
)
def test_texts_that_list_labels_and_classes(texts, is_list):
    assert looks_delimited(texts) == is_list


def test_names_in_order():
    assert sort_names({"10", "9", "-1"}) == ["-1", "9", "10"]
    assert sort_names({"10", "9", "01"}) == ["01", "10", "9"]
    assert parse_label_cells(pl.Series(["16,0", "7,1"]).to_list(), ",").names == ("0", "1", "7", "16")


def test_a_separator_that_no_cell_has_is_noted_beside_the_one_that_many_have():
    def notes(cells, sep):
        return parse_label_cells(cells, sep, column="tags").notes

    (note,) = notes(["a|b", "b|c", "a"], ";")
    assert note == "no cell of column 'tags' has the separator ';', but 2 have '|'; was --sep '|' meant?"
    assert notes(["a|b", "b|c", "a"], "|") == ()
    assert notes(["a|b", "b;c", "a"], ";") == ()
    assert notes(["a|b", "b", "a", "c"], ";") == ()  # one name may have a bar
    (note,) = notes(["a|b", "b|c"], "\\|")  # as Markdown writes it in a table
    assert "was --sep '|' meant?" in note


def test_empty_cells_of_a_file_are_noted():
    parsed = parse_label_cells(["a|b", "", "b", " ", "?"], "|", column="tags")
    assert parsed.sets == [["a", "b"], [], ["b"], [], None]
    assert parsed.notes == (
        "2 empty cells were read as no label in column 'tags'; write ? where the labels are not known",
    )
    assert parse_label_cells(["a", ""], "|").notes == ()
