"""Sheets: how wide texts are, what is cut, how images are scaled, what is written."""

import io

import numpy as np
import pytest
from PIL import Image

from manyhot.reports.image_sheets.svg import DENSITY, ELLIPSIS, Canvas, cut, fit_size, text_width

TEXTS = [
    "buildings",
    "Straßenbahnhaltestelle mit Überdachung",
    "iiiiiillllllttttt!!!",
    "WWWWMMMM@@@@",
    "ABCXYZ 0123456789 (a), {b} [c] <d> & 'e' \"f\"",
    "Привет, мир",
    "Žluťoučký kůň",
    "ΑΒΓ αβγ",
]


def render_png(canvas: Canvas, tmp_path) -> np.ndarray:
    canvas.save(tmp_path / "sheet.png")
    return np.asarray(Image.open(io.BytesIO((tmp_path / "sheet.png").read_bytes())).convert("RGB"))


@pytest.mark.parametrize("is_bold", [False, True])
@pytest.mark.parametrize("text", TEXTS)
def test_no_text_is_wider_than_was_said(text, is_bold, tmp_path):
    canvas = Canvas(900, 40)
    canvas.text(10, 25, text, 14, is_bold)
    dark = np.flatnonzero((render_png(canvas, tmp_path) < 128).any(axis=(0, 2)))
    reached = dark.max() / DENSITY - 10
    expected_width = text_width(text, 14, is_bold)
    assert reached <= expected_width + 1
    if text.isascii():
        assert reached > 0.85 * expected_width


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("width", [30, 60, 100])
def test_cut_texts_fit_and_show_that_they_are_cut(text, width):
    short = cut(text, 13, width)
    assert text_width(short, 13) <= width
    assert short == text or ELLIPSIS in short
    if short != text and len(short) > 4:
        assert short[0] == text[0]
        assert short[-1] == text[-1]


def test_texts_of_several_lines_and_odd_letters_are_one_line():
    assert cut("a\nb\t\x00 c", 13, 200) == "a b c"
    assert cut("", 13, 10) == ""
    assert len(cut("x" * 100_000, 13, 100)) < 20


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


def test_pixels_of_small_images_stay_squares(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    width, height = fit_size(image.shape, 40)
    canvas = Canvas(60, 60)
    canvas.image(10, 10, image, width, height)
    factor = round(width * DENSITY / 7)
    corner = 10 * DENSITY
    found = render_png(canvas, tmp_path)[corner : corner + 5 * factor, corner : corner + 7 * factor]
    middle = factor // 2
    np.testing.assert_array_equal(found[middle::factor, middle::factor], image)


def test_the_same_sheet_gives_the_same_bytes(tmp_path):
    canvas = Canvas(120, 40)
    canvas.text(5, 20, '<b> & "c" ü', 13)
    canvas.tick(80, 20, 10, "#000000")
    canvas.save(tmp_path / "a.png")
    canvas.save(tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert Image.open(tmp_path / "a.png").size == (120 * DENSITY, 40 * DENSITY)
