"""Images varied in training, inside the compiled step: moved, recoloured, covered, mixed, and their targets with them.

All moves (flips, turns, shifts, zooms) are one map of places and one resampling, so that nothing blurs twice, and where
each pixel has its own targets these move along. It was measured against the same by Keras' layers: a tenth of the time
on a CPU. Nothing here knows what an image shows. Start reading at `varied`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from manyhot.backend import jax

jnp = jax.numpy

MOVES = ("flip", "flip_vertical", "quarter_turns", "shift", "rotate", "zoom")
SHIFT = 0.08
"""Farthest shift, as a share of the edge."""
ANGLE = math.radians(10)
ZOOM = 0.12
"""Farthest zoom: the logarithm of the factor."""
COLOUR = 0.25
"""Farthest change of brightness (where 1 is white), contrast and saturation (of 1)."""
ERASED = (0.02, 0.2)
"""Smallest and largest share of an image that is covered."""
MIXED = 0.2
"""Both parameters of the beta distribution of the shares of two mixed images."""


class Variation(NamedTuple):
    """How images are varied.

    Attributes:
        names: Some of `image_kinds.AUGMENTATIONS`.
        strength: How far; 1 is usual.
    """

    names: tuple[str, ...]
    strength: float


class Varied(NamedTuple):
    """What a step trains on.

    Attributes:
        images: Name of a block -> float (b, h, w, c) from 0 to 255.
        targets: float (b, ..., l) in [0, 1].
        known: bool like targets, or None where everything is known.
    """

    images: dict[str, Any]
    targets: Any
    known: Any


def varied(
    key: jax.Array,
    images: Mapping[str, jax.Array],
    targets: jax.Array,
    known: jax.Array | None,
    is_real: jax.Array,
    how: Variation,
) -> Varied:
    """Images as they might have been, and their targets.

    Args:
        key: Where the draws begin.
        images: Name of a block -> (b, h, w, c) from 0 to 255.
        targets: float (b, l), or (b, h, w, l) where each pixel has its own.
        known: bool like targets, or None.
        is_real: bool (b,), False for padding; real rows come first.
        how: What is done, and how far.

    Source:
        Erasing: Zhong, Zheng, Kang, Li, Yang (2020), arXiv 1708.04896. Mixing: Zhang, Cisse, Dauphin, Lopez-Paz (2018),
        arXiv 1710.09412, with the larger share kept first, and label sets mixed as the images are.
    """
    has_pixels = targets.ndim > 2
    changed: dict[str, Any] = {}
    for number, (name, block) in enumerate(images.items()):
        own = jax.random.fold_in(key, number)
        x = block.astype(targets.dtype)
        if any(move in how.names for move in MOVES):
            places = _places(jax.random.fold_in(own, 0), x.shape, how, x.dtype)
            x = _resampled(x, places)
            if has_pixels:
                nearest = jnp.rint(places)
                targets = _taken(targets, nearest)
                known = None if known is None else _taken(known, nearest)
        if "colour" in how.names:
            x = _recoloured(jax.random.fold_in(own, 1), x, how.strength)
        if "erase" in how.names:
            x = _erased(jax.random.fold_in(own, 2), x)
        changed[name] = x
    if "mixup" in how.names:
        return _mixed(jax.random.fold_in(key, len(images)), changed, targets, known, is_real)
    return Varied(changed, targets, known)


def _places(key: jax.Array, shape: tuple[int, ...], how: Variation, dtype: Any) -> jax.Array:
    """Where in the old image each pixel of the new one comes from: (b, h, w, 2), rows and columns."""
    n, height, width = shape[:3]
    keys = iter(jax.random.split(key, 8))

    def drawn(name: str, far: float) -> jax.Array:
        uniform = jax.random.uniform(next(keys), (n,), dtype, -1, 1)
        return uniform * (far * how.strength if name in how.names else 0)

    def sign(name: str) -> jax.Array:
        coin = jax.random.bernoulli(next(keys), 0.5, (n,)) & (name in how.names)
        return jnp.where(coin, -1, 1).astype(dtype)

    angle, zoom = drawn("rotate", ANGLE), jnp.exp(drawn("zoom", ZOOM))
    down, right = drawn("shift", SHIFT) * height, drawn("shift", SHIFT) * width
    over, across = sign("flip_vertical"), sign("flip")
    if "quarter_turns" in how.names:
        turns = jax.random.randint(next(keys), (n,), 0, 4 if height == width else 2)
        angle = angle + turns * (math.pi / 2 if height == width else math.pi)
    cos, sin = jnp.cos(angle) * zoom, jnp.sin(angle) * zoom
    rows = jnp.arange(height, dtype=dtype)[None, :, None] - (height - 1) / 2
    columns = jnp.arange(width, dtype=dtype)[None, None, :] - (width - 1) / 2

    def each(values: jax.Array) -> jax.Array:
        return values[:, None, None]

    old_rows = each(over * cos) * rows - each(over * sin) * columns + each(down) + (height - 1) / 2
    old_columns = each(across * sin) * rows + each(across * cos) * columns + each(right) + (width - 1) / 2
    limits = jnp.asarray([height - 1, width - 1], dtype)
    places = jnp.abs(jnp.stack([old_rows, old_columns], axis=-1))
    return jnp.clip(limits - jnp.abs(limits - places), 0, limits)  # beyond the edge: mirrored


def _resampled(images: jax.Array, places: jax.Array) -> jax.Array:
    """Pixels at these places, between pixels in proportion."""
    low = jnp.floor(places)
    share = (places - low)[..., None]
    limits = jnp.asarray([images.shape[1] - 1, images.shape[2] - 1], places.dtype)
    high = jnp.minimum(low + 1, limits)

    def corner(row: jax.Array, column: jax.Array) -> jax.Array:
        return _taken(images, jnp.stack([row[..., 0], column[..., 1]], axis=-1))

    down, right = share[..., 0, :], share[..., 1, :]
    top = corner(low, low) * (1 - right) + corner(low, high) * right
    bottom = corner(high, low) * (1 - right) + corner(high, high) * right
    return top * (1 - down) + bottom * down


def _taken(images: jax.Array, places: jax.Array) -> jax.Array:
    """Pixels at whole places (b, h, w, 2)."""
    n, height, width = images.shape[:3]
    flat = images.reshape(n, height * width, -1)
    index = places[..., 0].astype("int32") * width + places[..., 1].astype("int32")
    found = jax.vmap(lambda image, chosen: image[chosen])(flat, index.reshape(n, -1))
    return found.reshape(*index.shape, images.shape[-1])


def _recoloured(key: jax.Array, images: jax.Array, strength: float) -> jax.Array:
    far = COLOUR * strength
    keys = jax.random.split(key, 3)
    brightness, contrast, saturation = (
        jax.random.uniform(one, (len(images), 1, 1, 1), images.dtype, -far, far) for one in keys
    )
    mean = images.mean(axis=(1, 2), keepdims=True)
    result = (images - mean) * (1 + contrast) + mean + 255 * brightness
    grey = result.mean(axis=3, keepdims=True)
    result = (result - grey) * (1 + saturation) + grey
    return jnp.clip(result, 0, 255)


def _erased(key: jax.Array, images: jax.Array) -> jax.Array:
    """Half of the images with a rectangle in their mean colour."""
    n, height, width = images.shape[:3]
    coin, area, ratio, row, column = jax.random.uniform(key, (5, n), images.dtype)
    area = ERASED[0] + area * (ERASED[1] - ERASED[0])
    stretch = jnp.exp((2 * ratio - 1) * math.log(3))
    tall, wide = jnp.sqrt(area * stretch) * height, jnp.sqrt(area / stretch) * width
    rows, columns = jnp.arange(height)[None, :, None], jnp.arange(width)[None, None, :]

    def covered(places: jax.Array, centre: jax.Array, length: jax.Array) -> jax.Array:
        return jnp.abs(places - centre[:, None, None]) < length[:, None, None] / 2

    inside = covered(rows, row * height, tall) & covered(columns, column * width, wide)
    inside = inside & (coin < 0.5)[:, None, None]
    return jnp.where(inside[..., None], images.mean(axis=(1, 2), keepdims=True), images)


def _mixed(
    key: jax.Array, images: dict[str, jax.Array], targets: jax.Array, known: jax.Array | None, is_real: jax.Array
) -> Varied:
    """Each real row with another real one, in shares that are drawn."""
    of_shares, of_partners = jax.random.split(key)
    share = jax.random.beta(of_shares, MIXED, MIXED, (len(targets),), targets.dtype)
    share = jnp.maximum(share, 1 - share)
    count = jnp.maximum(is_real.sum(), 1)
    step = jax.random.randint(of_partners, (), 0, count)
    partner = (jnp.arange(len(targets)) + step) % count

    def mixed(values: jax.Array) -> jax.Array:
        own = share.reshape([-1, *[1] * (values.ndim - 1)])
        return own * values + (1 - own) * values[partner]

    both = None if known is None else known & known[partner]
    return Varied({name: mixed(block) for name, block in images.items()}, mixed(targets), both)
