"""Answers drawn over an image: each label tinted and outlined in its own colour, the legend below."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import binary_erosion

from manyhot.reports.image_sheets.folder import save_png
from manyhot.reports.image_sheets.fonts import cut, draw_text, text_length

TINT = 0.35  # how much of a label's colour is seen inside
LINE = 16  # height of a line of the legend in pixels
LETTERS = 11  # size of its letters
GAP = 8
GOLDEN = 0.618
MIN_WIDTH = 256  # pixels that a picture is wide, if whole pixels of the image can be made as large


def colours(count: int) -> np.ndarray:
    """Colours far apart, uint8 (count, 3); the first ones do not depend on how many there are."""
    tones = [colorsys.hsv_to_rgb((0.02 + GOLDEN * k) % 1, 0.9, 1.0 if k % 2 == 0 else 0.75) for k in range(count)]
    return np.rint(255 * np.array(tones).reshape(count, 3)).astype(np.uint8)


def overlay(image: np.ndarray, predictions: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Answers bool (h, w, l) over an image uint8 (h, w, 3 or 1), the legend below, uint8 (h + legend, w, 3)."""
    canvas = np.broadcast_to(image, (*image.shape[:2], 3)).astype(np.float32)
    tones = colours(len(names)).astype(np.float32)
    n_labels = predictions.sum(axis=2, keepdims=True)
    mixed = predictions.astype(np.float32) @ tones / np.maximum(n_labels, 1)
    canvas = np.where(n_labels > 0, (1 - TINT) * canvas + TINT * mixed, canvas)
    for j in range(len(names)):
        canvas[outline(predictions[..., j])] = tones[j]
    picture = np.rint(canvas).astype(np.uint8)
    present = [j for j in range(len(names)) if predictions[..., j].any()]
    return np.concatenate([picture, _legend(picture.shape[1], [names[j] for j in present], tones[present])])


def save_overlay(path: Path, image: np.ndarray, predictions: np.ndarray, names: Sequence[str]) -> None:
    """Write `overlay` as PNG, whole or not at all; small images are enlarged so that the legend can be read."""
    scale = max(1, MIN_WIDTH // image.shape[1])
    image, predictions = (array.repeat(scale, axis=0).repeat(scale, axis=1) for array in (image, predictions))
    save_png(Image.fromarray(overlay(image, predictions, names)), path)


def outline(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask (h, w) that touch one outside of it; the edge of the image is no outline."""
    return mask & ~binary_erosion(mask, border_value=1)


def _legend(width: int, names: Sequence[str], tones: np.ndarray) -> np.ndarray:
    """Names with their colours on white, as many lines as they need."""
    names = [cut(name, LETTERS, width - GAP - LINE) for name in names]
    places, x, y = [], GAP, 0
    for name in names:
        length = LINE + math.ceil(text_length(name, LETTERS)) + GAP
        if x > GAP and x + length > width:
            x, y = GAP, y + LINE
        places.append((x, y))
        x += length
    board = Image.new("RGB", (width, y + LINE if names else 0), "white")
    pen = ImageDraw.Draw(board)
    for (x, y), name, tone in zip(places, names, tones, strict=True):
        colour = tuple(int(part) for part in tone)
        pen.rectangle((x, y + 3, x + LINE - 6, y + LINE - 3), fill=colour, outline="black")
        draw_text(pen, x + LINE - 2, y + LINE - 4, name, LETTERS)
    return np.asarray(board)
