"""Networks of `keras.applications` without their last layer, and networks that end in one's own labels."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np

from manyhot.backend import keras
from manyhot.config.images import BACKBONES
from manyhot.networks.conv import build_image_network
from manyhot.networks.custom.cloning import flatten_layers, seeded
from manyhot.networks.initialization import ConstantInitializer, MemberInitializer
from manyhot.networks.layers import BatchNormalization, Pixels, Scaled, join
from manyhot.networks.weight_shapes import Weights

CLIP = 3.0  # as for the numbers of a table
FEATURES = "features"  # name of the input of numbers
MOMENTUM = 0.95  # of the moving averages of batch normalisation, where these learn; as in our own networks


class Core(keras.Model):
    """Scaled images (b, h, w, 3) -> features (b, d), the mean over places; statistics move only where asked for."""

    def __init__(self, inner: keras.Model, updates_statistics: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner, self.updates_statistics = inner, updates_statistics

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """(b, h, w, 3) -> (b, d)."""
        return self.inner(inputs, training=bool(training) and self.updates_statistics)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """One row an image."""
        return (input_shape[0], self.inner.output_shape[-1])


def _initializers(generator: np.random.Generator | None) -> dict[str, type]:
    """Keras' initializers by name that draw on the host, so that nothing is compiled; zeros without a generator."""
    # Source: Glorot and Bengio (2010), equation 16; He et al. (2015), arXiv 1502.01852, equation 14.

    class KernelInitializer(keras.initializers.Initializer):
        def __init__(self, scale: float = 1.0, mode: str = "fan_avg", **_: Any) -> None:
            self.scale, self.mode = scale, mode

        def __call__(self, shape: Sequence[int], dtype: Any = None, **_: Any) -> np.ndarray:
            standard_dtype = keras.backend.standardize_dtype(dtype)
            if generator is None:
                return np.zeros(tuple(shape), standard_dtype)
            n_positions = math.prod(shape[:-2])
            fans = {"fan_in": n_positions * shape[-2], "fan_out": n_positions * shape[-1]}
            fan = fans.get(self.mode, (fans["fan_in"] + fans["fan_out"]) / 2)
            return (generator.standard_normal(tuple(shape)) * math.sqrt(self.scale / fan)).astype(standard_dtype)

    class OnesInitializer(ConstantInitializer):
        def __init__(self) -> None:
            super().__init__(1.0)

    return {
        "glorot_uniform": KernelInitializer,
        "VarianceScaling": KernelInitializer,
        "zeros": ConstantInitializer,
        "ones": OnesInitializer,
    }


def build_core(
    name: str,
    edges: tuple[int, int],
    dtype: str,
    generator: np.random.Generator | None = None,
    updates_statistics: bool = False,
    weights: str | None = None,
) -> Core:
    """Build a backbone of weights drawn at random, zeros without a generator, or those that Keras downloads."""
    spec = BACKBONES[name]
    build_application = getattr(keras.applications, spec.constructor)
    options = (
        {"include_preprocessing": False}
        if spec.constructor.startswith(("MobileNetV3", "Efficient", "ConvNeXt"))
        else {}
    )
    seed = 0 if generator is None else int(generator.integers(2**31))
    scope = keras.saving.custom_object_scope(_initializers(generator))
    with seeded(seed, dtype), redirect_stdout(sys.stderr), scope:
        inner = build_application(include_top=False, weights=weights, input_shape=(*edges, 3), pooling="avg", **options)
        core = Core(inner, updates_statistics, name=f"{name}_{edges[0]}x{edges[1]}")
    for layer in flatten_layers(inner):
        if type(layer) is keras.layers.BatchNormalization:
            layer.__class__ = BatchNormalization  # which leaves padded rows out
            layer.momentum = MOMENTUM
    return core


def scaled_pixels(name: str, dtype: str) -> Pixels:
    """The layer that a backbone's images go through first."""
    pixels = BACKBONES[name].pixels
    return Pixels(pixels.mean, pixels.deviation, pixels.is_reversed, dtype=dtype)


def build_features(name: str, edges: tuple[int, int]) -> keras.Model:
    """A backbone from whole numbers on, its weights to be put in: uint8 (b, h, w, 3) -> float32 (b, d)."""
    image = keras.Input((*edges, 3), dtype="uint8")
    return keras.Model(image, build_core(name, edges, "float32")(scaled_pixels(name, "float32")(image)))


def build_backbone(
    shapes: Mapping[str, tuple[int, ...]], n_labels: int, settings: Mapping[str, Any], initializer: MemberInitializer
) -> keras.Model:
    """Build a backbone on each column of images, shared where sizes are equal, then the layers of "mlp"."""
    # a tuned one (`is_tuned`) gets its weights by `attach_head`; its features are scaled as a table's numbers are
    name, is_tuned = settings["backbone"], settings["is_tuned"]
    cores: dict[tuple[int, ...], Core] = {}

    def build_branch(image: Any, column: str) -> Any:
        edges = tuple(image.shape[1:3])
        if edges not in cores:
            initializer.reserve(BACKBONES[name].n_weights)
            is_drawn = not (is_tuned or initializer.is_abstract)
            generator = np.random.default_rng(initializer.seed()) if is_drawn else None
            cores[edges] = build_core(name, edges, initializer.dtype, generator, updates_statistics=not is_tuned)
        x = cores[edges](scaled_pixels(name, initializer.dtype)(image))
        return Scaled(CLIP, name=f"scaled_{column}", dtype=initializer.dtype)(x) if is_tuned else x

    return build_image_network(build_branch, "backbone", shapes, n_labels, settings, initializer)


def build_attribution_model(
    name: str, edges: Mapping[str, tuple[int, int]], n_features: int, heads: Sequence[keras.Model], dtype: str
) -> keras.Model:
    """Build a fixed backbone and the layers of all members behind it as one network, to the mean of their logits."""
    inputs = {
        input_name: keras.Input((*edge_lengths, 3), name=input_name, dtype="uint8")
        for input_name, edge_lengths in edges.items()
    }
    features, cores = [], {edge_lengths: build_core(name, edge_lengths, dtype) for edge_lengths in set(edges.values())}
    if n_features:
        inputs[FEATURES] = keras.Input((n_features,), name=FEATURES, dtype=dtype)
        features.append(inputs[FEATURES])
    for input_name, edge_lengths in edges.items():
        x = cores[edge_lengths](scaled_pixels(name, dtype)(inputs[input_name]))
        features.append(Scaled(CLIP, name=f"scaled_{input_name}", dtype=dtype)(x))
    x = join(features, dtype)
    named_heads = [keras.Model(head.input, head.output, name=f"member_{k}") for k, head in enumerate(heads)]
    logits = [head({FEATURES: x}) for head in named_heads]
    return keras.Model(inputs, logits[0] if len(logits) == 1 else keras.layers.Average(dtype=dtype)(logits))


def attach_head(
    model: keras.Model, core: Weights, scales: Mapping[str, tuple[np.ndarray, np.ndarray]], head: Weights
) -> Weights:
    """Weights (m, ...) of a tuned network before it is tuned: the backbone's, and of layers trained on its features."""
    n_members = len(head.trainable[0])
    values_by_id = {
        key: np.broadcast_to(value, (n_members, *value.shape))
        for key, value in _backbone_values(model, core, scales).items()
    }
    others = [[one for one in variables if id(one) not in values_by_id] for variables in _variables(model)]
    return _in_order(model, values_by_id | _by_variable(others, head))


def build_attribution_weights(
    model: keras.Model,
    core: Weights,
    scales: Mapping[str, tuple[np.ndarray, np.ndarray]],
    heads: Sequence[keras.Model],
    head_weights: Weights,
) -> Weights:
    """Weights (1, ...) of what `build_attribution_model` made of these heads."""
    values_by_id = _backbone_values(model, core, scales)
    for k, head in enumerate(heads):
        values_by_id |= _by_variable(_variables(head), [[leaf[k] for leaf in leaves] for leaves in head_weights])
    return _in_order(model, {key: value[None] for key, value in values_by_id.items()})


def _in_order(model: keras.Model, values_by_id: Mapping[int, np.ndarray]) -> Weights:
    """Weights (m, ...) by the id of their variable -> in the order and the types of the model."""
    groups = []
    for variables in _variables(model):
        leaves = [values_by_id[id(one)].astype(str(np.dtype(str(one.dtype))), copy=False) for one in variables]
        for variable, leaf in zip(variables, leaves, strict=True):
            if leaf.shape[1:] != tuple(variable.shape):
                raise AssertionError(f"{variable.path} has shape {variable.shape}, not {leaf.shape[1:]}")
        groups.append(leaves)
    return Weights(*groups)


def _backbone_values(
    model: keras.Model, core: Weights, scales: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> dict[int, np.ndarray]:
    """The id of a variable -> its values, for those of the backbone and of the scales of what it makes."""
    values_by_id: dict[int, np.ndarray] = {}
    for layer in model.layers:
        if isinstance(layer, Core):
            values_by_id |= _by_variable(_variables(layer), core)
        elif isinstance(layer, Scaled):
            scale = scales[layer.name.removeprefix("scaled_")]
            values_by_id |= _by_variable([(layer.center, layer.factor)], [scale])
    return values_by_id


def _variables(layer: keras.layers.Layer) -> tuple[list[Any], list[Any]]:
    return layer.trainable_variables, layer.non_trainable_variables


def _by_variable(groups: Sequence[Sequence[Any]], arrays: Sequence[Sequence[np.ndarray]]) -> dict[int, np.ndarray]:
    """The id of each variable of some groups -> its array."""
    return {
        id(variable): array
        for variables, leaves in zip(groups, arrays, strict=True)
        for variable, array in zip(variables, leaves, strict=True)
    }
