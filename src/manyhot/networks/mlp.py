"""The multilayer network for tables: named inputs joined, hidden layers, one logit per label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manyhot import validation
from manyhot.backend import keras
from manyhot.errors import InputError
from manyhot.networks.initialization import MemberInitializer
from manyhot.networks.layers import BatchNormalization, Bias, Dropout, join
from manyhot.networks.weight_shapes import first_units

ACTIVATIONS = ("relu", "gelu", "silu", "elu", "selu", "tanh", "mish", "leaky_relu")


def build_mlp(
    shapes: Mapping[str, tuple[int, ...]], n_labels: int, settings: Mapping[str, Any], initializer: MemberInitializer
) -> keras.Model:
    """Build a network of dense layers; inputs in `tables` are sums of table rows (b, units of the first layer)."""
    inputs, x, bags = _trunk(shapes, first_units(n_labels, settings), settings, initializer)
    if x is not None:
        x = logit_layer(x, n_labels, initializer)
    logits = x if settings["hidden_layer_sizes"] or not bags else _add_bags(x, bags, initializer, initializer.bias())
    return keras.Model(inputs, logits, name="mlp")


def build_trunk(
    shapes: Mapping[str, tuple[int, ...]], settings: Mapping[str, Any], initializer: MemberInitializer
) -> keras.Model:
    """Build the same network without its last layer, for more labels than one array of logits could hold."""
    if not settings["hidden_layer_sizes"]:
        raise InputError("got no layer, expected layer sizes such as (512,)", argument="hidden_layer_sizes")
    inputs, x, _ = _trunk(shapes, settings["hidden_layer_sizes"][0], settings, initializer)
    return keras.Model(inputs, x, name="trunk")


def _trunk(
    shapes: Mapping[str, tuple[int, ...]], table_units: int, settings: Mapping[str, Any], initializer: MemberInitializer
) -> tuple[dict[str, Any], Any, list[Any]]:
    """The inputs, the last hidden values (None where there is no layer and nothing dense), and the table inputs."""
    for name, shape in shapes.items():
        if len(shape) != 1:
            raise InputError(f"the network 'mlp' takes rows of features, got shape {shape} for {name!r}")
    tables = settings.get("tables", ())
    input_shapes = {name: (table_units,) if name in tables else shape for name, shape in shapes.items()}
    inputs = {name: keras.Input(shape, name=name, dtype=initializer.dtype) for name, shape in input_shapes.items()}
    bags = [inputs[name] for name in tables]
    blocks = [layer_input for name, layer_input in inputs.items() if name not in tables]
    x = join(blocks, initializer.dtype) if blocks else None
    return inputs, hidden_layers(x, bags, settings, initializer), bags


def hidden_layers(x: Any, bags: list[Any], settings: Mapping[str, Any], initializer: MemberInitializer) -> Any:
    """Add the hidden layers to dense inputs (b, f), None for none; bags (b, units) are added to the first layer."""
    activation = validation.one_of(ACTIVATIONS, activation=settings["activation"])
    for k, units in enumerate(settings["hidden_layer_sizes"]):
        if x is not None:
            x = keras.layers.Dense(
                units,
                use_bias=not settings["batch_norm"],
                kernel_initializer=initializer.weights(),
                bias_initializer=initializer.zeros(),
                dtype=initializer.dtype,
            )(x)
        if k == 0 and bags:
            x = _add_bags(x, bags, initializer, None if settings["batch_norm"] else initializer.zeros())
        if settings["batch_norm"]:
            x = BatchNormalization(momentum=0.95, dtype=initializer.dtype)(x)
        x = keras.layers.Activation(activation, dtype=initializer.dtype)(x)
        if settings["dropout"] > 0:
            x = Dropout(settings["dropout"], initializer.seed(), dtype=initializer.dtype)(x)
    return x


def logit_layer(x: Any, n_labels: int, initializer: MemberInitializer) -> Any:
    """The last layer: (b, f) -> logits (b, l), which begin at the output bias."""
    return keras.layers.Dense(
        n_labels,
        kernel_initializer=initializer.weights(gain=0.25),
        bias_initializer=initializer.bias(),
        dtype=initializer.dtype,
        name="logits",
    )(x)


def _add_bags(x: Any, bags: list[Any], initializer: MemberInitializer, bias: Any) -> Any:
    """The first layer's sum over dense and table inputs; without dense ones it gets its bias here."""
    if x is not None:
        return keras.layers.Add(dtype=initializer.dtype)([x, *bags])
    total = bags[0] if len(bags) == 1 else keras.layers.Add(dtype=initializer.dtype)(bags)
    return total if bias is None else Bias(bias, dtype=initializer.dtype)(total)
