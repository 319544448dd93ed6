"""One network under three output functions: the table, the picture, and what they say."""

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
    return compare_heads(None, *digits, folds=3, members=2, epochs=30, hidden=(64,), quiet=True)


@pytest.mark.slow
def test_only_the_sigmoid_can_answer_two_labels(heads):
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
def test_the_accuracies_are_those_of_keras(heads, digits):
    _, Y = digits
    for name, result in heads.results.items():
        scores, measured = result.oof_scores[0], heads.values["heads"][name]
        categorical = np.mean(keras.metrics.categorical_accuracy(Y, scores))
        binary = np.mean(keras.metrics.binary_accuracy(Y, scores))
        assert measured["categorical_accuracy"] == pytest.approx(float(categorical), abs=1e-6)
        assert measured["binary_accuracy"] == pytest.approx(float(binary), abs=1e-3)
        loss = HEADS[name][1]
        theirs = np.mean(keras.losses.get(loss)(Y.astype("float32"), scores))
        assert measured["own_loss"] == pytest.approx(float(theirs), rel=1e-3)


@pytest.mark.slow
def test_element_accuracy_hides_what_subset_accuracy_shows(heads):
    softmax = next(iter(heads.values["heads"].values()))
    assert softmax["binary_accuracy"] > 0.9
    assert softmax["subset_accuracy"] < 0.7
    assert heads.values["baselines"]["binary_accuracy"] > 0.8


@pytest.mark.slow
def test_the_text_and_the_picture_show_all_three(heads, tmp_path):
    text = str(heads)
    for words in ("softmax+categorical", "softmax+binary", "sigmoid+binary", "subset accuracy", "baseline", "sum"):
        assert words in text
    heads.plot(tmp_path / "heads.svg")
    picture = (tmp_path / "heads.svg").read_text()
    for name in HEADS:
        assert name in picture
    json.dumps(heads.to_dict(), allow_nan=False)


@pytest.mark.slow
def test_a_model_of_ones_own_loses_its_last_activation(digits):
    X, Y = digits
    model = keras.Sequential([L.Input((64,)), L.Dense(32, activation="relu"), L.Dense(11, activation="softmax")])
    model.compile(loss="categorical_crossentropy", optimizer="adam")
    with pytest.raises(InputError, match="raising one label lowers all others"):
        MultiLabelClassifier(network=model, members=2, epochs=1, batch_size=32, quiet=True).fit(X, Y)
    found = compare_heads(model, X, Y, folds=2, members=2, epochs=8, batch_size=32, quiet=True).to_dict()
    sums = [sum(head["sample"]) for head in found["heads"].values()]
    assert sums[0] == pytest.approx(1, abs=1e-4)
    assert sums[2] != pytest.approx(1, abs=1e-2)


def test_what_it_compares_cannot_be_set(digits):
    with pytest.raises(InputError, match=r"'head'.*tries out itself"):
        compare_heads(None, *digits, head="softmax")


@pytest.mark.slow
def test_exclusive_labels_are_said_to_be_right_for_softmax(digits):
    X, Y = digits
    heads = compare_heads(None, X, Y[:, :10], folds=2, members=2, epochs=2, hidden=(16,), quiet=True)
    assert heads.to_dict()["is_exclusive"]
    assert "softmax with categorical cross-entropy is right" in " ".join(str(heads).split())
