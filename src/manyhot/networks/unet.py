"""A network with one row of logits for every pixel: stages down, stages up, and what each stage saw handed across.

All of it is convolutions, so any height and width will do that its stages can halve. Start reading at `build_unet`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manyhot.backend import keras
from manyhot.errors import InputError
from manyhot.networks.initialization import Start
from manyhot.networks.layers import BatchNormalization, Bias, Dropout, Pixels


def build_unet(
    shapes: Mapping[str, tuple[int, ...]], n_labels: int, settings: Mapping[str, Any], start: Start
) -> keras.Model:
    """Stages of convolutions that halve height and width, and as many that double them again.

    The first stage sees squares of `patch` x `patch` pixels as one place with as many times the channels, and the last
    gives each of these pixels logits of its own, so that no convolution is done at the full size, which would take
    most of the time. Every convolution is followed by batch normalisation and the activation. A stage on the way up
    brings what is below to its own number of filters, repeats each place 2 x 2, and sees it beside what the stage of
    the same size saw on the way down.

    Args:
        shapes: Shape of the one named input, (h, w, c); h and w can be divided by `edge_factor(settings)`.
        n_labels: Logits of a pixel.
        settings: `images` (name of the input -> mean and deviation of its channels), `filters` (of each stage),
            `blocks` (convolutions of a stage), `kernel` (edge of a filter), `patch`, `activation`, and `dropout` (of
            what the lowest stage gives). Others are not looked at.
        start: Where the weights begin.

    Returns:
        A model from a dict of inputs, uint8 (b, h, w, c), to logits (b, h, w, n_labels).

    Raises:
        InputError: Not exactly one input of images, or a height or width that cannot be halved so often.

    Source:
        Ronneberger, Fischer, Brox (2015), arXiv 1505.04597, with padded convolutions; each pixel's own logits at a
        lower resolution as in Shi et al. (2016), arXiv 1609.05158.
    """
    images, patch, factor = settings["images"], settings["patch"], edge_factor(settings)
    if len(images) != 1 or len(shapes) != 1:
        raise InputError("the network 'unet' takes one column of images and nothing beside it", argument="network")
    ((name, told),) = images.items()
    height, width, channels = shapes[name]
    if height % factor or width % factor:
        raise InputError(f"got {height} x {width} pixels, expected multiples of {factor}", argument="image_settings")
    inputs = keras.Input(shapes[name], name=name, dtype="uint8")
    x = Pixels(told["mean"], told["deviation"], dtype=start.dtype)(inputs)
    x = _together(x, (height, width, channels), patch, start)
    seen = []
    for stage, filters in enumerate(settings["filters"]):
        if stage:
            seen.append(x)
            x = _halved(x, start)
        x = _convolutions(x, filters, settings, start)
    if settings["dropout"] > 0:
        x = Dropout(settings["dropout"], start.seed(), dtype=start.dtype)(x)
    for filters, beside in zip(settings["filters"][-2::-1], seen[::-1], strict=True):
        x = keras.layers.UpSampling2D(2, dtype=start.dtype)(_convolution(x, filters, 1, settings, start))
        x = keras.layers.Concatenate(dtype=start.dtype)([beside, x])
        x = _convolutions(x, filters, settings, start)
    x = keras.layers.Conv2D(
        n_labels * patch**2, 1, use_bias=False, kernel_initializer=start.weights(gain=0.25), dtype=start.dtype
    )(x)
    x = _apart(x, (height, width, n_labels), patch, start)
    return keras.Model({name: inputs}, Bias(start.bias(), dtype=start.dtype, name="logits")(x), name="unet")


def edge_factor(settings: Mapping[str, Any]) -> int:
    """What height and width must be multiples of."""
    return int(settings["patch"] * 2 ** (len(settings["filters"]) - 1))


def _convolutions(x: Any, filters: int, settings: Mapping[str, Any], start: Start) -> Any:
    for _ in range(settings["blocks"]):
        x = _convolution(x, filters, settings["kernel"], settings, start)
    return x


def _convolution(x: Any, filters: int, kernel: int, settings: Mapping[str, Any], start: Start) -> Any:
    x = keras.layers.Conv2D(
        filters, kernel, padding="same", use_bias=False, kernel_initializer=start.weights(), dtype=start.dtype
    )(x)
    x = BatchNormalization(momentum=0.95, dtype=start.dtype)(x)
    return keras.layers.Activation(settings["activation"], dtype=start.dtype)(x)


def _halved(x: Any, start: Start) -> Any:
    """The largest of each 2 x 2; as a maximum over axes, whose gradient is quick on a CPU."""
    height, width, channels = x.shape[1:]
    pairs = keras.layers.Reshape((height // 2, 2, width // 2, 2, channels), dtype=start.dtype)(x)
    return keras.ops.max(pairs, axis=(2, 4))


def _together(x: Any, shape: tuple[int, int, int], patch: int, start: Start) -> Any:
    """Squares of pixels -> one place with all their channels."""
    if patch == 1:
        return x
    height, width, channels = shape
    x = keras.layers.Reshape((height // patch, patch, width // patch, patch, channels), dtype=start.dtype)(x)
    x = keras.layers.Permute((1, 3, 2, 4, 5), dtype=start.dtype)(x)
    return keras.layers.Reshape((height // patch, width // patch, patch**2 * channels), dtype=start.dtype)(x)


def _apart(x: Any, shape: tuple[int, int, int], patch: int, start: Start) -> Any:
    """What `_together` does, the other way round."""
    if patch == 1:
        return x
    height, width, channels = shape
    x = keras.layers.Reshape((height // patch, width // patch, patch, patch, channels), dtype=start.dtype)(x)
    x = keras.layers.Permute((1, 3, 2, 4, 5), dtype=start.dtype)(x)
    return keras.layers.Reshape(shape, dtype=start.dtype)(x)
