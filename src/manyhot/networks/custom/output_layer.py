"""How a Keras model ends and how it was compiled: what is taken off, taken over, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from manyhot.backend import jax, keras
from manyhot.errors import InputError
from manyhot.networks.custom.allowlist import check_allowlist
from manyhot.networks.custom.cloning import Inputs, arrange_inputs, first_line, flatten_layers, network_error

OUTPUT_ACTIVATIONS = {keras.activations.sigmoid: "sigmoid", keras.activations.softmax: "softmax"}
# layers whose `activation` is the last thing they do
ACTIVATION_LAYERS = (
    keras.layers.Activation,
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
)
MIN_LOGIT = 5.0  # logits have to reach this, and its negative


def check_layers(model: keras.Model) -> None:
    """Refuse layers that would count padded rows."""
    for layer in flatten_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization) and getattr(layer, "renorm", False):
            raise network_error(f"the layer {layer.name!r} uses renorm, which padded batches would spoil")
        if getattr(layer, "activity_regularizer", None) is not None:
            raise network_error(
                f"the layer {layer.name!r} has an activity_regularizer, which padded batches would spoil; regularise "
                "its weights instead (kernel_regularizer)"
            )


def find_output_activation(model: keras.Model, inputs: Inputs, input_format: str) -> tuple[int, str]:
    """Which layer turns logits into probabilities, and how; (-1, "linear") for a model of logits."""
    layers = flatten_layers(model)
    last_layer = _last_layer(model)
    if last_layer is not None:
        index = next(k for k, layer in enumerate(layers) if layer is last_layer)
        if isinstance(last_layer, ACTIVATION_LAYERS) and last_layer.activation in OUTPUT_ACTIVATIONS:
            return index, OUTPUT_ACTIVATIONS[last_layer.activation]
        if isinstance(last_layer, ACTIVATION_LAYERS) and last_layer.activation is keras.activations.linear:
            return -1, "linear"
        if isinstance(last_layer, (*ACTIVATION_LAYERS, keras.layers.ReLU, keras.layers.ELU)):
            _refuse_bounded(last_layer)
        if isinstance(last_layer, keras.layers.Softmax):
            raise network_error("the model ends in a Softmax layer; write Activation('softmax')")
    names = [name for name, _ in inputs]
    generator = np.random.default_rng(0)
    rows = [generator.random((16, *shape)).astype("float32") * 2 for _, shape in inputs]

    def outputs() -> np.ndarray:
        weights = [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]
        return np.asarray(
            jax.jit(lambda arranged_rows: model.stateless_call(*weights, arranged_rows)[0])(
                arrange_inputs(rows, names, input_format)
            )
        )

    probabilities = outputs()
    for index in reversed(range(len(layers))):
        if not isinstance(layers[index], ACTIVATION_LAYERS) or layers[index].activation is keras.activations.linear:
            continue
        activation, layers[index].activation = layers[index].activation, keras.activations.linear
        kind = OUTPUT_ACTIVATIONS.get(activation)
        try:
            is_last = np.allclose(np.asarray(activation(outputs())), probabilities, atol=1e-6)
        except (TypeError, ValueError):
            is_last = False
        if is_last and kind is not None:
            return index, kind
        layers[index].activation = activation
        if is_last:
            _refuse_bounded(layers[index])
    if probabilities.min() >= 0 and probabilities.max() <= 1:
        raise network_error(
            "the model seems to end in probabilities without a layer for it; end it in a layer with "
            "activation='sigmoid', or let it give logits"
        )
    return -1, "linear"


def _refuse_bounded(layer: keras.layers.Layer) -> None:
    """Refuse a last layer whose values cannot be logits, because they stay on one side or within bounds."""
    activation: Callable = getattr(layer, "activation", layer)
    try:
        values = np.asarray(activation(jax.numpy.linspace(-50.0, 50.0, 101).reshape(-1, 1)))
    except (TypeError, ValueError):
        return  # a function that takes other shapes; what it gives is not known
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)) or (low < -MIN_LOGIT and high > MIN_LOGIT):
        return
    name = getattr(activation, "__name__", None) or type(activation).__name__.lower()
    least, most = (f"{1 / (1 + np.exp(-bound)):.2g}" for bound in (low, high))
    is_open = high > MIN_LOGIT
    bounds = f"{low:.2g} or more" if is_open else f"{low:.2g} to {high:.2g}"
    reach = f"{least} or more" if is_open else f"{least} to {most}"
    raise network_error(
        f"the model ends in {name} (layer {layer.name!r}), which gives {bounds}: as logits they would make every "
        f"probability {reach}; end it in a layer with activation='sigmoid', or in one without activation"
    )


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


def read_compilation(model: keras.Model) -> tuple[dict[str, Any] | None, str | None]:
    """The optimizer as JSON values and the name of the loss, None and None for a model that is not compiled."""
    if not model.compiled:
        return None, None
    optimizer = model.optimizer
    if getattr(optimizer, "use_ema", False):
        raise network_error("the optimizer uses use_ema, which is not supported; leave it out")
    name = type(optimizer).__name__
    try:
        config = json.loads(json.dumps(keras.optimizers.serialize(optimizer)))
        check_allowlist(config, {})
    except InputError:
        raise network_error(
            f"the optimizer {name!r}, or its schedule, is none of Keras' own that can be taken over; say "
            "optimizer='adamw' (or 'adam', 'sgd') to choose another"
        ) from None
    except (TypeError, ValueError) as error:
        message = f"the optimizer {name!r} cannot be taken over ({first_line(error)})"
        raise network_error(message) from None
    if _loss_weights(model) is not None:
        raise network_error("the model is compiled with loss_weights, which is not supported")
    return config, _loss_name(model.loss)


def _loss_weights(model: keras.Model) -> Any:
    try:
        return (model.get_compile_config() or {}).get("loss_weights")
    except (TypeError, ValueError, NotImplementedError):
        return None


def check_loss(model: keras.Model, output: str) -> None:
    """Refuse a loss that takes logits for the probabilities that the model ends in, or the reverse."""
    if not model.compiled or model.loss is None:
        return
    is_object = isinstance(model.loss, keras.losses.Loss)
    from_logits = bool(model.loss.get_config().get("from_logits", False)) if is_object else False
    if from_logits and output != "linear":
        raise network_error(f"the model ends in {output}, but its loss has from_logits=True")
    if not from_logits and output == "linear":
        raise network_error(
            "the model gives logits, but its loss takes probabilities; end it with activation='sigmoid', or say "
            "from_logits=True"
        )


def _loss_name(loss: Any) -> str:
    """The name of a compiled loss, by what it computes."""
    if loss is None:
        return "binary_crossentropy"
    if not isinstance(loss, (str, keras.losses.Loss)) and not callable(loss):
        raise network_error(f"the model is compiled with the loss {loss!r}, expected one loss")
    name = str(loss if isinstance(loss, str) else getattr(loss, "name", None) or getattr(loss, "__name__", ""))
    squashed = name.replace("_", "").lower()
    if isinstance(loss, keras.losses.Loss):
        loss_config = loss.get_config()
        for field, supported in (("label_smoothing", (0, 0.0)), ("reduction", ("sum_over_batch_size", "mean"))):
            if loss_config.get(field, supported[0]) not in supported:
                raise network_error(f"the model's loss has {field}={loss_config[field]!r}, which is not supported")
    elif not isinstance(loss, str) and not str(getattr(loss, "__module__", "")).startswith("keras."):
        raise network_error(f"the model is compiled with a loss of your own, {name!r}, which is not supported")
    known = {
        "binarycrossentropy": "binary_crossentropy",
        "categoricalcrossentropy": "categorical_crossentropy",
        "sparsecategoricalcrossentropy": "categorical_crossentropy",
    }
    if squashed not in known:
        raise network_error(
            f"the model is compiled with the loss {name!r}; compile it with 'binary_crossentropy', the loss of one "
            "sigmoid per label"
        )
    return known[squashed]
