"""A map of what speaks for and against a label, as colours over the image."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

# orange and blue of much the same lightness, which all kinds of colour vision tell apart
FOR, AGAINST = (224, 84, 0), (32, 124, 240)
SMOOTHING = 1 / 28  # deviation of the smoothing as a share of the longer edge
MAX_OPACITY = 0.9  # how much of the image the strongest colour covers


def smooth(pixels: np.ndarray) -> np.ndarray:
    """A map float (h, w) without the noise of single pixels; its sum stays the same."""
    return gaussian_filter(np.asarray(pixels, np.float64), SMOOTHING * max(pixels.shape), mode="reflect")


def shared_strength(maps: Iterable[np.ndarray]) -> float:
    """Full strength among smoothed maps that are compared: all but their strongest half percent stay below."""
    values = [np.abs(heatmap).ravel() for heatmap in maps]
    return max(float(np.quantile(np.concatenate(values), 0.995)), 1e-12) if values else 1.0


def overlay_heatmap(image: np.ndarray, heat: np.ndarray, strength: float, edge: int) -> np.ndarray:
    """The image in grey under a map's colours, uint8; its pixels stay squares, `edge` is about the longer one."""
    factor = max(1, edge // max(image.shape[:2]))
    grey = image.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    grey = 40 + grey * (225 - 40) / 255  # room for colours on black and on white
    background = np.repeat(np.repeat(grey, factor, axis=0), factor, axis=1)[..., None]
    enlarged = zoom(heat, factor, order=1, mode="nearest", grid_mode=True) if factor > 1 else heat
    opacity = np.clip(np.abs(enlarged) / strength, 0, 1)[..., None] * MAX_OPACITY
    colour = np.where(enlarged[..., None] > 0, np.array(FOR, float), np.array(AGAINST, float))
    return np.rint(background * (1 - opacity) + colour * opacity).astype(np.uint8)


def ramp(width: int, height: int) -> np.ndarray:
    """The colours from the strongest against to the strongest for, uint8 (height, width, 3)."""
    grey = np.full((height, width, 3), 128, np.uint8)
    values = np.broadcast_to(np.linspace(-1, 1, width), (height, width))
    return overlay_heatmap(grey, values, 1.0, 1)
