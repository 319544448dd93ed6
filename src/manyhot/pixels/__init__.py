"""Labels of every pixel: pictures, tiles, samples of pixels, tallies; start reading at README.md."""

from manyhot.pixels.overlay import overlay, save_overlay
from manyhot.pixels.pictures import Pictures, pictures_of
from manyhot.pixels.sample import PIXELS_DRAWN, Drawn, draw
from manyhot.pixels.tally import Tally
from manyhot.pixels.tiles import Tiles, blended, cut_tiles, tile_shape

__all__ = [
    "PIXELS_DRAWN",
    "Drawn",
    "Pictures",
    "Tally",
    "Tiles",
    "blended",
    "cut_tiles",
    "draw",
    "overlay",
    "pictures_of",
    "save_overlay",
    "tile_shape",
]
