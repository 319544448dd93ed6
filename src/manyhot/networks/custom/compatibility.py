"""Refuse by name what a clone of a user's model cannot take over."""

from __future__ import annotations

import inspect
from typing import Any

from manyhot.backend import keras
from manyhot.networks.custom.cloning import flatten_layers, network_error

OVERRIDES = ("train_step", "compute_loss", "stateless_compute_loss", "fit")
STATISTICS = ("moving_mean", "moving_variance")


def check_standard_training(model: keras.Model) -> None:
    """Refuse a model that overrides its training, and weight decay with exceptions."""
    for name in OVERRIDES:
        owner = next((kind for kind in type(model).__mro__ if name in vars(kind)), keras.Model)
        if not owner.__module__.startswith("keras."):
            raise network_error(
                f"the model {type(model).__name__!r} has a {name} of its own, which manyhot would not call"
            )
    optimizer = model.optimizer if model.compiled else None
    if any("exclude_from_weight_decay" in name and value for name, value in vars(optimizer or object).items()):
        raise network_error(
            "the optimizer excludes weights from weight decay, which its config does not say; leave that out, or say "
            "optimizer='adamw', which does not decay biases"
        )


def find_frozen_layers(model: keras.Model) -> tuple[int, ...]:
    """Find the indices (in `flatten_layers`) of layers frozen as a whole; refuse those that learn in part."""
    frozen = []
    for index, layer in enumerate(flatten_layers(model)):
        fixed = [weight for weight in layer.non_trainable_weights if weight.name not in STATISTICS]
        if layer.trainable_weights and fixed and not isinstance(layer, keras.layers.Normalization):
            raise network_error(
                f"the layer {layer.name!r} learns in part ({fixed[0].path} does not); freeze whole layers"
            )
        if layer.weights and not layer.trainable_weights:
            frozen.append(index)
    return tuple(frozen)


def check_clone(model: keras.Model, clone: keras.Model) -> None:
    """Refuse a clone with other weights than the model, and batch normalisation that it cannot reach."""
    statistics = [variable for variable in clone.variables if variable.name == STATISTICS[0]]
    batch_norms = [layer for layer in flatten_layers(clone) if isinstance(layer, keras.layers.BatchNormalization)]
    if len(statistics) > len(batch_norms):
        raise network_error(
            f"{statistics[0].path} belongs to batch normalisation inside another layer, where padded rows would "
            "count; use it as a layer of the model itself"
        )
    if not model.built or not model.weights:
        return
    clone_shapes, model_shapes = ([tuple(v.shape) for v in m.trainable_variables] for m in (clone, model))
    if sorted(clone_shapes) != sorted(model_shapes):
        raise network_error(
            f"a clone from the model's config has {len(clone_shapes)} weights that learn, the model "
            f"{len(model_shapes)}: a layer is shared between models or changed after it was made, which the config "
            "does not say"
        )


def accepts_training(model: keras.Model) -> bool:
    """Whether `call` has an argument `training`."""
    parameters: Any = inspect.signature(model.call).parameters.values()
    return any(p.name == "training" or p.kind == inspect.Parameter.VAR_KEYWORD for p in parameters)
