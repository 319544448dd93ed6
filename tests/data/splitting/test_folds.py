"""Folds that keep label frequencies, and the rows of each member."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manyhot.data.readers import read
from manyhot.data.splitting.folds import cross_fitting_splits, single_member_parts, stratified_folds
from manyhot.data.targets import Targets
from manyhot.errors import InputError


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12), st.integers(12, 120), st.integers(1, 9), st.floats(0.02, 0.9), st.integers(0, 2**31))
def test_positives_are_spread_evenly(n_folds, n_rows, n_labels, density, seed):
    values = np.random.default_rng(seed).random((n_rows, n_labels)) < density
    folds = stratified_folds(Targets(values), n_folds, seed)
    sizes = np.bincount(folds, minlength=n_folds)
    assert sizes.sum() == n_rows
    assert sizes.max() - sizes.min() <= 1
    rarest = values.sum(axis=0).argmin()
    counts = np.bincount(folds[values[:, rarest]], minlength=n_folds)
    assert counts.max() - counts.min() <= max(2, 0.1 * counts.sum())


def test_real_labels_are_spread_better_than_by_chance(data_folder):
    targets = read(data_folder("yeast") / "yeast-train.arff.gz").targets
    folds = stratified_folds(targets, 10, 0)
    random_folds = np.random.default_rng(0).permutation(len(folds)) % 10

    def distance(assigned: np.ndarray) -> float:
        counts = np.stack([targets.values[assigned == k].sum(axis=0) for k in range(10)])
        return float(np.abs(counts - counts.mean(axis=0)).mean())

    assert distance(folds) < 0.35 * distance(random_folds)
    assert np.abs(np.bincount(folds) / 150 - 1).max() < 0.1


def test_unknown_entries_count_for_no_label():
    known = np.ones((40, 2), bool)
    known[20:, 0] = False
    values = np.ones((40, 2), bool)
    folds = stratified_folds(Targets(values, known), 4, 0)
    assert np.bincount(folds[:20], minlength=4).tolist() == [5] * 4


def test_one_seed_one_split():
    values = np.random.default_rng(0).random((50, 3)) < 0.3
    first, again, other = (stratified_folds(Targets(values), 5, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("n_members", [1, 2, 3, 8, 16, 19])
@pytest.mark.parametrize("validation_fraction", [None, 0.125, 0.3])
def test_no_row_of_a_member_is_used_twice(n_members, validation_fraction):
    values = np.random.default_rng(0).random((100, 4)) < 0.3
    members = cross_fitting_splits(Targets(values), n_members, 8, validation_fraction, 0)
    assert len(members) == n_members
    held = np.zeros(100, int)
    for train, stop, scored in members:
        together = np.concatenate([train, stop, scored])
        assert len(together) == len(set(together.tolist())) == 100
        assert len(train)
        assert len(stop) == pytest.approx((validation_fraction or 0) * (100 - len(scored)), abs=5)
        held[scored] += 1
    if n_members == 1:
        assert held.sum() == 25  # a quarter of so few rows
    else:
        assert held.min() >= 1
        assert held.max() - held.min() <= 1


def test_groups_share_a_fold_and_further_axes_count_as_one_row():
    values = np.random.default_rng(0).random((90, 2, 2, 3)) < 0.1
    groups = np.repeat(np.arange(30), 3)
    folds = stratified_folds(Targets(values), 5, 0, groups)
    assert (folds.reshape(30, 3) == folds[::3, None]).all()
    assert np.bincount(folds).tolist() == [18] * 5
    whole = stratified_folds(Targets(values), 5, 0)
    assert (whole == stratified_folds(Targets(values.any(axis=(1, 2))), 5, 0)).all()


def test_fewer_rows_than_folds():
    with pytest.raises(InputError, match="n_folds"):
        cross_fitting_splits(Targets(np.array([[True], [False]])), 8, 8, None, 0)


def test_twenty_thousand_rows_are_quick(data_folder):
    targets = read(data_folder("tmc2007") / "tmc2007-500-train.arff.gz").targets
    folds = stratified_folds(targets, 8, 0)
    counts = np.stack([targets.values[folds == k].sum(axis=0) for k in range(8)])
    wanted = targets.support() / 8
    print(np.abs(counts - wanted).max(), (np.abs(counts - wanted) / wanted).max(), np.bincount(folds))
    assert (np.abs(counts - wanted) <= np.maximum(2, 0.01 * wanted)).all()


@pytest.mark.parametrize(("n_rows", "n_parts"), [(4, 4), (400, 4), (560, 5), (999, 9), (1000, 10), (10**6, 10)])
def test_one_member_gives_up_a_hundred_rows_where_that_is_no_more_than_a_quarter(n_rows, n_parts):
    assert single_member_parts(n_rows) == n_parts
