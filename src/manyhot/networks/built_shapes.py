"""Find the shapes of a network's weights, and what a row takes, by building it in thought: nothing is allocated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from manyhot.backend import jax, use_dtype
from manyhot.errors import InputError, ManyhotError
from manyhot.networks.custom.cloning import ZeroInitializer, first_line
from manyhot.networks.initialization import MemberInitializer
from manyhot.networks.row_cost import RowCost, measure_row
from manyhot.networks.weight_shapes import WeightShapes

Layouts = tuple[list[tuple[tuple[int, ...], str]], list[tuple[tuple[int, ...], str]]]
"""Shape and type of each weight that learns, and of the others."""


class ShapeInitializer(MemberInitializer):
    """Zeros for everything, for a network of which only the shapes matter."""

    is_abstract = True

    def __init__(self, dtype: str, max_weights: int) -> None:
        super().__init__(0, None, dtype)
        self.max_weights = max_weights

    def _zero(self, *_: Any, **__: Any) -> ZeroInitializer:
        return ZeroInitializer()

    weights = embeddings = zeros = bias = _zero

    def reserve(self, n_weights: int) -> None:
        """Refuses more than the file holds."""
        _check_count(n_weights, self.max_weights)


def abstract_layouts(
    build: Callable[[], Any], shapes: Mapping[str, tuple[int, ...]], dtype: str, max_weights: int
) -> tuple[Layouts, RowCost]:
    """Build a network without a single number; return its weights' shapes and types, and what a row takes.

    Raises:
        InputError: It has more than `max_weights` weights, takes too much for a row, or is deeper than Keras bears.
    """
    found: list[tuple[Layouts, RowCost]] = []

    def trace() -> int:
        network = build()
        trainable, fixed = (
            [(tuple(one.shape), str(np.dtype(str(one.dtype)))) for one in variables]
            for variables in (network.trainable_variables, network.non_trainable_variables)
        )
        _check_count(sum(math.prod(shape) for shape, _ in (*trainable, *fixed)), max_weights)
        cost = measure_row(network, shapes, dtype)
        cost.check(sum(math.prod(shape) * np.dtype(one).itemsize for shape, one in (*trainable, *fixed)))
        found.append(((trainable, fixed), cost))
        return 0

    try:
        with use_dtype(dtype):
            jax.eval_shape(trace)  # Keras' variables are then shapes in a program, whatever their initializers are
    except ManyhotError:
        raise
    except RecursionError:
        raise InputError("the network has more layers one after another than Keras bears", argument="network") from None
    except MemoryError:
        raise InputError("the network needs more memory than this machine has free", argument="network") from None
    except Exception as error:  # whatever sizes that cannot be make Keras or JAX say
        raise InputError(f"the network does not come about ({first_line(error)})", argument="network") from None
    return found[0]


def infer_weight_shapes(
    build: Callable[[MemberInitializer], Any],
    n_elements: int,
    dtype: str,
    shapes: Mapping[str, tuple[int, ...]],
) -> WeightShapes:
    """Find the shapes of the weights of what a builder makes; `InputError` for more than n_elements."""
    (trainable, fixed), _ = abstract_layouts(
        lambda: build(ShapeInitializer(dtype, n_elements)), shapes, dtype, n_elements
    )
    others = [(shape, None if weight_dtype == dtype else weight_dtype) for shape, weight_dtype in fixed]
    return [shape for shape, _ in trainable], others


def _check_count(n_weights: int, max_weights: int) -> None:
    if n_weights > max_weights:
        raise InputError("the network described has more weights than the file holds")
