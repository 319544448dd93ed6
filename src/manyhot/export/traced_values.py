"""Values of a traced program on their way into a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Value:
    """An array that is known, or the name of what a node gives.

    `shape` is the shape in the program, with a symbol for the batch; `stored` is what there is, where an axis of length
    1 may stand for a longer one: ONNX's elementwise operators broadcast as NumPy's do, so few values are repeated.
    """

    shape: tuple[Any, ...]
    stored: tuple[Any, ...]
    dtype: np.dtype
    array: np.ndarray | None = None
    name: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left to repeat."""
        return self.shape == self.stored


def known(array: Any) -> Value:
    """A value that is known."""
    array = np.asarray(array)
    return Value(array.shape, array.shape, array.dtype, array)
