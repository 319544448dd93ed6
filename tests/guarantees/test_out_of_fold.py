"""Out-of-fold scores are honest: a simulation that would show it if a row's label came back when it is scored."""

import numpy as np
import pytest
import scipy.sparse as sp

from manyhot.data.targets import Targets
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.evaluation.metrics import compute_metrics

METRICS = ["roc_auc_macro", "f1_macro"]
N_FEATURES, N_LABELS = 10, 4


def draw(generator: np.random.Generator, mixing: np.ndarray, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    X = generator.normal(size=(n_rows, N_FEATURES))
    return X, X @ mixing + generator.logistic(size=(n_rows, N_LABELS)) > 1


def one_run(
    seed: int, signal: float, n_rows: int, is_sparse: bool = False, **settings
) -> tuple[list[float], list[float]]:
    """What the report says and what 5,000 fresh rows say, for `METRICS`; CSR rows hold what is above 0."""
    generator = np.random.default_rng(seed)
    mixing = signal * generator.normal(size=(N_FEATURES, N_LABELS))
    X, Y = draw(generator, mixing, n_rows)
    fresh_X, fresh_Y = draw(generator, mixing, 5000)
    if is_sparse:
        X, fresh_X = sp.csr_matrix(np.maximum(X, 0)), sp.csr_matrix(np.maximum(fresh_X, 0))
    classifier = MultiLabelClassifier(random_state=seed, verbose=0, **settings).fit(X, Y)
    scores, decisions = classifier.predict_proba(fresh_X), classifier.predict(fresh_X).astype(bool)
    fresh = compute_metrics(Targets(fresh_Y), scores, decisions, names=METRICS)
    reported = classifier.report_.metrics["decision"]
    return [reported[name]["value"] for name in METRICS], [fresh[name].value for name in METRICS]


def simulate(n_runs: int, signal: float, n_rows: int, **settings) -> tuple[np.ndarray, np.ndarray]:
    """Mean of (reported - fresh) for each metric, and the half width of its 95 % interval."""
    pairs = np.array([one_run(seed, signal, n_rows, **settings) for seed in range(n_runs)])
    differences = pairs[:, 0] - pairs[:, 1]
    half = 1.96 * differences.std(axis=0, ddof=1) / np.sqrt(n_runs)
    for name, mean, width, both in zip(METRICS, differences.mean(axis=0), half, pairs.mean(axis=0).T, strict=True):
        print(
            f"signal {signal}, {n_rows} rows, {settings}: {name} reported {both[0]:.4f}, fresh {both[1]:.4f}, "
            f"difference {mean:+.4f}, 95 % from {mean - width:+.4f} to {mean + width:+.4f}"
        )
    return differences.mean(axis=0), half


@pytest.mark.slow
@pytest.mark.parametrize("n_runs", [36, pytest.param(60, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"early_stopping": True, "epochs": 40, "patience": 4},
        pytest.param({"n_members": 1}, marks=pytest.mark.exhaustive),
        pytest.param({"is_sparse": True}, marks=pytest.mark.exhaustive),
    ],
    ids=["default", "early_stopping", "one_member", "sparse"],
)
def test_pure_noise_is_reported_as_noise(settings, n_runs):
    n_rows = 800 if settings.get("n_members") == 1 else 200  # one member is scored on an eighth of them
    mean, half = simulate(n_runs, 0.0, n_rows, hidden_layer_sizes=(64,), **settings)
    assert (mean - half <= 0).all()
    assert half.max() < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("n_runs", [8, pytest.param(20, marks=pytest.mark.exhaustive)])
def test_the_reported_auc_is_that_of_fresh_data(n_runs):
    mean, half = simulate(n_runs, 1.0, 400)
    assert abs(mean[0]) < 0.02
    assert half[0] < 0.02


@pytest.mark.slow
def test_a_leak_would_be_seen():
    """The same simulation with the training rows scored by the members that saw them."""
    generator = np.random.default_rng(0)
    X, Y = draw(generator, np.zeros((N_FEATURES, N_LABELS)), 200)
    classifier = MultiLabelClassifier(verbose=0, hidden_layer_sizes=(64,)).fit(X, Y)
    seen = compute_metrics(Targets(Y), classifier.predict_proba(X), None, names=["roc_auc_macro"])[
        "roc_auc_macro"
    ].value
    assert seen - classifier.report_.metrics["decision"]["roc_auc_macro"]["value"] > 0.1


@pytest.mark.slow
def test_copies_of_a_row_sit_in_one_fold():
    """Every row twice, labels pure noise: without merging, the copy in the training part would give the label away."""
    generator = np.random.default_rng(1)
    X, Y = draw(generator, np.zeros((N_FEATURES, N_LABELS)), 150)
    twice = MultiLabelClassifier(verbose=0, hidden_layer_sizes=(256,), epochs=60)
    twice.fit(np.concatenate([X, X]), np.concatenate([Y, Y]))
    assert twice.report_.metrics["decision"]["roc_auc_macro"]["value"] < 0.6
    assert any("duplicate" in note for note in twice.report_.to_dict()["notes"])
