"""Our layers for images beside Keras' own: the same numbers, gradients, weights and names; when they are taken."""

import itertools
import json
import random

import numpy as np
import pytest

from manyhot import MultiLabelClassifier, engine, load
from manyhot.backend import jax, keras, use_dtype
from manyhot.config.runtime import RuntimeConfig
from manyhot.models.network_spec import NetworkSpec
from manyhot.networks import MemberInitializer, choose_layers, from_keras
from manyhot.networks.fast import convolution, layers

L = keras.layers
jnp = jax.numpy
KINDS = ["max", "average", "convolution", "groups", "depthwise", "separable"]
FORMATS = ["channels_last", "channels_first"]


def case(kind: str, seed: int, dtype: str) -> tuple[keras.layers.Layer, keras.layers.Layer, np.ndarray]:
    """Keras' layer, ours with the same weights, and images: shapes, strides, padding and dilation drawn."""
    draw = random.Random(f"{kind}{seed}")
    channels, filters = draw.choice([1, 2, 3, 4, 6]), draw.choice([1, 5])
    image = draw.randint(7, 12), draw.randint(7, 12)
    size = (draw.randint(1, 4), draw.randint(1, 4))
    strides = (draw.randint(1, 3), draw.randint(1, 3))
    if kind in ("depthwise", "separable"):
        strides = (strides[0], strides[0])  # Keras knows no others there
    data_format = FORMATS[seed % 2]
    settings = {"strides": strides, "padding": draw.choice(["valid", "same"]), "data_format": data_format}
    settings["dtype"] = dtype
    if kind not in ("max", "average") and max(strides) == 1:
        settings["dilation_rate"] = (draw.randint(1, 2), draw.randint(1, 2))
    if kind in ("depthwise", "separable"):
        settings["depth_multiplier"] = draw.randint(1, 3)

    def make(module):
        if kind == "max":
            return module.MaxPooling2D(size, **settings)
        if kind == "average":
            return module.AveragePooling2D(size, **settings)
        if kind == "convolution":
            return module.Conv2D(filters, size, activation="tanh", **settings)
        if kind == "groups":
            return module.Conv2D(2 * channels, size, groups=channels, **settings)
        if kind == "depthwise":
            return module.DepthwiseConv2D(size, activation="tanh", **settings)
        return module.SeparableConv2D(filters, size, use_bias=seed % 3 > 0, **settings)

    shape = (5, *image, channels) if data_format == "channels_last" else (5, channels, *image)
    x = np.random.default_rng(seed).normal(size=shape)
    x = np.maximum(np.round(2 * x), 0) if kind == "max" else x  # many ties, most of them zeros
    theirs, ours = make(L), make(layers)
    theirs.build(shape)
    ours.build(shape)
    ours.set_weights(theirs.get_weights())
    return theirs, ours, x.astype(dtype)


def results(layer: keras.layers.Layer | keras.Model, x: np.ndarray) -> list[np.ndarray]:
    """Gradients of a layer's weights and inputs, and what it gives, inside a loop as in training."""
    weights = [variable.value for variable in layer.trainable_variables]

    def objective(weights, x):
        y, _ = layer.stateless_call(weights, [], x)
        return (y * jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)).sum(), y

    gradient = jax.grad(objective, argnums=(0, 1), has_aux=True)
    shapes = jax.eval_shape(gradient, weights, x)
    empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    looped = jax.jit(lambda weights, x: jax.lax.fori_loop(0, 1, lambda k, _: gradient(weights, x), empty))
    return [np.asarray(leaf) for leaf in jax.tree.leaves(looped(weights, x))]


def assert_same(theirs, ours, x, tolerance):
    assert_close(results(ours, x), results(theirs, x), tolerance)


def assert_close(got: list[np.ndarray], wanted: list[np.ndarray], tolerance: float):
    for one, expected in zip(got, wanted, strict=True):
        assert one.dtype == expected.dtype
        np.testing.assert_allclose(one, expected, rtol=tolerance, atol=tolerance * max(1, np.abs(expected).max()))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "seed"), list(itertools.product(KINDS, range(4))))
def test_a_layer_gives_what_keras_gives(kind, seed):
    assert_same(*case(kind, seed, "float32"), 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "seed"), list(itertools.product(KINDS, (4, 5))))
def test_in_float64_too(kind, seed):
    with use_dtype("float64"):
        assert_same(*case(kind, seed, "float64"), 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("forward", "of_kernel", "of_image"), [(True, True, True), (False, False, False), (True, False, True)]
)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_every_way_of_a_convolution_is_the_same(forward, of_kernel, of_image, padding, monkeypatch):
    monkeypatch.setattr(
        layers, "choose_convolution_kernels", lambda *_: convolution.ConvolutionKernels(forward, of_kernel, of_image)
    )
    for seed in range(3):
        settings = {"padding": padding, "strides": 1 + seed % 2, "dilation_rate": 2 if seed == 2 else 1}
        theirs, ours = L.Conv2D(4, (3, 2), **settings), layers.Conv2D(4, (3, 2), **settings)
        x = np.random.default_rng(seed).normal(size=(4, 9, 8, 3)).astype(np.float32)
        theirs.build(x.shape)
        ours.build(x.shape)
        ours.set_weights(theirs.get_weights())
        assert_same(theirs, ours, x, 1e-5)


def test_of_equal_numbers_the_first_gets_the_gradient():
    x = np.zeros((1, 4, 4, 1), np.float32)
    x[0, 2:, 2:, 0] = [[1, 2], [2, 2]]
    pull, _ = results(layers.MaxPooling2D(2), x)
    np.testing.assert_array_equal(pull[0, :, :, 0] != 0, [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0]])


def network() -> keras.Model:
    model = keras.Sequential(
        [
            L.Input((8, 8, 1)),
            L.Conv2D(4, 3, activation="relu"),
            L.MaxPooling2D(2),
            L.SeparableConv2D(6, 3, padding="same"),
            L.AveragePooling2D(2, strides=1),
            L.Flatten(),
            L.Dense(3, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="binary_crossentropy")
    return model


@pytest.mark.slow
def test_layers_are_exchanged_both_ways_and_nothing_else_changes():
    class Mine(L.Conv2D):
        """A layer of the user's own."""

    inputs = keras.Input((8, 8, 1))
    x = L.MaxPooling2D(2)(L.Conv2D(4, 3)(Mine(2, 3)(inputs)))
    model = keras.Model(inputs, L.GlobalAveragePooling2D()(x))
    before, weights = model.get_config(), model.get_weights()
    choose_layers(model, True)
    column_types = [type(layer) for layer in model.layers[1:]]
    assert column_types == [Mine, layers.Conv2D, layers.MaxPooling2D, L.GlobalAveragePooling2D]
    assert [layer.get_config() for layer in model.layers] == [part["config"] for part in before["layers"]]
    assert all(map(np.array_equal, model.get_weights(), weights))
    choose_layers(model, False)
    assert [type(layer) for layer in model.layers[1:]] == [Mine, L.Conv2D, L.MaxPooling2D, L.GlobalAveragePooling2D]


@pytest.mark.slow
def test_a_model_of_ones_own_learns_the_same_with_and_without(tmp_path):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(120, 8, 8, 1)).astype(np.float32)
    Y = (X[:, :3, :3, 0].mean(axis=1) > 0).astype(int)
    settings = {"n_members": 2, "epochs": 4, "batch_size": 16, "verbose": 0}
    model = network()
    quick = MultiLabelClassifier(network=model, **settings).fit(X, Y)
    plain = MultiLabelClassifier(network=model, fast_layers=False, **settings).fit(X, Y)
    np.testing.assert_allclose(quick.predict_proba(X), plain.predict_proba(X), atol=1e-4)
    described = [json.dumps(clf.model_.network.custom.config) for clf in (quick, plain)]
    assert described[0] == described[1]
    assert "manyhot" not in described[0]
    quick.save(tmp_path / "images.manyhot")
    np.testing.assert_array_equal(load(tmp_path / "images.manyhot").predict_proba(X), quick.predict_proba(X))


@pytest.mark.slow
def test_the_runtime_chooses_and_the_programs_differ():
    spec = NetworkSpec(
        "custom", {}, {"features": (8, 8, 1)}, 3, "float32", from_keras(network(), {"features": (8, 8, 1)}, 3)
    )
    networks = spec.factory(1)
    assert networks.with_layers(True).key != networks.with_layers(False).key
    weights = [np.asarray(variable.value)[None] for variable in networks.build(0).trainable_variables]
    for is_fast, kind in ((True, layers.Conv2D), (False, L.Conv2D)):
        scorer = engine.Scorer(networks, engine.Weights(weights, []), "float32", RuntimeConfig(fast_layers=is_fast))
        assert type(scorer.network.layers[0]) is kind
    assert type(spec.custom.build(MemberInitializer(0)).layers[0]) is L.Conv2D


def test_elsewhere_and_where_a_window_is_large_the_work_is_keras(monkeypatch):
    called = []
    monkeypatch.setattr(layers, "max_pool", lambda x, window: called.append(window) or x[:, :1, :1])
    x = np.zeros((2, 12, 12, 1), np.float32)
    layers.MaxPooling2D(2)(x)
    assert len(called) == 1
    assert layers.MaxPooling2D(6)(x).shape == (2, 2, 2, 1)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert layers.MaxPooling2D(2)(x).shape == (2, 6, 6, 1)
    assert len(called) == 1


@pytest.mark.parametrize(
    ("n_pixels", "kernel", "ways"),
    [
        (64 * 26 * 26, (3, 3, 1, 32), (False, True, True)),
        (64 * 26 * 26, (3, 3, 3, 32), (True, False, True)),
        (64 * 26 * 26, (3, 3, 8, 32), (False, False, True)),
        (64 * 26 * 26, (3, 3, 32, 64), (False, False, False)),
        (64 * 10 * 10, (5, 5, 32, 64), (False, False, True)),
        (64 * 26 * 26, (1, 1, 8, 32), (False, False, False)),
        (64 * 220 * 220, (3, 3, 3, 64), (False, False, False)),
        (64 * 20 * 20, (7, 7, 3, 64), (False, False, False)),
    ],
)
def test_the_rule(n_pixels, kernel, ways):
    assert layers.choose_convolution_kernels(n_pixels, kernel) == ways


@pytest.mark.parametrize("is_first", [True, False])
def test_a_large_kernel_gives_what_keras_gives(is_first, monkeypatch):
    monkeypatch.setattr(layers, "LARGE_KERNEL", 1)
    x = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    theirs, ours = (module.Dense(4, activation="tanh", use_bias=is_first) for module in (L, layers))
    theirs.build(x.shape)
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    assert_same(theirs, ours, x, 1e-5)


def n_products(x_is_moved: bool) -> int:
    def objective(kernel, x):
        return layers.product(x if x_is_moved else jax.lax.stop_gradient(x), kernel).sum()

    argnums = (0, 1) if x_is_moved else 0
    traced = jax.make_jaxpr(jax.grad(objective, argnums=argnums))(jnp.ones((5, 4)), jnp.ones((3, 5)))
    return str(traced).count("dot_general[")


def test_no_gradient_of_inputs_that_nobody_asks_for():
    assert (n_products(True), n_products(False)) == (3, 2)
