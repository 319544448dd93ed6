"""Trained weights on the host; NumPy alone, so that a saved file can be opened without JAX."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from manyhot.networks.weight_shapes import Weights as Weights


class ExtremeWeights(NamedTuple):
    """A trained network over very many labels on the host."""

    trainable: list[np.ndarray]  # tables in the order of `NetworkFactory.tables`, then the trunk's weights
    fixed: list[np.ndarray]  # everything else that the trunk keeps
    kernel: np.ndarray  # float (l, d), the last layer; a label's weights are contiguous
    bias: np.ndarray  # float (l,)
