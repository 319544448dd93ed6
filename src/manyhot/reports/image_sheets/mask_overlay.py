"""Answers drawn over an image: each label tinted and outlined in its own colour, the legend below."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from manyhot.files import put, replacing

TINT = 0.35
"""How much of a label's colour is seen inside."""
LINE = 16
"""Height of a line of the legend in pixels."""
GAP = 8
GOLDEN = 0.618
MIN_WIDTH = 256
"""Pixels that a picture is wide, if whole pixels of the image can be made as large."""


def colours(count: int) -> np.ndarray:
    """Colours far apart, uint8 (count, 3); the first ones do not depend on how many there are."""
    tones = [colorsys.hsv_to_rgb((0.02 + GOLDEN * k) % 1, 0.9, 1.0 if k % 2 == 0 else 0.75) for k in range(count)]
    return np.rint(255 * np.array(tones).reshape(count, 3)).astype(np.uint8)


def overlay(image: np.ndarray, answers: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Answers over an image.

    Args:
        image: uint8 (h, w, 3) or (h, w, 1).
        answers: bool (h, w, l).
        names: The l labels.

    Returns:
        uint8 (h + legend, w, 3); the image keeps its place and all of its pixels can be seen through the tints.
    """
    drawn = np.broadcast_to(image, (*image.shape[:2], 3)).astype(np.float32)
    tones = colours(len(names)).astype(np.float32)
    n_here = answers.sum(axis=2, keepdims=True)
    mixed = answers.astype(np.float32) @ tones / np.maximum(n_here, 1)
    drawn = np.where(n_here > 0, (1 - TINT) * drawn + TINT * mixed, drawn)
    for j in range(len(names)):
        drawn[outline(answers[..., j])] = tones[j]
    picture = np.rint(drawn).astype(np.uint8)
    there = [j for j in range(len(names)) if answers[..., j].any()]
    return np.concatenate([picture, _legend(picture.shape[1], [names[j] for j in there], tones[there])])


def save_overlay(path: Path, image: np.ndarray, answers: np.ndarray, names: Sequence[str]) -> None:
    """Write `overlay` as PNG, whole or not at all; small images are enlarged so that the legend can be read."""
    times = max(1, MIN_WIDTH // image.shape[1])
    image, answers = (array.repeat(times, axis=0).repeat(times, axis=1) for array in (image, answers))
    content = io.BytesIO()
    Image.fromarray(overlay(image, answers, names)).save(content, "PNG")
    with replacing(path) as descriptor:
        put(descriptor, content.getbuffer())


def outline(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask (h, w) that touch one outside of it; the edge of the image is no outline."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def _legend(width: int, names: Sequence[str], tones: np.ndarray) -> np.ndarray:
    """Names with their colours on white, as many lines as they need."""
    font = ImageFont.load_default()
    places, x, y = [], GAP, 0
    for name in names:
        length = LINE + int(font.getlength(name)) + GAP
        if x > GAP and x + length > width:
            x, y = GAP, y + LINE
        places.append((x, y))
        x += length
    board = Image.new("RGB", (width, y + LINE if names else 0), "white")
    pen = ImageDraw.Draw(board)
    for (x, y), name, tone in zip(places, names, tones, strict=True):
        colour = tuple(int(part) for part in tone)
        pen.rectangle((x, y + 3, x + LINE - 6, y + LINE - 3), fill=colour, outline="black")
        pen.text((x + LINE - 2, y + 2), name, fill="black", font=font)
    return np.asarray(board)
