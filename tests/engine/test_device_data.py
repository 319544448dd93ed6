"""Layout of rows: buckets, padding, sparse blocks."""

import numpy as np
import pytest
import scipy.sparse as sp

from manyhot.config.training import TrainingConfig
from manyhot.engine import device_data
from manyhot.engine.device_data import Nonzeros, bucket, lay_out, take_rows


def test_buckets_are_few_and_close():
    sizes = {bucket(n) for n in range(1, 5000)}
    assert len(sizes) < 30
    for n in range(1, 5000):
        assert n <= bucket(n) <= max(64, 1.25 * n + 1)
        assert bucket(bucket(n)) == bucket(n)


@pytest.mark.parametrize("density", [0.0, 0.05, 0.5])
def test_padded_nonzeros_hold_the_same_rows(density, monkeypatch):
    monkeypatch.setattr(device_data, "DENSE_ELEMENTS", -1)
    matrix = sp.random(40, 300, density=density, format="csr", random_state=0, dtype=np.float32)
    data = lay_out({"x": matrix}, np.zeros((40, 1), bool), None, np.ones(40), "float32")
    assert isinstance(data.blocks["x"], Nonzeros)
    rows = np.array([3, 0, 39, 3])
    np.testing.assert_array_equal(np.asarray(take_rows(data.blocks["x"], rows, 300)), matrix[rows].toarray())


@pytest.mark.slow
def test_training_on_padded_nonzeros_equals_training_on_dense_rows(job, monkeypatch):
    config = TrainingConfig(dtype="float64", epochs=4, hidden_layer_sizes=(16,))
    job.features = np.where(np.abs(job.features) > 1, job.features, 0)
    dense = job.scores(config, job.train(config))
    monkeypatch.setattr(device_data, "DENSE_ELEMENTS", -1)
    sparse = job.scores(config, job.train(config, features=sp.csr_matrix(job.features)))
    np.testing.assert_allclose(dense, sparse, atol=1e-9)
