"""Sizes in the description of a Keras model, checked before Keras sees it."""

import pytest

from manyhot.backend import keras
from manyhot.errors import InputError
from manyhot.networks.custom.cloning import serialize_model
from manyhot.networks.custom.description import MAX_CALLS, check_description

L = keras.layers


def layer(class_name, **config):
    return {"module": "keras.layers", "class_name": class_name, "config": config, "registered_name": None}


def sequential(*layers):
    return {"module": "keras", "class_name": "Sequential", "config": {"layers": list(layers)}, "registered_name": None}


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"units": 4_000_000_000}, "'units' of 4e"),
        ({"padding": [[0, 10**8]]}, "'padding' of 1e"),
        ({"kernel_size": [70_000]}, "'kernel_size'"),
        ({"target_shape": [1] * 1000}, "1,000 values as 'target_shape'"),
        ({"axis": 2**31}, "'axis'"),
        ({"units": 1e308}, "'units'"),
    ],
)
def test_numbers_are_bounded_by_what_they_mean(config, word):
    with pytest.raises(InputError, match=word):
        check_description(sequential(layer("Dense", **config)), 4)


def test_layers_beside_weights_are_few():
    check_description(sequential(*[layer("Activation", name=f"a{k}") for k in range(100)]), 0)
    with pytest.raises(InputError, match="more than 120 layers"):
        check_description(sequential(*[layer("Activation", name=f"a{k}") for k in range(900)]), 5)
    with pytest.raises(InputError, match="layers of one name"):
        check_description(sequential(layer("Dense", name="a"), layer("Dense", name="a")), 5)


def test_models_in_models_multiply():
    inner = sequential(layer("Activation", name="a"))
    for k in range(14):
        inner = sequential({**inner, "config": {**inner["config"], "name": f"m{k}"}})
    with pytest.raises(InputError, match=f"more than {MAX_CALLS:,} layers"):
        check_description(inner, 10_000)
    called_often = {**layer("Activation", name="a"), "inbound_nodes": [{"args": []}] * 3000}
    with pytest.raises(InputError, match=f"more than {MAX_CALLS:,} layers"):
        check_description(sequential(called_often), 10_000)


@pytest.mark.slow
def test_a_large_known_network_is_taken():
    inputs = keras.Input((32, 32, 3))
    inner = keras.applications.DenseNet201(include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg")
    model = keras.Model(inputs, L.Dense(2)(inner(inputs)))
    check_description(serialize_model(model), len(model.weights))
