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


def mlp_weight_shapes(
    shapes: Mapping[str, tuple[int, ...]], n_labels: int, settings: Mapping[str, Any]
) -> WeightShapes:
    """The shapes that `build_mlp` gives its weights, in the order of their layers' distance from the logits."""
    sizes, branches = settings["hidden_layer_sizes"], settings.get("branches", ())
    width = sum(_dense_widths(shapes, settings))
    trunks = [width, width * N_BINS] if BINS in branches else [width]
    trainable, fixed = _drop_missing(hidden_shapes(trunks, settings), width, settings)
    if LINEAR in branches and width:
        trainable.append((width, n_labels))
    trainable += [(sizes[-1] if sizes else width, n_labels)] if sizes or width else []
    trainable.append((n_labels,))
    if BINS in branches:
        trainable += [(sizes[-1], n_labels), (n_labels,)]
    if LINEAR in branches:
        trainable.append((n_labels,))
    return trainable, [*fixed, ((1 + len(branches),), None)] if branches else fixed


def trunk_weight_shapes(shapes: Mapping[str, tuple[int, ...]], settings: Mapping[str, Any]) -> WeightShapes:
    """The shapes that `build_trunk` gives its weights."""
    width = sum(_dense_widths(shapes, settings))
    return _drop_missing(hidden_shapes([width], settings), width, settings)


def _drop_missing(weight_shapes: WeightShapes, width: int, settings: Mapping[str, Any]) -> WeightShapes:
    """Without the first kernel, where there are no dense inputs for it."""
    trainable, fixed = weight_shapes
    return trainable[0 if width or not settings["hidden_layer_sizes"] else 1 :], fixed


def _dense_widths(shapes: Mapping[str, tuple[int, ...]], settings: Mapping[str, Any]) -> list[int]:
    return [shape[0] for name, shape in shapes.items() if name not in settings.get("tables", ())]


def hidden_shapes(widths: Sequence[int], settings: Mapping[str, Any]) -> WeightShapes:
    """The shapes of the weights of `hidden_layers` on inputs of some width; of several side by side, layer by layer."""
    trainable: list[tuple[int, ...]] = []
    fixed: list[tuple[tuple[int, ...], str | None]] = []
    widths = list(widths)
    for units in settings["hidden_layer_sizes"]:
        has_bias = not settings["batch_norm"]
        for width in widths:
            trainable += [(width, units), (units,)] if has_bias else [(width, units)]
        if settings["batch_norm"]:
            trainable += [(units,), (units,)] * len(widths)
            fixed += [((units,), None), ((units,), None)] * len(widths)
        if settings["dropout"] > 0:
            fixed += [((2,), "uint32")] * len(widths)
        widths = [units] * len(widths)
    return trainable, fixed


def embedding_bag_weight_shapes(
    shapes: Mapping[str, tuple[int, ...]], n_labels: int, settings: Mapping[str, Any]
) -> WeightShapes:
    """The shapes that `build_embedding_bag` gives its weights."""
    ((name, n_numbers),) = settings["vocabularies"].items()
    units = settings["units"]
    width = units + sum(shape[0] for other, shape in shapes.items() if other != name)
    trainable, fixed = hidden_shapes([width], settings)
    last = settings["hidden_layer_sizes"][-1] if settings["hidden_layer_sizes"] else width
    attention = [(units, n_labels), (units, n_labels)] if settings["pool"] == ATTENTION else []
    if settings["dropout"] > 0:
        fixed = [((2,), "uint32"), *fixed]
    return [(n_numbers, units), *trainable, (last, n_labels), (n_labels,), *attention], fixed


# builder -> the shapes of its weights, from shapes of inputs, number of labels and settings
WEIGHT_SHAPES = {"mlp": mlp_weight_shapes, "embedding_bag": embedding_bag_weight_shapes}
