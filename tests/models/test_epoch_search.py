"""Epochs chosen by the loss on left-out rows: the steps of the search, and that its result is a training like any."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from manyhot import MultiLabelClassifier, cross_validate
from manyhot.config.auto import searches_epochs
from manyhot.config.training import TrainingConfig
from manyhot.data.targets import Targets
from manyhot.estimators import multilabel
from manyhot.models import epoch_search, measuring
from manyhot.models.epoch_search import _measure, _Search, _Trial

SMALL = {"n_members": 4, "n_folds": 2, "hidden_layer_sizes": (8,), "verbose": 0}


def problem(n=240, seed=0, signal=2.0):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, 6))
    return X, signal * X[:, :3] + generator.logistic(size=(n, 3)) > 0.5


def trial(epochs, loss, temperature=1.0, precision=0.5, prior_loss=9.0):
    return _Trial(epochs, None, np.full(50, loss), np.ones(50), precision, temperature, prior_loss)


class Rows:
    """What the search looks at in a fit."""

    def __init__(self, n_rows, epochs, branches=()):
        self.rows, self.config = np.arange(n_rows), TrainingConfig(epochs=epochs)
        self.network = SimpleNamespace(branches=branches)


def searched(losses, n_rows=5000, first=8, temperature=1.0, precision=lambda epochs: 0.5, branches=()):
    """The epochs that a search tries, and the best."""
    search = _Search(Rows(n_rows, first, branches), 0, 2, first)
    tried = []
    while search.candidate is not None:
        tried.append(search.candidate)
        search.accept(trial(search.candidate, losses[search.candidate], temperature, precision(search.candidate)))
    return tried, search.best.epochs


@pytest.mark.parametrize(
    ("losses", "temperature", "tried", "best"),
    [
        ({8: 1.0, 16: 1.1}, 1.0, [8, 16], 8),
        ({8: 1.0, 16: 0.9, 32: 0.95}, 1.0, [8, 16, 32], 16),
        ({8: 1.0, 16: 0.99}, 1.0, [8, 16], 16),  # not worth another doubling
        ({8: 1.0, 16: 0.9, 32: 0.8}, 1.0, [8, 16, 32], 32),  # four times the first at most
        ({8: 1.0, 4: 1.01}, 0.5, [8, 4], 8),
        ({8: 1.0, 4: 0.9, 2: 0.85}, 0.5, [8, 4, 2], 2),  # two at least
        ({8: 1.0, 4: 1.1, 16: 0.99}, 0.5, [8, 4, 16], 16),  # so steep that more may help after all
        ({8: 1.0, 4: 1.1, 16: 1.2}, 0.5, [8, 4, 16], 8),
    ],
)
def test_steps(losses, temperature, tried, best):
    assert searched(losses, temperature=temperature) == (tried, best)


def test_scores_that_tell_nothing_are_trained_longer():
    search = _Search(Rows(5000, 8), 0, 2, 8)
    search.accept(trial(8, 0.69, temperature=0.1, prior_loss=0.69))
    assert search.candidate == 16


def test_small_data_may_take_sixteen_times_the_first():
    losses = {2**k: 0.9**k for k in range(12)}
    assert searched(losses, n_rows=1000)[1] == 128
    assert searched(losses, n_rows=1001)[1] == 32
    assert searched(losses, n_rows=1000, branches=("bins",))[1] == 32


def test_a_lower_loss_that_costs_precision_is_not_taken():
    assert searched({8: 1.0, 4: 0.9}, temperature=0.5, precision=lambda epochs: 0.5 if epochs == 8 else 0.48)[1] == 8
    assert searched({8: 1.0, 4: 0.9, 2: 2}, temperature=0.5, precision=lambda epochs: 0.5 - 0.001 * epochs)[1] == 4


def test_a_difference_within_its_error_changes_nothing():
    generator = np.random.default_rng(0)
    noise = generator.normal(size=50)
    noise -= noise.mean()
    first = _Trial(8, None, np.ones(50), np.ones(50), 0.5, 1.0, 9.0)
    error = noise.std() / np.sqrt(50)
    for gain, expected in ((0.9 * error, False), (1.1 * error, True)):
        other = _Trial(16, None, 1 + noise - gain, np.ones(50), 0.5, 1.0, 9.0)
        assert other.is_clearly_better_than(first) == expected


def test_losses_of_next_to_nothing_are_alike():
    few, many = (
        _Trial(epochs, None, np.full(50, loss), np.ones(50), 1.0, 1.0, 9.0)
        for epochs, loss in ((20, 4e-9), (320, 2e-24))
    )
    assert many.loss < few.loss
    assert not many.is_clearly_better_than(few)
    assert few.is_clearly_better_than(_Trial(10, None, np.full(50, 2e-4), np.ones(50), 1.0, 1.0, 9.0))


def test_the_loss_is_that_at_the_best_temperature():
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(3000, 4))
    values = generator.random(logits.shape) < 1 / (1 + np.exp(-logits))
    known = generator.random(logits.shape) < 0.7
    targets = Targets(values & known, known)
    sure = 1 / (1 + np.exp(-3 * logits))
    found = _measure(5, None, sure, targets, np.ones(3000))
    assert found.temperature == pytest.approx(1 / 3, rel=0.1)
    at_truth = (np.logaddexp(0, logits) - values * logits)[known].mean()
    assert found.loss == pytest.approx(at_truth, rel=0.01)
    assert found.loss <= at_truth
    doubled = _measure(5, None, sure, targets, np.where(np.arange(3000) < 1500, 2.0, 1e-9))
    half = _measure(5, None, sure[:1500], targets.take(np.arange(1500)), np.ones(1500))
    assert doubled.loss == pytest.approx(half.loss, rel=1e-4)


def test_nothing_known_has_no_loss():
    values = np.zeros((4, 2), dtype=bool)
    found = _measure(5, None, np.full((4, 2), 0.3), Targets(values, values), np.ones(4))
    assert found.loss == pytest.approx(0)
    assert not found.is_clearly_better_than(found)


@pytest.mark.slow
def test_a_checkpoint_and_an_executor_change_nothing(tmp_path):
    X, Y = problem()
    chosen = MultiLabelClassifier(**SMALL).fit(X, Y)
    kept = MultiLabelClassifier(**SMALL).fit(X, Y, checkpoint=tmp_path / "kept", checkpoint_every=0.01)
    elsewhere = MultiLabelClassifier(executor="processes:2", **SMALL).fit(X, Y)
    for other in (kept, elsewhere):
        np.testing.assert_array_equal(other.predict_proba(X), chosen.predict_proba(X))
        assert other.model_.config.epochs == chosen.model_.config.epochs


@pytest.mark.slow
def test_the_result_is_that_of_a_training_with_these_epochs():
    X, Y = problem()
    chosen = MultiLabelClassifier(**SMALL).fit(X, Y)
    epochs = int(chosen.model_.config.epochs)
    given = MultiLabelClassifier(epochs=epochs, **SMALL).fit(X, Y)
    np.testing.assert_array_equal(chosen.predict_proba(X), given.predict_proba(X))
    np.testing.assert_array_equal(chosen.model_.evidence.scores, given.model_.evidence.scores)
    (note,) = (note for note in chosen.report_.to_dict()["notes"] if f"Trained for {epochs} epochs" in note)
    assert "log loss on held-out rows" in note
    assert note.endswith("so the log loss of the whole ensemble differs.")
    assert chosen.get_params()["epochs"] == "auto"


@pytest.mark.slow
def test_progress_says_what_is_tried(monkeypatch):
    stages = []
    monkeypatch.setattr(epoch_search, "count_pilots", lambda *rest: 2)
    X, Y = problem()
    clf = MultiLabelClassifier(**{**SMALL, "verbose": 1})
    monkeypatch.setattr(
        multilabel,
        "training_progress",
        lambda *_, **__: nullcontext(lambda progress: progress.phase or stages.append(progress.stage)),
    )
    clf.fit(X, Y)
    epochs = int(clf.model_.config.epochs)
    tried = {stage for stage in stages if stage.startswith("trying ")}
    assert f"trying {epochs} epochs" in tried
    assert len(tried) >= 2
    assert set(stages) - tried == {f"{epochs} epochs"}  # of the members that were no pilots


@pytest.mark.slow
def test_members_that_were_no_pilots_are_trained_afterwards(monkeypatch):
    X, Y = problem()
    monkeypatch.setattr(epoch_search, "count_pilots", lambda fit, runtime, size: 2)
    chosen = MultiLabelClassifier(**SMALL).fit(X, Y)
    given = MultiLabelClassifier(epochs=int(chosen.model_.config.epochs), **SMALL).fit(X, Y)
    np.testing.assert_allclose(chosen.predict_proba(X), given.predict_proba(X), atol=1e-6)
    assert chosen.model_.n_members == 4


@pytest.mark.slow
def test_strong_signal_takes_more_epochs_than_noise():
    X, Y = problem(seed=3, signal=8.0)
    noise = np.random.default_rng(5).permutation(Y)
    epochs = [int(MultiLabelClassifier(**SMALL).fit(X, targets).model_.config.epochs) for targets in (Y, noise)]
    assert epochs[0] > epochs[1]


@pytest.mark.slow
def test_every_fold_of_a_cross_validation_chooses_as_fit_would():
    X, Y = problem()
    folds = np.arange(len(X)) % 2
    splits = [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(2)]
    result = cross_validate(MultiLabelClassifier(**SMALL), X, Y, splits=splits)
    fitted = MultiLabelClassifier(**SMALL).fit(X[splits[0][0]], Y[splits[0][0]])
    test = splits[0][1]
    np.testing.assert_allclose(result.oof_scores[0][test], fitted.predict_proba(X[test]), atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 5},
        {"network": "resnet"},
        {"network": "custom"},
        {"loss": "focal"},
        {"label_weights": "balanced"},
        {"early_stopping": True},
        {"positive_unlabeled": True},
        {"n_members": 1},
        {"head": "softmax", "allow_softmax": True},
    ],
)
def test_others_go_by_their_rows(settings):
    assert searches_epochs(TrainingConfig(network="mlp"))
    assert not searches_epochs(TrainingConfig(**{"network": "mlp", **settings}))


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ({10: 0.05, 20: 0.06}, "10 epochs, which had a lower log loss on held-out rows (0.05) than 20 (0.06); tried"),
        (
            {10: 0.05, 20: 0.04},
            "with a log loss of 0.05 on held-out rows; 20 (0.04) had a lower one, but not clearly so, or",
        ),
        ({10: 0.05, 20: 0.04, 5: 0.06}, "(0.05) than 5 (0.06); 20 (0.04) had a lower one, but not clearly so"),
        ({10: 0.05}, "10 epochs; log loss on held-out rows, by epochs: 10 (0.05); tried"),
    ],
)
def test_the_note_on_epochs_never_calls_a_higher_loss_lower(losses, words):
    assert words in measuring._epoch_note(10, losses)
