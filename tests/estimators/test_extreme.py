"""The k best of very many labels: trained, answered, measured, saved."""

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from manyhot import ExtremeMultiLabelClassifier, MultiLabelClassifier, load
from manyhot.config.extreme import ExtremeConfig
from manyhot.data.labels import LabelSpace
from manyhot.data.samples import Samples
from manyhot.data.targets import Targets
from manyhot.errors import BundleError, InputError
from manyhot.evaluation.metrics import compute_top_k_metrics
from manyhot.models.extreme.model import log_odds, split_held_out
from tests.fixtures.peak_memory import PEAK

L = 60


def made(n: int = 500, seed: int = 0) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Each label shows as a feature of its own in most of its rows; some rows have none."""
    generator = np.random.default_rng(seed)
    Y = generator.random((n, L)) < 1.5 / (1 + np.arange(L)) ** 0.8 / 4
    Y[:5] = False
    X = (Y & (generator.random(Y.shape) < 0.9)) | (generator.random(Y.shape) < 0.02)
    return sp.csr_matrix(X.astype(np.float32)), sp.csr_matrix(Y)


@pytest.fixture(scope="module")
def trained() -> ExtremeMultiLabelClassifier:
    X, Y = made()
    return ExtremeMultiLabelClassifier(hidden_layer_sizes=(32,), epochs=20, dropout=0.1).fit(X, Y)


@pytest.mark.slow
def test_it_learns(trained):
    X, Y = made(seed=1)
    report = trained.evaluate(X, Y)
    one = report.metrics["precision_at_1"]
    assert one["value"] > 0.75 > one["baseline"] + 0.1
    assert trained.report_.metrics["precision_at_1"]["n_samples"] == 50
    assert "held out" in str(trained.report_)
    assert "new rows" in str(report)
    assert report.to_dict()["training"]["rows"] == 450
    assert max(map(len, str(report).splitlines())) <= 100


@pytest.mark.slow
def test_the_measures_are_those_of_the_answers(trained):
    X, Y = made(seed=1)
    top = trained.predict_top_k(X, 5)
    assert (np.diff(top.scores, axis=1) <= 0).all()
    expected = compute_top_k_metrics(sp.csr_matrix(Y, dtype=bool), top, (1, 3, 5), np.ones(Y.shape[1]))
    told = trained.evaluate(X, Y).metrics
    for name in ("precision_at_1", "ndcg_at_5", "recall_at_3"):
        assert told[name]["value"] == expected[name].value


@pytest.mark.slow
def test_answers_are_the_best_labels_above_the_threshold(trained):
    X, Y = made(seed=1)
    answers, top = trained.predict(X), trained.predict_top_k(X, 50)
    assert sp.issparse(answers)
    assert answers.dtype == np.int64
    assert answers.shape == Y.shape
    expected = np.zeros(Y.shape, np.int64)
    rows, places = np.nonzero(top.scores >= trained.threshold_)
    expected[rows, top.labels[rows, places]] = 1
    assert (answers.toarray() == expected).all()
    decisions = trained.evaluate(X, Y).to_dict()["decisions"]
    right = answers.multiply(Y).sum()
    assert decisions["f1_micro"] == pytest.approx(2 * right / (answers.sum() + Y.sum()))


def test_names_best_first(trained):
    X, _ = made(seed=1)
    top = trained.predict_top_k(X[:4], 3)
    names = trained.predict_labels(X[:4], 3)
    assert names == [[f"label_{j}" for j in row] for row in top.labels]
    few = trained.predict_labels(X[:4], 3, threshold=float(top.scores[0, 1]))
    assert few[0] == names[0][:2]
    assert trained.predict_labels(X[:4], 3, threshold=1) == [[]] * 4


def test_the_same_scores_after_loading(trained, tmp_path):
    X, _ = made(seed=1)
    trained.read_options_ = {"labels": "tags"}
    trained.save(tmp_path / "m.manyhot")
    loaded = load(tmp_path / "m.manyhot")
    assert isinstance(loaded, ExtremeMultiLabelClassifier)
    before, after = trained.predict_top_k(X, 9), loaded.predict_top_k(X, 9)
    assert (before.labels == after.labels).all()
    assert (before.scores == after.scores).all()
    assert after.scores.dtype == np.float32
    assert (loaded.predict(X) != trained.predict(X)).nnz == 0
    assert (loaded.labels_, loaded.threshold_, loaded.n_features_in_) == (trained.labels_, trained.threshold_, L)
    assert loaded.report_.to_dict() == trained.report_.to_dict()
    assert loaded.read_options_ == {"labels": "tags"}
    loaded.save(tmp_path / "again.manyhot")
    assert (tmp_path / "again.manyhot").read_bytes() == (tmp_path / "m.manyhot").read_bytes()


@pytest.mark.slow
def test_one_seed_one_result():
    X, Y = made(200)
    first, second = (
        ExtremeMultiLabelClassifier(hidden_layer_sizes=(8,), epochs=2, random_state=4).fit(X, Y).predict_top_k(X, 3)
        for _ in range(2)
    )
    assert (first.scores == second.scores).all()


@pytest.mark.slow
def test_label_sets_and_text_columns():
    words = ["red", "green", "blue", "round", "sharp"]
    generator = np.random.default_rng(0)
    sets = [set(generator.choice(words, generator.integers(0, 3), replace=False).tolist()) for _ in range(300)]
    frame = pl.DataFrame({"message": ["it is " + " and ".join(sorted(s)) + " thing today" for s in sets]})
    frame = frame.with_columns(size=pl.Series(generator.normal(size=300)), shop=pl.Series(["a", "b", "c"] * 100))
    for X in (frame, frame.to_pandas()):
        clf = ExtremeMultiLabelClassifier(hidden_layer_sizes=(16,), epochs=15, column_types={"message": "text"}).fit(
            X, sets
        )
        assert clf.labels_ == tuple(sorted(words))
        assert clf.report_.metrics["recall_at_3"]["value"] > 0.6
        assert clf.predict_labels(X[:1], 2) == clf.predict_labels(X[:3], 2)[:1]
    assert list(clf.feature_names_in_) == ["message", "size", "shop"]


@pytest.mark.slow
def test_samples_and_dense_numbers():
    X, Y = made(100)
    names = [f"f{j}" for j in range(L)]
    column_types = dict.fromkeys(names, "numeric")
    labels = LabelSpace(tuple(f"tag {j}" for j in range(L)))
    samples = Samples(X, names, column_types, Targets(Y.toarray()), labels)
    clf = ExtremeMultiLabelClassifier(hidden_layer_sizes=(8,), epochs=2).fit(samples)
    assert clf.labels_ == labels.names
    assert clf.evaluate(samples).metrics["precision_at_1"]["n_samples"] == 100
    dense = ExtremeMultiLabelClassifier(hidden_layer_sizes=(8,), epochs=2).fit(X.toarray(), Y.toarray())
    assert dense.predict_top_k(X.toarray()).labels.shape == (100, 5)


@pytest.mark.slow
def test_labels_never_seen_and_rows_without_labels():
    X, Y = made(200)
    wide = sp.csr_matrix(sp.hstack([sp.csr_matrix((200, 40), dtype=bool), Y]))
    clf = ExtremeMultiLabelClassifier(hidden_layer_sizes=(8,), epochs=3).fit(X, wide)
    assert (clf.predict_top_k(X, 3).labels >= 40).all()
    assert clf.report_.to_dict()["training"]["labels_seen"] <= L
    assert clf.evaluate(X, wide).to_dict()["data"]["rows_without_labels"] == (np.diff(wide.indptr) == 0).sum()


MEMORY = (
    PEAK
    + """
import numpy as np, scipy.sparse as sp
from manyhot import ExtremeMultiLabelClassifier
n, width = 1_500, 200_000
def fit(width):
    generator, rows = np.random.default_rng(0), np.repeat(np.arange(n), 5)
    X = sp.csr_matrix((np.ones(5 * n), (rows, generator.integers(300, size=5 * n))), shape=(n, 300))
    Y = sp.csr_matrix((np.ones(5 * n, bool), (rows, generator.integers(width, size=5 * n))), shape=(n, width))
    clf = ExtremeMultiLabelClassifier(hidden_layer_sizes=(2,), epochs=1, batch_size=256).fit(X, Y)
    clf.predict_top_k(X, 5), clf.predict(X)
fit(5_000)
before = peak()
fit(width)
print((peak() - before) // 1024)
"""
)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is counted in other units elsewhere")
def test_nothing_dense_with_very_many_labels():
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 200, done.stdout  # MiB; one bool a row and label would be 286


X_BAD, Y_BAD = made(40)


@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        (X_BAD, None, "requires y"),
        (X_BAD, Y_BAD[:30], "X has 40 rows but y has 30"),
        (X_BAD, Y_BAD * 0.5, "0.5"),
        (X_BAD, Y_BAD * np.nan, "must be known"),
        (X_BAD, sp.csr_matrix(Y_BAD.shape), "no training row has"),
        (X_BAD[:5], Y_BAD[:5], "expected 10 or more"),
        (X_BAD * 0, Y_BAD, "nearly all rows are equal"),
        ({"a": np.zeros((40, 2))}, Y_BAD, "got arrays"),
    ],
)
def test_what_cannot_be_trained_on(X, y, words):
    with pytest.raises(InputError, match=words):
        ExtremeMultiLabelClassifier(hidden_layer_sizes=(4,), epochs=1).fit(X, y)


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": (0,)},
        {"dropout": 1.0},
        {"epochs": 0},
        {"batch_size": "large"},
        {"holdout_fraction": 0},
        {"holdout_fraction": 0.6},
        {"learning_rate": -1},
        {"dtype": "float16"},
        {"activation": "cosine"},
        {"verbose": -1},
    ],
)
def test_settings_out_of_range_are_named(settings):
    (name,) = settings
    with pytest.raises(InputError) as caught:
        ExtremeMultiLabelClassifier(**settings).fit(X_BAD, Y_BAD)
    assert caught.value.argument == name


def test_k_threshold_and_use_before_training(trained):
    X, Y = made(10, seed=1)
    for k in (0, -1, L + 1, 2.5):
        with pytest.raises(InputError) as caught:
            trained.predict_top_k(X, k)
        assert caught.value.argument == "k"
    assert trained.predict_top_k(X, L).labels.shape == (10, L)
    with pytest.raises(InputError):
        trained.predict_labels(X, threshold=2)
    with pytest.raises(ValueError, match="features"):
        trained.predict_top_k(X[:, :3])
    with pytest.raises(InputError, match="columns"):
        trained.evaluate(X, Y[:, :3])
    with pytest.raises(InputError, match="was not there in training"):
        trained.evaluate(X, [["other"]] * 10)
    for call in ("predict_top_k", "predict_labels", "predict"):
        with pytest.raises(NotFittedError):
            getattr(ExtremeMultiLabelClassifier(), call)(X)


def test_settings_are_parameters_and_clones_are_alike():
    clf = ExtremeMultiLabelClassifier(hidden_layer_sizes=(7,), random_state=3)
    assert clone(clf).get_params() == clf.get_params()
    for name, value in vars(ExtremeConfig()).items():
        assert getattr(ExtremeMultiLabelClassifier(), name) == value


def test_held_out_rows_share_nothing_with_the_others():
    numbers = np.random.default_rng(0).integers(40, size=300).astype(np.uint64)
    train, held = split_held_out(numbers, ExtremeConfig(holdout_fraction=0.2))
    assert not set(numbers[train]) & set(numbers[held])
    assert sorted([*train, *held]) == list(range(300))
    assert 60 <= len(held) <= 80
    _, many = split_held_out(np.arange(200_000, dtype=np.uint64), ExtremeConfig())
    assert len(many) == 10_000


def test_log_odds_of_labels():
    odds = log_odds(sp.csr_matrix([[1, 0], [1, 0], [0, 0]]))
    np.testing.assert_allclose(odds, np.log([2.5 / 1.5, 0.5 / 3.5]))


@pytest.mark.slow
def test_frames_with_columns_by_name():
    X, Y = made(80)
    frame = pd.DataFrame(X.toarray()[:, :6] + np.random.default_rng(0).normal(size=(80, 6)), columns=list("abcdef"))
    clf = ExtremeMultiLabelClassifier(hidden_layer_sizes=(4,), epochs=1).fit(frame, Y)
    assert clf.n_features_in_ == 6
    assert clf.predict_top_k(frame, 2).labels.shape == (80, 2)


@pytest.mark.slow
def test_other_files_stay_what_they_are(tmp_path):
    X, Y = made(60)
    MultiLabelClassifier(n_members=2, hidden_layer_sizes=(4,), epochs=1).fit(X.toarray(), Y.toarray()).save(
        tmp_path / "m.manyhot"
    )
    assert isinstance(load(tmp_path / "m.manyhot"), MultiLabelClassifier)
    with pytest.raises(BundleError):
        load(tmp_path / "none.manyhot")


@pytest.mark.slow
def test_score_is_the_exact_match():
    X, Y = made(60)
    names = [f"label_{j}" for j in range(L)]
    classifier = ExtremeMultiLabelClassifier(hidden_layer_sizes=(4,), epochs=1, verbose=0).fit(X, Y)
    answers = classifier.predict(X).toarray()
    expected = (answers == Y.toarray()).all(axis=1)
    assert classifier.score(X, Y) == expected.mean()
    sets = [[name for name, holds in zip(names, row, strict=True) if holds] for row in answers]
    assert classifier.score(X, sets) == 1.0
    assert classifier.score(X, [[*sets[0], "other"], *sets[1:]]) == 59 / 60
    assert classifier.score(X[:2], [[*sets[0], "other"], sets[1]], sample_weight=[3, 1]) == 0.25
    with pytest.raises(InputError, match="not there in training"):
        classifier.evaluate(X, [[*sets[0], "other"], *sets[1:]])
    scores = cross_val_score(
        ExtremeMultiLabelClassifier(hidden_layer_sizes=(4,), epochs=1, verbose=0), X, Y.toarray(), cv=2
    )
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.slow
def test_whole_numbers_and_other_labels_after_loading(tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 3))
    y = [[10, 2] if row[0] > 0 else [3] for row in X]
    classifier = ExtremeMultiLabelClassifier(hidden_layer_sizes=(4,), epochs=1, verbose=0).fit(X, y)
    assert classifier.labels_ == ("2", "3", "10")
    answers = classifier.predict_labels(X[:1], k=3)
    assert sorted(answers[0]) == [2, 3, 10]
    classifier.save(tmp_path / "m.manyhot")
    loaded = load(tmp_path / "m.manyhot")
    assert loaded.predict_labels(X[:1], k=3) == answers
    assert loaded.labels is None
    assert clone(loaded).set_params(verbose=0).fit(X, [["a"] if row[0] > 0 else ["b"] for row in X]).labels_ == (
        "a",
        "b",
    )
    loaded.set_params(labels=[3, 2, 10], verbose=0).fit(X, y).save(tmp_path / "m.manyhot")
    assert load(tmp_path / "m.manyhot").labels == [3, 2, 10]
