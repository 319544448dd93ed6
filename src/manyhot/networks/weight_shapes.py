"""Weights on the host, and the shapes of those of dense networks by formula: JAX and Keras are not needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from manyhot.config.text import ATTENTION
from manyhot.config.training import BINS, LINEAR

# shapes of the trainable weights, and (shape, dtype) of the others; dtype None is the network's precision
WeightShapes = tuple[list[tuple[int, ...]], list[tuple[tuple[int, ...], str | None]]]


N_BINS = 5
"""Bins of each dense column, for the branch "bins"."""
MAX_FULL_WIDTH = 200
"""Dense columns above which the hidden layers on bins have half the units."""


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


def table_parts(n_labels: int, settings: Mapping[str, Any]) -> tuple[int, ...]:
    """Columns of a table of a wide sparse input: those of the first layer, then those of the linear branch."""
    units = first_units(n_labels, settings)
    return (units, n_labels) if LINEAR in settings.get("branches", ()) else (units,)


def bin_layers(width: int, settings: Mapping[str, Any]) -> list[int]:
    """Units of the hidden layers on bins of as many dense columns."""
    divisor = 1 if width <= MAX_FULL_WIDTH else 2
    return [-(-units // divisor) for units in settings["hidden_layer_sizes"]]


def mlp_weight_shapes(
    shapes: Mapping[str, tuple[int, ...]], n_labels: int, settings: Mapping[str, Any]
) -> WeightShapes:
    """The shapes that `build_mlp` gives its weights, in the order of their layers' distance from the logits."""
    sizes, branches = settings["hidden_layer_sizes"], settings.get("branches", ())
    width = sum(_dense_widths(shapes, settings))
    trunks = {width: sizes}
    if BINS in branches:
        trunks[width * N_BINS] = bin_layers(width, settings)
    trainable, fixed = _drop_missing(hidden_shapes(trunks, settings), width, settings)
    if LINEAR in branches and width:
        trainable.append((width, n_labels))
    trainable += [(sizes[-1] if sizes else width, n_labels)] if sizes or width else []
    trainable.append((n_labels,))
    if BINS in branches:
        trainable += [(trunks[width * N_BINS][-1], n_labels), (n_labels,)]
    if LINEAR in branches:
        trainable.append((n_labels,))
    return trainable, [*fixed, ((1 + len(branches),), None)] if branches else fixed


def trunk_weight_shapes(shapes: Mapping[str, tuple[int, ...]], settings: Mapping[str, Any]) -> WeightShapes:
    """The shapes that `build_trunk` gives its weights."""
    width = sum(_dense_widths(shapes, settings))
    return _drop_missing(hidden_shapes({width: settings["hidden_layer_sizes"]}, settings), width, settings)


def _drop_missing(weight_shapes: WeightShapes, width: int, settings: Mapping[str, Any]) -> WeightShapes:
    """Without the first kernel, where there are no dense inputs for it."""
    trainable, fixed = weight_shapes
    return trainable[0 if width or not settings["hidden_layer_sizes"] else 1 :], fixed


def _dense_widths(shapes: Mapping[str, tuple[int, ...]], settings: Mapping[str, Any]) -> list[int]:
    return [shape[0] for name, shape in shapes.items() if name not in settings.get("tables", ())]


def hidden_shapes(trunks: Mapping[int, Sequence[int]], settings: Mapping[str, Any]) -> WeightShapes:
    """The shapes of the weights of `hidden_layers`, as width of the input -> units; of several layer by layer."""
    trainable: list[tuple[int, ...]] = []
    fixed: list[tuple[tuple[int, ...], str | None]] = []
    has_bias = not settings["batch_norm"]
    widths = list(trunks)
    for layer in zip(*trunks.values(), strict=True):
        for width, units in zip(widths, layer, strict=True):
            trainable += [(width, units), (units,)] if has_bias else [(width, units)]
        for units in layer if settings["batch_norm"] else ():
            trainable += [(units,), (units,)]
            fixed += [((units,), None), ((units,), None)]
        if settings["dropout"] > 0:
            fixed += [((2,), "uint32")] * len(layer)
        widths = list(layer)
    return trainable, fixed


def embedding_bag_weight_shapes(
    shapes: Mapping[str, tuple[int, ...]], n_labels: int, settings: Mapping[str, Any]
) -> WeightShapes:
    """The shapes that `build_embedding_bag` gives its weights."""
    ((name, n_numbers),) = settings["vocabularies"].items()
    units = settings["units"]
    width = units + sum(shape[0] for other, shape in shapes.items() if other != name)
    trainable, fixed = hidden_shapes({width: settings["hidden_layer_sizes"]}, settings)
    last = settings["hidden_layer_sizes"][-1] if settings["hidden_layer_sizes"] else width
    attention = [(units, n_labels), (units, n_labels)] if settings["pool"] == ATTENTION else []
    if settings["dropout"] > 0:
        fixed = [((2,), "uint32"), *fixed]
    return [(n_numbers, units), *trainable, (last, n_labels), (n_labels,), *attention], fixed


# builder -> the shapes of its weights, from shapes of inputs, number of labels and settings
WEIGHT_SHAPES = {"mlp": mlp_weight_shapes, "embedding_bag": embedding_bag_weight_shapes}
