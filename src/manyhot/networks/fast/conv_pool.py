"""A convolution, ReLU and max pooling in tiles as one: what lies between them is never written down.

Each place of a tile is summed over the kernel's places, and only the largest and where it stood are kept.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from manyhot.backend import jax
from manyhot.networks.fast.convolution import Window, first_largest, image_by_patches, patches, scatter_to_places, views

jnp, lax = jax.numpy, jax.lax

PARTS = (2, 4)  # parts that a batch is cut into, forward and backward, so that each stays in the caches


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def pooled_convolution(x: jax.Array, kernel: jax.Array, bias: jax.Array, window: Window, tiles: Window) -> jax.Array:
    """max_pool(relu(convolution(x, kernel) + bias)), (b, *tiles.steps, f); gradients go to the first largest place."""
    return _pool_forward(x, kernel, bias, window, tiles)[0]


def _pool_forward(
    x: jax.Array, kernel: jax.Array, bias: jax.Array, window: Window, tiles: Window
) -> tuple[jax.Array, tuple[Any, ...]]:
    def pool_part(images: jax.Array) -> tuple[jax.Array, jax.Array]:
        return first_largest(
            [jnp.maximum(_convolve_at_place(place, images, kernel, bias, window, tiles), 0) for place in tiles.places]
        )

    n = math.gcd(PARTS[0], len(x))
    best, where = lax.map(pool_part, _split_batch(x, n))
    best, where = _join_batch(best), _join_batch(where)
    return best, (x, kernel, best, where)


def _convolve_at_place(
    place: tuple[int, int], x: jax.Array, kernel: jax.Array, bias: jax.Array, window: Window, tiles: Window
) -> jax.Array:
    """The convolution at one place of every tile, (b, *tiles.steps, f)."""
    strides, pads = [], []
    for (n, k, _, s, d, low), at, t, steps in zip(window.axes, place, tiles.strides, tiles.steps, strict=True):
        strides.append(s * t)
        before = low - at * s
        pads.append((before, (steps - 1) * s * t + (k - 1) * d + 1 - n - before))
    down, across = strides
    window_views = views(x, Window(window.image, window.size, (down, across), window.dilation, (pads[0], pads[1])))
    total = bias
    for view, (i, j) in zip(window_views, window.places, strict=True):
        for channel in range(x.shape[-1]):
            total = total + view[..., channel : channel + 1] * kernel[i, j, channel]
    return total


def _pool_backward(
    window: Window, tiles: Window, residuals: tuple[Any, ...], cotangent: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    x, kernel, best, where = residuals
    n = math.gcd(PARTS[1], len(x))

    def result_gradient(best: jax.Array, where: jax.Array, cotangent: jax.Array) -> jax.Array:
        """The gradient of the convolution's result."""
        return scatter_to_places(jnp.where(best > 0, cotangent, jnp.zeros((), cotangent.dtype)), where, tiles)

    def add(sums: jax.Array, batch_part: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        images, *others = batch_part
        pixel_gradients = result_gradient(*others).reshape(-1, kernel.shape[3])
        # a row of ones: the bias, by the same product
        rows = jnp.concatenate([patches(images, window), jnp.ones((1, len(pixel_gradients)), x.dtype)])
        return sums + rows @ pixel_gradients, None

    start = jnp.zeros((math.prod(kernel.shape[:3]) + 1, kernel.shape[3]), cotangent.dtype)
    sums, _ = lax.scan(add, start, tuple(_split_batch(array, n) for array in (x, best, where, cotangent)))
    # apart from the loop, so that it is left out where nobody asks for it
    image_gradient = image_by_patches(kernel, result_gradient(best, where, cotangent), window)
    return image_gradient, sums[:-1].reshape(kernel.shape), sums[-1]


pooled_convolution.defvjp(_pool_forward, _pool_backward)


def _split_batch(x: jax.Array, n: int) -> jax.Array:
    return x.reshape(n, len(x) // n, *x.shape[1:])


def _join_batch(x: jax.Array) -> jax.Array:
    return x.reshape(-1, *x.shape[2:])
