"""Callbacks by scikit-learn's protocol, with its own classes and with those that stand in for them, and `history_`."""

import pickle
import sys

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from manyhot import MultiLabelClassifier, ReadOptions, engine, load
from manyhot.errors import InputError, ManyhotWarning
from manyhot.estimators import callback_context, followed_training
from manyhot.models.fine_tuning import scale_progress
from manyhot.persistence.checkpoints import Checkpoint

SETTINGS = {"n_members": 3, "epochs": 4, "hidden_layer_sizes": (8,), "member_batching": "single", "verbose": 0}


def scikit_learn_callback():
    return pytest.importorskip("sklearn.callback")


@pytest.fixture(params=["scikit-learn", "stand-in"])
def support(request, monkeypatch):
    """scikit-learn's own classes from 1.9 on, and ours for the versions before."""
    if request.param == "stand-in":
        monkeypatch.setattr(followed_training, "callback_support", lambda: callback_context)
    else:
        scikit_learn_callback()
    return followed_training.callback_support()


def rows(n=150, seed=0):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, 6)).astype(np.float32)
    return X, (X[:, :3] + generator.normal(size=(n, 3)) > 0.5).astype(int)


class Recorder:
    """Keeps what its hooks are told, and ends training where it is asked to."""

    def __init__(self, stop=lambda task, metadata: False):
        self.stop, self.events, self.metadata, self.fitted, self.task_ids = stop, [], [], [], []

    def setup(self, estimator, context):
        self.events.append(("setup", context.task_name))

    def teardown(self, estimator, context):
        self.events.append(("teardown", context.task_name))

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        assert context.estimator_name == "MultiLabelClassifier"
        self.events.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context, *, X=None, metadata=None, fitted_estimator=None):
        self.events.append(("end", context.task_name))
        self.fitted.append(fitted_estimator)
        if context.task_name == "epoch":
            self.task_ids.append(context.task_id)
            assert context.parent.max_subtasks == metadata["n_epochs"]
            assert context.parent.parent.parent is None
            self.metadata.append(metadata)
        return self.stop(context.task_name, metadata)


class Propagated(Recorder):
    """One that a search or a pipeline hands on."""

    max_propagation_depth = None

    def on_fit_task_begin(self, estimator, context):
        self.events.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context):
        root = context
        while root.parent is not None:
            root = root.parent
        self.events.append(("end", context.task_name, root.estimator_name))


def at_epoch(number):
    """Ends training at an epoch."""
    return lambda task, metadata: task == "epoch" and metadata["epoch"] == number


def assert_same_bits(one, other):
    for a, b in zip(one.model_.weights, other.model_.weights, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    np.testing.assert_array_equal(one.model_.evidence.curves, other.model_.evidence.curves)
    assert one.thresholds_ == other.thresholds_


@pytest.mark.slow
def test_a_callback_is_told_of_every_epoch_in_order(support):
    X, y = rows()
    recorder = Recorder()
    classifier = MultiLabelClassifier(**SETTINGS).set_callbacks(recorder).fit(X, y)
    epoch = [("begin", "epoch"), ("end", "epoch")]
    assert recorder.events == [
        ("setup", "fit"),
        ("begin", "fit"),
        ("begin", "training"),
        *(4 * epoch),
        ("end", "training"),
        ("end", "fit"),
        ("teardown", "fit"),
    ]
    assert [one["epoch"] for one in recorder.metadata] == [1, 2, 3, 4]
    assert recorder.task_ids == [0, 1, 2, 3]
    assert [one["members_done"] for one in recorder.metadata] == [0, 0, 0, 3]
    assert all(np.isnan(one["val_loss"]) and one["n_members"] == 3 for one in recorder.metadata)
    history = classifier.history_
    np.testing.assert_allclose([one["loss"] for one in recorder.metadata], history["loss"].mean(axis=0), rtol=1e-6)
    assert history["loss"].dtype == history["val_loss"].dtype == np.float32
    assert history["loss"].shape == (3, 4)
    assert np.isfinite(history["loss"]).all()
    assert np.isnan(history["val_loss"]).all()
    assert history["best_epoch"].tolist() == [4, 4, 4]
    assert recorder.fitted[:-1] == [None] * 5  # none is made while training is under way
    np.testing.assert_array_equal(recorder.fitted[-1].predict(X), classifier.predict(X))


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 6},
        {"epochs": 40, "early_stopping": True, "patience": 2, "learning_rate": 0.05, "member_batching": "auto"},
        {"epochs": "auto", "n_members": 5, "n_folds": 5},
    ],
    ids=["plain", "early stopping", "search"],
)
def test_callbacks_change_no_bit(settings):
    X, y = rows()
    plain = MultiLabelClassifier(**SETTINGS | settings).fit(X, y)
    recorder = Recorder()
    followed = MultiLabelClassifier(**SETTINGS | settings).set_callbacks(recorder).fit(X, y)
    assert_same_bits(plain, followed)
    assert plain.report_.to_dict()["notes"] == followed.report_.to_dict()["notes"]
    losses = [one["loss"] for one in recorder.metadata]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    if settings.get("early_stopping"):
        history = followed.history_
        assert np.isfinite([one["val_loss"] for one in recorder.metadata]).all()
        done = [one["members_done"] for one in recorder.metadata]
        assert done == sorted(done)
        assert done[-1] == 3
        ends = np.isfinite(history["loss"]).sum(axis=1)
        assert len(set(ends)) > 1  # members end apart, and a curve is NaN behind its end
        assert all(np.isnan(history["val_loss"][k, end:]).all() for k, end in enumerate(ends))
    if settings["epochs"] == "auto":
        stages = [one["stage"] for one in recorder.metadata]
        assert stages[0].startswith("trying ")
        assert len(set(stages)) > 1


@pytest.mark.slow
def test_a_callback_ends_training_and_the_model_predicts(support, tmp_path):
    X, y = rows()
    classifier = MultiLabelClassifier(**SETTINGS | {"epochs": 500}).set_callbacks(Recorder(at_epoch(3)))
    classifier.fit(X, y)
    assert classifier.history_["loss"].shape == (3, 3)
    assert "A callback ended training after epoch 3 of 500." in str(classifier.report_)
    assert classifier.predict(X).shape == (150, 3)
    classifier.save(tmp_path / "model.manyhot")
    loaded = load(tmp_path / "model.manyhot")
    np.testing.assert_array_equal(loaded.predict(X), classifier.predict(X))
    np.testing.assert_array_equal(loaded.history_["loss"], classifier.history_["loss"])
    classifier.save(tmp_path / "model.manyhot", evidence=False)
    with pytest.raises(InputError, match="saved without evidence"):
        _ = load(tmp_path / "model.manyhot").history_


@pytest.mark.slow
def test_a_search_that_is_ended_leaves_the_members_it_trained():
    X, y = rows(1200)
    settings = SETTINGS | {"epochs": "auto", "n_members": 10, "n_folds": 10}
    classifier = MultiLabelClassifier(**settings).set_callbacks(Recorder(at_epoch(2))).fit(X, y)
    n_members, n_epochs = classifier.history_["loss"].shape
    assert 2 <= n_members < 10
    assert n_epochs == 2
    assert classifier.model_.n_members == classifier.model_.config.n_members == n_members
    assert 0 < len(classifier.model_.evidence.scores) < 1200
    notes = classifier.report_.to_dict()["notes"]
    assert any("A callback ended training after epoch 2 of" in note and "trying" in note for note in notes)
    assert not any(note.startswith("Trained for") for note in notes)
    assert classifier.predict_proba(X).shape == (1200, 3)


@pytest.mark.slow
def test_a_stage_ends_training_too():
    X, y = rows()
    settings = SETTINGS | {"epochs": "auto", "n_members": 5, "n_folds": 5}
    recorder = Recorder(lambda task, metadata: task.startswith("trying"))
    MultiLabelClassifier(**settings).set_callbacks(recorder).fit(X, y)
    assert len({one["stage"] for one in recorder.metadata}) == 1


@pytest.mark.slow
def test_epochs_of_a_stream_are_passes(tmp_path):
    X, y = rows(600)
    header = ",".join([*(f"x{j}" for j in range(6)), "a", "b", "c"])
    path = tmp_path / "rows.csv"
    np.savetxt(path, np.column_stack([X, y]), delimiter=",", fmt="%.4f", comments="", header=header)
    options = {"stream": True, "stream_folder": tmp_path, "window_bytes": 4096}
    recorder = Recorder()
    settings = SETTINGS | {"n_members": 2, "epochs": 3}
    followed = MultiLabelClassifier(**settings).set_callbacks(recorder)
    followed.fit_file(path, ReadOptions(labels="a,b,c"), **options)
    assert [one["epoch"] for one in recorder.metadata] == [1, 2, 3]
    means = followed.history_["loss"].mean(axis=0)
    np.testing.assert_allclose([one["loss"] for one in recorder.metadata], means, rtol=1e-5)
    plain = MultiLabelClassifier(**settings).fit_file(path, ReadOptions(labels="a,b,c"), **options)
    assert_same_bits(plain, followed)
    ended = MultiLabelClassifier(**settings).set_callbacks(Recorder(at_epoch(2)))
    ended.fit_file(path, ReadOptions(labels="a,b,c"), **options)
    np.testing.assert_array_equal(ended.history_["loss"], plain.history_["loss"][:, :2])


@pytest.mark.slow
def test_a_followed_run_that_was_killed_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(Checkpoint, "is_due", lambda self, name: True)
    X, y = rows()
    plain = MultiLabelClassifier(**SETTINGS | {"epochs": 12}).fit(X, y)

    def fail(task, metadata):
        if at_epoch(7)(task, metadata):
            raise KeyboardInterrupt
        return False

    first, second = Recorder(fail), Recorder()
    classifier = MultiLabelClassifier(**SETTINGS | {"epochs": 12}).set_callbacks(first)
    states = {"checkpoint": tmp_path / "states", "resume": True}
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(X, y, **states)
    assert first.events[-1] == ("teardown", "fit")
    max((tmp_path / "states").glob("chunk-00000.*")).unlink()  # one chunk is an epoch behind the others
    classifier.set_callbacks(second).fit(X, y, **states)
    assert 1 < second.metadata[0]["epoch"] <= 8
    assert second.metadata[-1]["epoch"] == 12
    assert_same_bits(plain, classifier)


@pytest.mark.slow
@pytest.mark.parametrize("hook", ["setup", "on_fit_task_begin", "on_fit_task_end", "teardown"])
def test_an_error_of_a_callback_is_raised_and_it_is_torn_down(support, hook, monkeypatch):
    def fail(*arguments, **values):
        recorder.events.append("failed")
        raise RuntimeError("of the callback")

    recorder, other = Recorder(), Recorder()
    monkeypatch.setattr(recorder, hook, fail)
    classifier = MultiLabelClassifier(**SETTINGS).set_callbacks(recorder, other)
    with pytest.raises(RuntimeError, match="of the callback"):
        classifier.fit(*rows())
    assert recorder.events[-1] == ("failed" if hook == "teardown" else ("teardown", "fit"))
    assert (other.events[-1:] == [("teardown", "fit")]) == (hook != "setup")  # whose setup was never reached
    classifier.set_callbacks().fit(*rows())
    assert recorder.events.count("failed") == 1


def test_what_is_no_callback_is_refused(support):
    class Incomplete:
        def setup(self, estimator, context): ...

    for wrong in (None, Incomplete(), Recorder):
        with pytest.raises(TypeError, match="callbacks are instances with the methods"):
            MultiLabelClassifier().set_callbacks(wrong)
    with pytest.raises(TypeError, match=r"got <.*Incomplete object .* without on_fit_task_begin, on_fit_task_end"):
        MultiLabelClassifier().set_callbacks(Incomplete())


@pytest.mark.slow
def test_a_hook_that_asks_for_something_else_is_refused(support):
    class Curious(Recorder):
        def on_fit_task_begin(self, estimator, context, *, weights=None): ...

    with pytest.raises(TypeError, match="weights"):
        MultiLabelClassifier(**SETTINGS).set_callbacks(Curious()).fit(*rows())


def test_callbacks_are_no_parameters_and_clones_share_them(support):
    recorder = Recorder(at_epoch)
    classifier = MultiLabelClassifier(**SETTINGS).set_callbacks(recorder)
    assert "callback" not in " ".join(classifier.get_params())
    assert repr(classifier) == repr(MultiLabelClassifier(**SETTINGS))
    twin = clone(classifier)
    assert twin._callbacks == (recorder,)
    assert twin.get_params() == classifier.get_params()
    restored = pickle.loads(pickle.dumps(classifier))
    assert [type(one) for one in restored._callbacks] == [Recorder]
    assert clone(classifier.set_callbacks())._callbacks == ()
    assert twin._callbacks == (recorder,)


def test_history_needs_a_fit():
    with pytest.raises(NotFittedError):
        _ = MultiLabelClassifier().history_


@pytest.mark.slow
def test_history_is_a_copy():
    classifier = MultiLabelClassifier(**SETTINGS).fit(*rows())
    history = classifier.history_
    for values in history.values():
        values[:] = 0
    assert classifier.history_["loss"].min() > 0
    assert classifier.history_["best_epoch"].min() == 4


@pytest.mark.slow
def test_members_on_an_executor_have_no_epochs_to_follow():
    recorder = Recorder()
    classifier = MultiLabelClassifier(**SETTINGS, executor="processes:1").set_callbacks(recorder)
    with pytest.warns(ManyhotWarning, match="none of its epochs"):
        classifier.fit(*rows())
    assert recorder.events == [("setup", "fit"), ("begin", "fit"), ("end", "fit"), ("teardown", "fit")]


def test_a_part_of_the_work_keeps_its_follower():
    shown = []
    progress = scale_progress(engine.FollowedProgress(None, shown.append), 0.5, 1.0, "backbone")
    progress(engine.Progress(0.5, 0, 1, 0.1, 0))
    assert progress.stage == "backbone"
    assert shown[0].done == 0.75
    silent = scale_progress(engine.FollowedProgress(None), 0.5, 1.0, "head")
    silent(engine.Progress(0.5, 0, 1, 0.1, 0))
    assert silent.stage == "head"


@pytest.mark.slow
def test_a_search_hands_its_callbacks_on():
    scikit_learn_callback()
    X, y = rows(60)
    recorder = Propagated()
    small = MultiLabelClassifier(**SETTINGS | {"n_members": 2, "epochs": 2})
    search = GridSearchCV(small, {"dropout": [0.1, 0.5]}, cv=2).set_callbacks(recorder).fit(X, y)
    ends = [event for event in recorder.events if event[0] == "end"]
    assert ends.count(("end", "epoch", "GridSearchCV")) == 2 * 5  # two settings, two folds each, and the best one again
    assert recorder.events[0] == ("setup", "fit")
    assert [event[0] for event in recorder.events].count("setup") == 1
    assert search.best_estimator_._callbacks == ()


@pytest.mark.slow
def test_scikit_learns_progress_bar_and_scores(capsys):
    callback = scikit_learn_callback()
    X, y = rows(60)
    small = MultiLabelClassifier(**SETTINGS | {"n_members": 2, "epochs": 2})
    search = GridSearchCV(small, {"dropout": [0.1, 0.5]}, cv=2).set_callbacks(callback.ProgressBar())
    search.fit(X, y)
    shown = capsys.readouterr().out
    assert "GridSearchCV" in shown
    assert "MultiLabelClassifier" in shown
    pipeline = make_pipeline(StandardScaler(), clone(small))
    pipeline.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(X, y)
    assert "MultiLabelClassifier - training" in capsys.readouterr().out
    monitor = callback.ScoringMonitor(scoring="f1_macro")
    small.set_callbacks(monitor).fit(X, y)
    (score,) = (entry["f1_macro"] for entry in monitor.get_logs().data)
    assert 0 <= score <= 1


@pytest.mark.slow
def test_without_callbacks_nothing_of_them_is_asked_for(monkeypatch):
    """scikit-learn's own package takes longer to import than most of an estimator."""

    def fail():
        raise AssertionError("callbacks are looked for")

    monkeypatch.setattr(followed_training, "callback_support", fail)
    MultiLabelClassifier(**SETTINGS).fit(*rows())


def test_before_scikit_learn_1_9_ours_stands_in(monkeypatch):
    monkeypatch.delattr(sklearn, "callback", raising=False)
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    assert followed_training.callback_support() is callback_context
