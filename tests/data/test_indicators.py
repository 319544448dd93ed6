"""Columns of one label: yes, no and unknown in the words that people use."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from manyhot.data.indicators import parse_indicator, parse_indicator_column
from manyhot.data.target_conversion import as_targets
from manyhot.errors import InputError, ManyhotWarning


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        ("Y", "N"),
        ("T", "F"),
        ("t", "f"),
        ("1.00", "0.00"),
        ("1,0", "0,0"),
        ("Yes", "No"),
        (" TRUE ", "false"),
        ("1.", "0."),
    ],
)
def test_words_for_yes_and_no(yes, no):
    cells = [yes, no, None, yes, "N/A", "<NA>", "NULL", "?"]
    values, known, note = parse_indicator_column(pl.Series("y", cells))
    assert values.tolist() == [True, False, False, True, *[False] * 4]
    assert known.tolist() == [True, True, False, True, *[False] * 4]
    assert not note
    np.testing.assert_array_equal(parse_indicator(np.asarray(cells, dtype=object))[:2], (values, known))


def test_missing_values_of_pandas():
    values, known, _ = parse_indicator(np.asarray([1, pd.NA, None, float("nan"), 0], dtype=object))
    assert values.tolist() == [True, False, False, False, False]
    assert known.tolist() == [True, False, False, False, True]


def test_a_mark_beside_empty_cells_is_a_guess_that_is_stated():
    values, known, note = parse_indicator_column(pl.Series("y", ["x", "", None, "X", "?"]))
    assert values.tolist() == [True, False, False, True, False]
    assert known.tolist() == [True, True, True, True, False]
    assert "column 'y'" in note
    assert "nothing as no" in note
    with pytest.warns(ManyhotWarning, match="nothing as no"):
        _, targets = as_targets(np.asarray([["x"], [None]], dtype=object), ["y"])
    assert targets.values.tolist() == [[True], [False]]
    assert targets.notes == ("column 'y' holds 'x' or nothing: 'x' was read as yes, nothing as no",)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["x", "0", ""], "'x'.*write 1"),
        (["m", "w"], "row 1.*'m'.*write 1"),
        (["1", "-1"], "row 2.*where -1 means no"),
        (["1", "0.5"], "0.5"),
        (["1", "10"], "'10'"),
    ],
)
def test_other_values_are_refused_with_the_way_out(cells, words):
    with pytest.raises(InputError, match=words):
        parse_indicator_column(pl.Series("y", cells))


def test_minus_one_in_numbers():
    for column in (np.array([1, -1]), np.array([1.0, -1.0])):
        with pytest.raises(InputError, match="where -1 means no"):
            parse_indicator(column)
