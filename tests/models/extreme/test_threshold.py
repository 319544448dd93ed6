"""One threshold for all labels: the best there is, ties and nothing included."""

import numpy as np
import pytest
import scipy.sparse as sp

from manyhot.evaluation.metrics import TopK
from manyhot.models.extreme.threshold import Counts, best_threshold, counts_at, cross_fitted_counts, hits


def tried(scores, is_right, n_positives) -> float:
    """The best micro F1 of all thresholds, one by one."""
    found = [counts_at(t, scores, is_right, n_positives).f1 for t in [*np.unique(scores), 1.1]]
    return max(found)


@pytest.mark.parametrize("seed", range(20))
def test_no_other_threshold_is_better(seed):
    generator = np.random.default_rng(seed)
    scores = np.round(generator.random((20, 4)), 1).astype(np.float32)  # many ties
    is_right = generator.random(scores.shape) < scores
    n_positives = int(is_right.sum()) + seed
    best = best_threshold(scores, is_right, n_positives)
    assert counts_at(best, scores, is_right, n_positives).f1 == pytest.approx(tried(scores, is_right, n_positives))


def test_where_nothing_holds_nothing_is_answered():
    scores = np.full((3, 2), 0.4, np.float32)
    assert best_threshold(scores, np.zeros((3, 2), bool), 5) == 1.0
    assert best_threshold(np.zeros((0, 2)), np.zeros((0, 2), bool), 0) == 1.0
    empty = Counts(0, 0, 0)
    assert (empty.f1, empty.precision, empty.recall) == (0.0, None, None)


def test_hits_and_counts():
    targets = sp.csr_matrix([[1, 0, 1], [0, 0, 0]]) > 0
    top = TopK(np.array([[2, 1], [0, 1]]), np.array([[0.9, 0.5], [0.6, 0.1]]))
    found = hits(sp.csr_matrix(targets), top)
    assert found.tolist() == [[True, False], [False, False]]
    assert counts_at(0.6, top.scores, found, 2) == Counts(2, 1, 2)


def test_a_threshold_is_measured_on_rows_that_did_not_choose_it():
    # the even rows' best threshold is worthless on the odd rows and the other way round
    targets = sp.csr_matrix(np.array([[1, 0], [0, 1]] * 10) > 0)
    top = TopK(np.tile([[0, 1]], (20, 1)), np.tile([[0.9, 0.2]], (20, 1)))
    assert cross_fitted_counts(targets, top) == Counts(10 + 20, 0 + 10, 20)
