"""A network with logits for every pixel: stages down, stages up, and what each stage saw handed across."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manyhot.backend import keras
from manyhot.errors import InputError
from manyhot.networks.conv import convolution
from manyhot.networks.initialization import MemberInitializer
from manyhot.networks.layers import Bias, Dropout, Pixels, normalize_and_activate


def build_unet(
    shapes: Mapping[str, tuple[int, ...]], n_labels: int, settings: Mapping[str, Any], initializer: MemberInitializer
) -> keras.Model:
    """Build stages that halve height and width and as many that double them, logits (b, h, w, n_labels)."""
    # The first stage sees squares of `patch` x `patch` pixels as one place, and the last gives each pixel its own
    # logits: convolutions at the full size would take most of the time.
    # Source: Ronneberger et al. (2015), arXiv 1505.04597, padded; logits at lower resolution as in arXiv 1609.05158.
    images, patch, factor = settings["images"], settings["patch"], edge_factor(settings)
    if len(images) != 1 or len(shapes) != 1:
        raise InputError("the network 'unet' takes one column of images and nothing beside it", argument="network")
    ((name, channel_stats),) = images.items()
    height, width, channels = shapes[name]
    if height % factor or width % factor:
        raise InputError(f"got {height} x {width} pixels, expected multiples of {factor}", argument="image_params")
    inputs = keras.Input(shapes[name], name=name, dtype="uint8")
    x = Pixels(channel_stats["mean"], channel_stats["deviation"], dtype=initializer.dtype)(inputs)
    rows, columns = height // patch, width // patch
    if patch > 1:
        squares = (rows, patch, columns, patch, channels)
        x = _regroup(x, squares, (rows, columns, patch**2 * channels), initializer)
    skips = []
    for stage, filters in enumerate(settings["filters"]):
        if stage:
            skips.append(x)
            x = _max_pool(x, initializer)
        x = _convolutions(x, filters, settings, initializer)
    if settings["dropout"] > 0:
        x = Dropout(settings["dropout"], initializer.seed(), dtype=initializer.dtype)(x)
    for filters, skip in zip(settings["filters"][-2::-1], skips[::-1], strict=True):
        x = keras.layers.UpSampling2D(2, dtype=initializer.dtype)(_convolution(x, filters, 1, settings, initializer))
        x = keras.layers.Concatenate(dtype=initializer.dtype)([skip, x])
        x = _convolutions(x, filters, settings, initializer)
    x = convolution(n_labels * patch**2, 1, initializer, gain=0.25)(x)
    if patch > 1:
        x = _regroup(x, (rows, columns, patch, patch, n_labels), (height, width, n_labels), initializer)
    return keras.Model({name: inputs}, Bias(initializer.bias(), dtype=initializer.dtype, name="logits")(x), name="unet")


def edge_factor(settings: Mapping[str, Any]) -> int:
    """What height and width must be multiples of."""
    return int(settings["patch"] * 2 ** (len(settings["filters"]) - 1))


def _convolutions(x: Any, filters: int, settings: Mapping[str, Any], initializer: MemberInitializer) -> Any:
    for _ in range(settings["blocks"]):
        x = _convolution(x, filters, settings["kernel"], settings, initializer)
    return x


def _convolution(x: Any, filters: int, kernel: int, settings: Mapping[str, Any], initializer: MemberInitializer) -> Any:
    x = convolution(filters, kernel, initializer)(x)
    return normalize_and_activate(x, settings["activation"], initializer.dtype)


def _max_pool(x: Any, initializer: MemberInitializer) -> Any:
    """The largest of each 2 x 2; as a maximum over axes, whose gradient is quick on a CPU."""
    height, width, channels = x.shape[1:]
    pairs = keras.layers.Reshape((height // 2, 2, width // 2, 2, channels), dtype=initializer.dtype)(x)
    return keras.ops.max(pairs, axis=(2, 4))


def _regroup(x: Any, pairs: tuple[int, ...], shape: tuple[int, ...], initializer: MemberInitializer) -> Any:
    """Exchange the second and third axes of (h, a, w, b, c), then give it a shape: squares of pixels <-> channels."""
    x = keras.layers.Reshape(pairs, dtype=initializer.dtype)(x)
    x = keras.layers.Permute((1, 3, 2, 4, 5), dtype=initializer.dtype)(x)
    return keras.layers.Reshape(shape, dtype=initializer.dtype)(x)
