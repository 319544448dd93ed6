"""Keras' layers for images, the same numbers in less time where XLA on a CPU is slow.

Arguments, weights and names are those of Keras' layers, and on other devices so is the work; `windows.py` does it on a
CPU, and rules on shapes, measured once and never at run time, say when (docs/decisions/0026-fast-layers.md). It must
not know what a network is for. Start reading at `choose_layers`.
"""

from __future__ import annotations

import math
from typing import Any

from manyhot.backend import jax, keras
from manyhot.networks.rebuild import flat_layers
from manyhot.networks.windows import Ways, Window, average_pool, convolution, depthwise, max_pool, window_over

jnp = jax.numpy

MOST_PLACES = 25
"""Windows with more places than this stay with XLA: every place is an operation of its own in the program."""
MOST_NUMBERS = 6_000_000
"""Patches with more numbers than this do not pay."""
TYPES = ("float32", "float64")


def conv_ways(n_pixels: int, kernel: tuple[int, ...]) -> Ways:
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
    if places == 1 or places > MOST_PLACES or n_pixels * places * channels > MOST_NUMBERS:
        return Ways(False, False, False)
    return Ways(2 <= channels <= 4, channels == 1, True)


def _laid_last(x: Any, data_format: str) -> Any:
    return x.transpose(0, 2, 3, 1) if data_format == "channels_first" else x


def _laid_back(x: Any, data_format: str) -> Any:
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
        """The largest number of each window."""
        inputs = jnp.asarray(inputs)
        window = _window(self, inputs, self.pool_size)
        if window is None or len(window.places) > MOST_PLACES:
            return super().call(inputs)
        return _laid_back(max_pool(_laid_last(inputs, self.data_format), window), self.data_format)


class AveragePooling2D(keras.layers.AveragePooling2D):
    """Keras' layer, quicker where windows overlap."""

    def call(self, inputs: Any) -> Any:
        """The mean of each window, pads left out."""
        inputs = jnp.asarray(inputs)
        window = _window(self, inputs, self.pool_size)
        if window is None or len(window.places) > MOST_PLACES or not window.overlaps:
            return super().call(inputs)
        return _laid_back(average_pool(_laid_last(inputs, self.data_format), window), self.data_format)


class Conv2D(keras.layers.Conv2D):
    """Keras' layer with gradients that are quick inside a loop."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """The convolution, before bias and activation."""
        kernel = jnp.asarray(kernel)
        inputs = jnp.asarray(inputs, kernel.dtype)
        window = _window(self, inputs, self.kernel_size, self.dilation_rate)
        channels = inputs.shape[1 if self.data_format == "channels_first" else -1]
        is_depthwise = 1 < self.groups == channels
        if window is None or (self.groups > 1 and not (is_depthwise and len(window.places) <= MOST_PLACES)):
            return super().convolution_op(inputs, kernel)
        x = _laid_last(inputs, self.data_format)
        if is_depthwise:
            result = depthwise(x, kernel.reshape(*self.kernel_size, channels, -1), window)
        else:
            result = convolution(x, kernel, window, conv_ways(len(x) * math.prod(window.steps), kernel.shape))
        return _laid_back(result, self.data_format)


class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """Keras' layer without XLA's slow convolution in groups."""

    def call(self, inputs: Any) -> Any:
        """Filters of each channel, bias and activation."""
        inputs, kernel = jnp.asarray(inputs), jnp.asarray(self.kernel)
        window = _window(self, inputs, self.kernel_size, self.dilation_rate)
        if window is None or len(window.places) > MOST_PLACES:
            return super().call(inputs)
        return _ended(self, depthwise(_laid_last(inputs, self.data_format), kernel, window))


class SeparableConv2D(keras.layers.SeparableConv2D):
    """Keras' layer without XLA's slow convolution in groups."""

    def call(self, inputs: Any) -> Any:
        """Filters of each channel, their mixtures, bias and activation."""
        inputs = jnp.asarray(inputs)
        each, mixed = jnp.asarray(self.depthwise_kernel), jnp.asarray(self.pointwise_kernel)
        window = _window(self, inputs, self.kernel_size, self.dilation_rate)
        if window is None or len(window.places) > MOST_PLACES:
            return super().call(inputs)
        filtered = depthwise(_laid_last(inputs, self.data_format), each, window)
        return _ended(self, filtered @ mixed[0, 0])


def _ended(layer: Any, x: Any) -> Any:
    """Bias and activation on (b, h, w, c), in the layer's own order of axes."""
    if layer.use_bias:
        x = x + jnp.asarray(layer.bias)
    x = _laid_back(x, layer.data_format)
    return x if layer.activation is None else layer.activation(x)


LAYERS: dict[type, type] = {
    keras.layers.AveragePooling2D: AveragePooling2D,
    keras.layers.Conv2D: Conv2D,
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
    wanted = LAYERS if is_fast else {ours: theirs for theirs, ours in LAYERS.items()}
    for layer in flat_layers(network):
        if type(layer) in wanted:
            layer.__class__ = wanted[type(layer)]
    return network
