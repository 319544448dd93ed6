"""Sheets: where texts and boxes stand, how images are scaled, what is written."""

import numpy as np
import pytest
from PIL import Image

from manyhot.reports.image_sheets.canvas import BLUE, DENSITY, Canvas, cut, fit_size, text_width


def render_png(canvas: Canvas, tmp_path) -> np.ndarray:
    canvas.save(tmp_path / "sheet.png")
    return np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB"))


@pytest.mark.parametrize(("anchor", "begins"), [("start", 100), ("middle", 50), ("end", 0)])
def test_texts_stand_where_they_are_anchored(anchor, begins, tmp_path):
    text = "HHHHHHHHHH"
    size = 100 / text_width(text, 1)
    canvas = Canvas(300, 60)
    canvas.text(100, 40, text, size, anchor=anchor)
    ys, xs = np.nonzero((render_png(canvas, tmp_path) < 128).all(axis=2))
    assert abs(xs.min() / DENSITY - begins) < 3
    assert abs(xs.max() / DENSITY - begins - text_width(text, size)) < 3
    assert ys.max() == 40 * DENSITY - 1


def test_units_of_widths_are_those_of_the_sheet():
    assert text_width(cut("a long name of a label", 13, 60), 13) <= 60
    assert text_width("a long name", 13) > 60 > text_width("a", 13) > 0


def test_boxes_and_lines_cover_what_is_said(tmp_path):
    canvas = Canvas(60, 40)
    canvas.box(10, 10, 20, 5, "#ff0000")
    canvas.box(10, 30, 0.2, 5, "#ff0000")
    canvas.line(45, 10, 45, 30, "#0000ff", 2)
    found = render_png(canvas, tmp_path)
    ys, xs = np.nonzero((found == [255, 0, 0]).all(axis=2))
    assert (xs.min(), xs.max() + 1, ys.min(), ys.max() + 1) == (20, 60, 20, 30)
    ys, xs = np.nonzero(found[..., 0] < 128)
    assert abs((xs.max() - xs.min() + 1) - 2 * DENSITY) <= 1
    assert abs((ys.max() - ys.min() + 1) - 20 * DENSITY) <= 1
    assert abs(xs.mean() + 0.5 - 45 * DENSITY) <= 0.5


def test_a_tick_is_as_wide_as_is_said_and_stands_on_its_line(tmp_path):
    canvas = Canvas(60, 40)
    canvas.tick(10, 30, 20, BLUE)
    ys, xs = np.nonzero((render_png(canvas, tmp_path) < 250).any(axis=2))
    assert abs(xs.max() - xs.min() - 20 * DENSITY) <= 20 / 4.5 * DENSITY + 2
    assert abs(ys.max() - 30 * DENSITY) <= 20 / 4.5 / 2 * DENSITY + 2


@pytest.mark.parametrize("shape", [(28, 28), (8, 10), (1200, 150), (200, 1200), (1, 4000), (640, 640), (128, 100)])
def test_small_images_are_enlarged_by_whole_pixels_and_none_leaves_its_box(shape):
    width, height = fit_size(shape, 320)
    assert max(width, height) <= 320
    factors = width * DENSITY / shape[1], height * DENSITY / shape[0]
    if max(shape) <= 160:
        assert factors[0] == factors[1] == int(factors[0])
        assert max(width, height) > 160
    elif min(shape) > 10:
        assert max(width, height) == 320
        assert factors[0] == pytest.approx(factors[1])


@pytest.mark.parametrize("shape", [(28, 28), (1200, 150), (1, 4000), (640, 641)])
def test_images_fill_their_place_and_no_more(shape, tmp_path):
    width, height = fit_size(shape, 320)
    canvas = Canvas(360, 360)
    canvas.image(20, 20, np.zeros((*shape, 3), np.uint8), width, height)
    ys, xs = np.nonzero((render_png(canvas, tmp_path) == 0).all(axis=2))
    assert (xs.min(), ys.min()) == (20 * DENSITY, 20 * DENSITY)
    assert (xs.max() + 1 - xs.min(), ys.max() + 1 - ys.min()) == (round(width * DENSITY), round(height * DENSITY))


def test_pixels_of_small_images_stay_squares(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    width, height = fit_size(image.shape, 40)
    canvas = Canvas(60, 60)
    canvas.image(10, 10, image, width, height)
    factor = round(width * DENSITY / 7)
    corner = 10 * DENSITY
    found = render_png(canvas, tmp_path)[corner : corner + 5 * factor, corner : corner + 7 * factor]
    np.testing.assert_array_equal(found, image.repeat(factor, axis=0).repeat(factor, axis=1))


def test_the_same_sheet_gives_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        canvas = Canvas(120, 40)
        canvas.text(5, 20, '<b> & "c" ü', 13)
        canvas.tick(80, 20, 10, "#000000")
        canvas.save(tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert Image.open(tmp_path / "a.png").size == (120 * DENSITY, 40 * DENSITY)
