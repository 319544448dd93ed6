"""Convolution, ReLU and pooling at once: Keras' numbers, and taken up only where one follows the other."""

import random

import numpy as np
import pytest

from manyhot.backend import jax, keras, use_dtype
from manyhot.networks import choose_layers
from manyhot.networks.fast import layers as fast
from tests.networks.fast.test_layers import assert_close, results

L = keras.layers


def random_model(seed: int, dtype: str) -> tuple[keras.Model, np.ndarray]:
    """A convolution with ReLU, and pooling, of shapes drawn."""
    draw = random.Random(seed)
    image, channels = (draw.randint(9, 14), draw.randint(9, 14)), draw.choice([1, 1, 2, 3])
    data_format = ("channels_last", "channels_first")[seed % 2]
    strides = draw.choice([1, 1, 2])
    settings = {"strides": strides, "padding": draw.choice(["valid", "same"]), "use_bias": seed % 3 > 0}
    if strides == 1:
        settings["dilation_rate"] = draw.choice([1, 2])
    size = draw.randint(1, 3), draw.randint(1, 3)
    shape = (*image, channels) if data_format == "channels_last" else (channels, *image)
    tile = draw.choice([(2, 2), (2, 1), (3, 2)])
    model = keras.Sequential(
        [
            L.Input(shape, dtype=dtype),
            L.Conv2D(5, size, activation="relu", data_format=data_format, dtype=dtype, **settings),
            L.MaxPooling2D(tile, data_format=data_format, dtype=dtype),
        ]
    )
    generator = np.random.default_rng(seed)
    model.set_weights([generator.normal(size=w.shape) for w in model.get_weights()])
    # whole numbers, so that places of a tile are equal often
    return model, np.round(2 * generator.normal(size=(draw.choice([1, 6, 8]), *shape))).astype(dtype)


@pytest.fixture
def at_once(monkeypatch):
    """How often the two were done at once; wherever they can be, whatever the rule."""
    calls = []
    together = fast.pooled_convolution
    monkeypatch.setattr(fast, "should_fuse_pooling", lambda *_: True)
    monkeypatch.setattr(fast, "pooled_convolution", lambda *args: calls.append(1) or together(*args))
    return calls


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "dtype", "tolerance"),
    [(seed, "float32", 1e-5) for seed in range(8)] + [(seed, "float64", 1e-12) for seed in (8, 9, 10)],
)
def test_the_same_numbers_and_gradients_as_keras(seed, dtype, tolerance, at_once):
    with use_dtype(dtype):
        model, x = random_model(seed, dtype)
        wanted = results(model, x)
        got = results(choose_layers(model, True), x)
    assert at_once
    assert_close(got, wanted, tolerance)


def compiled(model: keras.Model, x: np.ndarray) -> str:
    weights = [variable.value for variable in model.trainable_variables]
    return jax.jit(lambda weights, x: model.stateless_call(weights, [], x)[0]).lower(weights, x).compile().as_text()


@pytest.mark.slow
def test_the_convolution_by_itself_leaves_the_program_and_nothing_is_kept():
    model = keras.Sequential([L.Input((28, 28, 1)), L.Conv2D(32, 3, activation="relu"), L.MaxPooling2D(2)])
    x = np.zeros((8, 28, 28, 1), np.float32)
    assert "convolution(" in compiled(model, x)
    assert "convolution(" not in compiled(choose_layers(model, True), x)
    assert not fast._RECTIFIED


@pytest.mark.slow
def test_who_else_asks_for_the_convolution_gets_it(at_once):
    inputs = keras.Input((8, 8, 1))
    found = L.Conv2D(3, 3, activation="relu")(inputs)
    pooled = L.Flatten()(L.MaxPooling2D(2)(found))
    model = keras.Model(inputs, L.Concatenate()([pooled, L.Flatten()(found)]))
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32)
    wanted = results(model, x)
    got = results(choose_layers(model, True), x)
    assert at_once
    assert_close(got, wanted, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("convolution", "between", "pooling"),
    [
        ({"activation": "tanh"}, None, {}),
        ({"activation": "relu"}, lambda: L.SpatialDropout2D(0.5), {}),
        ({"activation": "relu"}, None, {"strides": 1}),
        ({"activation": "relu"}, None, {"padding": "same"}),
        ({"activation": "relu", "groups": 2}, None, {}),
        ({"activation": "relu"}, None, {"data_format": "channels_first"}),
    ],
)
def test_what_is_something_else_stays_apart(convolution, between, pooling, at_once):
    layers = [L.Input((8, 8, 2)), L.Conv2D(4, 2, **convolution), *([between()] if between else [])]
    model = keras.Sequential([*layers, L.MaxPooling2D(2, **pooling)])
    x = np.random.default_rng(0).normal(size=(3, 8, 8, 2)).astype(np.float32)
    training = {"training": True} if between else {}
    wanted = np.asarray(model(x, **training)) if not between else None
    got = np.asarray(choose_layers(model, True)(x, **training))
    assert not at_once
    if wanted is not None:
        np.testing.assert_allclose(got, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("n_numbers", "kernel", "at_once"),
    [
        (1, (3, 3, 1, 32), True),
        (64 * 26 * 26 * 32, (5, 5, 1, 32), False),
        (64 * 26 * 26 * 32, (3, 3, 3, 32), False),
        (64 * 62 * 62 * 32, (3, 3, 3, 32), True),
        (64 * 62 * 62 * 32, (3, 3, 8, 32), False),
    ],
)
def test_the_rule(n_numbers, kernel, at_once):
    assert fast.should_fuse_pooling(n_numbers, kernel) is at_once
