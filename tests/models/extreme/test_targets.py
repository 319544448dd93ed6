"""Targets in any form, one meaning; what is none is told with its row."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp

from manyhot.data.labels import LabelSpace
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.models.extreme.targets import parse_extreme_targets

DENSE = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], dtype=bool)
SETS = [["a", "c"], [], ["b"]]


def extreme_targets(y, labels=None):
    return parse_extreme_targets(y, labels)[:2]


def align_extreme_targets(y, labels):
    return parse_extreme_targets(y, labels)[1]


@pytest.mark.parametrize(
    "y",
    [
        sp.csr_matrix(DENSE),
        sp.csc_array(DENSE.astype(float)),
        sp.coo_matrix(DENSE.astype(np.int8)),
        DENSE,
        DENSE.astype(np.int64),
        DENSE.astype(float),
        Targets(DENSE),
    ],
)
def test_every_matrix_means_the_same(y):
    labels, targets = extreme_targets(y)
    assert labels.names == ("label_0", "label_1", "label_2")
    assert targets.dtype == bool
    assert (targets.toarray() == DENSE).all()


@pytest.mark.parametrize(
    "y", [SETS, [set(row) for row in SETS], [("c", "a", "a"), (), ("b",)], pl.Series(SETS), pd.Series(SETS)]
)
def test_label_sets_give_their_names_sorted(y):
    labels, targets = extreme_targets(y)
    assert labels.names == ("a", "b", "c")
    assert (targets.toarray() == DENSE).all()


@pytest.mark.parametrize(
    "y",
    [
        pd.DataFrame(DENSE.astype(int), columns=["a", "b", "c"]),
        pl.DataFrame({"c": DENSE[:, 2], "a": DENSE[:, 0], "b": DENSE[:, 1]}),
        [dict(zip("abc", map(int, row), strict=True)) for row in DENSE],
        pd.DataFrame({"tags": SETS}),
        pd.DataFrame({"tags": [str(names) for names in SETS]}),
        pd.Series(["['a' 'c']", "[]", '["b"]']),
    ],
)
def test_frames_and_mappings_go_by_name(y):
    labels, targets = extreme_targets(y, ["a", "b", "c"])
    assert labels.names == ("a", "b", "c")
    assert (targets.toarray() == DENSE).all()
    assert sorted(extreme_targets(y)[0].names) == ["a", "b", "c"]


def test_whole_numbers_are_labels_in_their_own_order():
    labels, targets = extreme_targets([[10, 2], {3}, np.array([], dtype=int)])
    assert labels == LabelSpace(("2", "3", "10"), is_integer=True)
    assert targets.toarray().tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert align_extreme_targets([[3], [2]], labels).toarray().tolist() == [[0, 1, 0], [1, 0, 0]]
    assert extreme_targets([[3], [2]], [3, 2])[0] == LabelSpace(("3", "2"), is_integer=True)


def test_names_that_are_given_fix_the_order_and_may_hold_labels_never_seen():
    labels, targets = extreme_targets(SETS, ["z", "c", "b", "a"])
    assert labels.names == ("z", "c", "b", "a")
    assert (targets.toarray() == np.column_stack([np.zeros(3, bool), DENSE[:, ::-1]])).all()
    assert extreme_targets(sp.csr_matrix(DENSE), ["x", "y", "z"])[0].names == ("x", "y", "z")


def test_zeros_that_are_stored_and_entries_stored_twice():
    raw = sp.csr_matrix((np.array([1.0, 0.0, 1.0, 1.0]), np.array([2, 1, 0, 2]), np.array([0, 4])), shape=(1, 4))
    kept = raw.copy()
    _, targets = extreme_targets(raw)
    assert targets.toarray().tolist() == [[True, False, True, False]]
    assert targets.nnz == 2
    assert targets.indices.tolist() == [0, 2]
    assert (raw.data == kept.data).all()
    assert (raw.indices == kept.indices).all()


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (sp.csr_matrix([[0, 0.5], [1, 0]]), "0.5"),
        (sp.csr_matrix([[0, 1], [np.nan, 0]]), "must be known"),
        (sp.csr_matrix([[0, 2]]), "expected 0 or 1"),
        (np.array([[0.0, np.nan]]), "must be known"),
        (Targets(DENSE, ~DENSE), "unknown"),
        (np.array([[1, -1]]), "where -1 means no"),
        (pd.DataFrame({"tags": ["a|b", "a"]}), "split"),
        (np.zeros(3), "expected a CSR matrix"),
        (np.array([["a", "b"]]), "expected a CSR matrix"),
        (pd.DataFrame({"a": [1, None]}), "unknown"),
        ([{"a": 1, "b": 0}, {"a": 1}], "unknown"),
        ([[0], [1]], r"\['0'\], \['1'\]"),
        (["a", "b"], "got the text 'a'"),
        ([["a"], None], "row 2"),
        ([[], []], "no row has any label"),
        ([], "no row"),
        ("abc", "expected a CSR matrix"),
        (7, "expected a CSR matrix"),
        (sp.csr_matrix((3, 0)), "shape"),
    ],
)
def test_what_is_none_is_told(y, words):
    with pytest.raises(InputError, match=words):
        extreme_targets(y)


def test_the_row_and_the_column_of_a_wrong_entry():
    with pytest.raises(InputError) as caught:
        extreme_targets(sp.csr_matrix([[0, 1, 0], [0, 0, 3]]))
    assert (caught.value.row, caught.value.column) == (2, "2")


def test_names_that_do_not_fit():
    with pytest.raises(InputError, match="3 columns but 2 labels"):
        extreme_targets(sp.csr_matrix(DENSE), ["a", "b"])
    with pytest.raises(InputError, match=r"'bleu' was not there in training; did you mean"):
        align_extreme_targets([["bleu"]], LabelSpace(("red", "blue")))
    with pytest.raises(InputError, match="3 columns but 2"):
        align_extreme_targets(sp.csr_matrix(DENSE), LabelSpace(("a", "b")))
