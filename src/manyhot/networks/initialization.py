"""A member's initial weights, drawn on the host from one seed, so that nothing is compiled for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from manyhot.backend import keras


class MemberInitializer:
    """Initial values for one member; `output_bias` float (l,), None for zeros; each `use` has draws of its own."""

    is_abstract = False  # whether only shapes matter, so that nothing needs to be drawn

    def __init__(
        self, seed: int, output_bias: np.ndarray | None = None, dtype: str = "float32", use: int = 0x4D48
    ) -> None:
        self.dtype = dtype
        self.output_bias = output_bias
        self.member_seed = seed
        self._generator = np.random.default_rng([seed, use])

    def weights(self, gain: float = 2.0) -> keras.initializers.Initializer:
        """Normal draws with variance gain / fan-in (He et al. 2015, arXiv 1502.01852, eq. 10; gain 2 for ReLU)."""
        return _NormalInitializer(self._generator, gain)

    def embeddings(self, scale: float) -> keras.initializers.Initializer:
        """Normal draws for vectors (v, u) of words, of deviation 1/2 once they are stretched."""
        return _NormalInitializer(self._generator, 0.25 / scale**2, fan_in=1)

    def independent(self) -> MemberInitializer:
        """The same member's draws for something else than its network, unrelated to those."""
        return MemberInitializer(self.member_seed, None, self.dtype, use=0x5442)

    def table(self, shape: tuple[int, int]) -> np.ndarray:
        """Weights of a table (f, u) whose rows meet inputs of about unit length: normal, variance 1 / u."""
        sample = self._generator.standard_normal(shape, dtype=np.float32) / np.float32(math.sqrt(shape[1]))
        return sample.astype(self.dtype)

    def zeros(self) -> keras.initializers.Initializer:
        """Zeros."""
        return ConstantInitializer()

    def bias(self) -> keras.initializers.Initializer:
        """The output bias."""
        return ConstantInitializer(0.0 if self.output_bias is None else self.output_bias)

    def reserve(self, n_weights: int) -> None:
        """Told how many weights a part of the network will have that draws its own."""

    def seed(self) -> int:
        """A seed for a layer that draws while training."""
        return int(self._generator.integers(2**31 - 1))


class _NormalInitializer(keras.initializers.Initializer):
    def __init__(self, generator: np.random.Generator, gain: float, fan_in: int | None = None) -> None:
        self.generator = generator
        self.gain = gain
        self.fan_in = fan_in

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_: Any) -> np.ndarray:
        fan_in = math.prod(shape[:-1]) if self.fan_in is None else self.fan_in
        scale = math.sqrt(self.gain / max(fan_in, 1))
        return (self.generator.standard_normal(tuple(shape), dtype=np.float32) * np.float32(scale)).astype(
            keras.backend.standardize_dtype(dtype)
        )


class ConstantInitializer(keras.initializers.Initializer):
    """Numbers spread over the shape that is asked for."""

    def __init__(self, values: np.ndarray | float = 0.0) -> None:
        self.values = values

    def __call__(self, shape: Sequence[int], dtype: Any = None, **_: Any) -> np.ndarray:
        """The numbers, of the type asked for."""
        return np.broadcast_to(self.values, tuple(shape)).astype(keras.backend.standardize_dtype(dtype))
