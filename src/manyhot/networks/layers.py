"""The few layers that Keras does not have."""

from __future__ import annotations

from typing import Any

from manyhot.backend import jax, keras

jnp = jax.numpy


class MaskRows(keras.layers.Layer):
    """Hands its input on and marks padded rows, so that later layers which mix rows leave them out.

    Called with `[x, row_mask]`: x (b, f), row_mask (b,) bool.
    """

    def call(self, inputs: Any) -> Any:
        """The first input, unchanged."""
        return inputs[0]

    def compute_mask(self, inputs: Any, previous: Any = None) -> Any:
        """The second input."""
        return inputs[1]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The first input's shape."""
        return input_shape[0]


class Dropout(keras.layers.Layer):
    """Dropout that spends 8 random bits a unit instead of 32: the draw costs a quarter.

    The rate is rounded to a multiple of 1/256, and the kept units are scaled by the rounded rate.

    Args:
        rate: Share of units set to zero while training, 0 to below 1.
        seed: Start of the draws.
    """

    def __init__(self, rate: float, seed: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.supports_masking = True
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
