"""Pictures of images: answers beside an image, the worst mistakes of a label; as PNG files in a folder."""

from manyhot.reports.image_sheets.folder import check_folder, file_name, save_png
from manyhot.reports.image_sheets.mistakes import MAX_TILES, ErrorSheet, ErrorTile, worst
from manyhot.reports.image_sheets.mistakes import draw_sheet as draw_errors
from manyhot.reports.image_sheets.prediction import PredictionSheet
from manyhot.reports.image_sheets.prediction import draw_sheet as draw_prediction

__all__ = [
    "MAX_TILES",
    "ErrorSheet",
    "ErrorTile",
    "PredictionSheet",
    "check_folder",
    "draw_errors",
    "draw_prediction",
    "file_name",
    "save_png",
    "worst",
]
