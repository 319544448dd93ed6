"""Rows as a person sees them: their texts, their images, their first columns."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

MAX_ROWS = 500  # rows that are shown as themselves, the most important ones; others are named
MAX_IMAGES = 160
TEXT_LETTERS = 400
CELL_LETTERS = 60
COLUMNS = 6
EDGE = 192  # pixels of the longer edge of an image
QUALITY = 80


def contents(
    rows: Sequence[int], texts: Mapping[str, pl.Series], images: Iterable[np.ndarray | None], cells: pl.DataFrame
) -> dict[int, dict[str, Any]]:
    """Row -> its `text`, its `image` (a JPEG file in base64) and `cells` (name, value), as far as it has any."""
    by_row: dict[int, dict[str, Any]] = {}
    for row in rows[:MAX_ROWS]:
        content: dict[str, Any] = {}
        parts = [(name, str(column[row])) for name, column in texts.items() if column[row] is not None]
        if parts:
            text = parts[0][1] if len(texts) == 1 else " / ".join(f"{name}: {text}" for name, text in parts)
            content["text"] = shorten(text, TEXT_LETTERS)
        elif cells.width and not texts:
            names = cells.columns[:COLUMNS]
            content["cells"] = [[name, shorten(_cell(cells[name][row]), CELL_LETTERS)] for name in names]
        by_row[row] = content
    for row, image in zip(rows[:MAX_IMAGES], images, strict=False):
        if image is not None:
            by_row[row]["image"] = as_jpeg(image)
            by_row[row].pop("cells", None)
    return {row: content for row, content in by_row.items() if content}


def as_jpeg(image: np.ndarray) -> str:
    """A small image as a JPEG file in base64."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=QUALITY)
    return base64.b64encode(file.getvalue()).decode()


def shorten(text: str, letters: int) -> str:
    """A text of at most so many letters."""
    return text if len(text) <= letters else f"{text[: letters - 1]}\N{HORIZONTAL ELLIPSIS}"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
