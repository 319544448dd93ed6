"""What images can be told: how they are brought to one size, what the network on them looks like, how they are varied.

The Plan, the command line's help, the encoder and the networks read it, so it must not know how any of it is carried
out. Start reading at `IMAGE_SETTINGS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manyhot.ranges import Choice, Listed, Number, Setting, Sizes, Whole, filled

IMAGE_NETWORKS = ("cnn", "resnet", "convnext")
"""Networks that take images."""
PIXEL_NETWORKS = ("unet",)
"""Networks that take images and give every pixel its labels."""
FITS = ("pad", "stretch", "crop")
CHANNELS = ("auto", "grey", "colour")
POOLS = ("auto", "flatten", "average")
AUGMENTATIONS = ("flip", "flip_vertical", "quarter_turns", "shift", "rotate", "zoom", "colour", "erase", "mixup")
ON_BAD_IMAGE = ("error", "skip")
"""What becomes of a row whose image cannot be used."""
MOST_EDGE = 4096

ENCODER_SETTINGS: dict[str, Setting] = {
    "size": Sizes("auto", 4, MOST_EDGE, (1, 2), "height and width that images are brought to, such as 128 or 96x64"),
    "channels": Choice("auto", CHANNELS, "grey, colour, or what the images of training are"),
    "fit": Choice("pad", FITS, "how an image of another shape is brought to that size"),
}
"""Settings of the encoder: how an image becomes an array."""

NETWORK_SETTINGS: dict[str, Setting] = {
    "filters": Sizes("auto", 1, 4096, tuple(range(1, 9)), "filters of each stage, such as 32x64x128"),
    "blocks": Whole(1, 1, 64, "convolutions (or residual blocks) of each stage"),
    "kernel": Whole(3, 1, 15, "edge of a filter in pixels"),
    "pool": Choice("auto", POOLS, "how the last stage becomes one row: all its numbers, or each filter's mean"),
}
"""Settings of the networks that are trained from nothing."""

PIXEL_SETTINGS: dict[str, Setting] = {
    "patch": Whole(2, 1, 8, "edge of the squares of pixels that the network for pixels sees as one place"),
    "tile": Whole(256, 16, MOST_EDGE, "for pixels: edge of the tiles that larger images are cut into"),
    "overlap": Number(0.25, 0.0, 0.9, "for pixels: share of a tile's edge that the next tile answers too"),
}
"""Settings of the network that labels pixels, and of the tiles that it sees."""

TRAINING_SETTINGS: dict[str, Setting] = {
    "augment": Listed("auto", AUGMENTATIONS, "how images are varied in training; none for not at all"),
    "strength": Number(1.0, 0.0, 4.0, "how far they are varied; 1 is usual"),
}
"""Settings of training."""

IMAGE_SETTINGS: dict[str, Setting] = {
    **ENCODER_SETTINGS,
    **NETWORK_SETTINGS,
    **PIXEL_SETTINGS,
    **TRAINING_SETTINGS,
}
"""All settings by name."""


def image_settings(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """All settings: what was given, and the defaults for the rest.

    Raises:
        InputError: No such setting, or a value out of its range.
    """
    return filled(IMAGE_SETTINGS, given, "image_settings", "image_settings", "{'size': 128}")
