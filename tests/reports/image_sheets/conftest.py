"""What is put on a sheet."""

from typing import NamedTuple

import pytest

from manyhot.reports.image_sheets.canvas import Canvas, text_width


class Text(NamedTuple):
    """A text on a sheet: what it says, from where to where it goes, its baseline, whether it is bold."""

    words: str
    left: float
    right: float
    y: float
    size: float
    is_bold: bool


class Written(list):
    """The texts of a sheet, and how many ticks it has."""

    n_ticks = 0

    @property
    def words(self) -> list[str]:
        return [text.words for text in self]

    def assert_apart(self, width: float) -> None:
        """No text leaves a sheet of that width, and none runs into another on its line."""
        for k, a in enumerate(self):
            assert a.left >= 0, a
            assert a.right <= width, a
            for b in self[:k]:
                assert abs(a.y - b.y) >= 0.9 * min(a.size, b.size) or a.right <= b.left or b.right <= a.left, (a, b)


@pytest.fixture
def written(monkeypatch) -> Written:
    """Everything that is written on sheets while a test runs."""
    texts = Written()
    write, draw_tick = Canvas.text, Canvas.tick

    def text(self, x, y, words, size, is_bold=False, colour="#1f1f1f", anchor="start"):
        width = text_width(words, size, is_bold)
        left = x - width * {"start": 0, "middle": 0.5, "end": 1}[anchor]
        texts.append(Text(words, left, left + width, y, size, is_bold))
        write(self, x, y, words, size, is_bold, colour, anchor)

    def tick(self, *arguments):
        texts.n_ticks += 1
        draw_tick(self, *arguments)

    monkeypatch.setattr(Canvas, "text", text)
    monkeypatch.setattr(Canvas, "tick", tick)
    return texts
