"""Rows into parts: exact sizes, labels everywhere, groups whole, and no less even than iterative stratification."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from manyhot.data.readers import read
from manyhot.data.splitting.stratification import group_codes, stratified_parts
from manyhot.errors import InputError


def random_labels(n_rows: int, n_labels: int, density: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((n_rows, n_labels)) < density


def counts_of(values: np.ndarray, parts: np.ndarray, n_parts: int) -> np.ndarray:
    return np.stack([values[parts == part].sum(axis=0) for part in range(n_parts)])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 90), st.integers(1, 6), st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(0, 99))
def test_sizes_are_the_shares_rounded(n_rows, n_labels, claims, seed):
    shares = np.array(claims) / sum(claims)
    parts = stratified_parts(sp.csr_matrix(random_labels(n_rows, n_labels, 0.3, seed)), shares, seed)
    sizes = np.bincount(parts, minlength=len(shares))
    assert parts.dtype == np.int32
    assert sizes.sum() == n_rows
    if (n_rows * shares >= 1).all():
        assert (np.abs(sizes - n_rows * shares) < 1).all()
    assert (sizes > 0).all() or n_rows < len(shares)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("shares", [[0.2] * 5, [0.9, 0.1], [0.7, 0.2, 0.1]])
def test_every_part_gets_a_positive_where_there_are_enough(seed, shares):
    values = np.random.default_rng(seed).random((200, 20)) < np.linspace(0.01, 0.4, 20)
    values[: len(shares), 0] = True
    parts = stratified_parts(sp.csr_matrix(values), shares, seed)
    counts = counts_of(values, parts, len(shares))
    assert (counts[:, values.sum(axis=0) >= len(shares)] > 0).all()


def test_counts_follow_unequal_shares():
    values = random_labels(1000, 8, 0.3, 0)
    parts = stratified_parts(sp.csr_matrix(values), [0.7, 0.3], 0)
    assert np.abs(values[parts == 1].sum(axis=0) - 0.3 * values.sum(axis=0)).max() < 2


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(6, 40), st.integers(0, 99))
def test_groups_are_never_torn(n_parts, n_groups, seed):
    generator = np.random.default_rng(seed)
    groups = np.concatenate([np.arange(n_groups), generator.integers(0, n_groups, 3 * n_groups)])
    values = random_labels(len(groups), 4, 0.2, seed)
    parts = stratified_parts(sp.csr_matrix(values), [1 / n_parts] * n_parts, seed, groups)
    for group in range(n_groups):
        assert len(set(parts[groups == group])) == 1
    assert len(set(parts)) == n_parts


def test_groups_of_one_size_are_spread_evenly():
    groups = np.repeat(np.arange(100), 5)
    values = random_labels(500, 6, 0.2, 0)
    parts = stratified_parts(sp.csr_matrix(values), [0.2] * 5, 0, groups)
    assert np.bincount(parts).tolist() == [100] * 5
    wanted = values.sum(axis=0) / 5
    assert np.abs(counts_of(values, parts, 5) - wanted).max() <= 3


def test_one_huge_group_leaves_no_part_empty():
    groups = np.concatenate([np.zeros(96, int), np.arange(1, 5)])
    values = np.zeros((100, 2), bool)
    values[:96, 0] = values[96:98, 1] = True
    parts = stratified_parts(sp.csr_matrix(values), [0.2] * 5, 0, groups)
    assert sorted(np.bincount(parts).tolist()) == [1, 1, 1, 1, 96]


def test_what_groups_are_called_does_not_matter():
    values = random_labels(120, 5, 0.2, 1)
    groups = np.random.default_rng(2).integers(0, 30, 120)
    named = np.array([f"g{9 * group % 31}" for group in groups], dtype=object)
    first, second = (stratified_parts(sp.csr_matrix(values), [0.25] * 4, 3, g) for g in (groups, named))
    assert (first == second).all()


def test_one_seed_one_result():
    table = sp.csr_matrix(random_labels(200, 5, 0.2, 0))
    first, again, other = (stratified_parts(table, [0.2] * 5, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_the_table_is_not_changed_and_stored_zeros_are_no_positives():
    values = random_labels(80, 4, 0.3, 0)
    table = sp.csr_matrix(values.astype(np.uint8))
    with_zeros = sp.csr_matrix(np.ones_like(values, dtype=np.uint8))
    with_zeros.data[:] = values.ravel()
    before = with_zeros.copy()
    assert (stratified_parts(table, [0.5, 0.5], 0) == stratified_parts(with_zeros, [0.5, 0.5], 0)).all()
    assert with_zeros.nnz == before.nnz
    assert (with_zeros.data == before.data).all()


def test_other_marks_are_spread_when_no_label_speaks():
    marks = np.zeros((100, 1), bool)
    marks[:30] = True
    parts = stratified_parts(sp.csr_matrix((100, 2), dtype=bool), [0.1] * 10, 0, others=sp.csr_matrix(marks))
    assert np.bincount(parts[:30], minlength=10).tolist() == [3] * 10


@pytest.mark.parametrize("n_parts", [2, 40, 150])
def test_as_many_parts_as_wanted(n_parts):
    parts = stratified_parts(sp.csr_matrix(random_labels(300, 5, 0.2, 0)), [1 / n_parts] * n_parts, 0)
    sizes = np.bincount(parts, minlength=n_parts)
    assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize("shares", [[], [0.5, 0.6], [1.5, -0.5], [1.0, 0.0], [0.5, float("nan")]])
def test_wrong_shares(shares):
    with pytest.raises(InputError, match="shares") as caught:
        stratified_parts(sp.csr_matrix(random_labels(10, 2, 0.5, 0)), shares, 0)
    assert caught.value.argument == "shares"


@pytest.mark.parametrize(
    "groups",
    [[0, 1], [[0], [1], [2]], [0.0, 1.0, float("nan")], [0, 1, None], np.array(["2020-01-01", "NaT", "NaT"], "M8[D]")],
)
def test_wrong_groups(groups):
    with pytest.raises(InputError, match="group") as caught:
        group_codes(groups, 3)
    assert caught.value.argument == "groups"


def test_group_codes_follow_the_first_appearance():
    assert group_codes(["b", "a", "b", "c"], 4).tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize("seed", range(10))
def test_no_label_with_ten_positives_lacks_in_one_of_ten_folds(data_folder, seed):
    files = sorted(path for path in data_folder("corel5k").iterdir() if ".arff" in path.name.lower())
    values = np.concatenate([read(path).targets.values for path in files])
    counts = counts_of(values, stratified_parts(sp.csr_matrix(values), [0.1] * 10, seed), 10)
    assert (counts[:, values.sum(axis=0) >= 10] > 0).all()


# Means over random_state 0 to 4 of MultilabelStratifiedKFold(n_splits=10, shuffle=True) of iterative-stratification
# 0.1.9 on the whole sets: mean |share of a label's positives in a fold - 1/10|, mean |share of rows - 1/10|.
PEER = {"yeast": (0.0017341, 0.0019495), "corel5k": (0.0500608, 0.000664), "delicious": (0.0084178, 0.0002658)}


@pytest.mark.slow
@pytest.mark.parametrize("name", PEER)
def test_real_labels_are_spread_more_evenly_than_by_iterative_stratification(data_folder, name):
    files = sorted(path for path in data_folder(name).iterdir() if ".arff" in path.name.lower())
    values = np.concatenate([read(path).targets.values for path in files])
    label_unevenness, size_unevenness = [], []
    for seed in range(3):
        parts = stratified_parts(sp.csr_matrix(values), [0.1] * 10, seed)
        support = values.sum(axis=0)
        shares = counts_of(values, parts, 10)[:, support > 0] / support[support > 0]
        label_unevenness.append(np.abs(shares - 0.1).mean())
        size_unevenness.append(np.abs(np.bincount(parts, minlength=10) / len(parts) - 0.1).mean())
    assert np.mean(label_unevenness) <= PEER[name][0]
    assert np.mean(size_unevenness) <= PEER[name][1]
