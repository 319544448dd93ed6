"""A Keras model of the user's own as a network of the engine: described, cloned for each member, never changed.

The description is JSON; a member is built from it afresh, with its own draws, its last sigmoid (or softmax) taken off
so that it gives logits. It knows layers and shapes, nothing of labels, folds or files. Start reading at `from_keras`,
then `CustomNetwork.build`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manyhot.backend import floating, keras, precision
from manyhot.errors import InputError
from manyhot.networks.custom.allowlist import audit
from manyhot.networks.custom.cloning import (
    BLANK,
    ZeroInitializer,
    arranged,
    build_weights,
    clone_model,
    config_of,
    custom_of,
    first_line,
    flat_layers,
    kept_weights,
    seeded,
    with_blanks,
)
from manyhot.networks.custom.compatibility import check_same, check_usual, frozen_places, takes_training
from manyhot.networks.custom.output_layer import check_layers, check_loss, compilation_of, find_output_activation
from manyhot.networks.initialization import Start
from manyhot.networks.layers import BatchNormalization


@dataclass(frozen=True)
class CustomNetwork:
    """A description that any number of members can be built from.

    Args:
        config: The model without its compilation, as JSON values.
        inputs: Name and shape of one row of each input, in order; one input is called "features".
        takes: How the model takes its inputs: "tensor", "list" or "dict".
        n_labels: Width of its output.
        head: Place (in `flat_layers`) of the layer whose activation is taken off; -1 when the model gives logits.
        output: What the model ended in: "sigmoid", "softmax" or "linear".
        optimizer: The compiled model's optimizer as JSON values, or None.
        loss: Name of the loss it was compiled with, or None.
        custom: Name -> class of the user's own that the description names.
        frozen: Places (in `flat_layers`) of layers that do not learn.
        kept: Place (in `flat_layers`) of a layer that does not learn -> its weights, which every member begins with.
    """

    config: Mapping[str, Any]
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    takes: str
    n_labels: int
    head: int
    output: str
    optimizer: Mapping[str, Any] | None = None
    loss: str | None = None
    custom: Mapping[str, Any] = field(default_factory=dict)
    frozen: tuple[int, ...] = ()
    kept: Mapping[int, list[np.ndarray]] = field(default_factory=dict)

    def build(self, start: Start) -> Member:
        """A member's network with its own initial weights, from inputs by name to logits."""
        with seeded(start.seed(), floating(start.dtype)):
            model = clone_model(self.config, self.custom, start.dtype)
            width = build_weights(model, self.inputs, self.takes)
        layers = flat_layers(model)
        if width != self.n_labels or max((self.head, *self.frozen)) >= len(layers):
            raise InputError(f"the network gives {width} outputs, expected {self.n_labels}")
        if self.head >= 0:
            layers[self.head].activation = keras.activations.linear
        for place in self.frozen:
            layers[place].trainable = False
        for layer in layers:
            if type(layer) is keras.layers.BatchNormalization:
                layer.__class__ = BatchNormalization
        for place, weights in self.kept.items():
            layers[place].set_weights(weights)
        if start.output_bias is not None:
            _output_bias(model, self.n_labels).assign(start.output_bias)
        return Member(model, [name for name, _ in self.inputs], self.takes, self.n_labels)

    def audited_shapes(self, dtype: str, most_elements: int) -> dict[str, list[tuple[tuple[int, ...], str]]]:
        """Shapes and types of the weights of a description from a file, which is checked before anything is built.

        Args:
            dtype: "float32" or "float64".
            most_elements: Elements that the weights of one member may have.

        Returns:
            "trainable" and "fixed" -> (shape, dtype) of each weight in the model's order.

        Raises:
            InputError: A part that is not listed, more weights than allowed, or a model that does not come about.
        """
        audit(self.config, self.custom)
        budget = [most_elements]

        class Bounded(ZeroInitializer):
            left = budget

        blank = CustomNetwork(
            with_blanks(self.config), self.inputs, self.takes, self.n_labels, self.head, self.output, None, None,
            {**self.custom, BLANK: Bounded}, self.frozen,
        )  # fmt: skip
        try:
            # wrappers such as Bidirectional describe and rebuild their layer again, and then name it by its class
            with precision(dtype), keras.saving.custom_object_scope({"Bounded": Bounded}):
                member = blank.build(Start(0, None, dtype))
        except Exception as error:  # whatever a strange description makes Keras say
            raise InputError(f"the network in the file does not come about ({first_line(error)})") from None
        return {
            "trainable": [(tuple(v.shape), str(v.dtype)) for v in member.trainable_variables],
            "fixed": [(tuple(v.shape), str(v.dtype)) for v in member.non_trainable_variables],
        }

    def make_optimizer(self) -> keras.optimizers.Optimizer:
        """The optimizer as it was when the model was compiled, without any steps done."""
        assert self.optimizer is not None
        return keras.optimizers.deserialize(json.loads(json.dumps(self.optimizer)))

    def key(self) -> str:
        """Names the structure: equal texts mean equal programs."""
        custom = sorted((name, id(thing)) for name, thing in self.custom.items())
        return json.dumps([self.config, self.inputs, self.takes, self.head, self.optimizer, custom], sort_keys=True)


class Member:
    """One member's model, called with named inputs; what the engine asks of a network.

    Args:
        model: A built Keras model.
        names: Names of its inputs, in order.
        takes: "tensor", "list" or "dict".
        n_labels: Width of its output.
    """

    def __init__(self, model: keras.Model, names: list[str], takes: str, n_labels: int) -> None:
        self.model, self.names, self.takes = model, names, takes
        self.trainable_variables = model.trainable_variables
        self.non_trainable_variables = model.non_trainable_variables
        self.output_shape = (None, n_labels)
        self.summary = model.summary
        self.layers = flat_layers(model)
        self.takes_training = takes_training(model)

    def stateless_call(
        self,
        trainable: list,
        fixed: list,
        inputs: Mapping[str, Any],
        training: bool = False,
        return_losses: bool = False,
    ) -> Any:
        """As a Keras model's: (logits, other weights afterwards), and with `return_losses` the penalties."""
        given = arranged([inputs[name] for name in self.names], self.names, self.takes)
        told = {"training": training} if self.takes_training else {}
        logits, *rest = self.model.stateless_call(trainable, fixed, given, return_losses=return_losses, **told)
        return (logits.astype(next(iter(inputs.values())).dtype), *rest)


def from_keras(model: keras.Model, shapes: Mapping[str, tuple[int, ...]], n_labels: int) -> CustomNetwork:
    """Read a Keras model; the model itself stays as it is.

    Args:
        model: Sequential, functional, or subclassed with a config that rebuilds it; compiled or not.
        shapes: Shape of one row of each named input of the data; one input goes by any name.
        n_labels: Number of labels.

    Raises:
        InputError: A model that cannot be rebuilt, whose inputs or outputs do not fit, or that uses what cannot be
            trained with padded batches.
    """
    check_usual(model)
    frozen = frozen_places(model)
    config = config_of(model)
    custom = custom_of(model, config)
    inputs, takes = _inputs_of(model, shapes)
    with seeded(0, "float32"):
        clone = clone_model(config, custom, "float32")
        width = build_weights(clone, inputs, takes)
    if width != n_labels:
        raise InputError(f"the model gives {width} outputs, expected {n_labels}, one per label", argument="network")
    for place in frozen:
        flat_layers(clone)[place].trainable = False
    check_same(model, clone)
    check_layers(clone)
    head, output = find_output_activation(clone, inputs, takes)
    optimizer, loss = compilation_of(model)
    check_loss(model, output)
    kept = kept_weights(model)
    return CustomNetwork(config, inputs, takes, n_labels, head, output, optimizer, loss, custom, frozen, kept)


def _inputs_of(
    model: keras.Model, shapes: Mapping[str, tuple[int, ...]]
) -> tuple[tuple[tuple[str, tuple[int, ...]], ...], str]:
    declared = [(tensor.name, tuple(tensor.shape[1:])) for tensor in getattr(model, "inputs", None) or []]
    if len(shapes) == 1:
        shape = next(iter(shapes.values()))
        if len(declared) > 1:
            names = [name for name, _ in declared]
            raise InputError(f"the model has {len(declared)} inputs {names}; give X as a dict or list", argument="X")
        if declared and not _fits(shape, declared[0][1]):
            raise InputError(f"the model takes rows of shape {declared[0][1]}, X has {shape}", argument="X")
        is_dict = declared and isinstance(getattr(model, "input", None), dict)
        return ((next(iter(shapes)), shape),), "dict" if is_dict else "tensor"
    if not declared:
        numbered = all(name == f"input_{k}" for k, name in enumerate(shapes))
        return tuple(shapes.items()), "list" if numbered else "dict"
    if len(declared) != len(shapes):
        raise InputError(f"the model has {len(declared)} inputs, X has {len(shapes)}", argument="X")
    names = [name for name, _ in declared]
    if set(names) != set(shapes) and not all(name == f"input_{k}" for k, name in enumerate(shapes)):
        raise InputError(f"the model's inputs are {names}, X has {list(shapes)}", argument="X")
    ordered = {name: shapes[name] for name in names} if set(names) == set(shapes) else dict(shapes)
    for (name, shape), (_, wanted) in zip(ordered.items(), declared, strict=True):
        if not _fits(shape, wanted):
            raise InputError(f"the model takes rows of shape {wanted} for {name!r}, X has {shape}", argument="X")
    if isinstance(model.input, dict) and set(names) != set(shapes):
        raise InputError(f"the model takes a dict with {names}; give X as a dict with these names", argument="X")
    takes = "dict" if isinstance(model.input, dict) else "list"
    return tuple(ordered.items()), takes


def _fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(w is None or w == s for s, w in zip(shape, wanted, strict=True))


def _output_bias(model: keras.Model, n_labels: int) -> Any:
    biases = [v for v in model.trainable_variables if v.name == "bias" and tuple(v.shape) == (n_labels,)]
    if not biases:
        raise InputError("prior_bias=True needs an output layer with a bias", argument="prior_bias")
    return biases[-1]
