"""The splitters as scikit-learn uses them, and the report on any splits."""

import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.tree import DecisionTreeClassifier

from manyhot.data.splitting.folds import stratified_folds
from manyhot.data.splitting.splitters import (
    MultiLabelKFold,
    MultiLabelShuffleSplit,
    RepeatedMultiLabelKFold,
    split_report,
)
from manyhot.data.targets import Targets
from manyhot.errors import InputError

SPLITTERS = [MultiLabelKFold(4), RepeatedMultiLabelKFold(4, 2), MultiLabelShuffleSplit(3, 0.3)]


def random_labels(n_rows: int = 120, n_labels: int = 5, density: float = 0.2, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((n_rows, n_labels)) < density).astype(int)


def assert_same_splits(first, second):
    first, second = list(first), list(second)
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert all((a == b).all() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_sides_share_no_row_and_hold_all(splitter):
    splits = list(splitter.split(np.zeros((120, 2)), random_labels()))
    assert len(splits) == splitter.get_n_splits()
    for train, test in splits:
        assert train.dtype == test.dtype == np.int64
        assert sorted([*train, *test]) == list(range(120))
        assert len(train)
        assert len(test)


@pytest.mark.parametrize(("splitter", "times"), [(MultiLabelKFold(7), 1), (RepeatedMultiLabelKFold(7, 3), 3)])
def test_each_row_is_tested_once_per_repeat(splitter, times):
    splits = list(splitter.split(None, random_labels()))
    tests = [test for _, test in splits]
    for repeat in range(times):
        assert sorted(np.concatenate(tests[7 * repeat : 7 * repeat + 7])) == list(range(120))
    assert times == 1 or any((tests[k] != tests[7 + k]).any() for k in range(7) if len(tests[k]) == len(tests[7 + k]))


def test_folds_are_those_of_stratified_folds():
    y = random_labels()
    folds = stratified_folds(Targets(y.astype(bool)), 5, 3)
    for fold, (_, test) in enumerate(MultiLabelKFold(5, 3).split(None, y)):
        assert (test == np.flatnonzero(folds == fold)).all()


@pytest.mark.parametrize("size", [0.01, 0.2, 0.5, 0.99])
def test_test_sides_have_the_size_asked_for(size):
    for _, test in MultiLabelShuffleSplit(3, size).split(None, random_labels(150)):
        assert abs(len(test) - 150 * size) < 1


def test_each_draw_is_another_one():
    tests = [tuple(test) for _, test in MultiLabelShuffleSplit(5).split(None, random_labels())]
    assert len(set(tests)) == 5


def test_a_tiny_share_still_tests_one_row():
    assert [len(test) for _, test in MultiLabelShuffleSplit(1, 0.001).split(None, random_labels(10))] == [1]


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_groups_are_never_torn(splitter):
    groups = np.random.default_rng(1).integers(0, 25, 120)
    for train, test in splitter.split(None, random_labels(), groups):
        assert not set(groups[train]) & set(groups[test])


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_every_form_of_targets_gives_the_same_splits(splitter):
    y = random_labels()
    names = np.array(list("abcde"))
    forms = [
        sp.csr_matrix(y),
        sp.coo_array(y.astype(float)),
        pd.DataFrame(y, columns=names),
        Targets(y.astype(bool)),
        [set(names[row.astype(bool)]) for row in y],
    ]
    for form in forms:
        assert_same_splits(splitter.split(None, y), splitter.split(None, form))


@pytest.mark.parametrize("density", [0.1, 0.8])
def test_unknown_entries_are_spread_too_and_alike_in_sparse_and_dense(density):
    y = random_labels(400, 3).astype(float)
    is_unknown = np.random.default_rng(5).random(y.shape) < density
    y[is_unknown] = np.nan
    splits = list(MultiLabelKFold(5).split(None, y))
    assert_same_splits(splits, MultiLabelKFold(5).split(None, sp.csr_matrix(y)))
    for _, test in splits:
        assert np.abs(np.nansum(y[test], axis=0) - np.nansum(y, axis=0) / 5).max() <= 2
        assert np.abs(is_unknown[test].sum(axis=0) - is_unknown.sum(axis=0) / 5).max() <= 6


def test_what_is_known_is_spread_where_most_is_unknown():
    known = np.random.default_rng(0).random((400, 1)) < 0.1
    y = np.where(known, 0.0, np.nan)
    counts = [known[test].sum() for _, test in MultiLabelKFold(5).split(None, y)]
    assert max(counts) - min(counts) <= 1


@pytest.mark.slow
def test_sparse_targets_stay_sparse_and_as_they_were():
    table = sp.csr_matrix((np.ones(4), np.array([2, 0, 1, 0]), np.array([0, 2, 3, 4, 4])), shape=(4, 3))
    before = table.indices.copy()
    list(MultiLabelKFold(2).split(None, table))
    assert (table.indices == before).all()
    wide = sp.random_array((5_000, 200_000), density=1e-5, format="csr", rng=0)
    wide.data[:] = 1
    tracemalloc.start()
    assert len(list(MultiLabelKFold(2).split(None, wide))) == 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3e8  # as dense bool the targets alone take 1e9


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_a_positive_on_each_side_where_feasible(splitter):
    y = np.zeros((60, 8), int)
    for label in range(8):
        y[np.random.default_rng(label).choice(60, 4 + label, replace=False), label] = 1
    for train, test in splitter.split(None, y):
        assert (y[train].sum(axis=0) > 0).all()
        assert (y[test].sum(axis=0) > 0).all()


@pytest.mark.parametrize("kind", [MultiLabelKFold, RepeatedMultiLabelKFold, MultiLabelShuffleSplit])
def test_reproducible_per_seed(kind):
    y = random_labels()
    assert_same_splits(kind(random_state=4).split(None, y), kind(random_state=4).split(None, y))
    pairs = zip(kind(random_state=4).split(None, y), kind(random_state=5).split(None, y), strict=True)
    assert any(first[1].tolist() != second[1].tolist() for first, second in pairs)


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_scikit_learn_takes_them(splitter):
    y = random_labels()
    X = np.random.default_rng(0).random((120, 3)) + y[:, :3]
    search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 3]}, cv=splitter).fit(X, y)
    assert search.n_splits_ == splitter.get_n_splits()
    groups = np.arange(120) // 3
    scores = cross_val_score(DecisionTreeClassifier(random_state=0), X, y, cv=splitter, groups=groups)
    assert len(scores) == splitter.get_n_splits()


@pytest.mark.parametrize(
    ("kind", "settings", "argument"),
    [
        (MultiLabelKFold, {"n_splits": 1}, "n_splits"),
        (MultiLabelKFold, {"n_splits": True}, "n_splits"),
        (MultiLabelKFold, {"n_splits": 2.5}, "n_splits"),
        (MultiLabelKFold, {"random_state": -1}, "random_state"),
        (MultiLabelKFold, {"random_state": None}, "random_state"),
        (RepeatedMultiLabelKFold, {"n_splits": 1}, "n_splits"),
        (RepeatedMultiLabelKFold, {"n_repeats": 0}, "n_repeats"),
        (MultiLabelShuffleSplit, {"n_splits": 0}, "n_splits"),
        (MultiLabelShuffleSplit, {"test_size": 0}, "test_size"),
        (MultiLabelShuffleSplit, {"test_size": 1.0}, "test_size"),
        (MultiLabelShuffleSplit, {"test_size": True}, "test_size"),
        (MultiLabelShuffleSplit, {"test_size": float("nan")}, "test_size"),
    ],
)
def test_wrong_settings(kind, settings, argument):
    with pytest.raises(InputError) as caught:
        kind(**settings)
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    ("X", "y", "groups", "argument"),
    [
        (None, None, None, "y"),
        (None, random_labels(3), None, "y"),
        (np.zeros((7, 1)), random_labels(8), None, "X"),
        (None, random_labels(8), [0, 1, 2] * 2 + [0, 1], "groups"),
        (None, random_labels(8), np.arange(7), "groups"),
        (None, random_labels(8), [*range(7), None], "groups"),
        (None, random_labels(8), pd.Series([*"abcdefg", pd.NA]), "groups"),
        (None, sp.csr_matrix(2 * random_labels(8, density=0.9)), None, "y"),
        (None, sp.csr_matrix((8, 0)), None, "y"),
    ],
)
def test_wrong_data(X, y, groups, argument):
    with pytest.raises(InputError) as caught:
        MultiLabelKFold(4).split(X, y, groups)
    assert caught.value.argument == argument


def test_the_report_tells_what_lacks_and_why():
    y = np.zeros((40, 5))
    y[::2, 0] = y[:3, 1] = y[5, 2] = y[:8, 4] = 1
    y[20:30, 0] = np.nan
    groups = np.repeat(np.arange(10), 4)
    splitter = RepeatedMultiLabelKFold(4, 2)
    report = split_report(y, splitter.split(None, y, groups), groups)
    common, rare, single, never, grouped = report.labels
    assert report.n_splits == 8
    assert common.reason is None
    assert (rare.n_positives, rare.reason) == (3, "fewer positives (3) than folds (4)")
    assert (single.n_without_test, single.n_without_train) == (6, 2)
    assert (never.n_without_test, never.n_without_train) == (8, 8)
    assert "no positive" in never.reason
    assert grouped.reason == "its positives lie in fewer groups (2) than folds (4)"
    assert len(report.lacking) == 4
    loaded = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert loaded["labels"][1]["name"] == "label_1"
    assert loaded["n_lacking"] == 4
    assert "label_3" in str(report)
    assert "label_0" not in str(report)


def test_the_report_measures_what_it_says():
    y = np.array([[1, 0], [1, 0], [0, 1], [np.nan, 1]])
    splits = [([0, 1], [2, 3]), (np.array([False, False, True, True]), np.array([True, True, False, False]))]
    report = split_report(y, splits)
    assert report.test_rows == (2, 2)
    assert report.labels[0].deviation == pytest.approx(2 / 3)
    assert report.largest_deviation == report.labels[0].deviation
    assert [label.n_without_test for label in report.labels] == [1, 1]
    assert report.labels[1].reason == "its positives were placed otherwise, though there are enough"


def test_our_splits_are_reported_as_more_even_than_plain_ones():
    y = random_labels(300, 10, 0.05)
    ours, plain = (split_report(y, cv.split(y, y)) for cv in (MultiLabelKFold(5), KFold(5, shuffle=True)))
    assert ours.largest_deviation < plain.largest_deviation
    assert str(ours).startswith("5 splits of 300 rows, 60 to 60 on the test side")


@pytest.mark.parametrize("splits", [[], [([0], [9])], [([0], [-1])], [([0.5], [1])]])
def test_wrong_splits(splits):
    with pytest.raises(InputError) as caught:
        split_report(random_labels(9), splits)
    assert caught.value.argument == "splits"


def test_nothing_known_is_reported_as_such():
    report = split_report(np.array([[np.nan, 1], [np.nan, 0]]), [([0], [1])])
    assert report.to_dict()["labels"][0]["deviation"] is None
    assert "nan" not in str(report)
