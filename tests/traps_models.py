"""The small models that the tests of the traps share."""

from manyhot import MultiLabelClassifier, engine
from manyhot.backend import keras
from manyhot.encode import PlainEncoder
from manyhot.fits import prepare, train_fits
from manyhot.labels import as_targets
from manyhot.plan import Plan, Runtime

L = keras.layers
SMALL = {"members": 2, "epochs": 3, "hidden": (8,), "quiet": True}


def fitted(X, Y, **settings):
    """A small classifier that has been trained."""
    return MultiLabelClassifier(**{**SMALL, **settings}).fit(X, Y)


def known(Y):
    """The targets in any form of Y."""
    return as_targets(Y)[1]


def scores_of_one_network(X, Y):
    """A network without a hidden layer, trained on all rows in one batch: each label is learned for itself."""
    plan = Plan(members=1, epochs=20, hidden=(), batch_size=500, encode="none", learning_rate=1e-2)
    encoder = PlainEncoder([f"x{j}" for j in range(X.shape[1])])
    fit = prepare(X, known(Y), encoder, plan, trains_on_all=True)
    _, trained = train_fits([fit], Runtime())
    scorer = engine.Scorer(fit.network.networks(1), trained.weights, plan.precision, Runtime(), plan.head)
    return scorer.scores(fit.encoder.transform(X))


def keras_model(activation="sigmoid", **compiled):
    """A compiled Keras model of five numbers and three labels."""
    model = keras.Sequential([L.Input((5,)), L.Dense(8, activation="relu"), L.Dense(3, activation=activation)])
    model.compile(**{"loss": "binary_crossentropy", "optimizer": keras.optimizers.SGD(0.05), **compiled})
    return model


def sigmoid_only(**compiled):
    """A compiled Keras model without weights, which takes the logits of four labels."""
    model = keras.Sequential([L.Input((4,)), L.Activation("sigmoid")])
    model.compile(loss="binary_crossentropy", **compiled)
    return model
