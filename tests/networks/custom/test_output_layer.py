"""What a Keras model may end in: numbers without bounds, or a sigmoid or softmax over them."""

import numpy as np
import pytest

from manyhot.backend import jax, keras
from manyhot.errors import InputError
from manyhot.networks.custom.cloning import flatten_layers
from manyhot.networks.custom.output_layer import find_output_activation

L = keras.layers
INPUTS = [("features", (4,))]


def model_of(*layers):
    return keras.Sequential([L.Input((4,)), L.Dense(8, activation="relu"), *layers])


class Ending(keras.Model):
    """A model whose structure does not say what its last layer is."""

    def __init__(self, activation):
        super().__init__()
        self.hidden, self.last = L.Dense(8, activation="relu"), L.Dense(3, activation=activation)

    def call(self, rows):
        return self.last(self.hidden(rows))


def subclassed(activation):
    model = Ending(activation)
    model(np.zeros((1, 4), dtype="float32"))
    return model


# what the model ends in: words of the refusal
BOUNDED = {
    "relu": (lambda: model_of(L.Dense(3, activation="relu")), r"ends in relu.*gives 0 or more.*0\.5 or more"),
    "tanh": (lambda: model_of(L.Dense(3, activation="tanh")), r"ends in tanh.*gives -1 to 1.*0\.27 to 0\.73"),
    "softplus": (lambda: model_of(L.Dense(3), L.Activation("softplus")), "ends in softplus"),
    "elu": (lambda: model_of(L.Dense(3, activation="elu")), "ends in elu"),
    "gelu": (lambda: model_of(L.Dense(3, activation="gelu")), "ends in gelu"),
    "hard_sigmoid": (lambda: model_of(L.Dense(3, activation="hard_sigmoid")), "gives 0 to 1"),
    "a layer": (lambda: model_of(L.Dense(3), L.ReLU()), "ends in relu"),
    "a function": (lambda: model_of(L.Dense(3, activation=lambda x: jax.numpy.square(x))), "gives 0 or more"),
    "behind a layer": (lambda: model_of(L.Dense(3, activation="relu"), L.Reshape((3,))), "ends in relu"),
    "subclassed": (lambda: subclassed("softplus"), "ends in softplus"),
}


@pytest.mark.parametrize("case", BOUNDED)
def test_bounded_numbers_are_no_logits(case):
    make, message = BOUNDED[case]
    with pytest.raises(InputError, match=message):
        find_output_activation(make(), INPUTS, "tensor")


# what the model ends in: how it is understood
ACCEPTED = {
    "logits": (lambda: model_of(L.Dense(3)), "linear"),
    "leaky_relu": (lambda: model_of(L.Dense(3, activation="leaky_relu")), "linear"),
    "sigmoid": (lambda: model_of(L.Dense(3, activation="sigmoid")), "sigmoid"),
    "subclassed sigmoid": (lambda: subclassed("sigmoid"), "sigmoid"),
    "subclassed logits": (lambda: subclassed(None), "linear"),
    "behind a layer": (lambda: model_of(L.Dense(3, activation="sigmoid"), L.Reshape((3,))), "sigmoid"),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_other_ends_are_found(case):
    make, expected = ACCEPTED[case]
    model = make()
    index, kind = find_output_activation(model, INPUTS, "tensor")
    assert (kind, index >= 0) == (expected, expected != "linear")
    activations = [getattr(layer, "activation", None) for layer in flatten_layers(model)]
    assert keras.activations.relu in activations
