"""Labels of every pixel: pictures, tiles, samples of pixels, tallies; start reading at README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from manyhot.lazy_imports import lazy_attributes

if TYPE_CHECKING:
    from manyhot.models.segmentation.confusion_counts import ConfusionCounts
    from manyhot.models.segmentation.images import ImageSet, image_set
    from manyhot.models.segmentation.model import PixelModel, refuse_pixels
    from manyhot.models.segmentation.pixel_sample import MAX_SAMPLE_PIXELS, PixelSample, sample_pixels
    from manyhot.models.segmentation.tiling import Tiles, blend_tiles, cut_tiles, tile_shape
    from manyhot.models.segmentation.training import pixel_inputs, train_pixels

__all__ = [
    "MAX_SAMPLE_PIXELS",
    "ConfusionCounts",
    "ImageSet",
    "PixelModel",
    "PixelSample",
    "Tiles",
    "blend_tiles",
    "cut_tiles",
    "image_set",
    "pixel_inputs",
    "refuse_pixels",
    "sample_pixels",
    "tile_shape",
    "train_pixels",
]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        "confusion_counts": ("ConfusionCounts",),
        "images": (
            "ImageSet",
            "image_set",
        ),
        "model": (
            "PixelModel",
            "refuse_pixels",
        ),
        "pixel_sample": (
            "MAX_SAMPLE_PIXELS",
            "PixelSample",
            "sample_pixels",
        ),
        "tiling": (
            "Tiles",
            "blend_tiles",
            "cut_tiles",
            "tile_shape",
        ),
        "training": (
            "pixel_inputs",
            "train_pixels",
        ),
    },
)
