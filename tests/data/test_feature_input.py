"""What is no table of rows is refused with the way to one."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from manyhot import MultiLabelClassifier
from manyhot.data.feature_input import row_weights
from manyhot.errors import InputError

COLUMNS = {"age": [1.0, 2.0], "kind": ["a", "b"]}

# what is handed over: words of the refusal
OTHER_FORMS = {
    "one text": ("good film", r"got one text, 'good film', expected a list of texts: write \['good film'\]"),
    "a path": (Path("songs.csv"), "got a path.*read the file first"),
    "a lazy frame": (pl.DataFrame(COLUMNS).lazy(), r"got a LazyFrame.*X.collect\(\)"),
    "columns": (COLUMNS, r"got a dict of columns.*pandas.DataFrame\(X\)"),
    "one row": ({"age": 1, "kind": "a"}, r"got one row as a dict.*pandas.DataFrame\(\[X\]\)"),
    "rows as dicts": ([{"age": 1}, {"age": 2}], "got rows as dicts"),
    "twin columns": (pd.DataFrame(np.zeros((2, 3)), columns=list("aab")), "found more than once: a; rename or drop"),
    "twin columns of numbers": (pd.DataFrame(np.zeros((2, 2)), columns=[1, "1"]), "found more than once: 1"),
}


@pytest.mark.parametrize("case", OTHER_FORMS)
def test_other_forms_are_refused(case):
    X, message = OTHER_FORMS[case]
    with pytest.raises(InputError, match=message):
        MultiLabelClassifier().fit(X, [["a"], ["b"]])


@pytest.mark.parametrize("weights", ["balanced", {"a": 2.0}, [[1], "x"], ["a", "b"]], ids=str)
def test_weights_are_one_number_for_each_row(weights):
    with pytest.raises(InputError, match=r"sample_weight.*expected one number for each row"):
        row_weights(weights, 2)


def test_the_way_to_weigh_labels_is_named():
    with pytest.raises(InputError, match="label_weights='balanced'"):
        row_weights("balanced", 2)
