"""The legend under labels of pixels."""

import numpy as np
import pytest

from manyhot.reports.image_sheets.mask_overlay import overlay

LONG = "sehr lange Bezeichnung einer Landnutzungsklasse, Grünfläche, städtisch, Nummer"


def legend(*names: str) -> np.ndarray:
    """What stands under an image of 256 x 8 pixels that all carry all labels."""
    image = np.zeros((8, 256, 3), np.uint8)
    return overlay(image, np.ones((8, 256, len(names)), dtype=bool), names)[8:]


def test_long_names_are_cut_in_their_middle_and_stay_apart():
    first, second = legend(f"{LONG} 1"), legend(f"{LONG} 2")
    assert first.shape == second.shape
    assert (first != second).any()
    assert (first[:, -2:] == 255).all()


@pytest.mark.parametrize("names", [("car", "Bäume", "x"), ("汽车", LONG, "car"), (LONG, LONG)])
def test_every_name_has_its_square_and_its_text(names):
    board = legend(*names)
    alone = sum((legend(name) < 128).all(axis=2)[:, 16:].sum() for name in names)
    assert (board < 128).all(axis=2).sum() > 0.8 * alone > 0
