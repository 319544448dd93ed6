"""What images can be told: how they are brought to one size, what the network on them looks like, how they are varied.

The Plan, the command line's help, the encoder and the networks read it, so it must not know how any of it is carried
out. Start reading at `IMAGE_SETTINGS`, then `BACKBONES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from manyhot.config.fields import Choice, Listed, Number, Setting, Sizes, Switch, Whole, Words, filled
from manyhot.errors import InputError

BACKBONE = "backbone"
"""Name of the network that looks at images with a known one, which learns with the rest."""
IMAGE_NETWORKS = ("cnn", "resnet", "convnext", BACKBONE)
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
FEW_MEMBERS = (4, 16)
"""Members with a backbone that learns, and otherwise, at most, where their number is "auto"."""
STEP_ROWS = (32, 1024)
"""Rows of a step likewise."""
MOST_NUMBERS = 2**28
"""Weights of the backbones of all members together, where the number of members is "auto": 1 GiB in float32."""
NONE = "none"
DOWNLOADED = "imagenet"
"""The weights that Keras downloads: learned on a million photographs of a thousand kinds of things."""


class Pixels(NamedTuple):
    """How a network wants its pixels: (value / 255 - mean) / deviation, channel by channel.

    Attributes:
        mean: For red, green and blue, where 1 is white.
        deviation: Likewise.
        is_reversed: Whether blue comes first then.
    """

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    is_reversed: bool = False


PHOTOGRAPHS = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of the photographs of ImageNet."""
SIGNED = Pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""From -1 to 1."""
EVEN = Pixels((128 / 255,) * 3, (128 / 255,) * 3)
"""From -1 to 1, in steps of 1/128."""
CENTRED = Pixels((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3, is_reversed=True)
"""Blue first, the mean of the photographs taken off, not scaled; as Caffe had it."""


class Backbone(NamedTuple):
    """A network of `keras.applications`.

    Attributes:
        maker: The function there that makes it.
        pixels: How it wants its pixels.
        edge: Pixels on an edge of the images that its weights were learned on.
        least_edge: Pixels on an edge that it needs.
        n_weights: Its weights, those that do not learn among them, without the last layer.
    """

    maker: str
    pixels: Pixels
    edge: int
    least_edge: int
    n_weights: int


BACKBONES: dict[str, Backbone] = {
    "mobilenetv2": Backbone("MobileNetV2", SIGNED, 224, 32, 2_257_984),
    "mobilenetv3_small": Backbone("MobileNetV3Small", SIGNED, 224, 32, 939_120),
    "mobilenetv3_large": Backbone("MobileNetV3Large", SIGNED, 224, 32, 2_996_352),
    "efficientnetv2-b0": Backbone("EfficientNetV2B0", PHOTOGRAPHS, 224, 32, 5_919_342),
    "efficientnetv2-b1": Backbone("EfficientNetV2B1", PHOTOGRAPHS, 240, 32, 6_931_166),
    "efficientnetv2-b2": Backbone("EfficientNetV2B2", PHOTOGRAPHS, 260, 32, 8_769_418),
    "efficientnetv2-b3": Backbone("EfficientNetV2B3", PHOTOGRAPHS, 300, 32, 12_930_674),
    "efficientnetv2-s": Backbone("EfficientNetV2S", EVEN, 384, 32, 20_331_428),
    "convnext_tiny": Backbone("ConvNeXtTiny", PHOTOGRAPHS, 224, 32, 27_820_128),
    "convnext_small": Backbone("ConvNeXtSmall", PHOTOGRAPHS, 224, 32, 49_454_688),
    "convnext_base": Backbone("ConvNeXtBase", PHOTOGRAPHS, 224, 32, 87_566_464),
    "resnet50": Backbone("ResNet50", CENTRED, 224, 32, 23_587_712),
    "resnet50v2": Backbone("ResNet50V2", SIGNED, 224, 32, 23_564_800),
    "densenet121": Backbone("DenseNet121", PHOTOGRAPHS, 224, 32, 7_037_504),
    "xception": Backbone("Xception", SIGNED, 299, 71, 20_861_480),
    "inceptionv3": Backbone("InceptionV3", SIGNED, 299, 75, 21_802_784),
}
"""Name of a backbone -> what it is."""

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

BACKBONE_SETTINGS: dict[str, Setting] = {
    "backbone": Choice(NONE, (NONE, *BACKBONES), "a known network that looks at the images"),
    "weights": Words(
        DOWNLOADED, f"what it begins with: {DOWNLOADED} (downloaded once), {NONE}, or a file of Keras' weights", True
    ),
    "tune": Whole(0, 0, 10_000, "epochs in which it learns too, after the layers behind it; 0 leaves it as it is"),
    "tune_rate": Number(1e-4, 1e-9, 1.0, "step size at its highest in these epochs"),
    "cache": Switch(True, "what it makes of images is kept on disk, by their content"),
}
"""Settings of a backbone."""

IMAGE_SETTINGS: dict[str, Setting] = {
    **ENCODER_SETTINGS,
    **BACKBONE_SETTINGS,
    **NETWORK_SETTINGS,
    **PIXEL_SETTINGS,
    **TRAINING_SETTINGS,
}
"""All settings by name."""


def image_settings(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """All settings: what was given, and the defaults for the rest.

    Raises:
        InputError: No such setting, a value out of its range, or values that do not go together.
    """
    told = filled(IMAGE_SETTINGS, given, "image_settings", "image_settings", "{'size': 128}")
    fault = _of_no_backbone(told) if told["backbone"] == NONE else _of_backbone(told)
    if fault:
        raise InputError(fault, argument="image_settings")
    return told


def _of_no_backbone(told: Mapping[str, Any]) -> str:
    for name in ("weights", "tune"):
        if told[name] != BACKBONE_SETTINGS[name].default:
            return f"{name}: belongs to a backbone, and none is named; say backbone, such as 'mobilenetv2'"
    return ""


def _of_backbone(told: Mapping[str, Any]) -> str:
    """What is wrong with settings that name a backbone; empty for nothing."""
    kind = BACKBONES[told["backbone"]]
    if told["size"] != "auto" and min(told["size"]) < kind.least_edge:
        return f"size: got {told['size']}, but {told['backbone']} needs {kind.least_edge} pixels on an edge or more"
    if told["channels"] == "grey":
        return f"channels: {told['backbone']} takes images in colour; grey ones are shown to it as such"
    if told["weights"] == NONE and told["tune"]:
        return "tune: a backbone without weights learns from the first epoch (epochs); leave tune away"
    for name, one in NETWORK_SETTINGS.items():
        if told[name] != one.default:
            return f"{name}: has no effect on a backbone, whose shape is known; leave it away"
    if told["augment"] not in ("auto", []) and not learns(told):
        return (
            "augment: a backbone that stays as it is looks at each image once, so nothing can be varied; say tune=3 or "
            "so, or leave augment away"
        )
    return ""


def learns(told: Mapping[str, Any]) -> bool:
    """Whether a backbone is trained, by all settings."""
    return told["backbone"] != NONE and (told["weights"] == NONE or told["tune"] > 0)


def most_members(told: Mapping[str, Any]) -> int:
    """Members at most where nobody says how many: whole backbones are large, and begin at the same place."""
    if not learns(told):
        return FEW_MEMBERS[1]
    return max(1, min(FEW_MEMBERS[0], MOST_NUMBERS // BACKBONES[told["backbone"]].n_weights))


def most_rows(told: Mapping[str, Any]) -> int:
    """Rows of a step at most where nobody says how many."""
    return STEP_ROWS[0] if learns(told) else STEP_ROWS[1]


def has_weights(told: Mapping[str, Any]) -> bool:
    """Whether a backbone begins with weights from elsewhere, by all settings."""
    return told["backbone"] != NONE and told["weights"] != NONE


def without_weights_file(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Settings as far as a saved file may tell them: no file that would be opened, an empty name in its place."""
    if given is None or given.get("weights", DOWNLOADED) in (DOWNLOADED, NONE):
        return None if given is None else dict(given)
    return {**given, "weights": ""}
