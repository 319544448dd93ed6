"""The shapes of a network's weights, found by building it with zeros, of which it gets no more than a file holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from manyhot.backend import keras, use_dtype
from manyhot.networks.custom.cloning import ZeroInitializer
from manyhot.networks.initialization import MemberInitializer
from manyhot.networks.weight_shapes import WeightShapes


class BudgetedInitializer(MemberInitializer):
    """A start of zeros that refuses to begin more weights than a file holds.

    Args:
        n_elements: Weights in all, at most.
        dtype: "float32" or "float64".
    """

    def __init__(self, n_elements: int, dtype: str) -> None:
        super().__init__(0, None, dtype)
        self._zeros = ZeroInitializer()
        self._zeros.remaining = [n_elements]

    def weights(self, gain: float = 2.0) -> keras.initializers.Initializer:
        """Zeros."""
        return self._zeros

    def embeddings(self, stretch: float) -> keras.initializers.Initializer:
        """Zeros."""
        return self._zeros

    def zeros(self) -> keras.initializers.Initializer:
        """Zeros."""
        return self._zeros

    def reserve(self, n_weights: int) -> None:
        """Refuses what the file cannot hold."""
        self._zeros.consume(n_weights)

    def bias(self) -> keras.initializers.Initializer:
        """Zeros."""
        return self._zeros


def infer_weight_shapes(build: Callable[[MemberInitializer], Any], n_elements: int, dtype: str) -> WeightShapes:
    """The shapes of the weights of what a builder makes.

    Args:
        build: Start -> network.
        n_elements: Weights in all, at most.
        dtype: "float32" or "float64".

    Returns:
        Shapes of the trainable weights, and (shape, dtype) of the others; dtype None is the network's precision.

    Raises:
        InputError: More weights.
    """
    with use_dtype(dtype):
        network = build(BudgetedInitializer(n_elements, dtype))
    shapes_and_dtypes = [(tuple(v.shape), str(np.dtype(str(v.dtype)))) for v in network.non_trainable_variables]
    fixed = [(shape, None if weight_dtype == dtype else weight_dtype) for shape, weight_dtype in shapes_and_dtypes]
    return [tuple(v.shape) for v in network.trainable_variables], fixed
