"""scikit-learn's own checks of an estimator, all of them, and the places where estimators are used.

The checks ask that decisions are probabilities rounded, so they run with thresholds at 0.5.
"""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.feature_selection import VarianceThreshold
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from manyhot.estimators.multilabel import MultiLabelClassifier

TINY = {"members": 2, "epochs": 20, "hidden": (8,), "learning_rate": 0.02, "calibrate": "none"}


@pytest.mark.slow
@parametrize_with_checks([MultiLabelClassifier(decide="half", **TINY)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture
def problem():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(120, 6))
    return X, (X[:, :3] + 0.5 * generator.normal(size=(120, 3)) > 0).astype(int)


SMALL = {"members": 2, "epochs": 4, "hidden": (16,), "quiet": True}


@pytest.mark.slow
def test_in_a_pipeline_with_frames(problem):
    X, Y = problem
    pipeline = make_pipeline(StandardScaler(), VarianceThreshold(), MultiLabelClassifier(**SMALL))
    pipeline.set_output(transform="pandas")
    pipeline.fit(X, Y)
    assert pipeline.predict(X).shape == (120, 3)
    assert pipeline[-1].n_features_in_ == 6


@pytest.mark.slow
def test_in_a_grid_search(problem):
    X, Y = problem
    search = GridSearchCV(MultiLabelClassifier(**SMALL), {"learning_rate": [1e-3, 1e-2]}, cv=2, scoring="f1_macro")
    search.fit(X, Y)
    assert set(search.best_params_) == {"learning_rate"}
    for scoring in ("roc_auc", "average_precision"):
        scores = cross_val_score(MultiLabelClassifier(**SMALL), X, Y, cv=2, scoring=scoring)
        assert np.isfinite(scores).all()
        assert scores.mean() > 0.5


@pytest.mark.slow
def test_two_labels_are_not_mistaken_for_two_classes(problem):
    X, Y = problem
    scores = cross_val_score(MultiLabelClassifier(**SMALL), X, Y[:, :2], cv=2, scoring="roc_auc")
    assert np.isfinite(scores).all()


def test_clone_keeps_every_setting():
    estimator = MultiLabelClassifier(hidden=(3, 4), members=5, labels=["a", "b"], dropout=0.25)
    assert clone(estimator).get_params() == estimator.get_params()
