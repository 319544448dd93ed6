"""Keras' layers, most of them for images, the same numbers in less time where XLA on a CPU is slow.

Arguments, weights and names are those of Keras' layers, and on other devices so is the work; `convolution.py`,
`conv_pool.py` and `dense.py` do it on a CPU, and rules on shapes, measured once and never at run time, say when
(docs/decisions/0026-fast-layers.md). It must not know what a network is for. Start reading at `choose_layers`.
"""

from __future__ import annotations

import math
import weakref
from typing import Any, NamedTuple

from manyhot.backend import jax, keras
from manyhot.networks.custom.cloning import flatten_layers
from manyhot.networks.fast.conv_pool import pooled_convolution
from manyhot.networks.fast.convolution import (
    ConvolutionKernels,
    Window,
    average_pool,
    convolution,
    depthwise,
    max_pool,
    window_over,
)
from manyhot.networks.fast.dense import product

jnp = jax.numpy

MAX_PLACES = 25
"""Windows with more places than this stay with XLA: every place is an operation of its own in the program."""
MAX_PATCH_NUMBERS = 6_000_000
"""Patches with more numbers than this do not pay."""
FEW_SUMS, MORE_SUMS, LEAVES_CACHES = 9, 27, 5_000_000
"""Products for one number of a convolution, and numbers of its result; see `should_fuse_pooling`."""
LARGE_KERNEL = 2**18
"""A kernel of so many numbers is not copied where that can be avoided."""
TYPES = ("float32", "float64")


class Rectified(NamedTuple):
    """What relu(convolution + bias) was made of, images laid (b, h, w, c), and its own order of axes."""

    images: Any
    kernel: Any
    bias: Any
    window: Window
    data_format: str


_RECTIFIED: dict[int, Rectified] = {}
"""Results of convolutions that pooling may take up, by their `id`, as long as they live."""


def choose_convolution_kernels(n_pixels: int, kernel: tuple[int, ...]) -> ConvolutionKernels:
    """Which products of a convolution are done over patches, by shapes alone.

    Milliseconds inside a loop on two cores, images of a batch of 64, 32 filters; convolution / patches:

        image, kernel       channels   result       kernel's      image's gradient
        28 x 28, 3 x 3      1          0.37 / 0.97  1.2 / 0.4     4.7 / 1.8
                            2          1.1 / 0.9    2.3 / 2.2     12 / 3.2
                            3          4.1 / 1.7    4.9 / 3.6     9.3 / 2.4
                            8          3.9 / 5.6    5.6 / 7.7     7.9 / 3.6
                            16         8.4 / 26     8.8 / 40      13 / 11
                            32         59 / 63      80 / 109      34 / 53
        14 x 14, 5 x 5      32         7.7 / 12     15 / 12       15 / 7.2
        28 x 28, 5 x 5      1          0.87 / 3.3   2.3 / 2.5     11 / 2.0
                            8          4.4 / 29     4.7 / 38      12 / 14
        32 x 32, steps of 2 3          1.9 / 1.0    0.75 / 1.2    0.77 / 0.71

    Patches no longer pay where they outgrow the caches.

    Args:
        n_pixels: Of the result, over all images.
        kernel: (kh, kw, c, f).
    """
    places, channels = kernel[0] * kernel[1], kernel[2]
    if places == 1 or places > MAX_PLACES or n_pixels * places * channels > MAX_PATCH_NUMBERS:
        return ConvolutionKernels(False, False, False)
    return ConvolutionKernels(2 <= channels <= 4, channels == 1, True)


def should_fuse_pooling(n_numbers: int, kernel: tuple[int, ...]) -> bool:
    """Whether convolution, ReLU and pooling in tiles are done at once (`conv_pool.py`), by shapes alone.

    Milliseconds inside a loop on two cores, images of a batch of 64 unless said, tiles of 2 x 2, with the kernel's
    gradient; one after the other / at once:

        image       kernel   channels   filters   training      result
        28 x 28     3 x 3    1          8         2.9 / 0.9     1.2 / 0.2
                                        16        1.8 / 1.2     1.1 / 0.3
                                        32        1.9 / 1.7     0.7 / 0.5
                                        64        4.7 / 2.8     1.2 / 0.9
        64 x 64     3 x 3    1          32        14 / 8.5      5.8 / 2.5
        28 x 28     5 x 5    1          32        1.8 / 3.3     0.8 / 1.2
        64 x 64     5 x 5    1          32        20 / 24       5.7 / 7.1
        28 x 28     3 x 3    3          32        4.6 / 4.5     1.0 / 1.6
        48 x 48     3 x 3    3          32        12 / 13       4.8 / 4.6
        64 x 64     3 x 3    3          32        45 / 28       26 / 9.0
        96 x 96     3 x 3    3          32        180 / 67      89 / 21
        28 x 28     3 x 3    3          32        44 / 17       7.3 / 5.9    (batch of 256)

    Many sums for one number do not pay, unless what lies between would leave the caches.

    Args:
        n_numbers: Of the convolution's result, over all images.
        kernel: (kh, kw, c, f).
    """
    n_sums = math.prod(kernel[:3])
    return n_sums <= FEW_SUMS or (n_sums <= MORE_SUMS and n_numbers >= LEAVES_CACHES)


def _to_channels_last(x: Any, data_format: str) -> Any:
    return x.transpose(0, 2, 3, 1) if data_format == "channels_first" else x


def _from_channels_last(x: Any, data_format: str) -> Any:
    return x.transpose(0, 3, 1, 2) if data_format == "channels_first" else x


def _window(layer: Any, inputs: Any, size: Any, dilation: Any = (1, 1)) -> Window | None:
    """A layer's window over its inputs; None where the work is Keras'."""
    if jax.default_backend() != "cpu" or str(inputs.dtype) not in TYPES or min(layer.strides) < 1:
        return None
    first = 2 if layer.data_format == "channels_first" else 1
    image = (inputs.shape[first], inputs.shape[first + 1])
    window = window_over(image, tuple(size), tuple(layer.strides), layer.padding, tuple(dilation))
    return window if min(window.steps) > 0 else None


class MaxPooling2D(keras.layers.MaxPooling2D):
    """Keras' layer without XLA's slow gradient of it; of equal numbers the first gets the gradient, as in Keras."""

    def call(self, inputs: Any) -> Any:
        """The largest number of each window; done at once with the convolution that gave `inputs`, where that pays."""
        rectified = _RECTIFIED.get(id(inputs))
        inputs = jnp.asarray(inputs)
        window = _window(self, inputs, self.pool_size)
        if window is None or len(window.places) > MAX_PLACES:
            return super().call(inputs)
        is_tiled = window.tiles and not any(map(any, window.pads))
        if rectified is not None and rectified.data_format == self.data_format and is_tiled:
            # the convolution's own result is then asked for by nobody, and left out of the program
            pooled = pooled_convolution(rectified.images, rectified.kernel, rectified.bias, rectified.window, window)
            return _from_channels_last(pooled, self.data_format)
        return _from_channels_last(max_pool(_to_channels_last(inputs, self.data_format), window), self.data_format)


class AveragePooling2D(keras.layers.AveragePooling2D):
    """Keras' layer, quicker where windows overlap."""

    def call(self, inputs: Any) -> Any:
        """The mean of each window, pads left out."""
        inputs = jnp.asarray(inputs)
        window = _window(self, inputs, self.pool_size)
        if window is None or len(window.places) > MAX_PLACES or not window.overlaps:
            return super().call(inputs)
        return _from_channels_last(average_pool(_to_channels_last(inputs, self.data_format), window), self.data_format)


class Conv2D(keras.layers.Conv2D):
    """Keras' layer with gradients that are quick inside a loop."""

    def call(self, inputs: Any) -> Any:
        """The convolution with bias and activation, remembered for a pooling that follows."""
        result = super().call(inputs)
        rectified = self._rectified(inputs)
        if rectified is not None:
            _RECTIFIED[id(result)] = rectified
            weakref.finalize(result, _RECTIFIED.pop, id(result))
        return result

    def _rectified(self, inputs: Any) -> Rectified | None:
        """What the result is made of, where pooling with it at once pays."""
        if self.groups > 1 or self.activation is not keras.activations.relu:
            return None
        inputs, kernel, window = self._prepare(inputs, self.kernel)
        if window is None:
            return None
        if not should_fuse_pooling(len(inputs) * math.prod(window.steps) * kernel.shape[-1], kernel.shape):
            return None
        bias = jnp.asarray(self.bias) if self.use_bias else jnp.zeros(kernel.shape[-1:], kernel.dtype)
        return Rectified(_to_channels_last(inputs, self.data_format), kernel, bias, window, self.data_format)

    def _prepare(self, inputs: Any, kernel: Any) -> tuple[Any, Any, Window | None]:
        """Inputs and kernel as arrays of one type, and the kernel's window."""
        kernel = jnp.asarray(kernel)
        inputs = jnp.asarray(inputs, kernel.dtype)
        return inputs, kernel, _window(self, inputs, self.kernel_size, self.dilation_rate)

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """The convolution, before bias and activation."""
        inputs, kernel, window = self._prepare(inputs, kernel)
        channels = inputs.shape[1 if self.data_format == "channels_first" else -1]
        is_depthwise = 1 < self.groups == channels
        if window is None or (self.groups > 1 and not (is_depthwise and len(window.places) <= MAX_PLACES)):
            return super().convolution_op(inputs, kernel)
        x = _to_channels_last(inputs, self.data_format)
        if is_depthwise:
            result = depthwise(x, kernel.reshape(*self.kernel_size, channels, -1), window)
        else:
            result = convolution(
                x, kernel, window, choose_convolution_kernels(len(x) * math.prod(window.steps), kernel.shape)
            )
        return _from_channels_last(result, self.data_format)


class Dense(keras.layers.Dense):
    """Keras' layer whose kernel, where it is large, can be moved in place (`dense.py`)."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The product with the kernel, bias and activation."""
        inputs, kernel = jnp.asarray(inputs), jnp.asarray(self.kernel)
        is_plain = inputs.ndim == 2 and inputs.dtype == kernel.dtype and str(kernel.dtype) in TYPES
        if jax.default_backend() != "cpu" or kernel.size < LARGE_KERNEL or not is_plain:
            return super().call(inputs, training)
        x = product(inputs, kernel)
        if self.use_bias:
            x = x + jnp.asarray(self.bias)
        return x if self.activation is None else self.activation(x)


class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """Keras' layer without XLA's slow convolution in groups."""

    def call(self, inputs: Any) -> Any:
        """Filters of each channel, bias and activation."""
        inputs, kernel = jnp.asarray(inputs), jnp.asarray(self.kernel)
        window = _window(self, inputs, self.kernel_size, self.dilation_rate)
        if window is None or len(window.places) > MAX_PLACES:
            return super().call(inputs)
        return _finish_layer(self, depthwise(_to_channels_last(inputs, self.data_format), kernel, window))


class SeparableConv2D(keras.layers.SeparableConv2D):
    """Keras' layer without XLA's slow convolution in groups."""

    def call(self, inputs: Any) -> Any:
        """Filters of each channel, their mixtures, bias and activation."""
        inputs = jnp.asarray(inputs)
        depthwise_kernel, pointwise_kernel = jnp.asarray(self.depthwise_kernel), jnp.asarray(self.pointwise_kernel)
        window = _window(self, inputs, self.kernel_size, self.dilation_rate)
        if window is None or len(window.places) > MAX_PLACES:
            return super().call(inputs)
        filtered = depthwise(_to_channels_last(inputs, self.data_format), depthwise_kernel, window)
        return _finish_layer(self, filtered @ pointwise_kernel[0, 0])


def _finish_layer(layer: Any, x: Any) -> Any:
    """Bias and activation on (b, h, w, c), in the layer's own order of axes."""
    if layer.use_bias:
        x = x + jnp.asarray(layer.bias)
    x = _from_channels_last(x, layer.data_format)
    return x if layer.activation is None else layer.activation(x)


LAYERS: dict[type, type] = {
    keras.layers.AveragePooling2D: AveragePooling2D,
    keras.layers.Conv2D: Conv2D,
    keras.layers.Dense: Dense,
    keras.layers.DepthwiseConv2D: DepthwiseConv2D,
    keras.layers.MaxPooling2D: MaxPooling2D,
    keras.layers.SeparableConv2D: SeparableConv2D,
}
"""Keras' layer -> ours."""


def choose_layers(network: Any, is_fast: bool) -> Any:
    """The same network with our layers in place of Keras' own, or the other way round.

    Layers of a user's own class stay as they are, and so do layers inside other layers.

    Args:
        network: What a builder made; changed in place.
        is_fast: Whether our layers are wanted.
    """
    replacements = LAYERS if is_fast else {ours: theirs for theirs, ours in LAYERS.items()}
    for layer in flatten_layers(network):
        if type(layer) in replacements:
            layer.__class__ = replacements[type(layer)]
    return network
