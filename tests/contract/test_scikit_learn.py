"""scikit-learn's own checks of an estimator, all of them, and the places where estimators are used.

The checks ask that decisions are probabilities rounded, so they run with thresholds at 0.5.
"""

import re
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.base import clone
from sklearn.ensemble import StackingClassifier
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MultiLabelBinarizer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from manyhot import DecisionLayer, ExtremeMultiLabelClassifier, MultiLabelKFold, load
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.encoders.scores import ScoreEncoder
from manyhot.errors import InputError
from manyhot.estimators.multilabel import MultiLabelClassifier

TINY = {"n_members": 2, "epochs": 20, "hidden_layer_sizes": (8,), "learning_rate": 0.02, "calibration": "none"}


@pytest.mark.slow
@parametrize_with_checks([MultiLabelClassifier(decision="fixed", **TINY)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


class OnAnyRows(DecisionLayer):
    """A layer on the rows of scikit-learn's checks, which are no scores: sums of their columns are made scores."""

    def _training_scores(self, X, labels):
        rows = self._matrix(X, reset=True)
        return self._sums(rows, len(labels)), ScoreEncoder(labels, range(len(labels))), ()

    def _features(self, X):
        return self._sums(self._matrix(X, reset=False), len(self.labels_))

    @staticmethod
    def _sums(rows, n_labels):
        weights = np.cos(np.outer(np.arange(rows.shape[1]), np.arange(1, n_labels + 1)))
        return expit(np.asarray(rows @ weights))


@pytest.mark.slow
@parametrize_with_checks(
    [OnAnyRows(decision="fixed", calibration="none")],
    expected_failed_checks=lambda _: {"check_classifiers_train": "sums of columns are no good scores"},
)
def test_scikit_learn_checks_of_decisions_on_scores(estimator, check):
    check(estimator)


@pytest.fixture
def problem():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(120, 6))
    return X, (X[:, :3] + 0.5 * generator.normal(size=(120, 3)) > 0).astype(int)


SMALL = {"n_members": 2, "epochs": 4, "hidden_layer_sizes": (16,), "verbose": 0}


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
    estimator = MultiLabelClassifier(hidden_layer_sizes=(3, 4), n_members=5, labels=["a", "b"], dropout=0.25)
    assert clone(estimator).get_params() == estimator.get_params()


def easy(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three labels that follow the signs of three features."""
    X = np.random.default_rng(seed).normal(size=(n, 4))
    return X, (X[:, :3] > 0.2).astype(int)


def sets_of(Y: np.ndarray, names) -> list[set]:
    return [{name for name, value in zip(names, row, strict=True) if value} for row in Y]


QUICK = {"n_members": 2, "epochs": 40, "learning_rate": 0.02, "hidden_layer_sizes": (16,), "verbose": 0}


@pytest.fixture(scope="module")
def on_sets():
    X, Y = easy()
    return MultiLabelClassifier(**QUICK).fit(X, [sorted(names) for names in sets_of(Y, "abc")])


class TestScore:
    def test_columns_are_matched_by_name(self, on_sets):
        X, Y = easy()
        frame = pd.DataFrame(Y, columns=list("abc"))
        assert on_sets.score(X, frame) == on_sets.score(X, frame[["c", "b", "a"]]) == on_sets.score(X, Y)

    @pytest.mark.parametrize("kind", [list, set, tuple])
    def test_label_sets_are_scored_as_fit_takes_them(self, on_sets, kind):
        X, Y = easy()
        exact = (on_sets.predict(X) == Y).all(axis=1).mean()
        assert exact > 0.8
        assert on_sets.score(X, [kind(names) for names in sets_of(Y, "abc")]) == pytest.approx(exact)

    def test_unknown_entries_do_not_count_and_rows_without_any_known_one_are_left_out(self, on_sets):
        X, Y = easy()
        wrong = 1.0 - on_sets.predict(X)
        assert on_sets.score(X, wrong) == 0
        wrong[:50] = np.nan
        wrong[50:100] = np.where([True, True, False], np.nan, 1 - wrong[50:100])
        assert on_sets.score(X, wrong) == pytest.approx(50 / 150)
        assert np.isnan(on_sets.score(X, np.full(Y.shape, np.nan)))

    def test_a_label_that_the_model_does_not_know_makes_its_row_wrong(self, on_sets):
        X, _ = easy()
        sets = sets_of(on_sets.predict(X), "abc")
        assert on_sets.score(X, sets) == 1
        sets[0] = sets[0] | {"new"}
        assert on_sets.score(X, sets) == pytest.approx(1 - 1 / len(X))

    def test_weights_count(self, on_sets):
        X, Y = easy()
        is_right = (on_sets.predict(X) == Y).all(axis=1)
        weights = np.where(is_right, 0.0, 2.0)
        assert on_sets.score(X, Y, weights) == 0
        assert on_sets.score(X, Y, 1 - weights / 2) == 1

    def test_one_binary_target(self):
        X, Y = easy()
        classifier = MultiLabelClassifier(**QUICK).fit(X, Y[:, 0])
        assert classifier.score(X, Y[:, 0]) == pytest.approx((classifier.predict(X) == Y[:, 0]).mean())


class TestNumbersAsLabels:
    def test_columns_are_in_the_order_of_the_numbers_and_numbers_come_back(self, tmp_path):
        X, Y = easy()
        sets = sets_of(Y, (0, 5, 10))
        classifier = MultiLabelClassifier(**QUICK).fit(X, sets)
        indicators = MultiLabelBinarizer().fit_transform(sets)
        assert roc_auc_score(indicators, classifier.predict_proba(X)) > 0.95
        assert classifier.labels_ == ("0", "5", "10")
        predicted = classifier.predict_labels(X)
        assert np.mean([one == other for one, other in zip(predicted, sets, strict=True)]) > 0.8
        assert "10" in predicted._repr_html_()
        classifier.set_thresholds({5: 1.0})
        assert classifier.thresholds_["5"] == 1.0
        classifier.save(tmp_path / "numbers.manyhot")
        loaded = load(tmp_path / "numbers.manyhot")
        assert loaded.predict_labels(X) == classifier.predict_labels(X)
        assert loaded.score(X, sets) == classifier.score(X, sets)


@pytest.mark.slow
def test_cross_val_predict_and_stacking_take_probabilities():
    X, Y = easy()
    classifier = MultiLabelClassifier(**QUICK)
    scores = cross_val_predict(classifier, X, Y, cv=3, method="predict_proba")
    assert scores.shape == Y.shape
    assert roc_auc_score(Y, scores) > 0.95
    stacked = StackingClassifier([("net", classifier)], MultiOutputClassifier(LogisticRegression()), cv=3).fit(X, Y)
    assert (stacked.predict(X) == Y).mean() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("kind", [set, list])
def test_a_grid_search_on_label_sets_has_finite_scores(kind):
    X, Y = easy(90)
    sets = [kind(names) for names in sets_of(Y, "abc")]
    sets[0] = kind(["seen in one fold only"])
    search = GridSearchCV(MultiLabelClassifier(**QUICK), {"epochs": [1, 40]}, cv=MultiLabelKFold(3)).fit(X, sets)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[1] > scores[0]


def test_label_sets_behind_a_pipeline():
    X, Y = easy()
    pipeline = make_pipeline(StandardScaler(), MultiLabelClassifier(**QUICK)).fit(X, sets_of(Y, "abc"))
    sets = pipeline[-1].predict_labels(pipeline[:-1].transform(X))
    assert sets == sets_of(pipeline.predict(X), "abc")


class TestRandomState:
    def test_none_is_fresh_and_recorded_and_a_state_moves_on(self):
        X, Y = easy(60)
        small = {**QUICK, "epochs": 1}

        def seed_of(random_state) -> int:
            classifier = MultiLabelClassifier(**small, random_state=random_state).fit(X, Y)
            seed = classifier.report_.to_dict()["config"]["random_state"]
            again = MultiLabelClassifier(**small, random_state=seed).fit(X, Y)
            np.testing.assert_array_equal(again.predict_proba(X), classifier.predict_proba(X))
            return seed

        assert seed_of(None) != seed_of(None)
        assert seed_of(np.random.RandomState(3)) == seed_of(np.random.RandomState(3))
        state = np.random.RandomState(3)
        assert seed_of(state) != seed_of(state)

    @pytest.mark.parametrize("wrong", [-1, 2**32, 1.5, "0", True])
    def test_anything_else_is_refused(self, wrong):
        with pytest.raises(InputError, match="random_state"):
            MultiLabelClassifier(random_state=wrong).fit(*easy(60))


@pytest.mark.parametrize("kind", [MultiLabelClassifier, ExtremeMultiLabelClassifier, DecisionLayer])
class TestParameters:
    def test_help_says_what_each_is_with_its_default(self, kind):
        described = dict(re.findall(r"^        (\w+): ((?:.|\n {12})*)", kind.__doc__, flags=re.MULTILINE))
        for name, value in kind().get_params().items():
            assert " ".join(described[name].split()).endswith(f"Default: {value!r}."), name

    def test_a_misspelt_one_is_answered_with_the_nearest(self, kind):
        with pytest.raises(TypeError, match=r"no parameter 'verbos'; did you mean 'verbose'"):
            kind(verbos=0)
        with pytest.raises(InputError, match=r"'verbos': .*did you mean 'verbose'"):
            kind().set_params(verbos=0)

    def test_completion_shows_public_names(self, kind):
        assert {"fit", "predict_top_k" if kind is ExtremeMultiLabelClassifier else "predict_proba"} <= set(dir(kind()))
        assert not [name for name in dir(kind()) if name.startswith("_")]

    def test_the_notebook_links_the_documentation(self, kind):
        assert f"manyhot.readthedocs.io/en/stable/{kind.__name__}.html" in kind()._repr_html_()


def test_settings_are_parameters():
    names = {field.name for config in (TrainingConfig, RuntimeConfig) for field in fields(config)}
    assert set(MultiLabelClassifier().get_params()) == names | {"labels", "column_types"}
