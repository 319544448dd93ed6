"""Lists of labels from CSR rows."""

import numpy as np
import pytest
import scipy.sparse as sp

from manyhot.engine.extreme.sparse_targets import PADDING_LABEL, pad_positives


@pytest.mark.parametrize("max_labels", [0, 1, 8, 9, 31])
def test_every_row_lists_its_labels_ascending(max_labels):
    generator = np.random.default_rng(max_labels)
    values = np.zeros((7, 50), dtype=int)
    for row in range(6):
        values[row, generator.choice(50, min(max_labels, 5 * row), replace=False)] = 1
    values[5, generator.choice(50, max_labels, replace=False)] = 1
    matrix = sp.csr_matrix(values)
    padded = pad_positives(matrix.indptr, matrix.indices)
    assert padded.dtype == np.int32
    assert padded.shape[1] >= 8
    assert padded.shape[1].bit_count() == 1
    assert padded.shape[1] < 2 * max(values.sum(axis=1).max(), 8)
    for row, listed in zip(values, padded, strict=True):
        n = row.sum()
        assert listed[:n].tolist() == np.flatnonzero(row).tolist()
        assert (listed[n:] == PADDING_LABEL).all()


def test_labels_out_of_order_or_twice():
    padded = pad_positives(np.array([0, 4, 4, 6]), np.array([9, 2, 9, 2, 0, 0]), min_size=2)
    assert padded.tolist() == [[2, 9], [-1, -1], [0, -1]]


def test_a_slice_of_rows_keeps_its_own_labels():
    indptr, indices = np.array([0, 2, 3, 6]), np.array([5, 7, 1, 0, 2, 3])
    assert pad_positives(indptr[1:], indices, min_size=1).tolist() == [[1, -1, -1, -1], [0, 2, 3, -1]]


def test_no_rows():
    assert pad_positives(np.array([0]), np.array([], dtype=int)).shape == (0, 8)
