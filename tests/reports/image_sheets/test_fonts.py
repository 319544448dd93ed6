"""Texts: how wide they are, what is cut, and what stands for letters that no font has."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from manyhot.reports.image_sheets import fonts
from manyhot.reports.image_sheets.fonts import ELLIPSIS, cut, draw_text, text_length

TEXTS = [
    "buildings",
    "Straßenbahnhaltestelle mit Überdachung",
    "iiiiiillllllttttt!!!",
    "WWWWMMMM@@@@",
    "ABCXYZ 0123456789 (a), {b} [c] <d> & 'e' \"f\"",
    "Привет, мир",
    "Žluťoučký kůň",
    "ΑΒΓ αβγ",
    "汽车和城市绿地",
    "≥ 0.40, −2.5 → a",
]
CACHED = (fonts._set, fonts._glyphs, fonts._file_with, fonts._files)


@pytest.fixture
def families(monkeypatch):
    """Sets the fonts that are looked for; what was found before and meanwhile is forgotten."""

    def choose(chosen: tuple[tuple[str, str], ...]) -> None:
        monkeypatch.setattr(fonts, "FAMILIES", chosen)
        forget()

    yield choose
    forget()


def forget() -> None:
    for function in CACHED:
        function.cache_clear()


@pytest.fixture(params=["system", "bundled"])
def at_hand(request, families):
    """With the fonts of the system, and where there are none."""
    families(fonts.FAMILIES if request.param == "system" else ())


def drawn(text: str, size: float = 28, is_bold: bool = False) -> np.ndarray:
    """A text as it looks, black on white; it begins at 20 and stands on 60."""
    board = Image.new("L", (1600, 90), "white")
    draw_text(ImageDraw.Draw(board), 20, 60, text, size, is_bold)
    return np.asarray(board)


@pytest.mark.parametrize("is_bold", [False, True])
@pytest.mark.parametrize("text", TEXTS)
def test_texts_are_as_wide_as_is_said(at_hand, text, is_bold):
    dark = np.flatnonzero((drawn(text, is_bold=is_bold) < 128).any(axis=0))
    length = text_length(text, 28, is_bold)
    assert dark.min() >= 20 - 2
    assert 0.85 * length < dark.max() - 20 <= length + 2


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("length", [60, 120, 200])
def test_cut_texts_fit_and_show_that_they_are_cut(at_hand, text, length):
    short = cut(text, 26, length)
    assert text_length(short, 26) <= length
    assert short == text or ELLIPSIS in short
    if short != text and len(short) > 4:
        assert short[0] == text[0]
        assert short[-1] == text[-1]


def test_texts_of_several_lines_and_odd_letters_are_one_line():
    assert cut("a\nb\t\x00 c", 26, 400) == "a b c"
    assert cut("", 26, 20) == ""
    assert len(cut("x" * 100_000, 26, 200)) < 20


@pytest.mark.parametrize("letter", ["日", "\ue000", "\ud800", "\U000e0fff"])
def test_a_letter_that_no_font_has_is_a_box(at_hand, letter):
    if fonts._file_with(letter, False) is not None:
        pytest.skip("a font of this system has it")
    assert (drawn(f"a{letter}b") < 128).sum() > (drawn("a b") < 128).sum() + 20
    np.testing.assert_array_equal(drawn(letter), drawn("\ue001"))


def test_letters_of_latin_are_told_apart_without_any_font_of_the_system(families):
    families(())
    pictures = {letter: drawn(letter).tobytes() for letter in "aäáàâãåcçnñAÄÅuü日"}
    assert len(set(pictures.values())) == len(pictures)
    top = {letter: np.flatnonzero((drawn(letter) < 128).any(axis=1)).min() for letter in "AaÄäÉéÊê"}
    assert all(top[marked] <= top[plain] - 3 for plain, marked in ("AÄ", "aä", "AÉ", "aé", "AÊ", "aê"))
    np.testing.assert_array_equal(drawn("Straße ≥ 1"), drawn("Strasse >= 1"))
    np.testing.assert_array_equal(drawn("a\u0308"), drawn("ä"))


def test_bold_is_darker(at_hand):
    assert (255 - drawn("answered", is_bold=True)).sum() > 1.15 * (255 - drawn("answered")).sum()


def test_each_letter_is_drawn_in_the_first_font_that_has_it(families):
    try:
        ImageFont.truetype("DejaVuSans.ttf", 20)
    except OSError:
        pytest.skip("this system has no DejaVu Sans")
    families((("none.ttf", "none.ttf"), ("DejaVuSans.ttf", "none.ttf")))
    assert fonts._files(False) == fonts._files(True) == ("DejaVuSans.ttf", fonts.BUNDLED)
    assert fonts._file_with("≥", False) == "DejaVuSans.ttf"
    assert [piece.is_thickened for piece in fonts._set("ab", 20, True)[0]] == [True]
