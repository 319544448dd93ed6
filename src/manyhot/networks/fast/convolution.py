"""Convolution and pooling over images (b, h, w, c) as sums over the places of a window."""

from __future__ import annotations

import math
from functools import partial, reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np

from manyhot.backend import jax

jnp, lax = jax.numpy, jax.lax

CHUNKS = 16  # parts of a long sum over pixels laid side by side, so that it is done in vectors
# XLA's convolution is quick on a CPU with dimensions laid so. It sees to that itself, but not inside a loop, where
# gradients fall back to plain loops, 10 to 40 times slower; so they are laid out here.
DIMENSIONS = ("NHWC", "HWIO", "NHWC")


class Window(NamedTuple):
    """How a window goes over an image; hashable, so that it can steer what is compiled."""

    image: tuple[int, int]  # rows and columns of the image
    size: tuple[int, int]  # places of the window, down and across
    strides: tuple[int, int]  # steps of the window
    dilation: tuple[int, int]  # distance of neighbouring places
    pads: tuple[tuple[int, int], tuple[int, int]]  # before and after, down and across

    @property
    def padded(self) -> tuple[int, int]:
        """Rows and columns of the image with its pads."""
        return self.image[0] + sum(self.pads[0]), self.image[1] + sum(self.pads[1])

    @property
    def steps(self) -> tuple[int, int]:
        """Rows and columns of the result; 0 or less where the window does not fit."""
        spans = [(k - 1) * d for k, d in zip(self.size, self.dilation, strict=True)]
        down, across = ((n - span - 1) // s + 1 for n, span, s in zip(self.padded, spans, self.strides, strict=True))
        return down, across

    @property
    def axes(self) -> list[tuple[int, int, int, int, int, int]]:
        """Down, then across: pixels, places, steps, stride, dilation, pad before."""
        before = [low for low, _ in self.pads]
        return list(zip(self.image, self.size, self.steps, self.strides, self.dilation, before, strict=True))

    @property
    def places(self) -> list[tuple[int, int]]:
        """The places, row by row."""
        return [(i, j) for i in range(self.size[0]) for j in range(self.size[1])]

    @property
    def tiles(self) -> bool:
        """Whether windows lie side by side without a gap."""
        return self.size == self.strides and self.dilation == (1, 1)

    @property
    def overlaps(self) -> bool:
        """Whether a pixel can be in two windows."""
        return any(d * (k - 1) + 1 > s for k, d, s in zip(self.size, self.dilation, self.strides, strict=True))


def window_over(
    image: tuple[int, int],
    size: tuple[int, int],
    strides: tuple[int, int],
    padding: str,
    dilation: tuple[int, int] = (1, 1),
) -> Window:
    """The window of a layer with padding "valid" or "same"."""
    dilated_size = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    (top, bottom), (left, right) = lax.padtype_to_pads(image, dilated_size, strides, padding.upper())
    return Window(image, size, strides, dilation, ((int(top), int(bottom)), (int(left), int(right))))


def views(x: jax.Array, window: Window, fill: float = 0.0) -> list[jax.Array]:
    """What each place of the window sees: (b, h, w, c) -> one (b, *steps, c) a place; pads hold `fill`."""
    if any(map(any, window.pads)):
        x = lax.pad(x, jnp.asarray(fill, x.dtype), ((0, 0, 0), *((a, b, 0) for a, b in window.pads), (0, 0, 0)))
    (down, across), strides = window.steps, window.strides
    slices = []
    for i, j in window.places:
        top, left = i * window.dilation[0], j * window.dilation[1]
        end = (x.shape[0], top + (down - 1) * strides[0] + 1, left + (across - 1) * strides[1] + 1, x.shape[3])
        slices.append(lax.slice(x, (0, top, left, 0), end, (1, *strides, 1)))
    return slices


def spread(parts: list[jax.Array], window: Window) -> jax.Array:
    """Sum the parts (b, *steps, c), one a place, each put back where its view came from: (b, h, w, c)."""
    # pixels that are alike modulo the strides are summed together, so that nothing is written with gaps
    (down, across), (s, t) = window.steps, window.strides
    height, width = (-(-n // stride) for n, stride in zip(window.padded, window.strides, strict=True))
    zero = jnp.zeros((), parts[0].dtype)
    sums: dict[tuple[int, int], Any] = {}
    for (i, j), part in zip(window.places, parts, strict=True):
        (u, a), (v, e) = divmod(i * window.dilation[0], s), divmod(j * window.dilation[1], t)
        pads = ((0, 0, 0), (u, height - u - down, 0), (v, width - v - across, 0), (0, 0, 0))
        moved = lax.pad(part, zero, pads)
        sums[a, e] = sums[a, e] + moved if (a, e) in sums else moved
    if s == t == 1:
        result = sums[0, 0]
    else:
        b, c = parts[0].shape[0], parts[0].shape[3]
        nothing = jnp.zeros((b, height, width, c), parts[0].dtype)
        lines = [jnp.stack([sums.get((a, e), nothing) for e in range(t)], axis=3) for a in range(s)]
        result = jnp.stack(lines, axis=2).reshape(b, height * s, width * t, c)
    return _crop_to_image(result, window)


def _crop_to_image(x: jax.Array, window: Window) -> jax.Array:
    """The padded image from its top left corner on -> the image; zeros where nothing was given."""
    pads = [
        (-low, n + low - padded, 0) for padded, n, (low, _) in zip(x.shape[1:3], window.image, window.pads, strict=True)
    ]
    return lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *pads, (0, 0, 0)))


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def max_pool(x: jax.Array, window: Window) -> jax.Array:
    """The largest number of each window, of at most 256 places; a gradient goes to the first place that holds it."""
    return _max_with_places(x, window)[0]


def _max_with_places(x: jax.Array, window: Window) -> tuple[jax.Array, jax.Array]:
    """The largest of each window and, as uint8, the first place that holds it."""
    return first_largest(views(x, window, -math.inf))


def first_largest(arrays: list[jax.Array]) -> tuple[jax.Array, jax.Array]:
    """The largest of arrays of one shape, number by number, and, as uint8, the first array that holds it."""
    best, *others = arrays
    where = jnp.zeros(best.shape, "uint8")
    for k, view in enumerate(others, start=1):
        where = jnp.where(view > best, np.uint8(k), where)
        best = jnp.maximum(best, view)
    return best, where


def _max_pool_forward(x: jax.Array, window: Window) -> tuple[jax.Array, jax.Array]:
    best, where = _max_with_places(x, window)
    # written down, else the way back looks for the places once more, each of them in all of its window
    return best, lax.optimization_barrier(where)


def _max_pool_backward(window: Window, where: jax.Array, cotangent: jax.Array) -> tuple[jax.Array]:
    return (scatter_to_places(cotangent, where, window),)


def scatter_to_places(cotangent: jax.Array, where: jax.Array, window: Window) -> jax.Array:
    """Numbers (b, *steps, c), each put at the place `where` of its window, zeros elsewhere: (b, h, w, c)."""
    zero = jnp.zeros((), cotangent.dtype)
    if window.tiles:
        (b, down, across, c), (s, t) = cotangent.shape, window.size
        place = np.arange(s * t, dtype=np.uint8).reshape(1, 1, s, 1, t, 1)
        tiles = jnp.where(where[:, :, None, :, None] == place, cotangent[:, :, None, :, None], zero)
        return _crop_to_image(tiles.reshape(b, down * s, across * t, c), window)
    return spread([jnp.where(where == np.uint8(k), cotangent, zero) for k in range(len(window.places))], window)


max_pool.defvjp(_max_pool_forward, _max_pool_backward)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def average_pool(x: jax.Array, window: Window) -> jax.Array:
    """The mean of each window over the pixels of the image, (b, h, w, c) -> (b, *steps, c)."""
    return reduce(add, views(x, window)) / _counts(window, x.dtype)


def _counts(window: Window, dtype: Any) -> np.ndarray:
    """Pixels of the image in each window, (1, *steps, 1)."""
    ones = np.pad(np.ones(window.image, dtype), window.pads)
    (down, across), (s, t) = window.steps, window.strides
    counts = sum(ones[i : i + (down - 1) * s + 1 : s, j : j + (across - 1) * t + 1 : t] for i, j in window.places)
    return np.asarray(counts, dtype)[None, :, :, None]


def _average_forward(x: jax.Array, window: Window) -> tuple[jax.Array, None]:
    return average_pool(x, window), None


def _average_backward(window: Window, _: None, cotangent: jax.Array) -> tuple[jax.Array]:
    share = cotangent / _counts(window, cotangent.dtype)
    return (spread([share] * len(window.places), window),)


average_pool.defvjp(_average_forward, _average_backward)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def depthwise(x: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """A filter of its own for each channel: x (b, h, w, c), kernel (kh, kw, c, m) -> (b, *steps, c * m)."""
    window_views = views(x, window)
    sums = reduce(
        add, [view[..., None] * kernel[i, j] for view, (i, j) in zip(window_views, window.places, strict=True)]
    )
    return sums.reshape(*sums.shape[:3], -1)


def _depthwise_forward(x: jax.Array, kernel: jax.Array, window: Window) -> tuple[jax.Array, tuple]:
    return depthwise(x, kernel, window), (x, kernel)


def _depthwise_backward(window: Window, residuals: tuple, cotangent: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    cotangent = cotangent.reshape(*cotangent.shape[:3], *kernel.shape[2:])
    image_gradient = spread([(cotangent * kernel[i, j]).sum(-1) for i, j in window.places], window)
    sums = [_sum_of_pixels(view[..., None] * cotangent) for view in views(x, window)]
    return image_gradient, jnp.stack(sums).reshape(kernel.shape)


depthwise.defvjp(_depthwise_forward, _depthwise_backward)


def _sum_of_pixels(x: jax.Array) -> jax.Array:
    """(b, h, w, c, m) -> (c, m)."""
    n = math.gcd(CHUNKS, x.shape[0] * x.shape[1])
    chunks = x.reshape(n, -1, *x.shape[2:])
    partial_sums = reduce(add, [chunks[k] for k in range(n)])
    # kept apart, else both sums become one plain one again
    return lax.optimization_barrier(partial_sums).sum((0, 1))


class ConvolutionKernels(NamedTuple):
    """Which of a convolution's three products are matrix products over patches instead of XLA's convolution."""

    forward: bool
    kernel_gradient: bool
    image_gradient: bool


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolution(x: jax.Array, kernel: jax.Array, window: Window, kernels: ConvolutionKernels) -> jax.Array:
    """A convolution without groups: x (b, h, w, c), kernel (kh, kw, c, f) -> (b, *steps, f)."""
    if not kernels.forward:
        return lax.conv_general_dilated(
            x, kernel, window.strides, window.pads, rhs_dilation=window.dilation, dimension_numbers=DIMENSIONS
        )
    window_views = jnp.concatenate(views(x, window), axis=-1)
    result = window_views.reshape(-1, window_views.shape[-1]) @ kernel.reshape(-1, kernel.shape[-1])
    return result.reshape(*window_views.shape[:3], -1)


def _convolution_forward(
    x: jax.Array, kernel: jax.Array, window: Window, kernels: ConvolutionKernels
) -> tuple[jax.Array, tuple]:
    return convolution(x, kernel, window, kernels), (x, kernel)


def _convolution_backward(
    window: Window, kernels: ConvolutionKernels, residuals: tuple, cotangent: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    kernel_gradient = _kernel_by_patches if kernels.kernel_gradient else _kernel_by_convolution
    image_gradient = image_by_patches if kernels.image_gradient else _image_by_convolution
    return image_gradient(kernel, cotangent, window), kernel_gradient(x, cotangent, window)


def _kernel_by_patches(x: jax.Array, cotangent: jax.Array, window: Window) -> jax.Array:
    pixel_gradients = cotangent.reshape(-1, cotangent.shape[-1])
    return (patches(x, window) @ pixel_gradients).reshape(*window.size, x.shape[-1], -1)


def patches(x: jax.Array, window: Window) -> jax.Array:
    """Lay out what each place sees, (b, h, w, c) -> (places * c, pixels), so that products read as memory lies."""
    window_views = jnp.moveaxis(jnp.stack(views(x, window)), -1, 1)
    return window_views.reshape(window_views.shape[0] * window_views.shape[1], -1)


def _kernel_by_convolution(x: jax.Array, cotangent: jax.Array, window: Window) -> jax.Array:
    """The images' channels in the part of the batch, the batch in that of the channels."""
    pads = [(low, (m - 1) * s + 1 + (k - 1) * d - n - low) for n, k, m, s, d, low in window.axes]
    transposed, filters = x.transpose(3, 1, 2, 0), cotangent.transpose(1, 2, 0, 3)
    result = lax.conv_general_dilated(
        transposed, filters, window.dilation, pads, rhs_dilation=window.strides, dimension_numbers=DIMENSIONS
    )
    return result.transpose(1, 2, 0, 3)


def image_by_patches(kernel: jax.Array, cotangent: jax.Array, window: Window) -> jax.Array:
    """A convolution's gradient of its image, (b, *steps, f) -> (b, h, w, c)."""
    products = cotangent.reshape(-1, cotangent.shape[-1]) @ kernel.reshape(-1, kernel.shape[-1]).T
    parts = products.reshape(*cotangent.shape[:3], -1, kernel.shape[2])
    return spread([parts[..., k, :] for k in range(len(window.places))], window)


def _image_by_convolution(kernel: jax.Array, cotangent: jax.Array, window: Window) -> jax.Array:
    """The kernel turned around, over a result with gaps where the window made steps."""
    pads = [((k - 1) * d - low, n - (m - 1) * s - 1 + low) for n, k, m, s, d, low in window.axes]
    return lax.conv_general_dilated(
        cotangent,
        kernel[::-1, ::-1].transpose(0, 1, 3, 2),
        (1, 1),
        pads,
        lhs_dilation=window.strides,
        rhs_dilation=window.dilation,
        dimension_numbers=DIMENSIONS,
    )


convolution.defvjp(_convolution_forward, _convolution_backward)
