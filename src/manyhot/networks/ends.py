"""How a Keras model ends and how it was compiled: what is taken off, what is taken over, what is refused.

Start reading at `end_of`, then `compilation_of`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from manyhot.backend import jax, keras
from manyhot.errors import InputError
from manyhot.networks.allowed import audit
from manyhot.networks.rebuild import Inputs, arranged, first_line, flat_layers

ENDS = {keras.activations.sigmoid: "sigmoid", keras.activations.softmax: "softmax"}
HEADS = (
    keras.layers.Activation,
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
)
"""Layers whose `activation` is the last thing they do."""


def check_layers(model: keras.Model) -> None:
    """Refuse layers that would count padded rows."""
    for layer in flat_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization) and getattr(layer, "renorm", False):
            raise InputError(
                f"the layer {layer.name!r} uses renorm, which padded batches would spoil", argument="network"
            )
        if getattr(layer, "activity_regularizer", None) is not None:
            raise InputError(
                f"the layer {layer.name!r} has an activity_regularizer, which padded batches would spoil; regularise "
                "its weights instead (kernel_regularizer)",
                argument="network",
            )


def end_of(model: keras.Model, inputs: Inputs, takes: str) -> tuple[int, str]:
    """Which layer turns logits into probabilities, and how; (-1, "linear") for a model of logits."""
    layers = flat_layers(model)
    last = _last_layer(model)
    if last is not None:
        place = next(k for k, layer in enumerate(layers) if layer is last)
        if isinstance(last, HEADS) and last.activation in ENDS:
            return place, ENDS[last.activation]
        if isinstance(last, HEADS) and last.activation is keras.activations.linear:
            return -1, "linear"
        if isinstance(last, keras.layers.Softmax):
            raise InputError("the model ends in a Softmax layer; write Activation('softmax')", argument="network")
    names = [name for name, _ in inputs]
    generator = np.random.default_rng(0)
    rows = [generator.random((16, *shape)).astype("float32") * 2 for _, shape in inputs]

    def outputs() -> np.ndarray:
        weights = [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]
        return np.asarray(jax.jit(lambda given: model.stateless_call(*weights, given)[0])(arranged(rows, names, takes)))

    ended = outputs()
    for place in reversed(range(len(layers))):
        kind = ENDS.get(getattr(layers[place], "activation", None)) if isinstance(layers[place], HEADS) else None
        if kind is None:
            continue
        activation, layers[place].activation = layers[place].activation, keras.activations.linear
        function: Callable = jax.nn.sigmoid if kind == "sigmoid" else jax.nn.softmax
        if np.allclose(np.asarray(function(outputs())), ended, atol=1e-6):
            return place, kind
        layers[place].activation = activation
    if ended.min() >= 0 and ended.max() <= 1:
        raise InputError(
            "the model seems to end in probabilities without a layer for it; end it in a layer with "
            "activation='sigmoid', or let it give logits",
            argument="network",
        )
    return -1, "linear"


def _last_layer(model: keras.Model) -> keras.layers.Layer | None:
    """The layer whose output is the model's, where the model's structure tells."""
    if isinstance(model, keras.Sequential):
        last = model.layers[-1] if model.layers else None
    elif "output_layers" in (config := model.get_config() if getattr(model, "outputs", None) else {}):
        name = config["output_layers"]
        while isinstance(name, (list, tuple, dict)):
            name = next(iter(name.values())) if isinstance(name, dict) else name[0]
        last = model.get_layer(name)
    else:
        return None
    return _last_layer(last) if isinstance(last, keras.Model) else last


def compilation_of(model: keras.Model) -> tuple[dict[str, Any] | None, str | None]:
    """The optimizer as JSON values and the name of the loss, None and None for a model that is not compiled."""
    if not model.compiled:
        return None, None
    optimizer = model.optimizer
    if getattr(optimizer, "use_ema", False):
        raise InputError("the optimizer uses use_ema, which is not supported; leave it out", argument="network")
    try:
        config = json.loads(json.dumps(keras.optimizers.serialize(optimizer)))
        audit(config, {})
    except (TypeError, ValueError, InputError) as error:
        raise InputError(
            f"the optimizer {type(optimizer).__name__!r} cannot be taken over ({first_line(error)})",
            argument="network",
        ) from None
    return config, _loss_name(model.loss)


def _loss_name(loss: Any) -> str:
    """The name of a compiled loss, by what it computes."""
    if loss is None:
        return "binary_crossentropy"
    if not isinstance(loss, (str, keras.losses.Loss)) and not callable(loss):
        raise InputError(f"the model is compiled with the loss {loss!r}, expected one loss", argument="network")
    name = str(loss if isinstance(loss, str) else getattr(loss, "name", None) or getattr(loss, "__name__", ""))
    squashed = name.replace("_", "").lower()
    if isinstance(loss, keras.losses.Loss) and loss.get_config().get("label_smoothing", 0):
        raise InputError("the model is compiled with label_smoothing, which is not supported", argument="network")
    known = {
        "binarycrossentropy": "binary_crossentropy",
        "categoricalcrossentropy": "categorical_crossentropy",
        "sparsecategoricalcrossentropy": "categorical_crossentropy",
    }
    if squashed not in known:
        raise InputError(
            f"the model is compiled with the loss {name!r}; compile it with 'binary_crossentropy', the loss of one "
            "sigmoid per label",
            argument="network",
        )
    return known[squashed]
