"""Find the shapes of a network's weights by building it with zeros, no more of them than a file holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from manyhot.backend import keras, use_dtype
from manyhot.networks.custom.cloning import ZeroInitializer
from manyhot.networks.initialization import MemberInitializer
from manyhot.networks.weight_shapes import WeightShapes


class BudgetedInitializer(MemberInitializer):
    """An initializer of zeros that refuses to begin more weights than a file holds."""

    def __init__(self, n_elements: int, dtype: str) -> None:
        super().__init__(0, None, dtype)
        self._zeros = ZeroInitializer()
        self._zeros.remaining = [n_elements]

    def _zero(self, *_: Any, **__: Any) -> keras.initializers.Initializer:
        return self._zeros

    weights = embeddings = zeros = bias = _zero

    def reserve(self, n_weights: int) -> None:
        """Refuses what the file cannot hold."""
        self._zeros.consume(n_weights)


def infer_weight_shapes(build: Callable[[MemberInitializer], Any], n_elements: int, dtype: str) -> WeightShapes:
    """Find the shapes of the weights of what a builder makes; `InputError` for more than n_elements."""
    with use_dtype(dtype):
        network = build(BudgetedInitializer(n_elements, dtype))
    shapes_and_dtypes = [(tuple(v.shape), str(np.dtype(str(v.dtype)))) for v in network.non_trainable_variables]
    fixed = [(shape, None if weight_dtype == dtype else weight_dtype) for shape, weight_dtype in shapes_and_dtypes]
    return [tuple(v.shape) for v in network.trainable_variables], fixed
