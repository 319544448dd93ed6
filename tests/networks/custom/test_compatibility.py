"""What a clone must share with the user's Keras model, in shapes of all kinds; what it cannot is refused by name."""

import numpy as np
import pytest

from manyhot import MultiLabelClassifier, cross_validate, load
from manyhot.backend import keras
from manyhot.errors import InputError

L = keras.layers
QUICK = {"n_members": 2, "epochs": 2, "batch_size": 16, "verbose": 0}


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 5)).astype(np.float32)
    return X, (X[:, :3] > 0).astype(int)


def ended(*layers, **compiled):
    model = keras.Sequential([L.Input((5,)), *layers, L.Dense(3, activation="sigmoid")])
    model.compile(**{"loss": "binary_crossentropy", "optimizer": "sgd", **compiled})
    return model


class Sub(keras.Model):
    """Without `training` in its call, which Keras allows."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.first = L.Dense(4, activation="relu")
        self.last = L.Dense(3, activation="sigmoid")

    def call(self, inputs):
        return self.last(self.first(inputs))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "layers"),
    [
        ((8, 8, 2), [L.Conv2D(4, 3), L.BatchNormalization(), L.MaxPooling2D(), L.Flatten()]),
        ((6, 3), [L.Conv1D(4, 3), L.GlobalAveragePooling1D()]),
        ((6, 3), [L.Bidirectional(L.GRU(3))]),
        ((7,), [L.Embedding(20, 4), L.LSTM(3)]),
    ],
    ids=["conv2d", "conv1d", "gru", "embedding"],
)
def test_rows_of_any_shape(shape, layers, tmp_path):
    generator = np.random.default_rng(1)
    X = generator.integers(0, 20, size=(40, *shape)).astype(np.float32)
    Y = generator.random((40, 3)) < 0.5
    model = keras.Sequential([L.Input(shape), *layers, L.Dense(3, activation="sigmoid")])
    clf = MultiLabelClassifier(network=model, **QUICK).fit(X, Y)
    scores = clf.predict_proba(X)
    clf.save(tmp_path / "own.manyhot")
    np.testing.assert_array_equal(load(tmp_path / "own.manyhot").predict_proba(X), scores)
    assert cross_validate(model, X, Y, n_splits=2, n_repeats=1, epochs=1, batch_size=16, verbose=0).is_tested.all()


@pytest.mark.slow
def test_frozen_layers_of_a_subclassed_model_stay_frozen(rows, tmp_path):
    X, Y = rows
    model = Sub()
    model(X[:2])
    model.first.trainable = False
    frozen = np.array(model.first.get_weights()[0])
    clf = MultiLabelClassifier(network=model, **QUICK).fit(X, Y)
    assert [leaf.shape[1:] for leaf in clf.model_.weights.trainable] == [(4, 3), (3,)]
    assert any(np.array_equal(leaf[1], frozen) for leaf in clf.model_.weights.fixed)
    clf.save(tmp_path / "own.manyhot")
    again = load(tmp_path / "own.manyhot", custom_objects={"Sub": Sub})
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


class Block(L.Layer):
    """Two layers in one."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.first, self.second = L.Dense(4), L.Dense(4)

    def call(self, inputs):
        return self.second(self.first(inputs))


def partly_frozen():
    model = ended(Block())
    model.layers[0].first.trainable = False
    return model


def low_rank():
    model = ended(L.Dense(6))
    model.layers[0].enable_lora(2)
    return model


def shared():
    both = L.Dense(5)
    one, other = (keras.Sequential([L.Input((5,)), both, *more]) for more in ([], [L.ReLU()]))
    inputs = keras.Input((5,))
    return keras.Model(inputs, L.Dense(3, activation="sigmoid")(L.Add()([one(inputs), other(inputs)])))


def excluded():
    optimizer = keras.optimizers.AdamW(0.05)
    optimizer.exclude_from_weight_decay(var_names=["kernel"])
    return ended(optimizer=optimizer)


class OwnStep(keras.Sequential):
    """Trains in its own way."""

    def train_step(self, *args):
        raise AssertionError("not called")


def own_step():
    return OwnStep([L.Input((5,)), L.Dense(3, activation="sigmoid")])


def hidden_norm():
    return ended(L.Reshape((5, 1)), L.TimeDistributed(L.BatchNormalization()), L.Flatten())


def ten_times(truth, prediction):
    return 10 * keras.losses.binary_crossentropy(truth, prediction)


def logits(loss):
    model = keras.Sequential([L.Input((5,)), L.Dense(3)])
    model.compile(loss=loss, optimizer="sgd")
    return model


REFUSED = {
    "partly frozen": (partly_frozen, "learns in part"),
    "low rank": (low_rank, "learns in part"),
    "shared": (shared, "shared between models"),
    "excluded": (excluded, "excludes weights from weight decay"),
    "own step": (own_step, "has a train_step of its own"),
    "hidden norm": (hidden_norm, "batch normalisation inside another layer"),
    "sum": (lambda: ended(loss=keras.losses.BinaryCrossentropy(reduction="sum")), "reduction='sum'"),
    "own loss": (lambda: ended(loss=ten_times), "a loss of your own, 'ten_times'"),
    "loss weights": (lambda: ended(loss_weights=[0.01]), "loss_weights"),
    "twice": (lambda: ended(loss=keras.losses.BinaryCrossentropy(from_logits=True)), "from_logits=True"),
    "not at all": (lambda: logits("binary_crossentropy"), "gives logits, but its loss takes probabilities"),
    "smoothing": (lambda: ended(loss=keras.losses.BinaryCrossentropy(label_smoothing=0.1)), "label_smoothing=0.1"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_taken_over_is_refused_by_name(make, message, rows):
    with pytest.raises(InputError, match=message):
        MultiLabelClassifier(network=make(), **QUICK).fit(*rows)


@pytest.mark.slow
def test_logits_with_a_loss_on_logits_are_fine(rows):
    model = logits(keras.losses.BinaryCrossentropy(from_logits=True))
    assert MultiLabelClassifier(network=model, **QUICK).fit(*rows).predict_proba(rows[0]).max() <= 1
