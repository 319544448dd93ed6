"""A sheet to draw on: texts, boxes, lines and images at places in units, and the PNG file that comes of it.

The sheet is an SVG document that vl-convert draws with the fonts that it brings along, so that a sheet looks the same
everywhere and how wide a text is can be said beforehand. What is drawn is not known here. Start reading at `Canvas`.
"""

from __future__ import annotations

import base64
import io
import unicodedata
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from manyhot.files import atomic_write, write_all

FONT = "Liberation Sans, sans-serif"
DENSITY = 2
"""Pixels of the file for one unit of the sheet."""
MIN_SQUARE = 4
"""Pixels of the file from which a pixel of an image is a square that one sees; below it is smoothed."""
INK, SOFT, LINE, BLUE, GREY = "#1f1f1f", "#5c5c5c", "#d4d4d4", "#2b62a6", "#a9b0b8"
ELLIPSIS = "…"
_BY_WIDTH = {
    191: "'",
    222: "ijl",
    260: "|",
    278: " !,./:;I[\\]ft",
    333: "()-`r",
    334: "{}",
    355: '"',
    389: "*",
    469: "^",
    500: "Jckvsxyz",
    556: "#$0123456789?L_abdeghnopqu",
    584: "+<=>~",
    611: "FTZ",
    667: "&ABEKPSVXY",
    722: "CDHNRUw",
    778: "GOQ",
    833: "Mm",
    889: "%",
    944: "W",
    1015: "@",
}
_WIDTHS = {letter: width / 1000 for width, letters in _BY_WIDTH.items() for letter in letters}
_WIDEST = 1.05
_BOLD = 0.056
"""What bold adds to a letter, at most."""


def text_width(text: str, size: float, is_bold: bool = False) -> float:
    """How wide a text is, in units; for letters beyond Latin at least that."""
    return size * sum(_letter_width(letter) + (_BOLD if is_bold else 0) for letter in text)


def _letter_width(letter: str) -> float:
    if letter in _WIDTHS:
        return _WIDTHS[letter]
    if unicodedata.combining(letter):
        return 0.0
    base = unicodedata.normalize("NFD", letter)[0]
    if base in _WIDTHS:
        return _WIDTHS[base]
    return _WIDEST if unicodedata.east_asian_width(letter) in "FW" or not letter.islower() else 0.8


def cut(text: str, size: float, width: float, is_bold: bool = False) -> str:
    """A text on one line, with an ellipsis in its middle where it is too wide.

    The middle goes, as names that begin alike differ at their ends.
    """
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    if text_width(text, size, is_bold) <= width:
        return text
    for n_kept in range(min(len(text) - 1, 400), 1, -1):
        head = n_kept - n_kept // 3
        short = text[:head].rstrip() + ELLIPSIS + text[len(text) - n_kept // 3 :].lstrip()
        if text_width(short, size, is_bold) <= width:
            return short
    return ELLIPSIS


class Canvas:
    """A white sheet; x goes to the right and y down, in units."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = round(width), round(height)
        self.parts: list[str] = []

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
        weight = ' font-weight="bold"' if is_bold else ""
        attributes = f'x="{x:.2f}" y="{y:.2f}" font-size="{size:g}" text-anchor="{anchor}" fill="{colour}"'
        self.parts.append(f"<text {attributes}{weight}>{escape(text)}</text>")

    def box(self, x: float, y: float, width: float, height: float, colour: str, outline: str = "none") -> None:
        """A filled box."""
        attributes = f'x="{x:.2f}" y="{y:.2f}" width="{max(width, 0):.2f}" height="{height:.2f}"'
        self.parts.append(f'<rect {attributes} fill="{colour}" stroke="{outline}"/>')

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: str, width: float = 1) -> None:
        """A straight line."""
        ends = f'x1="{x0:.2f}" y1="{y0:.2f}" x2="{x1:.2f}" y2="{y1:.2f}"'
        self.parts.append(f'<line {ends} stroke="{colour}" stroke-width="{width:g}"/>')

    def tick(self, x: float, y: float, size: float, colour: str) -> None:
        """A check mark that is `size` wide and stands on y."""
        points = ((0, -0.4), (0.36, -0.04), (1, -0.8))
        path = " ".join(f"{x + size * a:.2f},{y + size * b:.2f}" for a, b in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{size / 4.5:.2f}"/>')

    def image(self, x: float, y: float, image: np.ndarray, width: float, height: float) -> None:
        """An image uint8 (h, w, 3) in a thin frame, its pixels kept as squares where `fit_size` enlarged it so."""
        factor = width * DENSITY / image.shape[1]
        if factor != int(factor):
            image = resize(image, round(width * DENSITY), round(height * DENSITY))
        attributes = f'x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" preserveAspectRatio="none"'
        data = base64.b64encode(_png(image)).decode()
        self.parts.append(f'<image {attributes} image-rendering="optimizeSpeed" href="data:image/png;base64,{data}"/>')
        self.parts.append(
            f'<rect x="{x - 0.5:.2f}" y="{y - 0.5:.2f}" width="{width + 1:.2f}" height="{height + 1:.2f}" '
            f'fill="none" stroke="{LINE}"/>'
        )

    def svg(self) -> str:
        """The sheet as an SVG document."""
        size = f'width="{self.width}" height="{self.height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}">'
        return "".join([head, f'<rect {size} fill="#ffffff"/>', *self.parts, "</svg>"])

    def save(self, path: Path) -> None:
        """Write the sheet as PNG, whole or not at all."""
        import vl_convert  # heavy, and only for pictures

        content = vl_convert.svg_to_png(self.svg(), scale=DENSITY)
        with atomic_write(path) as descriptor:
            write_all(descriptor, memoryview(content))


def fit_size(shape: tuple[int, ...], box: float) -> tuple[float, float]:
    """Width and height in units that an image (h, w, ...) is shown with in a square box.

    A small one is enlarged by a whole number of the file's pixels, so that all its pixels are squares of one size.
    """
    factor = box * DENSITY / max(shape[:2])
    factor = int(factor) if factor >= MIN_SQUARE else factor
    return shape[1] * factor / DENSITY, max(1 / DENSITY, shape[0] * factor / DENSITY)


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """An image uint8 (h, w, 3) in another size."""
    from PIL import Image  # heavy, and only for pictures

    size = (max(1, width), max(1, height))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0))


def _png(image: np.ndarray) -> bytes:
    from PIL import Image  # heavy, and only for pictures

    content = io.BytesIO()
    picture: Any = Image.fromarray(np.ascontiguousarray(image))
    picture.save(content, "PNG", compress_level=1)
    return content.getvalue()
