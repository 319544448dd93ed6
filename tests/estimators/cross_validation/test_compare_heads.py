"""One network with three output functions: values, text and plot."""

import json

import numpy as np
import pytest

from manyhot import MultiLabelClassifier, compare_heads
from manyhot.backend import keras
from manyhot.errors import InputError
from manyhot.estimators.cross_validation.head_comparison import HEADS

L = keras.layers


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    X, digit = load_digits(return_X_y=True)
    Y = np.zeros((len(digit), 11), dtype=int)
    Y[np.arange(len(digit)), digit] = 1
    Y[:, 10] = digit >= 5
    return X[:600] / 16, Y[:600]


@pytest.fixture(scope="module")
def heads(digits):
    return compare_heads(None, *digits, n_splits=3, n_members=2, epochs=30, hidden_layer_sizes=(64,), verbose=0)


@pytest.mark.slow
def test_only_sigmoid_predicts_two_labels(heads):
    values = heads.to_dict()
    assert list(values["heads"]) == list(HEADS)
    softmax, _, sigmoid = values["heads"].values()
    assert softmax["count_error"]["2"] < -0.7
    assert sigmoid["count_error"]["2"] > -0.5
    assert sigmoid["subset_accuracy"] > softmax["subset_accuracy"] + 0.2
    assert sum(softmax["sample"]) == pytest.approx(1, abs=1e-4)
    assert sum(sigmoid["sample"]) > 1.4
    assert not values["is_exclusive"]


@pytest.mark.slow
def test_accuracies_equal_those_of_keras(heads, digits):
    _, Y = digits
    for name, result in heads.results.items():
        scores, measured = result.oof_scores[0], heads.values["heads"][name]
        categorical = np.mean(keras.metrics.categorical_accuracy(Y, scores))
        binary = np.mean(keras.metrics.binary_accuracy(Y, scores))
        assert measured["categorical_accuracy"] == pytest.approx(float(categorical), abs=1e-6)
        assert measured["binary_accuracy"] == pytest.approx(float(binary), abs=1e-3)
        loss = HEADS[name][1]
        expected = np.mean(keras.losses.get(loss)(Y.astype("float32"), scores))
        assert measured["loss"] == pytest.approx(float(expected), rel=1e-3)


@pytest.mark.slow
def test_element_accuracy_hides_errors_that_subset_accuracy_shows(heads):
    softmax = next(iter(heads.values["heads"].values()))
    assert softmax["binary_accuracy"] > 0.9
    assert softmax["subset_accuracy"] < 0.7
    assert heads.values["baselines"]["binary_accuracy"] > 0.8


@pytest.mark.slow
def test_text_and_plot_show_all_heads(heads, tmp_path):
    text = str(heads)
    for phrase in ("softmax+categorical", "softmax+binary", "sigmoid+binary", "subset accuracy", "baseline", "sum"):
        assert phrase in text
    heads.plot(tmp_path / "heads.svg")
    svg = (tmp_path / "heads.svg").read_text()
    for name in HEADS:
        assert name in svg
    json.dumps(heads.to_dict(), allow_nan=False)


@pytest.mark.slow
def test_the_last_activation_of_a_custom_model_is_removed(digits):
    X, Y = digits
    model = keras.Sequential([L.Input((64,)), L.Dense(32, activation="relu"), L.Dense(11, activation="softmax")])
    model.compile(loss="categorical_crossentropy", optimizer="adam")
    with pytest.raises(InputError, match="raising one label lowers all others"):
        MultiLabelClassifier(network=model, n_members=2, epochs=1, batch_size=32, verbose=0).fit(X, Y)
    found = compare_heads(model, X, Y, n_splits=2, n_members=2, epochs=8, batch_size=32, verbose=0).to_dict()
    sums = [sum(head["sample"]) for head in found["heads"].values()]
    assert sums[0] == pytest.approx(1, abs=1e-4)
    assert sums[2] != pytest.approx(1, abs=1e-2)


def test_compared_settings_cannot_be_set(digits):
    with pytest.raises(InputError, match=r"'head'.*set by the comparison itself"):
        compare_heads(None, *digits, head="softmax")


@pytest.mark.slow
def test_softmax_is_advised_for_exclusive_labels(digits):
    X, Y = digits
    heads = compare_heads(None, X, Y[:, :10], n_splits=2, n_members=2, epochs=2, hidden_layer_sizes=(16,), verbose=0)
    assert heads.to_dict()["is_exclusive"]
    assert "softmax with categorical cross-entropy is appropriate" in " ".join(str(heads).split())
