"""The multilayer network for tables: named inputs joined, hidden layers, one logit per label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manyhot import check
from manyhot.backend import keras
from manyhot.errors import InputError
from manyhot.networks.layers import BatchNormalization, Dropout
from manyhot.networks.start import Start

ACTIVATIONS = ("relu", "gelu", "silu", "elu", "selu", "tanh", "mish", "leaky_relu")


def build_mlp(
    shapes: Mapping[str, tuple[int, ...]], n_labels: int, settings: Mapping[str, Any], start: Start
) -> keras.Model:
    """A network of dense layers.

    Args:
        shapes: Shape of one row of each named input, `(features,)`.
        n_labels: Number of logits.
        settings: `hidden` (units per layer), `activation`, `dropout` (share), `batch_norm` (bool).
        start: Where the weights begin.

    Returns:
        A model from a dict of inputs (b, f) to logits (b, n_labels).
    """
    for name, shape in shapes.items():
        if len(shape) != 1:
            raise InputError(f"the network 'mlp' takes rows of features, got shape {shape} for {name!r}")
    activation = check.one_of(ACTIVATIONS, activation=settings["activation"])
    inputs = {name: keras.Input(shape, name=name, dtype=start.dtype) for name, shape in shapes.items()}
    blocks = list(inputs.values())
    x = blocks[0] if len(blocks) == 1 else keras.layers.Concatenate(dtype=start.dtype)(blocks)
    for units in settings["hidden"]:
        x = keras.layers.Dense(
            units,
            use_bias=not settings["batch_norm"],
            kernel_initializer=start.weights(),
            bias_initializer=start.zeros(),
            dtype=start.dtype,
        )(x)
        if settings["batch_norm"]:
            x = BatchNormalization(momentum=0.95, dtype=start.dtype)(x)
        x = keras.layers.Activation(activation, dtype=start.dtype)(x)
        if settings["dropout"] > 0:
            x = Dropout(settings["dropout"], start.seed(), dtype=start.dtype)(x)
    logits = keras.layers.Dense(
        n_labels,
        kernel_initializer=start.weights(gain=0.25),
        bias_initializer=start.bias(),
        dtype=start.dtype,
        name="logits",
    )(x)
    return keras.Model(inputs, logits, name="mlp")


def mlp_weight_shapes(
    shapes: Mapping[str, tuple[int, ...]], n_labels: int, settings: Mapping[str, Any]
) -> tuple[list[tuple[int, ...]], list[tuple[tuple[int, ...], str | None]]]:
    """The shapes that `build_mlp` gives its weights, without building anything.

    Returns:
        Shapes of the trainable weights, and (shape, dtype) of the others in the model's order; dtype None is the
        network's precision.
    """
    trainable: list[tuple[int, ...]] = []
    fixed: list[tuple[tuple[int, ...], str | None]] = []
    width = sum(shape[0] for shape in shapes.values())
    for units in settings["hidden"]:
        trainable.append((width, units))
        if settings["batch_norm"]:
            trainable += [(units,), (units,)]
            fixed += [((units,), None), ((units,), None)]
        else:
            trainable.append((units,))
        if settings["dropout"] > 0:
            fixed.append(((2,), "uint32"))
        width = units
    return [*trainable, (width, n_labels), (n_labels,)], fixed
