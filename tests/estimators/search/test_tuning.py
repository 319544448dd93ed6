"""`tune`: the best trial is what its fit is, a killed search goes on, outer folds are honest."""

import json

import numpy as np
import pytest

from manyhot import MultiLabelClassifier, tune
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.estimators.cross_validation.splits import repeated_folds
from manyhot.evaluation.metrics import compute_metrics
from manyhot.models.out_of_fold import EnsembleEstimate
from manyhot.models.trials import TrialRunner

SMALL = {"n_members": 2, "n_folds": 2, "hidden_layer_sizes": (8,), "epochs": 2, "batch_size": 16, "verbose": 0}
SMALL |= {"branches": "none", "decision": "f1_macro"}
SPACE = {"learning_rate": (1e-3, 1e-1), "label_smoothing": (0.0, 0.2), "weight_decay": (1e-3, 0.3)}
NAMES = np.array(["sad", "quiet", "fast"])


def table(n_rows: int = 90) -> tuple[np.ndarray, list[set[str]]]:
    """Numbers and label sets."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(n_rows, 4))
    Y = X[:, :3] + 0.5 * generator.normal(size=(n_rows, 3)) > 0
    return X, [set(NAMES[row].tolist()) for row in Y]


def classifier(**more) -> MultiLabelClassifier:
    return MultiLabelClassifier(labels=NAMES.tolist(), **{**SMALL, **more})


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    return tmp_path_factory.mktemp("search") / "journal.jsonl"


@pytest.fixture(scope="module")
def found(journal):
    """A search over label sets."""
    return tune(classifier(), *table(), metric="f1_micro", space=SPACE, trials=10, journal=journal)


@pytest.mark.slow
def test_the_classifier_is_the_best_trial(found):
    metrics = found.classifier.report_.values["metrics"]["decision"]
    assert metrics["f1_micro"]["value"] == found.best_score
    assert found.best_score == found.best_trial.value >= found.trials[0].value
    best_values = sorted((trial.value for trial in found.trials if trial.value is not None), reverse=True)[:2]
    assert {found.trials[k].value for k in found.ensemble_scores} == {found.trials[0].value, *best_values}
    clear = {number: score.gain for number, score in found.ensemble_scores.items() if score.gain > 1.96 * score.error}
    assert found.best_trial.number == (max(clear, key=clear.get) if clear else 0)
    assert found.ensemble_scores[0][1:] == (0.0, 0.0)
    assert found.classifier.labels_ == tuple(NAMES)
    assert set(found.best_params) == set(SPACE)
    again = classifier(**found.best_settings).fit(*table())
    assert again.report_.values["metrics"]["decision"]["f1_micro"]["value"] == found.best_score


@pytest.mark.slow
def test_the_first_trial_has_the_settings_given(found):
    own = classifier().fit(*table())
    assert found.trials[0].value == own.report_.values["metrics"]["decision"]["f1_micro"]["value"]
    assert found.trials[0].params == {"learning_rate": 0.002, "label_smoothing": 0.0, "weight_decay": 0.01}


@pytest.mark.slow
def test_the_result_says_what_it_is(found):
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["selected_on_these_rows"] is True
    assert len(document["trials"]) == 10
    assert document["best_score"] == found.best_score
    assert "selected on these rows" in repr(found)
    assert "so it is too good" in " ".join(found.to_text().split())
    assert "(settings given)" in str(found)
    assert f"{found.best_score:.4f}" in found.to_text()
    assert sum(found.importances.values()) == pytest.approx(1)


@pytest.mark.slow
def test_a_killed_search_goes_on_to_the_same_trials(found, journal, tmp_path, monkeypatch):
    """The journal ends in the middle of a line of the second batch."""
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 11
    killed = tmp_path / "journal.jsonl"
    killed.write_bytes(b"".join(lines[:10]) + lines[10][:30])
    trained, run = [], TrialRunner.run

    def count(self, configs, *rest):
        trained.append(len(configs))
        return run(self, configs, *rest)

    monkeypatch.setattr(TrialRunner, "run", count)
    monkeypatch.setattr(TrialRunner, "run_whole", None)
    again = tune(classifier(), *table(), metric="f1_micro", space=SPACE, trials=10, journal=killed)
    assert trained == [1]
    assert [trial.to_dict() for trial in again.trials] == [trial.to_dict() for trial in found.trials]
    assert killed.read_bytes() == journal.read_bytes()
    assert "of which 9 were in the journal; 1 more in" in again.to_text()
    assert "journal" not in found.to_text()


@pytest.mark.slow
def test_the_settings_given_stay_where_no_ensemble_is_better(monkeypatch):
    """A gain of a third, below its standard error over rows."""

    def measure(self, config, callback=None):
        if config.learning_rate == classifier().learning_rate:
            return EnsembleEstimate(0.6, np.full(20, 0.6))
        return EnsembleEstimate(0.9, np.where(np.arange(20) < 10, 0.8, 1.0))

    monkeypatch.setattr(TrialRunner, "measure_ensemble", measure)
    found = tune(classifier(), *table(), metric="f1_micro", space=SPACE, trials=6)
    assert found.ensemble_scores[0] == (0.6, 0.0, 0.0)
    assert all(score.error == pytest.approx(0.1 * 19**0.5) for score in list(found.ensemble_scores.values())[1:])
    assert len(found.ensemble_scores) > 1
    assert found.best_trial.number == 0
    assert found.best_settings == {}
    assert found.best_score < max(trial.value for trial in found.trials if trial.value is not None)
    text = " ".join(found.to_text().split())
    assert "0.9000 (gain +0.3000, standard error 0.4359)" in text
    assert "no clear gain, so the settings given stay" in text


@pytest.mark.slow
def test_a_journal_of_other_rows_is_refused(found, journal):
    X, y = table()
    with pytest.raises(InputError, match="other rows"):
        tune(classifier(), X + 1, y, metric="f1_micro", space=SPACE, journal=journal)
    other = classifier().set_params(dropout=0.25)
    with pytest.raises(InputError, match=r"other settings \(dropout was [0-9.]+ and is 0\.25\)"):
        tune(other, X, y, metric="f1_micro", space=SPACE, journal=journal)


@pytest.mark.slow
def test_an_outer_fold_is_measured_by_a_fit_on_its_training_rows():
    """With one trial, whose settings are those given, on rows that it never saw."""
    X, y = table()
    found = tune(classifier(), X, y, metric="map", trials=1, nested=2)
    sets = np.array(y, dtype=object)
    targets = Targets(np.array([[name in row for name in NAMES] for row in y]))
    expected = []
    for split in repeated_folds(targets, 2, 1, True, None, 0):
        own = classifier().fit(X[split.train], sets[split.train].tolist())
        scores = own.predict_proba(X[split.test])
        expected.append(compute_metrics(targets.take(split.test), scores, None, names=["map"])["map"].value)
    np.testing.assert_allclose(found.nested_scores, expected, atol=1e-6)
    assert found.nested_score == pytest.approx(np.mean(expected))
    assert found.best_settings == {}
    assert "outer folds" in found.statement()


@pytest.mark.slow
def test_no_trial_begins_after_the_time_is_over():
    found = tune(classifier(), *table(), minutes=1e-6)
    assert len(found.trials) == 1
    assert found.metric == "map"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metric": "f1"}, "f1_micro"),
        ({"metric": "hierarchical_f1"}, "taxonomy"),
        ({"trials": 0}, "trials"),
        ({"minutes": 0}, "minutes"),
        ({"nested": 1}, "nested"),
        ({"space": {"dropouts": [0.1]}}, "dropout"),
    ],
)
def test_invalid_arguments_are_refused_before_anything_is_trained(settings, message, monkeypatch):
    monkeypatch.setattr(TrialRunner, "run_whole", None)
    with pytest.raises(InputError, match=message):
        tune(classifier(), *table(), **settings)
