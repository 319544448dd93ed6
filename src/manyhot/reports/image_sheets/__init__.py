"""Pictures of images: answers beside an image, the worst mistakes of a label; as PNG files in a folder."""

from manyhot.reports.image_sheets.folder import check_folder, file_name
from manyhot.reports.image_sheets.mistakes import MAX_TILES, ErrorSheet, Mistake, worst
from manyhot.reports.image_sheets.mistakes import drawn as draw_mistakes
from manyhot.reports.image_sheets.prediction import PredictionSheet
from manyhot.reports.image_sheets.prediction import drawn as draw_answered

__all__ = [
    "MAX_TILES",
    "ErrorSheet",
    "Mistake",
    "PredictionSheet",
    "check_folder",
    "draw_answered",
    "draw_mistakes",
    "file_name",
    "worst",
]
