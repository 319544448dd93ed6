"""Pictures of images: answers beside an image, the worst mistakes of a label; as PNG files in a folder."""

from manyhot.gallery.answered import Answered
from manyhot.gallery.answered import drawn as draw_answered
from manyhot.gallery.folder import check_folder, file_name
from manyhot.gallery.mistakes import MOST_TILES, Mistake, Mistakes, worst
from manyhot.gallery.mistakes import drawn as draw_mistakes

__all__ = [
    "MOST_TILES",
    "Answered",
    "Mistake",
    "Mistakes",
    "check_folder",
    "draw_answered",
    "draw_mistakes",
    "file_name",
    "worst",
]
