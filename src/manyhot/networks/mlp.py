"""The multilayer network for tables: named inputs joined, hidden layers, one logit per label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manyhot import validation
from manyhot.backend import keras
from manyhot.config.training import BINS, LINEAR
from manyhot.errors import InputError
from manyhot.networks.initialization import MemberInitializer
from manyhot.networks.layers import BatchNormalization, Bias, Bins, BranchMean, Columns, Dropout, join
from manyhot.networks.weight_shapes import N_BINS, bin_layers, table_parts

LINEAR_FACTOR = 4.0  # how much further the linear branch's part of a table moves in a step
ACTIVATIONS = ("relu", "gelu", "silu", "elu", "selu", "tanh", "mish", "leaky_relu")


def build_mlp(
    shapes: Mapping[str, tuple[int, ...]], n_labels: int, settings: Mapping[str, Any], initializer: MemberInitializer
) -> keras.Model:
    """Build a network of dense layers; inputs in `tables` are sums of table rows (b, units of the first layer).

    With `branches` there is more beside the hidden layers, and what the linear one takes of a table comes last.
    """
    parts, branches = table_parts(n_labels, settings), settings.get("branches", ())
    inputs, x, bags = _inputs(shapes, sum(parts), settings, initializer)
    own_bags = [Columns(0, parts[0], dtype=initializer.dtype)(bag) for bag in bags] if branches else bags
    hidden = hidden_layers(x, own_bags, settings, initializer)
    if hidden is not None:
        hidden = logit_layer(hidden, n_labels, initializer)
    has_layers = settings["hidden_layer_sizes"] or not bags
    logits = [hidden if has_layers else _add_bags(hidden, bags, initializer, initializer.bias())]
    if BINS in branches:
        places = Bins(N_BINS, dtype=initializer.dtype)(x)
        sizes = {"hidden_layer_sizes": bin_layers(x.shape[-1], settings)}
        hidden = hidden_layers(places, [], {**settings, **sizes}, initializer)
        logits.append(logit_layer(hidden, n_labels, initializer, "bin_logits"))
    if LINEAR in branches:  # last, for weights of layers equally far from the logits have the order of their making
        logits.append(_linear_branch(x, bags, parts, initializer))
    mean = BranchMean(dtype=initializer.dtype)(logits) if branches else logits[0]
    return keras.Model(inputs, mean, name="mlp")


def _linear_branch(x: Any, bags: list[Any], parts: tuple[int, ...], initializer: MemberInitializer) -> Any:
    """Logits (b, l) straight from dense inputs (b, f), None for none, and from the last columns of bags."""
    first, n_labels = parts
    terms = [Columns(first, n_labels, LINEAR_FACTOR, dtype=initializer.dtype)(bag) for bag in bags]
    if x is not None:
        terms.append(
            keras.layers.Dense(
                n_labels, use_bias=False, kernel_initializer=initializer.zeros(), dtype=initializer.dtype
            )(x)
        )
    total = terms[0] if len(terms) == 1 else keras.layers.Add(dtype=initializer.dtype)(terms)
    return Bias(initializer.bias(), dtype=initializer.dtype, name="linear_logits")(total)


def build_trunk(
    shapes: Mapping[str, tuple[int, ...]], settings: Mapping[str, Any], initializer: MemberInitializer
) -> keras.Model:
    """Build the same network without its last layer, for more labels than one array of logits could hold."""
    if not settings["hidden_layer_sizes"]:
        raise InputError("got no layer, expected layer sizes such as (512,)", argument="hidden_layer_sizes")
    inputs, x, bags = _inputs(shapes, settings["hidden_layer_sizes"][0], settings, initializer)
    return keras.Model(inputs, hidden_layers(x, bags, settings, initializer), name="trunk")


def _inputs(
    shapes: Mapping[str, tuple[int, ...]], table_units: int, settings: Mapping[str, Any], initializer: MemberInitializer
) -> tuple[dict[str, Any], Any, list[Any]]:
    """The inputs, the dense ones as one (b, f), None where there are none, and the table inputs."""
    for name, shape in shapes.items():
        if len(shape) != 1:
            raise InputError(f"the network 'mlp' takes rows of features, got shape {shape} for {name!r}")
    tables = settings.get("tables", ())
    input_shapes = {name: (table_units,) if name in tables else shape for name, shape in shapes.items()}
    inputs = {name: keras.Input(shape, name=name, dtype=initializer.dtype) for name, shape in input_shapes.items()}
    bags = [inputs[name] for name in tables]
    blocks = [layer_input for name, layer_input in inputs.items() if name not in tables]
    return inputs, join(blocks, initializer.dtype) if blocks else None, bags


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


def logit_layer(x: Any, n_labels: int, initializer: MemberInitializer, name: str = "logits") -> Any:
    """The last layer: (b, f) -> logits (b, l), which begin at the output bias."""
    return keras.layers.Dense(
        n_labels,
        kernel_initializer=initializer.weights(gain=0.25),
        bias_initializer=initializer.bias(),
        dtype=initializer.dtype,
        name=name,
    )(x)


def _add_bags(x: Any, bags: list[Any], initializer: MemberInitializer, bias: Any) -> Any:
    """The first layer's sum over dense and table inputs; without dense ones it gets its bias here."""
    if x is not None:
        return keras.layers.Add(dtype=initializer.dtype)([x, *bags])
    total = bags[0] if len(bags) == 1 else keras.layers.Add(dtype=initializer.dtype)(bags)
    return total if bias is None else Bias(bias, dtype=initializer.dtype)(total)
