"""Equal rows become one row."""

import numpy as np
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from manyhot.data.deduplication import duplicate_fraction, has_few_distinct, merge_duplicates
from manyhot.data.targets import Targets


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 3), st.booleans(), st.integers(0, 2**31))
def test_groups_are_those_of_plain_comparison(n, n_features, n_labels, has_gaps, seed):
    generator = np.random.default_rng(seed)
    X = generator.integers(0, 2, size=(n, n_features)).astype(np.float32)
    values = generator.random((n, n_labels)) < 0.5
    known = generator.random((n, n_labels)) < 0.7 if has_gaps else None
    targets = Targets(values, known)
    weights = generator.integers(1, 5, size=n).astype(float)
    merged = merge_duplicates({"x": X}, targets, weights)
    rows = [tuple(X[i]) + tuple(targets.values[i]) + tuple(targets.known_mask()[i]) for i in range(n)]
    assert len(merged.rows) == len(set(rows))
    for i in range(n):
        assert rows[merged.rows[merged.inverse[i]]] == rows[i]
    for u, row in enumerate(merged.rows):
        assert merged.weights[u] == sum(w for w, other in zip(weights, rows, strict=True) if other == rows[row])
    sparse = merge_duplicates({"x": sp.csr_matrix(X)}, targets, weights)
    assert len(sparse.rows) == len(merged.rows)


def test_the_result_does_not_depend_on_the_order_of_rows():
    generator = np.random.default_rng(0)
    X, values = generator.normal(size=(50, 3)).astype(np.float32), generator.random((50, 2)) < 0.5
    order = generator.permutation(50)
    one = merge_duplicates({"x": X}, Targets(values), np.ones(50))
    other = merge_duplicates({"x": X[order]}, Targets(values[order]), np.ones(50))
    np.testing.assert_array_equal(X[one.rows], X[order][other.rows])


def test_minus_zero_is_zero_and_columns_differ():
    targets = Targets(np.ones((4, 1), bool))
    X = np.array([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0], [1.0, -0.0]], np.float32)
    assert len(merge_duplicates({"x": X}, targets, np.ones(4)).rows) == 2


def test_rows_are_alike_where_five_share_each_form():
    numbers = np.arange(50, dtype=np.uint64)
    assert has_few_distinct(np.repeat(numbers, 5))
    assert not has_few_distinct(np.repeat(numbers, 4))


def test_the_share_of_repeated_rows_is_that_of_new_rows_seen_before():
    generator = np.random.default_rng(0)
    known, new = generator.integers(0, 60, (2, 120)).astype(np.uint64)
    assert abs(duplicate_fraction(known) - np.isin(new, known).mean()) < 0.1
    assert duplicate_fraction(np.arange(9, dtype=np.uint64)) == 0
