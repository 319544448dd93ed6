"""F1, Jaccard, precision and recall from counts."""

import numpy as np
import pytest

from manyhot.evaluation.metrics import counts

HITS, PREDICTED, POSITIVES = np.array([3, 0, 0]), np.array([4, 2, 0]), np.array([6, 0, 0])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (counts.precision(HITS, PREDICTED), [0.75, 0.0, np.nan]),
        (counts.recall(HITS, POSITIVES), [0.5, np.nan, np.nan]),
        (counts.f1(HITS, PREDICTED, POSITIVES), [0.6, 0.0, np.nan]),
        (counts.f1(HITS, PREDICTED, POSITIVES, default=1.0), [0.6, 0.0, 1.0]),
        (counts.f_beta(HITS, PREDICTED, POSITIVES, 2.0), [15 / 28, 0.0, np.nan]),
        (counts.jaccard(HITS, PREDICTED, POSITIVES), [3 / 7, 0.0, np.nan]),
    ],
)
def test_values(found, expected):
    np.testing.assert_array_equal(found, expected)


def test_numbers_and_broadcasting():
    assert counts.f1(1, 2, 2) == 0.5
    assert counts.f1(np.ones((2, 1)), 2, np.array([2, 0])).tolist() == [[0.5, 1.0], [0.5, 1.0]]
    assert counts.f_beta(3, 4, 6, 1.0) == counts.f1(3, 4, 6)
