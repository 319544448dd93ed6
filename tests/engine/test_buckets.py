"""A service's few shapes give the scores that any other shapes give, and each is compiled once."""

import numpy as np
import pytest
import scipy.sparse as sp

from manyhot.engine import Buckets
from manyhot.engine.program_cache import PROGRAMS
from manyhot.estimators.multilabel import MultiLabelClassifier

SETTINGS = {"n_members": 2, "n_folds": 2, "epochs": 1, "hidden_layer_sizes": (4,), "verbose": 0}


@pytest.mark.parametrize(("n_rows", "expected"), [(1, 1), (2, 8), (8, 8), (9, 64), (64, 64), (65, 64), (1000, 64)])
def test_the_smallest_that_holds_the_rows(n_rows, expected):
    assert Buckets((1, 8, 64)).size(n_rows) == expected


@pytest.mark.parametrize(("count", "expected"), [(0, 256), (256, 256), (257, 1024), (5000, 16384)])
def test_non_zeros_come_in_steps_of_four(count, expected):
    assert Buckets((1,)).entries(count) == expected


@pytest.mark.slow
@pytest.mark.parametrize("is_sparse", [False, True])
def test_any_shape_gives_the_same_scores(is_sparse):
    generator = np.random.default_rng(0)
    X = np.where(generator.random((90, 30)) < 0.2, generator.normal(size=(90, 30)), 0.0)
    sets = [["a"] * bool(row[0] > 0) + ["b"] * bool(row[1] == 0) for row in X]
    X = sp.csr_matrix(X) if is_sparse else X
    model = MultiLabelClassifier(**SETTINGS).fit(X, sets).model_
    expected, buckets = model.uncalibrated_scores(X), Buckets((1, 8))
    for n_rows in (1, 5, 8, 90):
        blocks = model.encoder.transform(X[:n_rows])
        found = model.scorer().scores(blocks, buckets=buckets)
        np.testing.assert_allclose(found, expected[:n_rows], atol=1e-6)
        before = len(PROGRAMS._programs)
        model.scorer().scores(blocks, buckets=buckets)
        assert len(PROGRAMS._programs) == before
