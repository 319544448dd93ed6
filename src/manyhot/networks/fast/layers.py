"""Keras' layers with the same numbers in less time where XLA on a CPU is slow, chosen by shapes, never by a timing."""

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

jnp = jax.numpy

# windows with more places than this stay with XLA: every place is an operation of its own in the program
MAX_PLACES = 25
MAX_PATCH_NUMBERS = 6_000_000  # patches with more numbers than this do not pay
# products for one number of a convolution, and numbers of its result; see `should_fuse_pooling`
FEW_SUMS, MORE_SUMS, LEAVES_CACHES = 9, 27, 5_000_000
LARGE_KERNEL = 2**18  # a kernel of so many numbers is not copied where that can be avoided
TYPES = ("float32", "float64")


class Rectified(NamedTuple):
    """What relu(convolution + bias) was made of, images laid (b, h, w, c), and its own order of axes."""

    images: Any
    kernel: Any
    bias: Any
    window: Window
    data_format: str


# results of convolutions that pooling may take up, by `id`, as long as they live
_RECTIFIED: dict[int, Rectified] = {}


def choose_convolution_kernels(n_pixels: int, kernel: tuple[int, ...]) -> ConvolutionKernels:
    """Choose by shapes which products of a convolution are done over patches (docs/decisions/0026-fast-layers.md)."""
    places, channels = kernel[0] * kernel[1], kernel[2]
    if places == 1 or places > MAX_PLACES or n_pixels * places * channels > MAX_PATCH_NUMBERS:
        return ConvolutionKernels(False, False, False)
    return ConvolutionKernels(2 <= channels <= 4, channels == 1, True)


def should_fuse_pooling(n_numbers: int, kernel: tuple[int, ...]) -> bool:
    """Whether convolution, ReLU and pooling in tiles are done at once (docs/decisions/0026-fast-layers.md)."""
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


@jax.custom_vjp
def product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """x @ kernel, (b, n) by (n, u), whose gradient of x is done before the kernel's is begun."""
    # the gradient of x reads the kernel; in another order XLA may move the kernel first, and copy it in every step
    return x @ kernel


def _product_forward(x: Any, kernel: Any) -> tuple[jax.Array, tuple]:
    # a difference in structure, which is known while the way back is traced
    needs_gradient = () if x.perturbed else None
    return x.value @ kernel.value, (x.value, kernel.value, needs_gradient)


def _product_backward(residuals: tuple, cotangent: Any) -> tuple[jax.Array | None, jax.Array]:
    x, kernel, needs_gradient = residuals
    if isinstance(cotangent, jax.custom_derivatives.SymbolicZero):
        cotangent = jax.numpy.zeros(cotangent.shape, cotangent.dtype)
    if needs_gradient is None:
        return None, x.T @ cotangent
    x_gradient = cotangent @ kernel.T
    return x_gradient, x.T @ (cotangent + 0 * x_gradient[:1, :1])


product.defvjp(_product_forward, _product_backward, symbolic_zeros=True)


class Dense(keras.layers.Dense):
    """Keras' layer whose kernel, where it is large, can be moved in place."""

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


# Keras' layer -> ours
LAYERS: dict[type, type] = {
    keras.layers.AveragePooling2D: AveragePooling2D,
    keras.layers.Conv2D: Conv2D,
    keras.layers.Dense: Dense,
    keras.layers.DepthwiseConv2D: DepthwiseConv2D,
    keras.layers.MaxPooling2D: MaxPooling2D,
    keras.layers.SeparableConv2D: SeparableConv2D,
}


def choose_layers(network: Any, is_fast: bool) -> Any:
    """Exchange Keras' own layers for ours in place, or the other way round; those inside other layers stay."""
    replacements = LAYERS if is_fast else {ours: theirs for theirs, ours in LAYERS.items()}
    for layer in flatten_layers(network):
        if type(layer) in replacements:
            layer.__class__ = replacements[type(layer)]
    return network
