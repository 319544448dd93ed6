"""Frames, targets and scores that were reported to be taken wrongly in Python, each with what it should give.

tests/cli/test_reported_files.py says where each of the reported cases, a01 to a39, stands.
"""

import multiprocessing
import warnings

import numpy as np
import pandas as pd
import pytest

from manyhot import ExtremeMultiLabelClassifier, MultiLabelClassifier
from manyhot.backend import jax, keras
from manyhot.errors import InputError

NAMES = ["x", "y", "z"]


def numbers() -> tuple[np.ndarray, np.ndarray]:
    """Three labels that follow the signs of three features."""
    X = np.random.default_rng(0).normal(size=(200, 4))
    return X, (X[:, :3] > 0.2).astype(int)


def sets_of(Y: np.ndarray) -> list[list[str]]:
    return [[name for name, holds in zip(NAMES, row, strict=True) if holds] for row in Y]


def fitted(X, y, **settings) -> MultiLabelClassifier:
    small = {"n_members": 2, "epochs": 1, "learning_rate": 0.02, "hidden_layer_sizes": (16,), "verbose": 0}
    return MultiLabelClassifier(**{**small, **settings}).fit(X, y)


@pytest.fixture(scope="module")
def on_sets() -> MultiLabelClassifier:
    X, Y = numbers()
    return fitted(X, sets_of(Y))


@pytest.mark.slow
class TestTargets:
    def test_dicts_are_indicators_and_an_absent_key_is_unknown(self):
        """Case a03: zeros are no, not yes."""
        X, Y = numbers()
        y = [dict(zip(NAMES, map(int, row), strict=True)) for row in Y]
        for row in y[::2]:
            if not row["z"]:
                del row["z"]
        classifier = fitted(X, y)
        data = classifier.report_.values["data"]
        assert classifier.labels_ == tuple(NAMES)
        assert data["support"]["total"] == Y.sum()
        assert data["unknown_share"] == pytest.approx((1 - Y[::2, 2]).sum() / 600)

    def test_a_missing_value_of_pandas_is_unknown(self):
        """Case a16."""
        X, Y = numbers()
        y = pd.DataFrame(Y, columns=NAMES).astype("Int64")
        y.iloc[3, 1] = pd.NA
        data = fitted(X, y).report_.values["data"]
        assert data["unknown_share"] == pytest.approx(1 / 600)
        assert data["support"]["total"] == Y.sum() - Y[3, 1]

    def test_arrays_of_jax_are_taken_as_those_of_numpy_are(self):
        """Case a17."""
        X, Y = numbers()
        classifier = fitted(jax.numpy.asarray(X), jax.numpy.asarray(Y), epochs=40)
        assert classifier.labels_ == ("label_0", "label_1", "label_2")
        assert classifier.score(X, Y) > 0.8

    def test_a_frame_of_one_column_of_lists_is_label_sets(self, on_sets):
        """Case a27."""
        X, Y = numbers()
        classifier = fitted(X, pd.DataFrame({"genres": sets_of(Y)}))
        assert classifier.labels_ == tuple(NAMES)
        np.testing.assert_array_equal(classifier.predict_proba(X), on_sets.predict_proba(X))


def test_delimited_texts_are_refused_even_where_there_are_only_two():
    """Case a20."""
    X, _ = numbers()
    with pytest.raises(InputError, match=r"row 1: got the text 'drama\|comedy'.*give the separator.*y\.str\.split"):
        fitted(X, pd.Series(["drama|comedy", "drama"] * 100))


@pytest.mark.parametrize("kind", [MultiLabelClassifier, ExtremeMultiLabelClassifier])
def test_lists_of_one_number_are_refused_by_both_classifiers(kind):
    """Case a21."""
    X, Y = numbers()
    with pytest.raises(InputError, match=r"lists of one number, \[0\] and \[1\].*give an array \(n, 1\)"):
        kind(epochs=1, verbose=0).fit(X, [[int(row[0] == 0)] for row in Y])


def test_a_network_that_ends_in_relu_is_refused():
    """Case a34."""
    X, Y = numbers()
    network = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3, activation="relu")])
    with pytest.raises(InputError, match=r"ends in relu.*every probability 0\.5 or more.*activation='sigmoid'"):
        fitted(X, Y, network=network)


@pytest.fixture(scope="module")
def on_chinese() -> tuple[MultiLabelClassifier, list[str]]:
    """A model of Chinese texts and a number, and the warnings of its training."""
    opinions = ["快递很慢包装破损", "手机电池不耐用", "客服态度非常好", "价格便宜值得购买"]
    k = np.arange(120)
    X = pd.DataFrame({"comment": [f"{opinions[i % 4]}第{i}单" for i in k], "stars": k % 5})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        classifier = fitted(X, np.stack([k % 4 == 0, k % 4 == 2], axis=1).astype(int), epochs=40)
    return classifier, [str(one.message) for one in caught]


@pytest.mark.slow
class TestColumns:
    def test_texts_without_blanks_are_texts(self, on_chinese):
        """Case a11."""
        classifier, messages = on_chinese
        assert classifier.model_.encoder.column_types == {"comment": "text", "stars": "numeric"}
        assert classifier.report_.metrics["decision"]["roc_auc_macro"]["value"] > 0.9
        assert any("read as text, although no cell has blanks" in message for message in messages)

    def test_whole_numbers_that_are_categories_stay_categories(self):
        """Case a12: a linear model tells the code between two others."""
        code = np.arange(240) % 3
        X = pd.DataFrame({"code": pd.Categorical(code), "n": np.random.default_rng(0).normal(size=240)})
        Y = np.stack([code == 1, code == 2], axis=1).astype(int)
        classifier = fitted(X, Y, hidden_layer_sizes=(), epochs=150, learning_rate=0.05)
        assert classifier.model_.encoder.column_types == {"code": "categorical", "n": "numeric"}
        assert classifier.score(X, Y) > 0.95


def test_weights_in_one_word_are_refused():
    """Case a37."""
    X, Y = numbers()
    with pytest.raises(InputError, match=r"sample_weight.*'balanced'.*labels are weighted with label_weights="):
        MultiLabelClassifier(verbose=0).fit(X, Y, sample_weight="balanced")


@pytest.mark.slow
class TestAdvice:
    """Case a37: fit, partial_fit and predict_proba name no argument that they do not take."""

    @pytest.mark.parametrize("method", ["fit", "partial_fit"])
    def test_a_label_that_is_not_among_those_named(self, on_sets, method):
        X, _ = numbers()
        classifier = MultiLabelClassifier(labels=["y", "z"]) if method == "fit" else on_sets
        words = r"row \d+: the label 'new' was not there in training; leave it out, or name it in labels=\[\.\.\.\]"
        with pytest.raises(InputError, match=words) as refusal:
            getattr(classifier, method)(X, [["new"]] * 200)
        assert "unknown_labels" not in str(refusal.value)

    def test_one_text_alone(self):
        classifier = fitted(["good film"] * 60 + ["bad day"] * 60, numbers()[1][:120])
        with pytest.raises(InputError, match=r"got one text, 'good film', expected a list of texts"):
            classifier.predict_proba("good film")


@pytest.mark.slow
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:.*fork:RuntimeWarning")
def test_a_forked_process_that_predicts_fails_instead_of_waiting(on_sets):
    """Case a38."""
    X, _ = numbers()
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def predict() -> None:
        try:
            sender.send(str(on_sets.predict_proba(X).shape))
        except Exception as error:  # whatever it is, it is sent to the test
            sender.send(f"{type(error).__name__}: {error}")

    process = context.Process(target=predict, daemon=True)
    process.start()
    try:
        assert receiver.poll(60), "no answer within 60 seconds"
        answer = receiver.recv()
    finally:
        process.kill()
        process.join()
    assert answer.startswith("ManyhotError: this process was forked from one that has used manyhot already")
    assert "get_context('spawn')" in answer
