"""How often one fit compiles."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from manyhot import engine
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.models.network_spec import NetworkSpec, network_settings
from manyhot.networks import MemberInitializer


def problem(n_rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n_rows, 7))
    return X, (X[:, :3] + generator.normal(size=(n_rows, 3)) > 0).astype(int)


@pytest.mark.slow
def test_a_fit_compiles_few_programs_and_a_second_one_none(compiles):
    settings = {"hidden_layer_sizes": (13,), "compilation_cache": False, "batch_size": 16}
    MultiLabelClassifier(epochs=2, **settings).fit(*problem(250))
    first = len(compiles)
    print(f"{first} programs compiled in the first fit")
    assert 2 <= first <= 25
    compiles.clear()
    MultiLabelClassifier(epochs=5, **settings).fit(*problem(250))
    MultiLabelClassifier(epochs=2, random_state=7, **settings).fit(*problem(250))
    MultiLabelClassifier(epochs=2, learning_rate=1e-2, weight_decay=0.1, **settings).fit(*problem(250))
    MultiLabelClassifier(epochs=300, n_members=2, n_folds=8, **settings)
    MultiLabelClassifier(epochs=2, **settings).fit(*problem(245, seed=3))
    assert len(compiles) == 0


@pytest.mark.slow
def test_predictions_of_many_sizes_share_two_programs(compiles):
    X, Y = problem(250)
    classifier = MultiLabelClassifier(
        hidden_layer_sizes=(14,), epochs=2, predict_batch_size=128, compilation_cache=False
    ).fit(X, Y)
    classifier.predict(X[:1])
    classifier.predict(X)
    compiles.clear()
    for n in (1, 2, 30, 64, 65, 100, 128, 129, 250):
        assert classifier.predict_proba(X[:n]).shape == (n, 3)
    assert len(compiles) == 0


@pytest.mark.slow
def test_sparse_batches_of_any_number_of_non_zeros_share_one_program(compiles):
    """More than 1,000 batches, from empty rows to rows of hundreds: nothing compiles after the first epoch."""
    generator = np.random.default_rng(0)
    counts = np.minimum(generator.zipf(1.4, 1100 * 4), 400) - 1
    columns = generator.integers(0, 3000, counts.sum())
    starts = np.concatenate([[0], np.cumsum(counts)])
    X = sp.csr_matrix((np.ones(len(columns)), columns, starts), (len(counts), 3000))
    X.sum_duplicates()
    Y = generator.random((len(counts), 2)) < 0.5
    after_first_epoch = []

    def callback(progress: engine.Progress) -> None:
        if np.isfinite(progress.loss):  # the first news comes before anything is compiled
            after_first_epoch.append(len(compiles))

    config = TrainingConfig(epochs=2, hidden_layer_sizes=(4,), dtype="float32")
    spec = NetworkSpec("mlp", network_settings(config, ["x"]), {"x": (3000,)}, 2, "float32")
    networks = spec.factory(1, lambda member: MemberInitializer(member))
    data = engine.EncodedRows({"x": X}, Y, None, np.ones(len(Y)), "float32")
    nothing = np.zeros(0, dtype=np.int64)
    parts = engine.MemberSplits([np.arange(len(Y))], [nothing], [nothing])
    batches = np.add.reduceat(counts, np.arange(0, len(counts), 4))
    assert len(batches) == 1100
    assert len(set(batches.tolist())) > 50
    engine.train(networks, data, parts, config, RuntimeConfig(), 4, callback=callback)
    assert 1 <= len(compiles) <= 25
    before = len(compiles)
    engine.train(networks, data, parts, replace(config, epochs=3, random_state=5), RuntimeConfig(), 4)
    assert len(compiles) == before
    assert set(after_first_epoch) == {before}
