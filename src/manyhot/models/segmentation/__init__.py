"""Labels of every pixel: pictures, tiles, samples of pixels, tallies; start reading at README.md."""

from manyhot.models.segmentation.confusion_counts import Tally
from manyhot.models.segmentation.images import Pictures, pictures_of
from manyhot.models.segmentation.pixel_sample import PIXELS_DRAWN, Drawn, draw
from manyhot.models.segmentation.tiling import Tiles, blended, cut_tiles, tile_shape

__all__ = [
    "PIXELS_DRAWN",
    "Drawn",
    "Pictures",
    "Tally",
    "Tiles",
    "blended",
    "cut_tiles",
    "draw",
    "pictures_of",
    "tile_shape",
]
