"""Keras models of one's own: cloned, trained as they are, saved, loaded, and refused where they cannot be right."""

import json

import numpy as np
import pytest

from manyhot import MultiLabelClassifier, load
from manyhot.backend import jax, keras
from manyhot.errors import BundleError, InputError, ManyhotWarning, TrainingError
from manyhot.networks import from_keras

L = keras.layers


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(230, 6)).astype(np.float32)
    Y = (X[:, :3] + 0.5 * generator.normal(size=(230, 3)) > 0).astype(int)
    return X, Y


class Subclassed(keras.Model):
    """A model as people subclass it."""

    def __init__(self, units=8, **settings):
        super().__init__(**settings)
        self.hidden = L.Dense(units, activation="relu")
        self.norm = L.BatchNormalization()
        self.drop = L.Dropout(0.2)
        self.out = L.Dense(3, activation="sigmoid")

    def call(self, inputs, training=False):
        x = self.norm(self.hidden(inputs), training=training)
        return self.out(self.drop(x, training=training))


def sequential():
    model = keras.Sequential()
    model.add(L.Dense(20, input_dim=6, kernel_initializer="he_uniform", activation="relu"))
    model.add(L.Dense(3, activation="sigmoid"))
    model.compile(loss="binary_crossentropy", optimizer="adam")
    return model


def two_inputs():
    first, second = keras.Input((4,), name="first"), keras.Input((2,), name="second")
    x = L.Concatenate()([L.Dense(8, activation="relu")(first), second])
    model = keras.Model([first, second], L.Dense(3, activation="sigmoid")(x))
    model.compile(optimizer="rmsprop", loss=keras.losses.BinaryCrossentropy())
    return model


def named_by_a_dict():
    first, second = keras.Input((4,)), keras.Input((2,))
    outputs = L.Dense(3, activation="sigmoid")(L.Concatenate()([L.Dense(8, activation="relu")(first), second]))
    return keras.Model({"first": first, "second": second}, outputs)


def batch_norm():
    model = keras.Sequential(
        [L.Input((6,)), L.Dense(16), L.BatchNormalization(), L.ReLU(), L.Dropout(0.1), L.Dense(3, activation="sigmoid")]
    )
    model.compile(optimizer=keras.optimizers.Nadam(1e-3), loss="binary_crossentropy", metrics=["accuracy"])
    return model


def sgd_with_schedule():
    model = keras.Sequential([L.Input((6,)), L.Dense(16, activation="relu"), L.Dense(3, activation="sigmoid")])
    rate = keras.optimizers.schedules.InverseTimeDecay(0.05, decay_steps=1, decay_rate=1e-3)
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, clipnorm=1.0)
    model.compile(loss="binary_crossentropy", optimizer=optimizer)
    return model


def activation_last():
    return keras.Sequential([L.Dense(16, activation="relu"), L.Dropout(0.2), L.Dense(3), L.Activation("sigmoid")])


def subclassed():
    return Subclassed(8)


MODELS = [sequential, two_inputs, named_by_a_dict, batch_norm, sgd_with_schedule, activation_last, subclassed]


def inputs_for(make, X):
    return {"first": X[:, :4], "second": X[:, 4:]} if make in (two_inputs, named_by_a_dict) else X


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (
            two_inputs,
            r"2 inputs \(first: \(4,\), second: \(2,\)\), and X gives 2 inputs \(left: \(4,\), right: \(2,\)\)",
        ),
        (named_by_a_dict, r"matched by name: keras\.Input\(shape, name='left'\)"),
        (sequential, r"1 input \(.*: \(6,\)\), and X gives 2 inputs .*declare a keras\.Input"),
        (activation_last, r"cannot be called on rows of shape .* \((?!Exception encountered)"),
    ],
)
def test_inputs_that_do_not_match_are_told_by_name_and_shape(network, words, rows):
    X, Y = rows
    with pytest.raises(InputError, match=words):
        MultiLabelClassifier(network=network(), epochs=1, verbose=0).fit({"left": X[:, :4], "right": X[:, 4:]}, Y)


@pytest.mark.slow
@pytest.mark.parametrize("make", MODELS)
def test_it_trains_saves_loads_and_predicts_the_same(make, rows, tmp_path):
    X, Y = rows
    X = inputs_for(make, X)
    model = make()
    before = [np.array(weight) for weight in model.get_weights()]
    clf = MultiLabelClassifier(network=model, n_members=3, epochs=50, batch_size=32, verbose=0).fit(X, Y)
    assert clf.report_.metrics["fixed"]["roc_auc_macro"]["value"] > 0.7
    assert model.get_weights() == [] or all(map(np.array_equal, before, model.get_weights()))
    scores = clf.predict_proba(X)
    clf.save(tmp_path / "own.manyhot")
    custom = {"Subclassed": Subclassed} if make is subclassed else None
    again = load(tmp_path / "own.manyhot", custom_objects=custom)
    np.testing.assert_array_equal(again.predict_proba(X), scores)
    assert again.thresholds_ == clf.thresholds_
    refitted = again.set_params(verbose=0).fit(X, Y)
    np.testing.assert_array_equal(refitted.predict_proba(X), scores)


@pytest.mark.slow
def test_a_custom_class_is_refused_without_it(rows, tmp_path):
    X, Y = rows
    settings = {"n_members": 2, "epochs": 1, "batch_size": 32, "verbose": 0}
    MultiLabelClassifier(network=Subclassed(4), **settings).fit(X, Y).save(tmp_path / "own.manyhot")
    with pytest.raises(BundleError, match=r"'Subclassed'.*custom_objects"):
        load(tmp_path / "own.manyhot")


@pytest.mark.slow
def test_a_function_makes_the_model(rows):
    X, Y = rows
    calls = []

    def build(input_shape, n_labels):
        calls.append((input_shape, n_labels))
        return keras.Sequential([L.Input(input_shape), L.Dense(n_labels, activation="sigmoid")])

    clf = MultiLabelClassifier(network=build, n_members=2, epochs=2, batch_size=32, verbose=0).fit(X, Y)
    assert calls == [((6,), 3)]
    assert clf.predict_proba(X).shape == (230, 3)


@pytest.mark.slow
def test_it_is_trained_as_its_own_fit_would_train_it(rows):
    """One member from the same start, without shuffling to tell apart: full batches in one order, Keras' own steps."""
    X, Y = rows
    from manyhot import engine
    from manyhot.config.runtime import RuntimeConfig
    from manyhot.config.training import TrainingConfig
    from manyhot.models.network_spec import NetworkSpec
    from manyhot.networks import MemberInitializer

    rate = keras.optimizers.schedules.InverseTimeDecay(0.05, decay_steps=1, decay_rate=1e-2)
    model = keras.Sequential([L.Input((6,)), L.Dense(8, activation="relu"), L.Dense(3, activation="sigmoid")])
    model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.SGD(rate, momentum=0.9, nesterov=True))
    own = from_keras(model, {"features": (6,)}, 3)
    spec = NetworkSpec("custom", {}, {"features": (6,)}, 3, "float32", own)
    start = own.build(MemberInitializer(5))
    model.set_weights([np.asarray(v.value) for v in start.trainable_variables])
    model.fit(X, Y, batch_size=230, epochs=7, shuffle=False, verbose=0)
    data = engine.EncodedRows({"features": X}, Y.astype(bool), None, np.ones(230), "float32")
    nothing = np.zeros(0, dtype=np.int64)
    parts = engine.MemberSplits([np.arange(230)], [nothing], [nothing])
    config = TrainingConfig(network="custom", epochs=7, optimizer="compiled", prior_bias=False)
    trained = engine.train(spec.factory(1, lambda k: MemberInitializer(5)), data, parts, config, RuntimeConfig(), 230)
    for ours, theirs in zip(trained.weights.trainable, model.get_weights(), strict=True):
        np.testing.assert_allclose(ours[0], theirs, atol=2e-6)


@pytest.mark.slow
def test_the_last_batch_is_short_and_padding_does_not_count(rows):
    """A batch norm model on 230 rows in batches of 64 equals a plain loop over the same batches."""
    X, Y = rows
    from manyhot import engine
    from manyhot.config.runtime import RuntimeConfig
    from manyhot.config.training import TrainingConfig
    from manyhot.engine.epoch_loop import _shuffle
    from manyhot.engine.state import Rows
    from manyhot.models.network_spec import NetworkSpec
    from manyhot.networks import MemberInitializer

    def build():
        model = keras.Sequential(
            [L.Input((6,)), L.Dense(8), L.BatchNormalization(), L.ReLU(), L.Dense(3, activation="sigmoid")]
        )
        model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.SGD(0.1))
        return model

    model = build()
    own = from_keras(model, {"features": (6,)}, 3)
    spec = NetworkSpec("custom", {}, {"features": (6,)}, 3, "float32", own)
    start = own.build(MemberInitializer(5)).model.get_weights()
    model.set_weights(start)
    key = np.random.SeedSequence([0, 1, 0]).generate_state(2, np.uint32)
    padded = jax.numpy.asarray(np.concatenate([np.arange(230), np.zeros(256 - 230)]).astype(np.int32))
    for epoch in range(3):
        order = np.asarray(_shuffle(jax.numpy.asarray(key), epoch, Rows(padded, np.int32(230), None, None, None), 0))[
            :230
        ]
        for first in range(0, 230, 64):
            chosen = order[first : first + 64]
            model.train_on_batch(X[chosen], Y[chosen])
    data = engine.EncodedRows({"features": X}, Y.astype(bool), None, np.ones(230), "float32")
    nothing = np.zeros(0, dtype=np.int64)
    parts = engine.MemberSplits([np.arange(230)], [nothing], [nothing])
    config = TrainingConfig(network="custom", epochs=3, optimizer="compiled", prior_bias=False)
    trained = engine.train(spec.factory(1, lambda k: MemberInitializer(5)), data, parts, config, RuntimeConfig(), 64)
    theirs = [np.asarray(v.value) for v in model.trainable_variables]
    for ours, value in zip(trained.weights.trainable, theirs, strict=True):
        np.testing.assert_allclose(ours[0], value, atol=1e-5)
    for ours, variable in zip(trained.weights.fixed, model.non_trainable_variables, strict=True):
        np.testing.assert_allclose(ours[0], np.asarray(variable.value), atol=1e-5)


@pytest.mark.slow
def test_members_differ_and_one_seed_gives_one_result(rows):
    X, Y = rows
    settings = {"network": activation_last(), "n_members": 2, "epochs": 3, "batch_size": 32, "verbose": 0}
    first, again, other = (MultiLabelClassifier(**settings, random_state=seed).fit(X, Y) for seed in (0, 0, 1))
    weights = first.model_.weights.trainable[0]
    assert not np.array_equal(weights[0], weights[1])
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    assert np.abs(first.predict_proba(X) - other.predict_proba(X)).max() > 1e-3


@pytest.mark.slow
def test_the_users_draws_are_left_alone(rows):
    import random

    X, Y = rows
    model = activation_last()
    random.seed(3)
    expected = random.Random(3).random()
    MultiLabelClassifier(network=model, n_members=2, epochs=1, batch_size=64, verbose=0).fit(X, Y)
    assert random.random() == expected
    assert keras.config.dtype_policy().name == "float32"


SOFTMAX = [
    ("softmax", "binary_crossentropy"),
    ("softmax", "categorical_crossentropy"),
    ("sigmoid", "categorical_crossentropy"),
    ("linear", keras.losses.CategoricalCrossentropy(from_logits=True)),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "loss"),
    SOFTMAX,
    ids=["binary", "categorical", "sigmoid", "linear"],
)
def test_softmax_is_refused_for_several_labels_with_the_reason(activation, loss, rows):
    X, Y = rows
    model = keras.Sequential([L.Input((6,)), L.Dense(3, activation=activation)])
    model.compile(loss=loss, optimizer="adam")
    settings = {"network": model, "n_members": 2, "epochs": 2, "batch_size": 32, "verbose": 0}
    with pytest.raises(InputError) as refusal:
        MultiLabelClassifier(**settings).fit(X, Y)
    for words in (
        "raising one label lowers all others",
        "activation='sigmoid'",
        "binary_crossentropy",
        "allow_softmax",
    ):
        assert words in str(refusal.value)
    clf = MultiLabelClassifier(**settings, allow_softmax=True).fit(X, Y)
    np.testing.assert_allclose(clf.predict_proba(X).sum(axis=1), 1, atol=1e-5)
    exclusive = np.eye(3, dtype=int)[X[:, :3].argmax(axis=1)]
    MultiLabelClassifier(**settings).fit(X, exclusive)


@pytest.mark.slow
def test_a_softmax_model_keeps_a_loss_that_is_named_or_refuses_it(rows):
    X, _ = rows
    exclusive = np.eye(3, dtype=int)[X[:, :3].argmax(axis=1)]
    model = keras.Sequential([L.Input((6,)), L.Dense(3, activation="softmax")])
    model.compile(loss="categorical_crossentropy", optimizer="adam")
    settings = {"network": model, "n_members": 2, "epochs": 1, "batch_size": 32, "verbose": 0}
    for loss in ("focal", "two_way"):
        with pytest.raises(InputError, match=rf"loss.*{loss} takes one sigmoid per label.*ends in a softmax"):
            MultiLabelClassifier(**settings, loss=loss).fit(X, exclusive)
    for loss, trained in (("auto", "categorical_crossentropy"), ("binary_crossentropy", "binary_crossentropy")):
        config = MultiLabelClassifier(**settings, loss=loss).fit(X, exclusive).model_.config
        assert (config.head, config.loss) == ("softmax", trained)
    with pytest.raises(InputError, match="label_smoothing"):
        MultiLabelClassifier(**settings, label_smoothing=0.1).fit(X, exclusive)


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_a_loss_that_is_named_counts_instead_of_the_compiled_one(activation, rows):
    X, Y = rows
    model = keras.Sequential([L.Input((6,)), L.Dense(3, activation=activation)])
    model.compile(loss=keras.losses.CategoricalCrossentropy(from_logits=activation == "linear"), optimizer="adam")
    settings = {"network": model, "n_members": 2, "epochs": 1, "batch_size": 32, "verbose": 0}
    for loss in ("binary_crossentropy", "focal"):
        config = MultiLabelClassifier(**settings, loss=loss).fit(X, Y).model_.config
        assert (config.head, config.loss) == ("sigmoid", loss)


@pytest.mark.slow
def test_softmax_travels_in_the_file(rows, tmp_path):
    X, Y = rows
    settings = {"n_members": 2, "epochs": 2, "hidden_layer_sizes": (8,), "head": "softmax", "verbose": 0}
    with pytest.raises(InputError, match="raising one label lowers all others"):
        MultiLabelClassifier(**settings).fit(X, Y)
    clf = MultiLabelClassifier(**settings, allow_softmax=True).fit(X, Y)
    clf.save(tmp_path / "softmax.manyhot")
    again = load(tmp_path / "softmax.manyhot")
    assert again.head == "softmax"
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


@pytest.mark.slow
def test_exclusive_labels_are_noticed(rows):
    X, _ = rows
    exclusive = np.eye(3, dtype=int)[X[:, :3].argmax(axis=1)]
    clf = MultiLabelClassifier(n_members=2, epochs=1, hidden_layer_sizes=(4,), verbose=0).fit(X, exclusive)
    assert "softmax" in str(clf.report_)


def _ends(layer):
    return keras.Sequential([L.Input((6,)), L.Dense(3), layer])


REFUSED = [
    (lambda: keras.Sequential([L.Input((6,)), L.Dense(4, activation="sigmoid")]), "4 outputs, expected 3"),
    (lambda: keras.Sequential([L.Input((5,)), L.Dense(3, activation="sigmoid")]), r"rows of shape \(5,\)"),
    (lambda: keras.Sequential([L.Input((6,)), L.Dense(3, activity_regularizer="l2")]), "activity_regularizer"),
    (lambda: _ends(L.Softmax()), "Softmax layer"),
    (lambda: _ends(L.Rescaling(0.0)), "seems to end in probabilities"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=range(len(REFUSED)))
def test_a_model_that_does_not_fit_is_refused(make, message, rows):
    X, Y = rows
    with pytest.raises(InputError, match=message):
        MultiLabelClassifier(network=make(), n_members=2, epochs=1, batch_size=32, verbose=0).fit(X, Y)


@pytest.mark.slow
def test_other_losses_and_idle_settings_are_refused(rows):
    X, Y = rows
    model = keras.Sequential([L.Input((6,)), L.Dense(3, activation="sigmoid")])
    model.compile(loss="mse", optimizer="adam")
    settings = {"n_members": 2, "epochs": 1, "batch_size": 32, "verbose": 0}
    with pytest.raises(InputError, match=r"mse.*binary_crossentropy"):
        MultiLabelClassifier(network=model, **settings).fit(X, Y)
    with pytest.raises(InputError, match=r"learning_rate.*compiled model's optimizer"):
        MultiLabelClassifier(network=sequential(), learning_rate=0.1, **settings).fit(X, Y)
    with pytest.raises(InputError, match="hidden_layer_sizes"):
        MultiLabelClassifier(network=sequential(), hidden_layer_sizes=(3,), **settings).fit(X, Y)
    with pytest.raises(InputError, match="expected the name of a network, a Keras model or a function"):
        MultiLabelClassifier(network=7, **settings).fit(X, Y)
    with pytest.raises(InputError, match="hand it over in Python"):
        MultiLabelClassifier(network="custom", **settings).fit(X, Y)
    with pytest.raises(InputError, match="did you mean 'mlp'"):
        MultiLabelClassifier(network="mlpp", **settings).fit(X, Y)
    with pytest.raises(InputError, match="preprocessing='standard'"):
        MultiLabelClassifier(network=sequential(), **settings).fit(np.where(X > 2, np.nan, X), Y)


@pytest.mark.slow
def test_manyhots_habits_are_had_by_name(rows):
    X, Y = rows
    settings = {"n_members": 2, "epochs": 30, "batch_size": 32, "verbose": 0}
    habits = {
        "preprocessing": "standard",
        "prior_bias": True,
        "early_stopping": True,
        "patience": 2,
        "optimizer": "adamw",
    }
    holed = np.where(X > 2, np.nan, X)
    model = lambda shape, n: keras.Sequential([L.Input(shape), L.Dense(n, activation="sigmoid")])  # noqa: E731
    clf = MultiLabelClassifier(network=model, **settings, **habits, learning_rate=0.1).fit(holed, Y)
    assert clf.model_.encoder.kind == "matrix"
    assert clf.model_.config.optimizer == "adamw"
    assert clf.model_.evidence.best_epoch.max() < 30


@pytest.mark.slow
def test_scikit_learn_clones_it(rows):
    from sklearn.base import clone
    from sklearn.model_selection import cross_val_score

    X, Y = rows
    clf = MultiLabelClassifier(network=sequential(), n_members=2, epochs=2, batch_size=32, verbose=0, decision="fixed")
    assert len(cross_val_score(clone(clf), X, Y, cv=2)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("make", [sequential, batch_norm, subclassed])
@pytest.mark.parametrize(("dtype", "epochs", "tolerance"), [("float64", 20, 1e-8), ("float32", 3, 1e-4)])
def test_members_together_equal_members_alone(make, dtype, epochs, tolerance, rows):
    X, Y = rows
    settings = {"n_members": 4, "epochs": epochs, "batch_size": 32, "dtype": dtype, "verbose": 0}
    together, single = (
        MultiLabelClassifier(network=make(), member_batching=layout, **settings).fit(X, Y)
        for layout in ("together", "single")
    )
    assert str(together.predict_proba(X).dtype) == dtype
    difference = np.abs(together.predict_proba(X) - single.predict_proba(X)).max()
    print(f"largest difference {difference:.1e}")
    assert difference < tolerance


@pytest.mark.slow
def test_a_description_is_json_and_survives_it():
    own = from_keras(batch_norm(), {"features": (6,)}, 3)
    assert json.loads(json.dumps(own.config)) == own.config
    assert own.output == "sigmoid"
    assert own.optimizer["class_name"] == "Nadam"


class OneByOne(L.Layer):
    """Works alone, but not under vmap."""

    def call(self, inputs):
        same = jax.ShapeDtypeStruct(inputs.shape, inputs.dtype)
        return inputs + 0 * jax.pure_callback(lambda x: np.asarray(x), same, jax.lax.stop_gradient(inputs))


class Untraceable(L.Layer):
    """Looks at values, which a compiled program does not have."""

    def call(self, inputs):
        return inputs if isinstance(inputs, keras.KerasTensor) or float(inputs[0, 0]) < 0 else -inputs

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs.shape, inputs.dtype)


@pytest.mark.slow
def test_a_layer_that_cannot_go_side_by_side_is_named_and_trained_one_after_another(rows):
    X, Y = rows
    model = keras.Sequential([L.Input((6,)), L.Dense(4, activation="relu"), OneByOne(), L.Dense(3)])
    clf = MultiLabelClassifier(
        network=model, n_members=4, epochs=2, batch_size=64, member_batching="together", verbose=0
    )
    with pytest.warns(ManyhotWarning, match=r"'OneByOne'.*one after another"):
        clf.fit(X, Y)
    assert np.isfinite(clf.predict_proba(X)).all()


def test_a_layer_that_cannot_be_compiled_is_named(rows):
    X, Y = rows
    model = keras.Sequential([L.Input((6,)), L.Dense(4), Untraceable(), L.Dense(3)])
    with pytest.raises(TrainingError, match=r"'Untraceable'.*keras\.ops"):
        MultiLabelClassifier(network=model, n_members=2, epochs=1, batch_size=64, verbose=0).fit(X, Y)


@pytest.mark.slow
def test_it_trains_further(rows):
    X, Y = rows
    clf = MultiLabelClassifier(network=batch_norm(), n_members=2, epochs=2, batch_size=32, verbose=0).fit(X, Y)
    before = clf.predict_proba(X)
    after = clf.partial_fit(X, Y).predict_proba(X)
    assert 1e-4 < np.abs(after - before).max() < 0.5


@pytest.mark.slow
def test_it_survives_pickling(rows):
    import pickle

    X, Y = rows
    clf = MultiLabelClassifier(network=sequential(), n_members=2, epochs=1, batch_size=32, verbose=0).fit(X, Y)
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


@pytest.mark.slow
def test_frozen_and_adapted_layers_keep_their_weights(rows, tmp_path):
    X, Y = rows
    scale = L.Normalization()
    scale.adapt(3 * X + 7)
    model = keras.Sequential([L.Input((6,)), scale, L.Dense(5), L.Dense(3, activation="sigmoid")])
    model.layers[1].trainable = False
    model.compile(loss="binary_crossentropy", optimizer="adam")
    frozen = [np.array(weight) for weight in model.layers[1].get_weights()]
    clf = MultiLabelClassifier(network=model, n_members=2, epochs=5, batch_size=32, verbose=0).fit(3 * X + 7, Y)
    assert [leaf.shape[1:] for leaf in clf.model_.weights.trainable] == [(5, 3), (3,)]
    for member in range(2):
        for frozen_leaf in frozen:
            assert any(np.array_equal(leaf[member], frozen_leaf) for leaf in clf.model_.weights.fixed)
    last = [np.asarray(leaf[0], np.float64) for leaf in clf.model_.weights.trainable]
    hidden = (3 * X + 7 - np.asarray(scale.mean)) / np.sqrt(np.asarray(scale.variance)) @ frozen[0] + frozen[1]
    by_hand = 1 / (1 + np.exp(-(hidden @ last[0] + last[1])))
    one = clf.model_.scorer().scores({"features": (3 * X + 7).astype(np.float32)}, (0, 1))
    np.testing.assert_allclose(one, by_hand, atol=1e-4)
    clf.save(tmp_path / "frozen.manyhot")
    scores = load(tmp_path / "frozen.manyhot").predict_proba(3 * X + 7)
    np.testing.assert_array_equal(scores, clf.predict_proba(3 * X + 7))
