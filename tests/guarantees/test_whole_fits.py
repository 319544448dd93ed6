"""Promises through the whole of it: fit, guarantee on rows kept aside, predict on many new ones."""

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_predict

from manyhot import DecisionLayer, MultiLabelClassifier
from manyhot.errors import InputError
from manyhot.estimators.decision_layer import stack_scores

RUNS = 200
N_TRAIN, N_ASIDE, N_FRESH = 200, 120, 3000
PLAN = {
    "n_members": 2,
    "n_folds": 2,
    "epochs": 15,
    "hidden_layer_sizes": (16,),
    "batch_size": 16,
    "learning_rate": 1e-2,
    "dropout": 0.0,
    "verbose": 0,
    "calibration": "none",
}
MISSED, WRONG, CONFIDENCE = 0.1, 0.4, 0.8


def draw(n: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose labels hang together, are often absent altogether, and are half explained by the features."""
    X = generator.normal(size=(n, 5))
    mixing = np.array([[2.0, 1.5, 0, 0], [0, 1.5, 1.5, 0], [0, 0, 0, 2.0], [0, 0, 1.0, 0], [0, 0, 0, 0]])
    shared = generator.normal(size=(n, 1))
    return X, X @ mixing + 0.5 * shared + 0.4 * generator.normal(size=(n, 4)) > 1.0


def partly_known(values: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    y = values.astype(float)
    y[generator.random(y.shape) < 0.25] = np.nan
    return y


def missed(values: np.ndarray, answers: np.ndarray) -> float:
    carries = values.any(axis=1)
    return float(((values & ~answers).sum(axis=1)[carries] / values.sum(axis=1)[carries]).mean())


def wrong(values: np.ndarray, answers: np.ndarray) -> float:
    has_prediction = answers.any(axis=1)
    if not has_prediction.any():
        return 0.0
    return float(((answers & ~values).sum(axis=1)[has_prediction] / answers.sum(axis=1)[has_prediction]).mean())


class DecidedForest:
    """A random forest of scikit-learn, fitted with what is unknown as no, and decisions on its scores."""

    def __init__(self, random_state: int) -> None:
        self.forest = RandomForestClassifier(25, min_samples_leaf=3, random_state=random_state)
        self.layer = DecisionLayer(random_state=random_state, verbose=0)

    def fit(self, X: np.ndarray, y: np.ndarray) -> "DecidedForest":
        filled = np.nan_to_num(y.astype(float)).astype(int)
        self.layer.fit(cross_val_predict(self.forest, X, filled, cv=2, method="predict_proba"), y)
        self.forest.fit(X, filled)
        return self

    def scores(self, X: np.ndarray) -> np.ndarray:
        return stack_scores(self.forest.predict_proba(X))

    def guarantee(self, X: np.ndarray, y: np.ndarray, **rates: float) -> None:
        self.layer.guarantee(self.scores(X), y, **rates)

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.layer.predict(self.scores(X))


def network(random_state: int) -> MultiLabelClassifier:
    return MultiLabelClassifier(**PLAN, random_state=random_state)


def one_run(seed: int, is_partly_known: bool, make: Any) -> dict[str, float]:
    generator = np.random.default_rng([seed, int(is_partly_known)])
    (X, y), (X_aside, y_aside), (fresh, truth) = (draw(n, generator) for n in (N_TRAIN, N_ASIDE, N_FRESH))
    if is_partly_known:
        y, y_aside = partly_known(y, generator), partly_known(y_aside, generator)
    classifier = make(seed).fit(X, y)
    classifier.guarantee(X_aside, y_aside, miss_rate=MISSED)
    answers = classifier.predict(fresh).astype(bool)
    found = {"missed": missed(truth, answers), "answers": float(answers.sum(axis=1).mean())}
    try:
        classifier.guarantee(X_aside, y_aside, false_discovery_rate=WRONG, confidence=CONFIDENCE)
    except InputError:
        return {**found, "refused": 1.0, "wrong": 0.0}
    return {**found, "refused": 0.0, "wrong": wrong(truth, classifier.predict(fresh).astype(bool))}


@pytest.mark.slow
@pytest.mark.parametrize("make", [network, DecidedForest])
@pytest.mark.parametrize("is_partly_known", [pytest.param(False, marks=pytest.mark.exhaustive), True])
def test_promises_hold_for_what_predict_answers(is_partly_known, make):
    runs = [one_run(seed, is_partly_known, make) for seed in range(RUNS // 2)]
    columns = {name: np.array([run[name] for run in runs]) for name in runs[0]}
    rate, error = columns["missed"].mean(), columns["missed"].std(ddof=1) / np.sqrt(len(runs))
    above = (columns["wrong"] > WRONG).mean()
    allowed = 1 - CONFIDENCE
    answers, refused = columns["answers"].mean(), columns["refused"].mean()
    print(
        f"missed {rate:.4f} +- {error:.4f}, {answers:.2f} answers a row; wrong above the bound in {above:.3f} of runs, "
        f"refused {refused:.2f}"
    )
    assert rate <= MISSED + 2 * error
    assert rate > MISSED / 2  # not kept by answering everything
    assert answers < 2.5
    assert above <= allowed + 2 * np.sqrt(allowed * (1 - allowed) / len(runs))
    assert refused < 0.5
