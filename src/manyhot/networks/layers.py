"""The few layers that Keras does not have."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np

from manyhot.backend import jax, keras
from manyhot.networks.initialization import ConstantInitializer

jnp = jax.numpy

NORMAL_DRAWS = 1000  # evenly spaced quantiles that stand for a normal distribution

_REAL_ROWS: ContextVar[Any] = ContextVar("real_rows", default=None)


@contextmanager
def real_rows(mask: Any) -> Iterator[None]:
    """While a network is called in the body: which rows of the batch are real, bool (b,); the others are padding."""
    token = _REAL_ROWS.set(mask)
    try:
        yield
    finally:
        _REAL_ROWS.reset(token)


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' batch normalisation that leaves padded rows out (`real_rows`) and keeps its input's precision."""

    # Source: Ioffe and Szegedy (2015), arXiv 1502.03167; moving averages as in Keras (biased variance).

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalised by the batch's real rows while training, by the moving statistics otherwise."""
        inputs = jnp.asarray(inputs)
        if inputs.dtype.itemsize < 4:
            inputs = inputs.astype("float32")
        axis = self.axis % inputs.ndim
        others = tuple(k for k in range(inputs.ndim) if k != axis)
        shape = [1] * inputs.ndim
        shape[axis] = inputs.shape[axis]
        mean, variance = self.moving_mean.value, self.moving_variance.value
        if training and self.trainable:
            rows = _REAL_ROWS.get()
            mean, variance = _moments(inputs, rows, others)
            momentum = jnp.asarray(self.momentum, inputs.dtype)
            self.moving_mean.assign(momentum * self.moving_mean.value + (1 - momentum) * mean)
            self.moving_variance.assign(momentum * self.moving_variance.value + (1 - momentum) * variance)
        scale = jax.lax.rsqrt(variance + jnp.asarray(self.epsilon, variance.dtype))
        if self.scale:
            scale = scale * self.gamma.value
        result = (inputs - mean.reshape(shape)) * scale.reshape(shape)
        if self.center:
            result = result + self.beta.value.reshape(shape)
        return result.astype(self.compute_dtype)


def _moments(x: Any, rows: Any, axes: tuple[int, ...]) -> tuple[Any, Any]:
    """Mean and (biased) variance over axes that include the rows; rows is bool (b,), None for all."""
    if rows is None:
        return x.mean(axis=axes), x.var(axis=axes)
    weights = rows.astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
    inner = math.prod(x.shape[k] for k in axes if k != 0)
    count = jnp.maximum(weights.sum(), 1) * inner
    mean = (x * weights).sum(axis=axes, keepdims=True) / count
    variance = (jnp.square(x - mean) * weights).sum(axis=axes) / count
    return mean.reshape(-1), variance


def join(blocks: Sequence[Any], dtype: str) -> Any:
    """One tensor of several, side by side."""
    return blocks[0] if len(blocks) == 1 else keras.layers.Concatenate(dtype=dtype)(blocks)


def normalize_and_activate(x: Any, activation: str, dtype: str) -> Any:
    """Batch normalisation, then an activation."""
    return keras.layers.Activation(activation, dtype=dtype)(BatchNormalization(momentum=0.95, dtype=dtype)(x))


class ShapeKeeping(keras.layers.Layer):
    """A layer whose output has the shape of its input."""

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's shape."""
        return input_shape


class Dropout(ShapeKeeping):
    """Dropout of 8 random bits a unit instead of 32, a quarter of the work; the rate is rounded to n / 256."""

    def __init__(self, rate: float, seed: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.rate = rate
        self.n_dropped_of_256 = min(round(rate * 256), 255)
        self.draws = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Units dropped and scaled while training, the input unchanged otherwise."""
        if not training or self.n_dropped_of_256 == 0:
            return inputs
        scale = 256 / (256 - self.n_dropped_of_256)
        return jnp.where(self.sample_mask(inputs.shape), inputs * jnp.asarray(scale, inputs.dtype), 0)

    def sample_mask(self, shape: Any) -> Any:
        """A draw: bool, True where something stays."""
        key = jax.random.wrap_key_data(self.draws.next(), impl="threefry2x32")
        return jax.random.bits(key, shape, "uint8") >= self.n_dropped_of_256


class Bias(ShapeKeeping):
    """A number added to each unit."""

    def __init__(self, initializer: Any, **settings: Any) -> None:
        super().__init__(**settings)
        self.initializer = initializer

    def build(self, input_shape: Any) -> None:
        """One number a unit."""
        self.bias = self.add_weight(shape=(input_shape[-1],), initializer=self.initializer, name="bias")

    def call(self, inputs: Any) -> Any:
        """The input with the numbers added."""
        return inputs + self.bias


class Columns(keras.layers.Layer):
    """Some neighbouring columns, times a number."""

    def __init__(self, first: int, width: int, factor: float = 1.0, **settings: Any) -> None:
        super().__init__(**settings)
        self.first, self.width, self.factor = first, width, factor

    def call(self, inputs: Any) -> Any:
        """(b, f) -> (b, width)."""
        return inputs[:, self.first : self.first + self.width] * jnp.asarray(self.factor, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(b, width)."""
        return (input_shape[0], self.width)


@cache
def _normal_quantiles(n: int) -> np.ndarray:
    """Quantiles of the normal distribution at 1/2n, 3/2n, and so on; every member asks for the same ones."""
    normal = NormalDist()
    return np.array([normal.inv_cdf((k + 0.5) / n) for k in range(n)])


class Bins(keras.layers.Layer):
    """Each number's place in every bin: low below it, high above it, and how far it is in between."""

    # Source: piecewise linear encoding, Gorishniy, Rubachev, Babenko (2022), arXiv 2203.05556, equation 1. Here bins
    # are between quantiles of the normal distribution, for the encoder has scaled the columns, and places have mean 0
    # and variance 1 for normal numbers.

    def __init__(self, n_bins: int, **settings: Any) -> None:
        super().__init__(**settings)
        knots = _normal_quantiles(n_bins + 1)
        self.low, self.high = knots[:-1], knots[1:]
        self.least = np.array([-np.inf] + [0.0] * (n_bins - 1))
        self.most = np.array([1.0] * (n_bins - 1) + [np.inf])
        draws = _normal_quantiles(NORMAL_DRAWS)
        places = np.clip((draws[:, None] - self.low) / (self.high - self.low), self.least, self.most)
        self.mean, self.deviation = places.mean(axis=0), places.std(axis=0)

    def call(self, inputs: Any) -> Any:
        """(b, f) -> (b, f times bins), all bins of a column next to each other; the outer bins have no outer end."""
        arrays = (self.low, self.high, self.least, self.most, self.mean, self.deviation)
        low, high, least, most, mean, deviation = (jnp.asarray(array, inputs.dtype) for array in arrays)
        places = jnp.clip((inputs[:, :, None] - low) / (high - low), least, most)
        return ((places - mean) / deviation).reshape(inputs.shape[0], -1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(b, f times bins)."""
        return (input_shape[0], input_shape[1] * len(self.low))


class BranchMean(keras.layers.Layer):
    """The logits of branches: side by side while training, for each has a loss of its own, else their weighted mean."""

    def build(self, input_shape: Any) -> None:
        """One weight a branch, which training does not move."""
        n_branches = len(input_shape)
        self.shares = self.add_weight(
            shape=(n_branches,), initializer=ConstantInitializer(1 / n_branches), trainable=False, name="shares"
        )

    def call(self, inputs: Sequence[Any], training: bool = False) -> Any:
        """(b, l) of each of k branches -> (b, k, l) while training, else (b, l)."""
        logits = jnp.stack([jnp.asarray(one) for one in inputs], axis=1)
        return logits if training else jnp.einsum("bkl,k->bl", logits, self.shares.value)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(b, l)."""
        return input_shape[0]


class Pixels(ShapeKeeping):
    """Images of 0 to 255 -> floats around 0, by each channel's mean and deviation where 1 is white."""

    def __init__(
        self, mean: Sequence[float], deviation: Sequence[float], is_reversed: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.mean, self.deviation, self.is_reversed = list(mean), list(deviation), is_reversed
        self.autocast = False

    def call(self, inputs: Any) -> Any:
        """uint8 (b, h, w, c), or floats in the same range, -> floats of the layer's type."""
        dtype = self.compute_dtype
        scaled = inputs.astype(dtype) * jnp.asarray([1 / (255 * channel) for channel in self.deviation], dtype)
        scaled = scaled - jnp.asarray([m / d for m, d in zip(self.mean, self.deviation, strict=True)], dtype)
        return scaled[..., ::-1] if self.is_reversed else scaled

    def compute_output_spec(self, inputs: Any) -> Any:
        """Shape and type of what `call` returns."""
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)


class Scaled(ShapeKeeping):
    """Numbers centred, scaled and smoothly clipped to (-clip, clip); centre and scale do not learn."""

    # Source: z / sqrt(1 + (z / clip)^2), Holzmueller, Grinsztajn, Steinwart (2024), arXiv 2407.04491.

    def __init__(self, clip: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.clip = clip

    def build(self, input_shape: Any) -> None:
        """A centre and a scale a number, 0 and 1 to begin with."""
        width = (input_shape[-1],)
        self.center = self.add_weight(shape=width, initializer="zeros", trainable=False, name="center")
        self.factor = self.add_weight(shape=width, initializer="ones", trainable=False, name="scale")

    def call(self, inputs: Any) -> Any:
        """(b, f) -> (b, f)."""
        z = (inputs - self.center) / self.factor
        return z * jax.lax.rsqrt(1 + jnp.square(z / self.clip))
