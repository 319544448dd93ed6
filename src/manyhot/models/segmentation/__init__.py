"""Labels of every pixel: pictures, tiles, samples of pixels, tallies; start reading at README.md."""

from manyhot.models.segmentation.confusion_counts import ConfusionCounts
from manyhot.models.segmentation.images import ImageSet, image_set
from manyhot.models.segmentation.pixel_sample import MAX_SAMPLE_PIXELS, PixelSample, sample_pixels
from manyhot.models.segmentation.tiling import Tiles, blend_tiles, cut_tiles, tile_shape

__all__ = [
    "MAX_SAMPLE_PIXELS",
    "ConfusionCounts",
    "ImageSet",
    "PixelSample",
    "Tiles",
    "blend_tiles",
    "cut_tiles",
    "image_set",
    "sample_pixels",
    "tile_shape",
]
