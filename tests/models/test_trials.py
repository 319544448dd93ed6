"""Trials of a search: each is measured as its own fit would be, and hopeless ones are given up."""

import math

import numpy as np
import pytest
import scipy.sparse as sp

from manyhot.config.training import TrainingConfig
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.models.out_of_fold import EnsembleEstimate
from manyhot.models.trials import COMPLETE, DIVERGED, PRUNED, TrialRunner, train_trials

SMALL = {"n_members": 4, "n_folds": 4, "hidden_layer_sizes": (8,), "epochs": 2, "batch_size": 32, "verbose": 0}


def table(n_rows: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n_rows, 5)).round(1)
    Y = (X[:, :3] + generator.normal(size=(n_rows, 3)) > 0).astype(float)
    return X, Y


def partly_known() -> tuple[np.ndarray, np.ndarray]:
    """Duplicate rows, and targets of which some are unknown."""
    X, Y = table()
    Y[::7, 1] = np.nan
    X[1], Y[1] = X[0], Y[0]
    return X, Y


def words() -> tuple[sp.csr_matrix, np.ndarray]:
    """Rows that are sparse, so that the network has tables."""
    generator = np.random.default_rng(1)
    X = sp.random(150, 300, 0.05, "csr", random_state=0, data_rvs=lambda n: generator.integers(1, 4, n).astype(float))
    return X, (np.asarray(X[:, :60].sum(axis=1)) > 3).astype(int) ^ (generator.random((150, 2)) < 0.1)


def runner_of(classifier: MultiLabelClassifier, X, Y, metric: str, weights=None) -> TrialRunner:
    config, runtime = classifier._configs()
    return TrialRunner(classifier._inputs(X, Y, config, runtime), classifier.network, weights, metric)


def own_value(classifier: MultiLabelClassifier, X, Y, metric: str, weights=None) -> float:
    return classifier.fit(X, Y, weights).report_.values["metrics"]["decision"][metric]["value"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "metric", "more"),
    [
        (table, "f1_micro", {}),
        (table, "ranking_loss", {"n_members": 1}),
        (partly_known, "map", {"calibration": "platt", "branches": "none"}),
        (words, "f1_macro", {"branches": "linear"}),
    ],
)
def test_a_trial_has_the_value_that_the_report_of_its_fit_has(data, metric, more):
    X, Y = data()
    weights = None if data is words else np.random.default_rng(2).integers(0, 3, X.shape[0]).astype(float)
    settings = {**SMALL, **more}
    changes = [{"learning_rate": 0.01}, {"weight_decay": 0.3, "epochs": 3}, {"label_smoothing": 0.1}, {"dropout": 0.0}]
    runner = runner_of(MultiLabelClassifier(**settings), X, Y, metric, weights)
    configs = [MultiLabelClassifier(**{**settings, **change})._configs()[0] for change in changes]
    runner.losses = []
    scores = runner.run(configs)
    for change, score in zip(changes, scores, strict=True):
        if score.state == COMPLETE:
            assert score.value == own_value(MultiLabelClassifier(**{**settings, **change}), X, Y, metric, weights)
    assert sum(score.state == COMPLETE for score in scores) >= 2


@pytest.mark.slow
def test_an_ensemble_is_measured_by_two_rounds_of_folds(monkeypatch):
    """The first half of the members are those of the fit, all of them those of a fit with twice as many."""
    X, Y = table()
    settings = {**SMALL, "n_members": 4, "n_folds": 4}
    runner = runner_of(MultiLabelClassifier(**settings), X, Y, "map")
    parts, score = [], TrialRunner._score

    def note(*arguments):
        parts.append(score(*arguments))
        return parts[-1]

    monkeypatch.setattr(TrialRunner, "_score", note)
    found = runner.measure_ensemble(MultiLabelClassifier(**settings)._configs()[0])
    first, second, both = (part.value("map") for part in parts)
    assert first == own_value(MultiLabelClassifier(**settings), X, Y, "map")
    assert both == own_value(MultiLabelClassifier(**{**settings, "n_members": 8}), X, Y, "map")
    assert second not in (first, both)
    # f(m) = a + b / m through one member a row and two, at four members
    slope = 2 * ((first + second) / 2 - both)
    assert found.value == pytest.approx(both - slope / 2 + slope / 4, abs=1e-12)
    # the jackknife's error of a mean over rows is the usual one
    values = np.random.default_rng(0).normal(size=400)
    without = np.array([values[np.arange(400) % 20 != group].mean() for group in range(20)])
    gain, error = EnsembleEstimate(values.mean(), without).gain_over(EnsembleEstimate(0.0, np.zeros(20)))
    assert gain == values.mean()
    assert error == pytest.approx(values.std() / 20, rel=0.4)


@pytest.mark.slow
def test_the_own_settings_are_tried_whole_with_the_search_of_their_epochs():
    X, Y = table()
    classifier = MultiLabelClassifier(**{**SMALL, "epochs": "auto", "n_members": 2})
    score = runner_of(classifier, X, Y, "map").run_whole(classifier._configs()[0])
    assert score.value == own_value(classifier, X, Y, "map")
    assert score.config.epochs == classifier.model_.config.epochs
    assert score.state == COMPLETE
    assert 0 < score.loss < 2


@pytest.mark.slow
def test_trials_beyond_the_best_third_are_given_up_and_diverged_ones_too(monkeypatch):
    X, Y = table()
    monkeypatch.setattr("manyhot.models.trials.members_together", lambda *_: 2)
    classifier = MultiLabelClassifier(**{**SMALL, "n_members": 8, "n_folds": 8})
    own = classifier._configs()[0]
    runner = runner_of(classifier, X, Y, "map")
    trained = []

    def train(fit, configs, members, *rest):
        trained.append((len(configs), members))
        return train_trials(fit, configs, members, *rest)

    monkeypatch.setattr("manyhot.models.trials.train_trials", train)
    runner = runner_of(classifier, X, Y, "map")
    rates = [1e-6, 1e-2, 2e-2, 1e-5, 3e-2, 1e35]
    scores = runner.run([own.changed(learning_rate=rate) for rate in rates])
    assert [score.state for score in scores] == [PRUNED, PRUNED, COMPLETE, PRUNED, COMPLETE, DIVERGED]
    assert all(score.value is None for score in scores if score.state != COMPLETE)
    assert trained == [(6, slice(0, 4)), (2, slice(4, 8))]  # half of the members, then the rest of the better trials
    assert len(runner.losses) == 6
    assert math.isinf(runner.losses[-1])


def test_a_plan_is_made_once_for_trials_that_differ_in_data_alone(monkeypatch):
    X, Y = table()
    classifier = MultiLabelClassifier(**SMALL)
    runner = runner_of(classifier, X, Y, "map")
    own = TrainingConfig(**{**SMALL_CONFIG, "learning_rate": 0.1})
    first, second = runner.plan(own), runner.plan(own.changed(learning_rate=0.2, epochs=7, weight_decay=0.0))
    assert second.members is first.members
    assert second.data is first.data
    assert (second.config.learning_rate, second.config.epochs, second.config.weight_decay) == (0.2, 7, 0.0)
    other = runner.plan(own.changed(dropout=0.5))
    assert other.data is first.data  # encoded once
    assert other.config.dropout == 0.5


SMALL_CONFIG = {name: value for name, value in SMALL.items() if name != "verbose"}
