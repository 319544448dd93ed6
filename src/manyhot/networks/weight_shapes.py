"""Weights on the host, and the shapes of those of dense networks by formula: JAX and Keras are not needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from manyhot.config.text import ATTENTION

# shapes of the trainable weights, and (shape, dtype) of the others; dtype None is the network's precision
WeightShapes = tuple[list[tuple[int, ...]], list[tuple[tuple[int, ...], str | None]]]


class Weights(NamedTuple):
    """The members' weights on the host, each array with the leading axis m; tables come first among the trainable."""

    trainable: list[np.ndarray]
    fixed: list[np.ndarray]

    def members(self, selected: slice) -> Weights:
        """Some of the members."""
        return Weights(*([leaf[selected] for leaf in leaves] for leaves in self))

    @classmethod
    def concatenate(cls, parts: Sequence[Weights]) -> Weights:
        """The members of all parts, in order; those of a single part are not copied."""
        if len(parts) == 1:
            return parts[0]
        kinds = zip(*parts, strict=True)
        return cls(*([np.concatenate(leaves) for leaves in zip(*kind, strict=True)] for kind in kinds))


def first_units(n_labels: int, settings: Mapping[str, Any]) -> int:
    """Units of the first layer, which is what tables of wide sparse inputs add to."""
    return settings["hidden_layer_sizes"][0] if settings["hidden_layer_sizes"] else n_labels


def mlp_weight_shapes(
    shapes: Mapping[str, tuple[int, ...]], n_labels: int, settings: Mapping[str, Any]
) -> WeightShapes:
    """The shapes that `build_mlp` gives its weights."""
    trainable, fixed = trunk_weight_shapes(shapes, settings)
    dense = _dense_widths(shapes, settings)
    last = [(settings["hidden_layer_sizes"][-1] if settings["hidden_layer_sizes"] else sum(dense), n_labels)]
    return [*trainable, *(last if settings["hidden_layer_sizes"] or dense else []), (n_labels,)], fixed


def trunk_weight_shapes(shapes: Mapping[str, tuple[int, ...]], settings: Mapping[str, Any]) -> WeightShapes:
    """The shapes that `build_trunk` gives its weights."""
    dense = _dense_widths(shapes, settings)
    trainable, fixed = hidden_shapes(sum(dense), settings)
    return trainable[0 if dense or not settings["hidden_layer_sizes"] else 1 :], fixed


def _dense_widths(shapes: Mapping[str, tuple[int, ...]], settings: Mapping[str, Any]) -> list[int]:
    return [shape[0] for name, shape in shapes.items() if name not in settings.get("tables", ())]


def hidden_shapes(width: int, settings: Mapping[str, Any]) -> WeightShapes:
    """The shapes of the weights of `hidden_layers` on inputs of some width."""
    trainable: list[tuple[int, ...]] = []
    fixed: list[tuple[tuple[int, ...], str | None]] = []
    for units in settings["hidden_layer_sizes"]:
        trainable.append((width, units))
        if settings["batch_norm"]:
            trainable += [(units,), (units,)]
            fixed += [((units,), None), ((units,), None)]
        else:
            trainable.append((units,))
        if settings["dropout"] > 0:
            fixed.append(((2,), "uint32"))
        width = units
    return trainable, fixed


def embedding_bag_weight_shapes(
    shapes: Mapping[str, tuple[int, ...]], n_labels: int, settings: Mapping[str, Any]
) -> WeightShapes:
    """The shapes that `build_embedding_bag` gives its weights."""
    ((name, n_numbers),) = settings["vocabularies"].items()
    units = settings["units"]
    width = units + sum(shape[0] for other, shape in shapes.items() if other != name)
    trainable, fixed = hidden_shapes(width, settings)
    last = settings["hidden_layer_sizes"][-1] if settings["hidden_layer_sizes"] else width
    attention = [(units, n_labels), (units, n_labels)] if settings["pool"] == ATTENTION else []
    if settings["dropout"] > 0:
        fixed = [((2,), "uint32"), *fixed]
    return [(n_numbers, units), *trainable, (last, n_labels), (n_labels,), *attention], fixed


# builder -> the shapes of its weights, from shapes of inputs, number of labels and settings
WEIGHT_SHAPES = {"mlp": mlp_weight_shapes, "embedding_bag": embedding_bag_weight_shapes}
