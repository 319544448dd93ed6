"""Settings of images: their size, the networks on them, how they are varied in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from manyhot.config.fields import (
    AUTO,
    NONE,
    BoolField,
    ChoiceField,
    ChoiceListField,
    Field,
    FloatField,
    IntField,
    IntListField,
    TextField,
    fill_defaults,
)
from manyhot.errors import InputError

BACKBONE = "backbone"
"""Name of the network that looks at images with a known one, which learns with the rest."""
IMAGE_NETWORKS = ("cnn", "resnet", "convnext", BACKBONE)
"""Networks that take images."""
PIXEL_NETWORKS = ("unet",)
"""Networks that take images and give every pixel its labels."""
FITS = ("pad", "stretch", "crop")
CHANNELS = ("auto", "grey", "colour")
FLATTEN, AVERAGE = "flatten", "average"
POOLS = (AUTO, FLATTEN, AVERAGE)
AUGMENTATIONS = ("flip", "flip_vertical", "quarter_turns", "shift", "rotate", "zoom", "colour", "erase", "mixup")
ON_BAD_IMAGE = ("error", "skip")
"""What becomes of a row whose image cannot be used."""
MAX_EDGE = 4096
MAX_BLOCKS = 64
"""Blocks of all stages: Keras walks through layers by recursion, and up to seven of its layers make a block."""
USUAL_STAGES = 4
"""Stages where `filters` is "auto"."""
MAX_MEMBERS = (4, 16)
"""Members with a backbone that learns, and otherwise, at most, where their number is "auto"."""
MAX_BATCH_SIZES = (32, 1024)
"""Rows of a step likewise."""
MAX_WEIGHTS = 2**28
"""Weights of the backbones of all members together, where the number of members is "auto": 1 GiB in float32."""
DOWNLOADED = "imagenet"
"""The weights that Keras downloads: learned on a million photographs of a thousand kinds of things."""


class PixelScaling(NamedTuple):
    """How a network wants its pixels: (value / 255 - mean) / deviation, channel by channel."""

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    is_reversed: bool = False


PHOTOGRAPHS = PixelScaling((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of the photographs of ImageNet."""
SIGNED = PixelScaling((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""From -1 to 1."""
EVEN = PixelScaling((128 / 255,) * 3, (128 / 255,) * 3)
"""From -1 to 1, in steps of 1/128."""
CENTRED = PixelScaling((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3, is_reversed=True)
"""Blue first, the mean of the photographs taken off, not scaled; as Caffe had it."""


class BackboneSpec(NamedTuple):
    """A network of `keras.applications`."""

    constructor: str
    pixels: PixelScaling
    edge: int
    min_edge: int
    n_weights: int


BACKBONES: dict[str, BackboneSpec] = {
    "mobilenetv2": BackboneSpec("MobileNetV2", SIGNED, 224, 32, 2_257_984),
    "mobilenetv3_small": BackboneSpec("MobileNetV3Small", SIGNED, 224, 32, 939_120),
    "mobilenetv3_large": BackboneSpec("MobileNetV3Large", SIGNED, 224, 32, 2_996_352),
    "efficientnetv2-b0": BackboneSpec("EfficientNetV2B0", PHOTOGRAPHS, 224, 32, 5_919_342),
    "efficientnetv2-b1": BackboneSpec("EfficientNetV2B1", PHOTOGRAPHS, 240, 32, 6_931_166),
    "efficientnetv2-b2": BackboneSpec("EfficientNetV2B2", PHOTOGRAPHS, 260, 32, 8_769_418),
    "efficientnetv2-b3": BackboneSpec("EfficientNetV2B3", PHOTOGRAPHS, 300, 32, 12_930_674),
    "efficientnetv2-s": BackboneSpec("EfficientNetV2S", EVEN, 384, 32, 20_331_428),
    "convnext_tiny": BackboneSpec("ConvNeXtTiny", PHOTOGRAPHS, 224, 32, 27_820_128),
    "convnext_small": BackboneSpec("ConvNeXtSmall", PHOTOGRAPHS, 224, 32, 49_454_688),
    "convnext_base": BackboneSpec("ConvNeXtBase", PHOTOGRAPHS, 224, 32, 87_566_464),
    "resnet50": BackboneSpec("ResNet50", CENTRED, 224, 32, 23_587_712),
    "resnet50v2": BackboneSpec("ResNet50V2", SIGNED, 224, 32, 23_564_800),
    "densenet121": BackboneSpec("DenseNet121", PHOTOGRAPHS, 224, 32, 7_037_504),
    "xception": BackboneSpec("Xception", SIGNED, 299, 71, 20_861_480),
    "inceptionv3": BackboneSpec("InceptionV3", SIGNED, 299, 75, 21_802_784),
}
"""Name of a backbone -> what it is."""

ENCODER_SETTINGS: dict[str, Field] = {
    "size": IntListField(
        "auto", 4, MAX_EDGE, (1, 2), "height and width that images are brought to, such as 128 or 96x64"
    ),
    "channels": ChoiceField("auto", CHANNELS, "grey, colour, or what the images of training are"),
    "fit": ChoiceField("pad", FITS, "how an image of another shape is brought to that size"),
}
"""Settings of the encoder: how an image becomes an array."""

NETWORK_SETTINGS: dict[str, Field] = {
    "filters": IntListField("auto", 1, 4096, tuple(range(1, 9)), "filters of each stage, such as 32x64x128"),
    "blocks": IntField(1, 1, 64, "convolutions (or residual blocks) of each stage, 64 in all at most"),
    "kernel": IntField(3, 1, 15, "edge of a filter in pixels"),
    "pool": ChoiceField(AUTO, POOLS, "how the last stage becomes one row: all its numbers, or each filter's mean"),
}
"""Settings of the networks that are trained from nothing."""

PIXEL_SETTINGS: dict[str, Field] = {
    "patch": IntField(2, 1, 8, "edge of the squares of pixels that the network for pixels sees as one place"),
    "tile": IntField(256, 16, MAX_EDGE, "for pixels: edge of the tiles that larger images are cut into"),
    "overlap": FloatField(0.25, 0.0, 0.9, "for pixels: share of a tile's edge that the next tile covers too"),
}
"""Settings of the network that labels pixels, and of the tiles that it sees."""

TRAINING_SETTINGS: dict[str, Field] = {
    "augment": ChoiceListField("auto", AUGMENTATIONS, "how images are varied in training; none for not at all"),
    "strength": FloatField(1.0, 0.0, 4.0, "how far they are varied; 1 is usual"),
}
"""Settings of training."""

BACKBONE_SETTINGS: dict[str, Field] = {
    "backbone": ChoiceField(NONE, (NONE, *BACKBONES), "a known network that looks at the images"),
    "weights": TextField(
        DOWNLOADED, f"what it begins with: {DOWNLOADED} (downloaded once), {NONE}, or a file of Keras' weights", True
    ),
    "fine_tune_epochs": IntField(
        0, 0, 10_000, "epochs in which it learns too, after the layers behind it; 0 leaves it as it is"
    ),
    "fine_tune_learning_rate": FloatField(1e-4, 1e-9, 1.0, "step size at its highest in these epochs"),
    "cache": BoolField(True, "what it makes of images is kept on disk, by their content"),
}
"""Settings of a backbone."""

IMAGE_SETTINGS: dict[str, Field] = {
    **ENCODER_SETTINGS,
    **BACKBONE_SETTINGS,
    **NETWORK_SETTINGS,
    **PIXEL_SETTINGS,
    **TRAINING_SETTINGS,
}
"""All settings by name."""


def image_params(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """All settings: what was given, and the defaults for the rest."""
    settings = fill_defaults(IMAGE_SETTINGS, values, "image_params", "image_params", "{'size': 128}")
    n_stages = len(settings["filters"]) if isinstance(settings["filters"], list) else USUAL_STAGES
    if n_stages * settings["blocks"] > MAX_BLOCKS:
        raise InputError(
            f"blocks: {n_stages} stages of {settings['blocks']} blocks are more than the {MAX_BLOCKS} blocks in all "
            "that Keras bears; use fewer, or fewer stages",
            argument="image_params",
        )
    error = _check_no_backbone(settings) if settings["backbone"] == NONE else _check_backbone(settings)
    if error:
        raise InputError(error, argument="image_params")
    return settings


def _check_no_backbone(settings: Mapping[str, Any]) -> str:
    for name in ("weights", "fine_tune_epochs"):
        if settings[name] != BACKBONE_SETTINGS[name].default:
            return f"{name}: belongs to a backbone, and none is named; say backbone, such as 'mobilenetv2'"
    return ""


def _check_backbone(settings: Mapping[str, Any]) -> str:
    """What is wrong with settings that name a backbone; empty for nothing."""
    spec = BACKBONES[settings["backbone"]]
    if settings["size"] != "auto" and min(settings["size"]) < spec.min_edge:
        return (
            f"size: got {settings['size']}, but {settings['backbone']} needs {spec.min_edge} pixels on an edge or more"
        )
    if settings["channels"] == "grey":
        return f"channels: {settings['backbone']} takes images in colour; grey ones are shown to it as such"
    if settings["weights"] == NONE and settings["fine_tune_epochs"]:
        return (
            "fine_tune_epochs: a backbone without weights learns from the first epoch (epochs); omit fine_tune_epochs"
        )
    for name, field in NETWORK_SETTINGS.items():
        if settings[name] != field.default:
            return f"{name}: has no effect on a backbone, whose shape is known; leave it away"
    if settings["augment"] not in ("auto", []) and not is_trainable(settings):
        return (
            "augment: a backbone that stays as it is looks at each image once, so nothing can be varied; say "
            "fine_tune_epochs=3 or "
            "so, or leave augment away"
        )
    return ""


def is_trainable(settings: Mapping[str, Any]) -> bool:
    """Whether a backbone is trained, by all settings."""
    return settings["backbone"] != NONE and (settings["weights"] == NONE or settings["fine_tune_epochs"] > 0)


def max_members(settings: Mapping[str, Any]) -> int:
    """Members at most where nobody says how many: whole backbones are large, and begin at the same place."""
    if not is_trainable(settings):
        return MAX_MEMBERS[1]
    return max(1, min(MAX_MEMBERS[0], MAX_WEIGHTS // BACKBONES[settings["backbone"]].n_weights))


def max_batch_size(settings: Mapping[str, Any]) -> int:
    """Rows of a step at most where nobody says how many."""
    return MAX_BATCH_SIZES[0] if is_trainable(settings) else MAX_BATCH_SIZES[1]


def is_pretrained(settings: Mapping[str, Any]) -> bool:
    """Whether a backbone begins with weights from elsewhere, by all settings."""
    return settings["backbone"] != NONE and settings["weights"] != NONE


def without_weights_file(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Settings as far as a saved file may tell them: no file that would be opened, an empty name in its place."""
    if values is None or values.get("weights", DOWNLOADED) in (DOWNLOADED, NONE):
        return None if values is None else dict(values)
    return {**values, "weights": ""}
