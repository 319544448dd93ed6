"""How often one fit compiles."""

import numpy as np
import pytest

from manyhot.backend import jax
from manyhot.estimator import MultiLabelClassifier


@pytest.fixture
def compiles():
    """A list that grows by one for each program that the backend compiles."""
    seen = []

    def listen(event: str, _: float, **__: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


def problem(n_rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n_rows, 7))
    return X, (X[:, :3] + generator.normal(size=(n_rows, 3)) > 0).astype(int)


def test_a_fit_compiles_few_programs_and_a_second_one_none(compiles):
    settings = {"hidden": (13,), "compilation_cache": False, "batch_size": 16}
    MultiLabelClassifier(epochs=2, **settings).fit(*problem(250))
    first = len(compiles)
    print(f"{first} programs compiled in the first fit")
    assert 2 <= first <= 25
    compiles.clear()
    MultiLabelClassifier(epochs=5, **settings).fit(*problem(250))
    MultiLabelClassifier(epochs=2, seed=7, **settings).fit(*problem(250))
    MultiLabelClassifier(epochs=2, learning_rate=1e-2, **settings).fit(*problem(250))
    MultiLabelClassifier(epochs=300, members=2, folds=8, **settings)
    MultiLabelClassifier(epochs=2, **settings).fit(*problem(245, seed=3))
    assert len(compiles) == 0


def test_predictions_of_many_sizes_share_two_programs(compiles):
    X, Y = problem(250)
    classifier = MultiLabelClassifier(hidden=(14,), epochs=2, predict_rows=128, compilation_cache=False).fit(X, Y)
    classifier.predict(X[:1])
    classifier.predict(X)
    compiles.clear()
    for n in (1, 2, 30, 64, 65, 100, 128, 129, 250):
        assert classifier.predict_proba(X[:n]).shape == (n, 3)
    assert len(compiles) == 0
