"""From a Keras model to a description in JSON, and back to a fresh model with draws of its own."""

from __future__ import annotations

import json
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from manyhot.backend import keras
from manyhot.errors import InputError
from manyhot.networks.custom.allowlist import find_unlisted_names

Inputs = tuple[tuple[str, tuple[int, ...]], ...]
_BUILDING = threading.RLock()
network_error = partial(InputError, argument="network")


def _walk_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """All layers, those of models inside the model right behind these, in a fixed order."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _walk_layers(layer)


def flatten_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """All layers that are no models, those of models inside the model too, in a fixed order."""
    return [layer for layer in _walk_layers(model) if not isinstance(layer, keras.Model)]


def get_frozen_weights(model: keras.Model) -> dict[int, list[np.ndarray]]:
    """Weights of frozen layers, by place in `flatten_layers`; those of adapted ones are in the description."""
    return {
        index: [np.asarray(weight) for weight in layer.get_weights()]
        for index, layer in enumerate(flatten_layers(model))
        if layer.weights and not layer.trainable_weights and not isinstance(layer, keras.layers.Normalization)
    }


def _add_statistics(config: Any, model: keras.Model) -> Any:
    """A description in which adapted Normalization layers say their statistics, which Keras keeps beside it."""
    adapted = {
        layer.name: {
            "mean": np.asarray(layer.adapt_mean).tolist(),
            "variance": np.asarray(layer.adapt_variance).tolist(),
        }
        for layer in flatten_layers(model)
        if isinstance(layer, keras.layers.Normalization) and layer.built and layer.input_mean is None
    }

    def add_to(part: dict[str, Any]) -> dict[str, Any]:
        if part.get("class_name") == "Normalization" and part["config"].get("name") in adapted:
            return {**part, "config": {**part["config"], **adapted[part["config"]["name"]]}}
        return part

    return _transform(config, add_to)


def serialize_model(model: keras.Model) -> dict[str, Any]:
    """The description of a model without its compilation, as JSON values."""
    try:
        config = keras.saving.serialize_keras_object(model)
        return _add_statistics(json.loads(json.dumps(_transform(config, _drop_compilation))), model)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise network_error(
            f"the model {type(model).__name__!r} cannot be cloned ({first_line(error)}); give it get_config and "
            "from_config, or hand over a function (input_shape, n_labels) -> keras.Model"
        ) from None


def _transform(value: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """A copy of a description in which every mapping is changed, inner ones first."""
    if isinstance(value, Mapping):
        return change({name: _transform(inner, change) for name, inner in value.items()})
    return [_transform(inner, change) for inner in value] if isinstance(value, (list, tuple)) else value


def _drop_compilation(part: dict[str, Any]) -> dict[str, Any]:
    return {name: inner for name, inner in part.items() if name not in ("compile_config", "build_config")}


def find_custom_classes(model: keras.Model, config: Mapping[str, Any]) -> dict[str, Any]:
    """The user's classes that the description names, found in the model or among what Keras has registered."""
    classes = {type(part).__name__: type(part) for part in (model, *_walk_layers(model))}
    found = {
        name: keras.saving.get_registered_object(name) or classes.get(name.rpartition(">")[2])
        for name in find_unlisted_names(config)
    }
    return {name: custom_class for name, custom_class in found.items() if custom_class is not None}


@contextmanager
def seeded(seed: int, dtype: str) -> Iterator[None]:
    """Keras' draws without a seed begin at this one, new layers get this type; what was before is put back."""
    with _BUILDING:
        state, policy = random.getstate(), keras.config.dtype_policy()
        random.seed(seed)
        keras.config.set_dtype_policy(dtype)
        try:
            yield
        finally:
            random.setstate(state)
            keras.config.set_dtype_policy(policy)


def clone_model(config: Mapping[str, Any], custom: Mapping[str, Any], dtype: str) -> keras.Model:
    """A fresh model of a description, its parts of the given type; call it inside `seeded`."""

    def cast(part: dict[str, Any]) -> dict[str, Any]:
        cast_part = {n: dtype if n in ("dtype", "name") and inner == "float32" else inner for n, inner in part.items()}
        # a loop written out computes the same in a program as long as the rows, however long those of a file are
        return {**cast_part, "unroll": False} if "unroll" in part else cast_part

    cast_config = _transform(config, cast)
    try:
        if cast_config.get("class_name") == "Sequential" and cast_config.get("module") == "keras":
            # all layers at once: from_config would build the model anew after each of them
            layers = [_deserialize(layer, custom) for layer in cast_config["config"]["layers"]]
            return keras.Sequential(layers, name=cast_config["config"]["name"])
        return _deserialize(cast_config, custom)
    except (TypeError, ValueError, AttributeError, NotImplementedError) as error:
        raise network_error(
            f"the model {config.get('class_name')!r} cannot be rebuilt from its config ({first_line(error)})"
        ) from None


def _deserialize(config: Mapping[str, Any], custom: Mapping[str, Any]) -> Any:
    return keras.saving.deserialize_keras_object(config, custom_objects=dict(custom), safe_mode=True)


def arrange_inputs(tensors: list[Any], names: list[str], input_format: str) -> Any:
    """Inputs as the model takes them: one tensor, a list or a dict."""
    if input_format == "tensor":
        return tensors[0]
    return dict(zip(names, tensors, strict=True)) if input_format == "dict" else tensors


def build_weights(model: keras.Model, inputs: Inputs, input_format: str) -> int:
    """Make all weights of a rebuilt model, and tell the width of its output."""
    if getattr(model, "outputs", None) and model.built:
        outputs = model.outputs
    else:
        dtype = keras.config.dtype_policy().name
        tensors = [keras.Input(shape, name=name, dtype=dtype) for name, shape in inputs]
        try:
            outputs = [model(arrange_inputs(tensors, [name for name, _ in inputs], input_format))]
        except (TypeError, ValueError, AttributeError, RuntimeError, NotImplementedError) as error:
            raise network_error(
                f"the model {type(model).__name__!r} cannot be called on rows of shape {dict(inputs)} "
                f"({first_line(error)})"
            ) from None
    if len(outputs) != 1 or len(outputs[0].shape) != 2:
        shapes = [tuple(output.shape) for output in outputs]
        raise network_error(f"the model gives {shapes}, expected one output (rows, labels)")
    return int(outputs[0].shape[-1])


ZERO_INITIALIZER = "manyhot>ZeroInitializer"


class ZeroInitializer(keras.initializers.Initializer):
    """Zeros; stands in for every initializer of a description from a file, so that none of its choosing is called."""

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_: Any) -> Any:
        """Zeros of a shape."""
        return keras.ops.zeros(tuple(shape), keras.backend.standardize_dtype(dtype))


def replace_initializers(config: Mapping[str, Any]) -> Any:
    """A description with `ZERO_INITIALIZER` in place of every initializer."""

    def replace(part: dict[str, Any]) -> dict[str, Any]:
        marker: dict[str, Any] = {
            "module": None,
            "class_name": "ZeroInitializer",
            "config": {},
            "registered_name": ZERO_INITIALIZER,
        }
        return {name: marker if name.endswith("_initializer") else inner for name, inner in part.items()}

    return _transform(config, replace)


def first_line(error: Exception) -> str:
    """What an error says, cut to one line: of one of Keras, the line behind the name of the layer."""
    lines = [line for line in re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Exception encountered"):
        lines = lines[1:]
    return lines[0].strip()[:200] if lines else type(error).__name__
