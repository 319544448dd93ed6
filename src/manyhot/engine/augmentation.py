"""Vary images inside the compiled training step: moved, recoloured, erased, mixed, and their targets with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from manyhot.backend import jax
from manyhot.config.training import TrainingConfig

jnp = jax.numpy

GEOMETRIC = ("flip", "flip_vertical", "quarter_turns", "shift", "rotate", "zoom")
MAX_SHIFT = 0.08  # farthest shift, as a share of the edge
MAX_ANGLE = math.radians(10)
MAX_ZOOM = 0.12  # farthest zoom: the logarithm of the factor
MAX_COLOUR = 0.25  # farthest change of brightness (where 1 is white), contrast and saturation (of 1)
ERASED_SHARES = (0.02, 0.2)  # smallest and largest share of an image that is covered
MIXUP_ALPHA = 0.2  # both parameters of the beta distribution of the shares of two mixed images


class Augmentation(NamedTuple):
    """How images are varied."""

    names: tuple[str, ...]  # some of `images.AUGMENTATIONS`
    strength: float  # how far; 1 is usual


class TrainBatch(NamedTuple):
    """The rows that a step trains on."""

    inputs: dict[str, Any]  # name of a block without a table -> (b, ...); images (b, h, w, c) from 0 to 255
    targets: Any  # float (b, ..., l) in [0, 1]
    known: Any  # bool like targets, or None where everything is known


def augment(
    key: jax.Array, batch: TrainBatch, images: Sequence[str], is_real: jax.Array, augmentation: Augmentation
) -> TrainBatch:
    """Augment the named images of a batch, and its targets; padding rows, not `is_real`, come last."""
    # Source: random erasing, arXiv 1708.04896; mixup, arXiv 1710.09412, with the larger share kept first.
    inputs, targets, known = dict(batch.inputs), batch.targets, batch.known
    is_segmentation = targets.ndim > 2
    for index, name in enumerate(images):
        block_key = jax.random.fold_in(key, index)
        pixels = inputs[name].astype(targets.dtype)
        if any(move in augmentation.names for move in GEOMETRIC):
            positions = _sample_positions(jax.random.fold_in(block_key, 0), pixels.shape, augmentation, pixels.dtype)
            pixels = _resample(pixels, positions)
            if is_segmentation:
                nearest = jnp.rint(positions)
                targets = _gather_pixels(targets, nearest)
                known = None if known is None else _gather_pixels(known, nearest)
        if "colour" in augmentation.names:
            pixels = _recolour(jax.random.fold_in(block_key, 1), pixels, augmentation.strength)
        if "erase" in augmentation.names:
            pixels = _erase(jax.random.fold_in(block_key, 2), pixels)
        inputs[name] = pixels
    if "mixup" not in augmentation.names:
        return TrainBatch(inputs, targets, known)
    blend, partner = _mix_up(jax.random.fold_in(key, len(images)), targets, is_real)
    inputs |= {name: blend(inputs[name]) for name in images}
    return TrainBatch(inputs, blend(targets), None if known is None else known & known[partner])


def _sample_positions(key: jax.Array, shape: tuple[int, ...], augmentation: Augmentation, dtype: Any) -> jax.Array:
    """Where in the old image each pixel of the new one comes from: (b, h, w, 2), rows and columns."""
    n, height, width = shape[:3]
    keys = iter(jax.random.split(key, 8))

    def sample_uniform(name: str, limit: float) -> jax.Array:
        uniform = jax.random.uniform(next(keys), (n,), dtype, -1, 1)[:, None, None]
        return uniform * (limit * augmentation.strength if name in augmentation.names else 0)

    def sample_sign(name: str) -> jax.Array:
        is_flipped = jax.random.bernoulli(next(keys), 0.5, (n,))[:, None, None] & (name in augmentation.names)
        return jnp.where(is_flipped, -1, 1).astype(dtype)

    angle, zoom = sample_uniform("rotate", MAX_ANGLE), jnp.exp(sample_uniform("zoom", MAX_ZOOM))
    down, right = sample_uniform("shift", MAX_SHIFT) * height, sample_uniform("shift", MAX_SHIFT) * width
    vertical, horizontal = sample_sign("flip_vertical"), sample_sign("flip")
    if "quarter_turns" in augmentation.names:
        turns = jax.random.randint(next(keys), (n,), 0, 4 if height == width else 2)[:, None, None]
        angle = angle + turns * (math.pi / 2 if height == width else math.pi)
    cos, sin = jnp.cos(angle) * zoom, jnp.sin(angle) * zoom
    rows = jnp.arange(height, dtype=dtype)[None, :, None] - (height - 1) / 2
    columns = jnp.arange(width, dtype=dtype)[None, None, :] - (width - 1) / 2
    old_rows = vertical * cos * rows - vertical * sin * columns + down + (height - 1) / 2
    old_columns = horizontal * sin * rows + horizontal * cos * columns + right + (width - 1) / 2
    limits = jnp.asarray([height - 1, width - 1], dtype)
    positions = jnp.abs(jnp.stack([old_rows, old_columns], axis=-1))
    return jnp.clip(limits - jnp.abs(limits - positions), 0, limits)  # beyond the edge: mirrored


def _resample(images: jax.Array, positions: jax.Array) -> jax.Array:
    """Pixels at these places, between pixels in proportion."""
    low = jnp.floor(positions)
    fraction = (positions - low)[..., None]
    limits = jnp.asarray([images.shape[1] - 1, images.shape[2] - 1], positions.dtype)
    high = jnp.minimum(low + 1, limits)

    def corner(row: jax.Array, column: jax.Array) -> jax.Array:
        return _gather_pixels(images, jnp.stack([row[..., 0], column[..., 1]], axis=-1))

    down, right = fraction[..., 0, :], fraction[..., 1, :]
    top = corner(low, low) * (1 - right) + corner(low, high) * right
    bottom = corner(high, low) * (1 - right) + corner(high, high) * right
    return top * (1 - down) + bottom * down


def _gather_pixels(images: jax.Array, positions: jax.Array) -> jax.Array:
    """Pixels at whole places (b, h, w, 2)."""
    n, height, width = images.shape[:3]
    flat = images.reshape(n, height * width, -1)
    index = positions[..., 0].astype("int32") * width + positions[..., 1].astype("int32")
    pixels = jax.vmap(lambda image, indices: image[indices])(flat, index.reshape(n, -1))
    return pixels.reshape(*index.shape, images.shape[-1])


def _recolour(key: jax.Array, images: jax.Array, strength: float) -> jax.Array:
    limit = MAX_COLOUR * strength
    keys = jax.random.split(key, 3)
    brightness, contrast, saturation = (
        jax.random.uniform(channel_key, (len(images), 1, 1, 1), images.dtype, -limit, limit) for channel_key in keys
    )
    mean = images.mean(axis=(1, 2), keepdims=True)
    result = (images - mean) * (1 + contrast) + mean + 255 * brightness
    grey = result.mean(axis=3, keepdims=True)
    result = (result - grey) * (1 + saturation) + grey
    return jnp.clip(result, 0, 255)


def _erase(key: jax.Array, images: jax.Array) -> jax.Array:
    """Half of the images with a rectangle in their mean colour."""
    n, height, width = images.shape[:3]
    coin, area, ratio, row, column = jax.random.uniform(key, (5, n), images.dtype)[..., None, None]
    area = ERASED_SHARES[0] + area * (ERASED_SHARES[1] - ERASED_SHARES[0])
    aspect = jnp.exp((2 * ratio - 1) * math.log(3))
    box_height, box_width = jnp.sqrt(area * aspect) * height, jnp.sqrt(area / aspect) * width
    rows, columns = jnp.arange(height)[None, :, None], jnp.arange(width)[None, None, :]

    def is_covered(positions: jax.Array, centre: jax.Array, length: jax.Array) -> jax.Array:
        return jnp.abs(positions - centre) < length / 2

    is_in_box = is_covered(rows, row * height, box_height) & is_covered(columns, column * width, box_width)
    is_erased = is_in_box & (coin < 0.5)
    return jnp.where(is_erased[..., None], images.mean(axis=(1, 2), keepdims=True), images)


def _mix_up(
    key: jax.Array, targets: jax.Array, is_real: jax.Array
) -> tuple[Callable[[jax.Array], jax.Array], jax.Array]:
    """Draw shares of each real row and of its partner, another real one -> what mixes an array, and the partners."""
    share_key, partner_key = jax.random.split(key)
    share = jax.random.beta(share_key, MIXUP_ALPHA, MIXUP_ALPHA, (len(targets),), targets.dtype)
    share = jnp.maximum(share, 1 - share)
    count = jnp.maximum(is_real.sum(), 1)
    step = jax.random.randint(partner_key, (), 0, count)
    partner = (jnp.arange(len(targets)) + step) % count

    def blend(values: jax.Array) -> jax.Array:
        block_share = share.reshape([-1, *[1] * (values.ndim - 1)])
        return block_share * values + (1 - block_share) * values[partner]

    return blend, partner


def make_augmentation(config: TrainingConfig) -> Augmentation | None:
    """How images are varied in training; None for not at all."""
    options = config.image_params
    if options["augment"] == "auto" or not options["augment"]:
        return None
    return Augmentation(tuple(options["augment"]), options["strength"])
