"""Nineteen traps that other tools of this field fall into, each beside what manyhot does on the same data.

Where the other tool is at hand, a test asserts its wrong answer too, in the version that constraints.txt names.
"""

import inspect

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn import metrics as sklearn_metrics
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, TunedThresholdClassifierCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import LabelBinarizer, MultiLabelBinarizer

from manyhot import MultiLabelClassifier, cli
from manyhot.backend import keras
from manyhot.data.labels import LabelSpace
from manyhot.data.splitting.splitters import MultiLabelKFold
from manyhot.decisions.guarantees import control_miss_rate
from manyhot.errors import InputError
from manyhot.evaluation import metrics
from tests.fixtures.trap_models import SMALL, fitted, keras_model, known, scores_of_one_network, sigmoid_only

NAMES = np.array(["fast", "quiet", "sad"])


@pytest.fixture(scope="module")
def rows():
    """120 rows with three labels, each in about a quarter of them; a third of the rows has none."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(120, 5))
    return X, (X[:, :3] + 0.8 * generator.normal(size=(120, 3)) > 0.9).astype(int)


def measure(name, targets, decisions):
    return metrics.compute_metrics(targets, None, decisions, names=[name])[name].value


def test_01_accuracy_that_takes_the_highest_label_for_the_answer():
    """Keras takes "accuracy" for a choice among classes, so that a batch with every label right has a half."""
    Y = np.array([[1, 1, 0, 0], [0, 1, 1, 0]])
    logits = np.array([[2.1, 2.0, -2.0, -2.0], [-2.0, 2.0, 2.1, -2.0]])
    peer = sigmoid_only(metrics=["accuracy"]).evaluate(logits, Y.astype(float), verbose=0, return_dict=True)
    assert peer["accuracy"] == 0.5
    decisions = logits > 0
    assert measure("subset_accuracy", known(Y), decisions) == 1.0
    assert measure("element_accuracy", known(Y), decisions) == 1.0
    assert "accuracy" not in metrics.METRICS
    decisions[0, 1] = False
    assert measure("subset_accuracy", known(Y), decisions) == 0.5
    assert measure("element_accuracy", known(Y), decisions) == 7 / 8


@pytest.mark.slow
def test_02_weights_of_classes_become_weights_of_rows(rows):
    """Keras weighs a row with several labels by the weight of the first of them, and says nothing."""
    model, logits = sigmoid_only(), np.random.default_rng(0).normal(size=(2, 4))
    first_two = np.array([[1.0, 1, 0, 1], [0, 1, 1, 1]])
    by_class = model.train_on_batch(logits, first_two, class_weight={0: 1.0, 1: 10.0, 2: 100.0, 3: 1000.0})
    assert by_class == model.train_on_batch(logits, first_two, sample_weight=np.array([1.0, 10.0]))
    X, Y = rows
    with pytest.raises(TypeError, match="class_weight"):
        MultiLabelClassifier(class_weight={0: 1.0})
    with pytest.raises(TypeError, match="class_weight"):
        MultiLabelClassifier(**SMALL).fit(X, Y, class_weight={0: 1.0})
    times = np.where(Y[:, 0] == 1, 3, 1)
    weighted = MultiLabelClassifier(**SMALL).fit(X, Y, sample_weight=times)
    repeated = fitted(np.repeat(X, times, axis=0), np.repeat(Y, times, axis=0))
    np.testing.assert_array_equal(weighted.predict_proba(X), repeated.predict_proba(X))
    assert weighted.thresholds_ == repeated.thresholds_
    assert (weighted.predict_proba(X) - fitted(X, Y).predict_proba(X))[:, 0].min() > 0.05


@pytest.mark.slow
def test_03_f1_of_the_highest_label_only(rows):
    """Keras' F1Score leaves one answer to each row unless a threshold is given."""
    Y = np.array([[1, 1, 0], [0, 1, 1], [1, 1, 1]])
    scores = np.where(Y, 0.8, 0.2) + 0.05 * np.eye(3)
    peer = keras.metrics.F1Score(average="macro")
    peer.update_state(Y, scores)
    assert float(peer.result()) < 0.7
    assert measure("f1_macro", known(Y), scores >= 0.5) == 1.0
    with pytest.raises(InputError, match="decide first"):
        measure("f1_macro", known(Y), scores)
    classifier = fitted(*rows, epochs=20, learning_rate=1e-2)
    evidence, at_half = classifier.model_.evidence, classifier.report_.metrics["fixed"]["f1_macro"]
    expected = sklearn_metrics.f1_score(evidence.targets.values, evidence.scores >= 0.5, average="macro")
    assert at_half["value"] == pytest.approx(expected)
    assert (classifier.predict(rows[0]).sum(axis=1) > 1).any()


@pytest.mark.slow
def test_04_a_label_without_positives_spoils_auc():
    """Keras' AUC counts a label without a positive as 0, so that a perfect model has two thirds."""
    Y = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    perfect = np.where(Y, 0.9, 0.1)
    peer = keras.metrics.AUC(multi_label=True, num_labels=3)
    peer.update_state(Y, perfect)
    assert float(peer.result()) == pytest.approx(2 / 3)
    measured = metrics.compute_metrics(known(Y), perfect, perfect > 0.5)
    for score in (measured[name] for name in ("roc_auc_macro", "map", "f1_macro")):
        assert (score.value, score.n_labels) == (1.0, 2)
    assert measured["f1_macro_all"].value == pytest.approx(2 / 3)


@pytest.mark.slow
def test_05_one_unknown_target_makes_the_loss_nan(rows):
    """One NaN among the targets and the whole loss of Keras is NaN."""
    X, Y = rows
    row = int(np.flatnonzero(Y[:, 0])[0])
    with_gap = Y.astype(float)
    with_gap[row, 0] = np.nan
    scores = scores_of_one_network(X, Y)
    assert np.isnan(keras.losses.BinaryCrossentropy()(with_gap, scores))
    gapped = scores_of_one_network(X, with_gap)
    without = np.arange(len(X)) != row
    np.testing.assert_allclose(gapped[:, 1:], scores[:, 1:], atol=1e-5)
    np.testing.assert_allclose(gapped[without, 0], scores_of_one_network(X[without], Y[without])[:, 0], atol=1e-5)
    for filling in (0, 1):
        filled = np.where(np.isnan(with_gap), filling, with_gap)
        assert np.abs(gapped - scores_of_one_network(X, filled))[:, 0].max() > 1e-3
    losses = -np.where(Y, np.log(scores), np.log1p(-scores))
    losses[row, 0] = np.nan
    assert metrics.log_loss(known(with_gap), scores).value == pytest.approx(np.nanmean(losses))
    classifier = fitted(X, with_gap)
    assert np.isfinite(classifier.predict_proba(X)).all()
    assert np.isfinite(classifier.model_.evidence.curves[:, :, 0]).all()
    assert [label["n_known"] for label in classifier.report_.to_dict()["labels"]] == [119, 120, 120]


@pytest.mark.slow
def test_06_the_wrapper_refuses_several_labels_and_forgets_settings(rows):
    """Keras' own wrapper for scikit-learn takes one label per row only, and its clone has lost `fit_kwargs`."""
    X, Y = rows
    peer = keras.wrappers.SKLearnClassifier(lambda X, y: keras_model(), fit_kwargs={"epochs": 7})
    with pytest.raises(ValueError, match="1d array"):
        peer.fit(X, Y)
    assert clone(peer).fit_kwargs is None
    settings = {name: [name] for name in inspect.signature(MultiLabelClassifier).parameters}
    assert clone(MultiLabelClassifier(**settings)).get_params() == settings
    own = MultiLabelClassifier(network=keras_model(), n_members=2, epochs=2, batch_size=32, verbose=0)
    copied = clone(own).fit(X, Y)
    np.testing.assert_array_equal(copied.predict_proba(X), own.fit(X, Y).predict_proba(X))
    assert np.isfinite(cross_val_score(own, X, Y, cv=2, scoring="roc_auc")).all()
    search = GridSearchCV(MultiLabelClassifier(**SMALL), {"learning_rate": [1e-4, 3e-2]}, cv=2, scoring="roc_auc")
    assert search.fit(X, Y).best_params_ == {"learning_rate": 3e-2}


@pytest.mark.slow
def test_07_tuned_thresholds_are_not_used(rows):
    """One-vs-rest asks tuned classifiers for probabilities and cuts them at 0.5 itself: tuning changes nothing."""
    X, Y = rows
    peer = OneVsRestClassifier(TunedThresholdClassifierCV(LogisticRegression(), scoring="f1")).fit(X, Y)
    assert all(each.best_threshold_ < 0.45 for each in peer.estimators_)
    untuned = OneVsRestClassifier(LogisticRegression()).fit(X, Y)
    np.testing.assert_array_equal(peer.predict(X), untuned.predict(X))
    settings = {"epochs": 10, "learning_rate": 1e-2}
    tuned, at_half = fitted(X, Y, decision="f1_macro", **settings), fitted(X, Y, decision="fixed", **settings)
    scores = tuned.predict_proba(X)
    np.testing.assert_array_equal(scores, at_half.predict_proba(X))
    assert (tuned.predict(X) != at_half.predict(X)).any(axis=0).all()
    np.testing.assert_array_equal(tuned.predict(X), scores.astype(float) >= list(tuned.thresholds_.values()))
    tuned.set_thresholds({"label_1": float(np.sort(scores[:, 1])[-5])})
    assert tuned.predict(X)[:, 1].sum() == 5


@pytest.mark.slow
def test_08_losses_that_take_a_row_for_one_distribution(rows):
    """scikit-learn's log_loss and brier_score_loss use the formula of exclusive classes, with a warning at most."""
    X, Y = rows
    scores = fitted(X, Y).predict_proba(X).astype(float)
    log_loss = -np.where(Y, np.log(scores), np.log1p(-scores)).mean()
    brier = ((scores - Y) ** 2).mean()
    with pytest.warns(UserWarning, match="sum to one"):
        wrong = [peer(Y, scores) for peer in (sklearn_metrics.log_loss, sklearn_metrics.brier_score_loss)]
    assert wrong[0] > log_loss + 0.1
    assert wrong[1] == pytest.approx(3 * brier)
    assert metrics.log_loss(known(Y), scores).value == pytest.approx(log_loss)
    assert metrics.brier(known(Y), scores).value == pytest.approx(brier)
    by_label = [sklearn_metrics.log_loss(Y[:, j], scores[:, j]) for j in range(3)]
    assert metrics.log_loss(known(Y), scores).value == pytest.approx(np.mean(by_label))


def test_09_one_constant_column_spoils_macro_averages(rows):
    """scikit-learn's macro AUC becomes NaN with one column of zeros, and macro average precision counts it as 0."""
    X, Y = rows
    Y = np.column_stack([Y[:, :2], np.zeros(len(Y), int)])
    perfect = np.where(Y, 0.9, 0.1)
    with pytest.warns(UserWarning, match="Only one class"):
        assert np.isnan(sklearn_metrics.roc_auc_score(Y, perfect, average="macro"))
    with pytest.warns(UserWarning, match="No positive class"):
        assert sklearn_metrics.average_precision_score(Y, perfect, average="macro") == pytest.approx(2 / 3)
    measured = metrics.compute_metrics(known(Y), perfect, None)
    assert measured["roc_auc_macro"] == metrics.Score(1.0, 2, 120, 0.5)
    assert measured["map"].value == 1.0
    classifier = fitted(X, Y)
    evidence, measured = classifier.model_.evidence, classifier.report_.metrics["decision"]
    for name, peer in (("roc_auc_macro", "roc_auc_score"), ("map", "average_precision_score")):
        assert measured[name]["n_labels"] == 2
        expected = getattr(sklearn_metrics, peer)(evidence.targets.values[:, :2], evidence.scores[:, :2])
        assert measured[name]["value"] == pytest.approx(expected)


@pytest.mark.slow
def test_10_folds_thresholds_and_measures_refuse_several_labels(rows):
    """Stratified folds, calibration, tuned thresholds and some metrics of scikit-learn raise on multi-hot targets."""
    X, Y = rows
    base = OneVsRestClassifier(LogisticRegression())
    for refused in (
        lambda: next(StratifiedKFold(3).split(X, Y)),
        lambda: CalibratedClassifierCV(base).fit(X, Y),
        lambda: TunedThresholdClassifierCV(base).fit(X, Y),
        lambda: sklearn_metrics.matthews_corrcoef(Y, Y),
        lambda: sklearn_metrics.balanced_accuracy_score(Y, Y),
    ):
        with pytest.raises(ValueError, match=r"multilabel-indicator|1d array"):
            refused()
    folds = [test for _, test in MultiLabelKFold(3).split(X, Y)]
    assert sorted(np.concatenate(folds)) == list(range(120))
    positives = np.array([Y[test].sum(axis=0) for test in folds])
    assert np.ptp(positives, axis=0).max() <= 2
    assert np.isfinite(cross_val_score(MultiLabelClassifier(**SMALL), X, Y, cv=MultiLabelKFold(2))).all()
    classifier = fitted(X, Y, decision="f1_macro")
    assert 0.5 not in classifier.thresholds_.values()
    measured = metrics.compute_metrics(known(Y), classifier.predict_proba(X), classifier.predict(X) == 1)
    assert set(measured) == set(metrics.metric_names(has_taxonomy=False))
    assert np.isfinite([score.value for score in measured.values()]).all()


@pytest.mark.slow
def test_11_stopping_on_whole_rows_names_and_constant_labels(rows):
    """MLPClassifier stops on the share of rows wholly right, forgets label names, and drifts to a constant label."""
    X, Y = rows
    generator = np.random.default_rng(0)
    many = (X @ generator.normal(size=(5, 20)) + generator.normal(size=(120, 20)) > 0).astype(int)
    peer = MLPClassifier((8,), max_iter=40, early_stopping=True, random_state=0).fit(X, many)
    assert max(peer.validation_scores_) == 0
    assert peer.n_iter_ == 12
    assert (np.diff(peer.loss_curve_) < 0).all()
    evidence = fitted(X, many, early_stopping=True, epochs=100, learning_rate=1e-2).model_.evidence
    stopping = evidence.curves[:, :, 1]
    np.testing.assert_array_equal(evidence.best_epoch, np.nanargmin(stopping, axis=1) + 1)
    assert evidence.best_epoch.min() > 12
    assert np.isfinite(stopping).sum(axis=1).max() < 100

    Y = np.column_stack([Y, np.ones(120, int), np.zeros(120, int)])
    frame = pd.DataFrame(Y, columns=[*NAMES, "always", "never"])
    with pytest.warns(UserWarning, match="hasn't converged"):
        peer = MLPClassifier((8,), max_iter=3, random_state=0).fit(X, frame)
    np.testing.assert_array_equal(peer.classes_, range(5))
    assert np.abs(peer.predict_proba(X)[:, 3:] - [1, 0]).mean(axis=0).min() > 0.3
    classifier = fitted(X, frame)
    assert classifier.labels_ == (*NAMES, "always", "never")
    assert list(classifier.thresholds_) == list(frame.columns)
    assert np.abs(classifier.predict_proba(X)[:, 3:] - [1, 0]).max() < 0.05


def test_12_text_taken_for_letters_and_unseen_labels_dropped(rows):
    """MultiLabelBinarizer takes a plain string for a set of letters, and drops labels it has not seen."""
    assert list(MultiLabelBinarizer().fit(["sad", "quiet"]).classes_) == list("adeiqstu")
    binarizer = MultiLabelBinarizer().fit([["sad"], ["quiet"]])
    with pytest.warns(UserWarning, match="will be ignored"):
        assert binarizer.transform([["sad", "new"]]).tolist() == [[0, 1]]
    X, _ = rows
    with pytest.raises(InputError, match=r"row 1.*'sad' where a set of labels"):
        fitted(X, ["sad", "quiet", "fast"] * 40)
    with pytest.raises(InputError, match=r"row 120.*'sad' where a set of labels"):
        fitted(X, [{"quiet"}] * 119 + ["sad"])
    with pytest.raises(InputError, match=r"row 120.*'new' was not there"):
        fitted(X, [{"sad"}] * 60 + [{"quiet"}] * 59 + [{"new"}], labels=["sad", "quiet"])
    space = LabelSpace(("sad", "quiet"))
    with pytest.raises(InputError, match=r"row 2.*'new' was not there"):
        space.encode([{"sad"}, {"sad", "new"}])
    for asked, reported in (("ignore", {}), ("report", {"new": 1})):
        targets, unseen = space.encode([{"sad"}, {"sad", "new"}], unknown_labels=asked)
        assert targets.values.tolist() == [[True, False], [True, False]]
        assert unseen == reported


@pytest.mark.slow
def test_13_probabilities_in_a_list_of_pairs(rows):
    """MultiOutputClassifier answers with a list of one (n, 2) array per label, another shape than its neighbours."""
    X, Y = rows
    peer = MultiOutputClassifier(LogisticRegression()).fit(X, Y).predict_proba(X)
    assert isinstance(peer, list)
    assert [scores.shape for scores in peer] == [(120, 2)] * 3
    for n_labels in (1, 2, 3):
        for targets in (Y[:, :n_labels], sp.csr_matrix(Y[:, :n_labels])):
            classifier = fitted(X, targets)
            for scores in (classifier.predict_proba(X), classifier.predict(X)):
                assert isinstance(scores, np.ndarray)
                assert scores.shape == (120, n_labels)


@pytest.mark.slow
def test_14_a_model_that_never_answers_looks_good():
    """fastai's default measure gives 97 % to a model that never answers, where three labels in a hundred are there."""
    generator = np.random.default_rng(0)
    X, Y = generator.normal(size=(120, 5)), generator.permutation(600).reshape(120, 5) < 18
    classifier = fitted(X, Y, decision="fixed")
    assert not classifier.predict(X).any()
    report = classifier.report_
    accuracy, f1 = report.metrics["decision"]["element_accuracy"], report.metrics["decision"]["f1_macro"]
    assert accuracy["value"] == accuracy["baseline"] == pytest.approx(0.97)
    assert f1["value"] == 0.0 < f1["baseline"]
    assert "accuracy_flatters" in [finding["code"] for finding in report.to_dict()["checks"]]
    assert "(0.970) flatters at a density of 0.030" in " ".join(str(report).split())


def test_15_probabilities_below_the_threshold_are_thrown_away(rows, tmp_path):
    """Ludwig keeps the probabilities of answered labels only; then no other threshold can be tried afterwards."""
    X, Y = rows
    frame = pd.DataFrame(X, columns=list("abcde"))
    classifier = fitted(frame, pd.DataFrame(Y, columns=NAMES))
    for name in NAMES:
        classifier.set_thresholds({name: 0.999})
    scores = classifier.predict_proba(frame)
    assert not classifier.predict(frame).any()
    assert ((scores > 0) & (scores < 1)).all()
    classifier.save(tmp_path / "songs.manyhot")
    frame.to_csv(tmp_path / "songs.csv", index=False)
    bundle, songs, answered = (str(tmp_path / name) for name in ("songs.manyhot", "songs.csv", "predictions.csv"))
    with pytest.raises(SystemExit) as stop:
        cli.main(["predict", bundle, songs, "-o", answered])
    assert not stop.value.code
    answers = pd.read_csv(answered)
    assert answers["labels"].isna().all()
    np.testing.assert_array_equal(answers[[f"p_{name}" for name in NAMES]].to_numpy(np.float32), scores)


def test_16_thresholds_that_match_the_number_of_labels(rows):
    """MEKA chooses a threshold such that as many labels are answered as there are, which maximises no measure."""
    classifier = fitted(
        *rows, decision="f1_macro", min_f1=0.0, epochs=10, calibration="none", decision_params={"shrink": 0}
    )
    evidence = classifier.model_.evidence
    values, scores = evidence.targets.values, evidence.scores.astype(float)

    def f1(thresholds):
        return sklearn_metrics.f1_score(values, scores >= thresholds, average=None)

    own = f1(list(classifier.thresholds_.values()))
    best = np.max([f1(np.full(3, cut)) for cut in np.unique(scores)], axis=0)
    np.testing.assert_allclose(own, best)
    for_all = np.sort(scores, axis=None)[-values.sum()]
    for_each = [np.sort(scores[:, j])[-values[:, j].sum()] for j in range(3)]
    for matching in (np.full(3, for_all), np.array(for_each)):
        assert (scores >= matching).sum() == values.sum()
        assert f1(matching).mean() < own.mean() - 0.01


def test_17_rows_without_any_label(rows):
    """MAPIE raises where a row has no label. Covered: fit, thresholds, metrics, promises."""
    X, Y = rows
    is_empty = ~Y.any(axis=1)
    assert is_empty.sum() > 30
    classifier = fitted(X, [set(NAMES[row == 1]) for row in Y], epochs=10, learning_rate=1e-2)
    evidence, report = classifier.model_.evidence, classifier.report_
    assert report.to_dict()["data"]["rows_without_labels"] == is_empty.sum()
    np.testing.assert_array_equal(evidence.targets.values, Y)
    answers = evidence.scores >= 0.5
    sizes = answers.sum(axis=1) + Y.sum(axis=1)
    by_row = np.where(sizes > 0, 2 * (answers & (Y == 1)).sum(axis=1) / np.maximum(sizes, 1), 1.0)
    measured = report.metrics["fixed"]
    assert measured["f1_samples"]["value"] == pytest.approx(by_row.mean())
    assert {measured[name]["n_samples"] for name in ("f1_samples", "subset_accuracy", "f1_macro")} == {120}
    assert set() in classifier.predict_labels(X)
    promise, labelled = (
        control_miss_rate(evidence.scores[kept], evidence.targets.take(kept), 0.2)
        for kept in (np.arange(len(Y)), np.flatnonzero(~is_empty))
    )
    assert promise.n_used == labelled.n_used == (int((~is_empty).sum()),)
    np.testing.assert_array_equal(promise.thresholds, labelled.thresholds)


@pytest.mark.slow
def test_18_small_integers_lose_labels():
    """scikit-learn's LabelBinarizer garbles uint8 targets with more than 255 labels, so that models learn noise."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(64, 5))
    small = (X @ generator.normal(size=(5, 300)) > 0.5).astype(np.uint8)
    small[0] = 1
    assert (LabelBinarizer().fit(small).transform(small) == small).mean() < 0.9
    wide = small.astype(np.int64)
    np.testing.assert_array_equal(LabelBinarizer().fit(wide).transform(wide), wide)
    expected = fitted(X, wide)
    for Y in (small, sp.csr_matrix(small)):
        classifier = fitted(X, Y)
        np.testing.assert_array_equal(classifier.predict_proba(X), expected.predict_proba(X))
        assert classifier.report_.to_dict() == expected.report_.to_dict()
        np.testing.assert_array_equal(classifier.model_.evidence.targets.values, wide == 1)
        assert classifier.report_.to_dict()["data"]["support"]["total"] == wide.sum()


@pytest.mark.slow
def test_19_softmax_for_labels_that_do_not_exclude_each_other(rows):
    """Softmax with categorical cross-entropy trains on multi-hot targets without a word, and labels then compete."""
    X, Y = rows
    competing = {"activation": "softmax", "loss": "categorical_crossentropy"}
    peer = keras_model(**competing)
    history = peer.fit(X, Y, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    np.testing.assert_allclose(peer.predict(X, verbose=0).sum(axis=1), 1, atol=1e-5)
    for settings in (
        {"head": "softmax"},
        {"head": "softmax", "loss": "categorical_crossentropy"},
        {"network": keras_model(**competing)},
        {"network": keras_model(activation="softmax")},
        {"network": keras_model(loss="categorical_crossentropy")},
    ):
        refused = MultiLabelClassifier(n_members=2, epochs=1, verbose=0, **settings)
        with pytest.raises(InputError, match="activation='sigmoid', loss='binary_crossentropy'"):
            refused.fit(X, Y)
    with pytest.raises(InputError, match="sigmoids take binary_crossentropy"):
        fitted(X, Y, loss="categorical_crossentropy")
    scores = fitted(X, Y).predict_proba(X)
    assert np.ptp(scores.sum(axis=1)) > 0.1
