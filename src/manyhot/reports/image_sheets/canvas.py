"""A sheet to draw on: texts, boxes, lines and images at places in units, and the PNG file that comes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from manyhot.reports.image_sheets import fonts
from manyhot.reports.image_sheets.folder import save_png

DENSITY = 2  # pixels of the file for one unit of the sheet
MIN_SQUARE = 4  # pixels of the file from which a pixel of an image is a square that one sees; below it is smoothed
FINENESS = 8  # parts of a pixel in which lines are drawn before they are smoothed
INK, SOFT, LINE, BLUE, GREY = "#1f1f1f", "#5c5c5c", "#d4d4d4", "#2b62a6", "#a9b0b8"


def text_width(text: str, size: float, is_bold: bool = False) -> float:
    """How wide a text is, in units."""
    return fonts.text_length(text, size * DENSITY, is_bold) / DENSITY


def cut(text: str, size: float, width: float, is_bold: bool = False) -> str:
    """A text on one line of so many units, with an ellipsis in its middle where it is too wide."""
    return fonts.cut(text, size * DENSITY, width * DENSITY, is_bold)


class Canvas:
    """A white sheet; x goes to the right and y down, in units."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = round(width), round(height)
        self.picture = Image.new("RGB", (self.width * DENSITY, self.height * DENSITY), "white")
        self._pen = ImageDraw.Draw(self.picture)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        is_bold: bool = False,
        colour: str = INK,
        anchor: str = "start",
    ) -> None:
        """A text whose baseline is at y; anchor: start, middle or end at x."""
        x -= text_width(text, size, is_bold) * {"start": 0, "middle": 0.5, "end": 1}[anchor]
        fonts.draw_text(self._pen, x * DENSITY, round(y * DENSITY), text, size * DENSITY, is_bold, colour)

    def box(self, x: float, y: float, width: float, height: float, colour: str, outline: str | None = None) -> None:
        """A filled box; an outline goes over its edge."""
        left, top, right, bottom = (round(edge * DENSITY) for edge in (x, y, x + width, y + height))
        if outline is not None:
            self._pen.rectangle((left - 1, top - 1, right, bottom), colour, outline, DENSITY)
        elif right > left and bottom > top:
            self._pen.rectangle((left, top, right - 1, bottom - 1), colour)

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: str, width: float = 1) -> None:
        """A straight line."""
        self._draw_line(((x0, y0), (x1, y1)), colour, width)

    def tick(self, x: float, y: float, size: float, colour: str) -> None:
        """A check mark that is `size` wide and stands on y."""
        points = ((0, -0.4), (0.36, -0.04), (1, -0.8))
        self._draw_line([(x + size * a, y + size * b) for a, b in points], colour, size / 4.5)

    def image(self, x: float, y: float, image: np.ndarray, width: float, height: float) -> None:
        """An image uint8 (h, w, 3) in a thin frame, its pixels kept as squares where `fit_size` enlarged it so."""
        shown = resize(image, round(width * DENSITY), round(height * DENSITY))
        left, top = round(x * DENSITY), round(y * DENSITY)
        right, bottom = left + shown.shape[1], top + shown.shape[0]
        frame = (left - DENSITY, top - DENSITY, right + DENSITY - 1, bottom + DENSITY - 1)
        self._pen.rectangle(frame, None, LINE, DENSITY)
        self.picture.paste(Image.fromarray(shown), (left, top))

    def save(self, path: Path) -> None:
        """Write the sheet as PNG, whole or not at all."""
        save_png(self.picture, path)

    def _draw_line(self, points: Sequence[tuple[float, float]], colour: str, width: float) -> None:
        """A line through points with smooth edges, which Pillow's own lines do not have."""
        pixels, thickness = np.array(points) * DENSITY, width * DENSITY
        left, top = (math.floor(low - thickness) for low in pixels.min(axis=0))
        right, bottom = (math.ceil(high + thickness) for high in pixels.max(axis=0))
        mask = Image.new("L", ((right - left) * FINENESS, (bottom - top) * FINENESS))
        fine = [(float(x - left) * FINENESS, float(y - top) * FINENESS) for x, y in pixels]
        ImageDraw.Draw(mask).line(fine, 255, round(thickness * FINENESS), "curve")
        self.picture.paste(colour, (left, top), mask.resize((right - left, bottom - top), Image.Resampling.BOX))


def fit_size(shape: tuple[int, ...], box: float) -> tuple[float, float]:
    """Width and height in units of an image (h, w, ...) in a square box; small ones grow by a whole factor."""
    factor = box * DENSITY / max(shape[:2])
    factor = int(factor) if factor >= MIN_SQUARE else factor
    return shape[1] * factor / DENSITY, max(1 / DENSITY, shape[0] * factor / DENSITY)


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """An image uint8 (h, w, 3) in another size, by squares where it is enlarged by a whole number."""
    width, height = max(1, width), max(1, height)
    factor = width // image.shape[1]
    if (height, width) == (factor * image.shape[0], factor * image.shape[1]):
        return image.repeat(factor, axis=0).repeat(factor, axis=1)
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0))
