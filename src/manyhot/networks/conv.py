"""Networks for images, trained from nothing: a branch of stages for each column, then the layers of "mlp"."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from manyhot.backend import keras
from manyhot.config.images import FLATTEN
from manyhot.errors import InputError
from manyhot.networks.initialization import MemberInitializer
from manyhot.networks.layers import Pixels, join, normalize_and_activate
from manyhot.networks.mlp import hidden_layers, logit_layer
from manyhot.networks.weight_shapes import first_units

MIN_EDGE = 4  # pixels on an edge from which a stage halves it

STEM_EDGE = 32  # pixels on the shorter edge, about, at which the residual stages begin; four times more at most


def build_image_network(
    build_branch: Callable[[Any, str], Any],
    name: str,
    shapes: Mapping[str, tuple[int, ...]],
    n_labels: int,
    settings: Mapping[str, Any],
    initializer: MemberInitializer,
) -> keras.Model:
    """Build `build_branch` (image, name) -> (b, f) for each column of images, and the layers of "mlp" behind."""
    images, tables = settings["images"], settings.get("tables", ())
    if not images:
        raise InputError(f"the network {name!r} is for images, and there are none", argument="network")
    units = first_units(n_labels, settings)
    inputs = {
        input_name: keras.Input(
            (units,) if input_name in tables else shape,
            name=input_name,
            dtype="uint8" if input_name in images else initializer.dtype,
        )
        for input_name, shape in shapes.items()
    }
    blocks = [inputs[input_name] for input_name in shapes if input_name not in images and input_name not in tables]
    blocks += [build_branch(inputs[input_name], input_name) for input_name in images]
    x = join(blocks, initializer.dtype)
    bags = [inputs[input_name] for input_name in tables]
    if bags and not settings["hidden_layer_sizes"]:
        raise InputError("images beside texts need a hidden layer, such as (256,)", argument="hidden_layer_sizes")
    logits = logit_layer(hidden_layers(x, bags, settings, initializer), n_labels, initializer)
    return keras.Model(inputs, logits, name=name)


def _build(
    stages: Callable[[Any, Mapping[str, Any], MemberInitializer], Any],
    name: str,
    shapes: Mapping[str, tuple[int, ...]],
    n_labels: int,
    settings: Mapping[str, Any],
    initializer: MemberInitializer,
) -> keras.Model:
    def build_branch(image: Any, column: str) -> Any:
        channel_stats = settings["images"][column]
        pixels = Pixels(channel_stats["mean"], channel_stats["deviation"], dtype=initializer.dtype)(image)
        x = stages(pixels, settings, initializer)
        pool = keras.layers.Flatten if settings["pool"] == FLATTEN else keras.layers.GlobalAveragePooling2D
        return pool(dtype=initializer.dtype)(x)

    return build_image_network(build_branch, name, shapes, n_labels, settings, initializer)


def _plain_stages(x: Any, settings: Mapping[str, Any], initializer: MemberInitializer) -> Any:
    """Convolutions with a bias and an activation, and the maximum of 2 x 2 after each stage."""
    for filters in settings["filters"]:
        for _ in range(settings["blocks"]):
            x = convolution(filters, settings["kernel"], initializer, has_bias=not settings["batch_norm"])(x)
            if settings["batch_norm"]:
                x = normalize_and_activate(x, settings["activation"], initializer.dtype)
            else:
                x = keras.layers.Activation(settings["activation"], dtype=initializer.dtype)(x)
        if min(x.shape[1:3]) >= MIN_EDGE:
            x = keras.layers.MaxPooling2D(2, dtype=initializer.dtype)(x)
    return x


def _residual_stages(x: Any, settings: Mapping[str, Any], initializer: MemberInitializer) -> Any:
    """Residual blocks with batch normalisation; each stage but the first halves height and width."""
    # Source: He, Zhang, Ren, Sun (2016), arXiv 1603.05027: normalisation and activation before each convolution.
    active = partial(normalize_and_activate, activation=settings["activation"], dtype=initializer.dtype)
    x = _stem(x, settings, initializer)
    for stage, filters in enumerate(settings["filters"]):
        for block in range(settings["blocks"]):
            stride = 2 if stage and not block and min(x.shape[1:3]) >= MIN_EDGE else 1
            inner = active(x)
            if stride > 1 or x.shape[-1] != filters:
                x = convolution(filters, 1, initializer, stride)(inner)
            inner = convolution(filters, settings["kernel"], initializer, stride)(inner)
            inner = convolution(filters, settings["kernel"], initializer)(active(inner))
            x = keras.layers.Add(dtype=initializer.dtype)([x, inner])
    return active(x)


def _convnext_stages(x: Any, settings: Mapping[str, Any], initializer: MemberInitializer) -> Any:
    """Blocks with one filter a channel, two dense layers a pixel and layer normalisation."""

    # Source: Liu et al. (2022), arXiv 2201.03545, without stochastic depth; patches leave 32 to 64 on an edge.
    def normal(x: Any) -> Any:
        return keras.layers.LayerNormalization(epsilon=1e-6, dtype=initializer.dtype)(x)

    def dense(units: int, x: Any, gain: float = 2.0) -> Any:
        initial = {"kernel_initializer": initializer.weights(gain), "bias_initializer": initializer.zeros()}
        return keras.layers.Dense(units, dtype=initializer.dtype, **initial)(x)

    patch = max(1, min(4, 2 ** round(math.log2(min(x.shape[1:3]) / STEM_EDGE))))
    x = normal(convolution(settings["filters"][0], patch, initializer, patch, has_bias=True)(x))
    for stage, filters in enumerate(settings["filters"]):
        if stage:
            stride = 2 if min(x.shape[1:3]) >= MIN_EDGE else 1
            x = convolution(filters, stride, initializer, stride, has_bias=True)(normal(x))
        for _ in range(settings["blocks"]):
            inner = keras.layers.DepthwiseConv2D(
                settings["kernel"],
                padding="same",
                depthwise_initializer=initializer.weights(),
                bias_initializer=initializer.zeros(),
                dtype=initializer.dtype,
            )(x)
            inner = dense(4 * filters, normal(inner))
            inner = keras.layers.Activation("gelu", dtype=initializer.dtype)(inner)
            # a small last layer in place of a scale of its own: each block begins near the identity
            x = keras.layers.Add(dtype=initializer.dtype)([x, dense(filters, inner, gain=0.01)])
    return normal(x)


def _stem(x: Any, settings: Mapping[str, Any], initializer: MemberInitializer) -> Any:
    """The first convolutions of a residual network, which halve a large image until its shorter edge is small."""
    filters, edge = settings["filters"][0], min(x.shape[1:3])
    n_halvings = max(0, min(2, round(math.log2(edge / STEM_EDGE))))
    if not n_halvings:
        return convolution(filters, settings["kernel"], initializer)(x)
    for k in reversed(range(n_halvings)):
        x = convolution(max(filters // 2**k, 8), settings["kernel"], initializer, stride=2)(x)
        if k:
            x = normalize_and_activate(x, settings["activation"], initializer.dtype)
    return x


def convolution(
    filters: int,
    kernel: int,
    initializer: MemberInitializer,
    stride: int = 1,
    has_bias: bool = False,
    gain: float = 2.0,
) -> Any:
    """A padded convolution."""
    return keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=has_bias,
        kernel_initializer=initializer.weights(gain),
        bias_initializer=initializer.zeros(),
        dtype=initializer.dtype,
    )


build_cnn = partial(_build, _plain_stages, "cnn")
build_resnet = partial(_build, _residual_stages, "resnet")
build_convnext = partial(_build, _convnext_stages, "convnext")
