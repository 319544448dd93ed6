"""A Keras model of the user's own as a network of the engine: described, and cloned for each member."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

import numpy as np

from manyhot.backend import keras, keras_dtype
from manyhot.errors import InputError
from manyhot.networks.built_shapes import Layouts, abstract_layouts
from manyhot.networks.custom.allowlist import check_allowlist
from manyhot.networks.custom.cloning import (
    ZERO_INITIALIZER,
    Inputs,
    ZeroInitializer,
    arrange_inputs,
    build_weights,
    clone_model,
    find_custom_classes,
    first_line,
    flatten_layers,
    get_frozen_weights,
    network_error,
    replace_initializers,
    seeded,
    serialize_model,
)
from manyhot.networks.custom.compatibility import (
    accepts_training,
    check_clone,
    check_standard_training,
    find_frozen_layers,
)
from manyhot.networks.custom.description import check_description
from manyhot.networks.custom.output_layer import check_layers, check_loss, find_output_activation, read_compilation
from manyhot.networks.initialization import MemberInitializer
from manyhot.networks.layers import BatchNormalization


@dataclass(frozen=True)
class CustomNetwork:
    """A description that any number of members can be built from."""

    config: Mapping[str, Any]  # the model without its compilation, as JSON
    inputs: Inputs  # name and shape of one row of each input, in order
    input_format: str  # how the model takes its inputs: "tensor", "list" or "dict"
    n_labels: int
    head: int  # index (in `flatten_layers`) of the layer whose activation is taken off; -1 for a model of logits
    output: str  # what the model ended in: "sigmoid", "softmax" or "linear"
    optimizer: Mapping[str, Any] | None = None  # the compiled model's, as JSON
    loss: str | None = None  # name of the loss it was compiled with
    custom: Mapping[str, Any] = field(default_factory=dict)  # name -> class of the user's own
    frozen: tuple[int, ...] = ()  # indices (in `flatten_layers`) of layers that do not learn
    frozen_weights: Mapping[int, list[np.ndarray]] = field(default_factory=dict)  # by the same indices

    def build(self, initializer: MemberInitializer) -> MemberNetwork:
        """A member's network with its own initial weights, from inputs by name to logits."""
        with seeded(initializer.seed(), keras_dtype(initializer.dtype)):
            model = clone_model(self.config, self.custom, initializer.dtype)
            n_outputs = build_weights(model, self.inputs, self.input_format)
        layers = flatten_layers(model)
        if n_outputs != self.n_labels or max((self.head, *self.frozen)) >= len(layers):
            raise InputError(f"the network gives {n_outputs} outputs, expected {self.n_labels}")
        if self.head >= 0:
            layers[self.head].activation = keras.activations.linear
        for index in self.frozen:
            layers[index].trainable = False
        for layer in layers:
            if type(layer) is keras.layers.BatchNormalization:
                layer.__class__ = BatchNormalization
        for index, weights in self.frozen_weights.items():
            layers[index].set_weights(weights)
        if initializer.output_bias is not None:
            _output_bias(model, self.n_labels).assign(initializer.output_bias)
        return MemberNetwork(model, [name for name, _ in self.inputs], self.input_format, self.n_labels)

    def audited_shapes(self, dtype: str, max_weights: int, n_arrays: int) -> Layouts:
        """Shapes and types of the weights of a description from a file, which is checked before it is built.

        Args:
            dtype: The network's precision.
            max_weights: Numbers that the file holds for one member.
            n_arrays: Arrays that it holds for them.

        Raises:
            InputError: The description names what is not on the list, or asks for more than the file can hold.
        """
        check_allowlist(self.config, self.custom)
        check_description(self.config, n_arrays)
        custom_objects = {**self.custom, ZERO_INITIALIZER: ZeroInitializer}
        zero_network = replace(
            self, config=replace_initializers(self.config), optimizer=None, custom=custom_objects, frozen_weights={}
        )
        build = partial(zero_network.build, MemberInitializer(0, None, dtype))
        try:
            # wrappers such as Bidirectional describe and rebuild their layer again, and then name it by its class
            with keras.saving.custom_object_scope({"ZeroInitializer": ZeroInitializer}):
                layouts, _ = abstract_layouts(build, dict(self.inputs), dtype, max_weights)
        except Exception as error:  # whatever a strange description makes Keras say
            raise InputError(f"the network in the file does not come about ({first_line(error)})") from None
        return layouts

    def make_optimizer(self) -> keras.optimizers.Optimizer:
        """The optimizer as it was when the model was compiled, without any steps done."""
        assert self.optimizer is not None
        return keras.optimizers.deserialize(json.loads(json.dumps(self.optimizer)))

    def key(self) -> str:
        """Names the structure: equal texts mean equal programs."""
        custom = sorted((name, _token(thing)) for name, thing in self.custom.items())
        return json.dumps(
            [self.config, self.inputs, self.input_format, self.head, self.optimizer, custom], sort_keys=True
        )


_tokens: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def _token(thing: Any) -> str:
    """A name for a class or function that no other has, in this process or in one that the network travels to."""
    return _tokens.setdefault(thing, uuid4().hex)


class MemberNetwork:
    """One member's model, called with named inputs: what the engine asks of a network."""

    def __init__(self, model: keras.Model, names: list[str], input_format: str, n_labels: int) -> None:
        self.model, self.names, self.input_format = model, names, input_format
        self.trainable_variables = model.trainable_variables
        self.non_trainable_variables = model.non_trainable_variables
        self.output_shape = (None, n_labels)
        self.summary = model.summary
        self.layers = flatten_layers(model)
        self.accepts_training = accepts_training(model)

    def stateless_call(
        self,
        trainable: list,
        fixed: list,
        inputs: Mapping[str, Any],
        training: bool = False,
        return_losses: bool = False,
    ) -> Any:
        """As a Keras model's: (logits, other weights afterwards), and with `return_losses` the penalties."""
        arranged = arrange_inputs([inputs[name] for name in self.names], self.names, self.input_format)
        options = {"training": training} if self.accepts_training else {}
        logits, *others = self.model.stateless_call(trainable, fixed, arranged, return_losses=return_losses, **options)
        return (logits.astype(next(iter(inputs.values())).dtype), *others)


def from_keras(model: keras.Model, shapes: Mapping[str, tuple[int, ...]], n_labels: int) -> CustomNetwork:
    """Describe a Keras model, which stays as it is; refuse what padded batches cannot train."""
    check_standard_training(model)
    frozen = find_frozen_layers(model)
    config = serialize_model(model)
    custom = find_custom_classes(model, config)
    inputs, input_format = _match_inputs(model, shapes)
    with seeded(0, "float32"):
        clone = clone_model(config, custom, "float32")
        n_outputs = build_weights(clone, inputs, input_format)
    if n_outputs != n_labels:
        raise network_error(f"the model gives {n_outputs} outputs, expected {n_labels}, one per label")
    for index in frozen:
        flatten_layers(clone)[index].trainable = False
    check_clone(model, clone)
    check_layers(clone)
    head, output = find_output_activation(clone, inputs, input_format)
    optimizer, loss = read_compilation(model)
    check_loss(model, output)
    frozen_weights = get_frozen_weights(model)
    return CustomNetwork(
        config, inputs, input_format, n_labels, head, output, optimizer, loss, custom, frozen, frozen_weights
    )


def _describe_inputs(inputs: Iterable[tuple[str, tuple[int | None, ...]]]) -> str:
    """Inputs with their shapes: "2 inputs (features: (12,), text: (607,))"."""
    described = [f"{name}: {shape}" for name, shape in inputs]
    return f"{len(described)} {'input' if len(described) == 1 else 'inputs'} ({', '.join(described)})"


def _declared_inputs(model: keras.Model) -> tuple[list[tuple[str, tuple[int | None, ...]]], bool]:
    """Name and shape of one row of each input that a model declares, and whether it takes a dict of them."""
    if not getattr(model, "inputs", None):
        return [], False
    structure: Any = getattr(model, "input", None)
    is_dict = isinstance(structure, dict)
    tensors = structure.items() if is_dict else [(tensor.name, tensor) for tensor in model.inputs]
    return [(name, tuple(tensor.shape[1:])) for name, tensor in tensors], is_dict


def _match_inputs(model: keras.Model, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Inputs, str]:
    """Name and shape of one row of each input, in the model's order, and how the model takes them."""
    declared, is_dict = _declared_inputs(model)
    names = [name for name, _ in declared]
    is_single, is_named = len(shapes) == 1, set(names) == set(shapes)
    is_numbered = all(name == f"input_{k}" for k, name in enumerate(shapes))
    if not declared:
        return tuple(shapes.items()), "tensor" if is_single else "list" if is_numbered else "dict"
    both = f"the network has {_describe_inputs(declared)}, and X gives {_describe_inputs(shapes.items())}"
    if len(declared) != len(shapes):
        advice = "give X as a dict or list" if is_single else "declare a keras.Input(shape, name=...) for each"
        raise InputError(f"{both}; {advice}", argument="X")
    if not (is_single or is_named or is_numbered):
        raise InputError(
            f"{both}; inputs are matched by name: keras.Input(shape, name={next(iter(shapes))!r})", argument="X"
        )
    ordered = tuple((name, shapes[name]) for name in (names if is_named else shapes))
    for (name, shape), (_, wanted) in zip(ordered, declared, strict=True):
        if not _fits(shape, wanted):
            place = "" if is_single else f" for {name!r}"
            raise InputError(f"the model takes rows of shape {wanted}{place}, X has {shape}", argument="X")
    if is_dict and not (is_single or is_named):
        raise InputError(f"the model takes a dict with {names}; give X as a dict with these names", argument="X")
    return ordered, "dict" if is_dict else "tensor" if is_single else "list"


def _fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(w is None or w == s for s, w in zip(shape, wanted, strict=True))


def _output_bias(model: keras.Model, n_labels: int) -> Any:
    biases = [v for v in model.trainable_variables if v.name == "bias" and tuple(v.shape) == (n_labels,)]
    if not biases:
        raise InputError("prior_bias=True needs an output layer with a bias", argument="prior_bias")
    return biases[-1]
