"""The few layers that Keras does not have."""

from __future__ import annotations

from typing import Any

import numpy as np

from manyhot.backend import jax, keras

jnp = jax.numpy


class BatchNorm(keras.layers.Layer):
    """Batch normalisation that leaves padded rows out and keeps its input's precision.

    Keras' own layer computes in float32 on JAX whatever its type, and takes a mask only along with the tensor.
    Called with `[x, row_mask]`: x (b, f), row_mask (b,) bool, True for real rows.

    Args:
        momentum: How much of the moving mean and variance stays at each step.
        epsilon: Added to the variance.

    Source:
        Ioffe and Szegedy (2015), arXiv 1502.03167, algorithms 1 and 2.
    """

    def __init__(self, momentum: float = 0.95, epsilon: float = 1e-3, **settings: Any) -> None:
        super().__init__(**settings)
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        """Scale, shift, moving mean and variance, one of each a feature."""
        width = (input_shape[0][-1],)
        self.gamma = self.add_weight(shape=width, initializer=_ones, name="gamma")
        self.beta = self.add_weight(shape=width, initializer=_zeros, name="beta")
        self.mean = self.add_weight(shape=width, initializer=_zeros, name="mean", trainable=False)
        self.variance = self.add_weight(shape=width, initializer=_ones, name="variance", trainable=False)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Normalised by the batch's real rows while training, by the moving statistics otherwise."""
        x, row_mask = inputs
        mean, variance = self.mean.value, self.variance.value
        if training:
            weights = row_mask.astype(x.dtype)[:, None]
            count = jnp.maximum(weights.sum(), 1)
            mean = (x * weights).sum(axis=0) / count
            variance = (jnp.square(x - mean) * weights).sum(axis=0) / count
            self.mean.assign(self.momentum * self.mean.value + (1 - self.momentum) * mean)
            self.variance.assign(self.momentum * self.variance.value + (1 - self.momentum) * variance)
        scale = self.gamma.value * jax.lax.rsqrt(variance + self.epsilon)
        return (x - mean) * scale + self.beta.value

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The first input's shape."""
        return input_shape[0]


def _ones(shape: tuple[int, ...], dtype: Any = None) -> np.ndarray:
    return np.ones(shape, keras.backend.standardize_dtype(dtype))


def _zeros(shape: tuple[int, ...], dtype: Any = None) -> np.ndarray:
    return np.zeros(shape, keras.backend.standardize_dtype(dtype))


class Dropout(keras.layers.Layer):
    """Dropout that spends 8 random bits a unit instead of 32: the draw costs a quarter.

    The rate is rounded to a multiple of 1/256, and the kept units are scaled by the rounded rate.

    Args:
        rate: Share of units set to zero while training, 0 to below 1.
        seed: Start of the draws.
    """

    def __init__(self, rate: float, seed: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.rate = rate
        self.dropped_of_256 = min(round(rate * 256), 255)
        self.draws = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Units dropped and scaled while training, the input unchanged otherwise."""
        if not training or self.dropped_of_256 == 0:
            return inputs
        key = jax.random.wrap_key_data(self.draws.next(), impl="threefry2x32")
        bits = jax.random.bits(key, inputs.shape, "uint8")
        kept = 256 / (256 - self.dropped_of_256)
        return jnp.where(bits >= self.dropped_of_256, inputs * jnp.asarray(kept, inputs.dtype), 0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape
