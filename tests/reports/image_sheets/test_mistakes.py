"""Sheets of mistakes: which rows are on them, in which order, and where."""

import numpy as np
import pytest

from manyhot.reports.image_sheets.mistakes import ACROSS, TILE, UNDER, ErrorSheet, ErrorTile, draw_sheet, lay_out, worst


def test_the_most_wrong_come_first_and_unknown_is_no_mistake():
    scores = np.array([0.9, 0.95, 0.2, 0.1, 0.8, 0.99, 0.05])
    answers = scores > 0.5
    holds = np.array([False, False, True, True, True, False, True])
    known = np.array([True, True, True, True, True, False, False])
    assert worst(scores, answers, holds, known) == ([1, 0], [3, 2])
    assert worst(scores, answers, answers, known) == ([], [])


def tiles(n: int) -> list[ErrorTile]:
    image = np.zeros((20, 30, 3), np.uint8)
    return [ErrorTile(f"a rather long name of image {k}", image if k % 2 else None, k / 20) for k in range(n)]


def test_tiles_do_not_overlap_and_headings_count():
    errors = ErrorSheet("Bäume", 0.4, 900, tiles(18), 57, tiles(4), 4)
    width, height, (wrongly, missed) = lay_out(errors)
    assert wrongly.heading.endswith("57, here the 18 worst")
    assert missed.heading.endswith("predicted: 4")
    assert (len(wrongly.tiles), len(missed.tiles)) == (18, 4)
    places = [*wrongly.tiles, *missed.tiles]
    assert max(x for x, _ in places) + TILE <= width
    assert max(y for _, y in places) + TILE + UNDER <= height
    assert max(y for _, y in wrongly.tiles) + TILE + 30 < missed.y - 13
    assert len({x for x, _ in places}) == ACROSS
    for k, (x, y) in enumerate(places):
        assert all(abs(x - a) >= TILE or abs(y - b) >= TILE + UNDER for a, b in places[:k])


def test_a_sheet_says_score_and_threshold_of_each_tile(written):
    draw_sheet(ErrorSheet("Bäume", 0.4, 900, [ErrorTile("a", None, 0.93)], 1, [ErrorTile("b", None, 0.07)], 1))
    for words in ("Bäume", "2 of 900 rows wrong; threshold 0.40", "0.93", "≥ 0.40", "0.07", "< 0.40", "a", "b"):
        assert words in written.words
    written.clear()
    only = ErrorSheet("x", None, 5, (), 0, [ErrorTile("b", None, 0.07)], 1)
    assert len(lay_out(only)[2]) == 1
    draw_sheet(only)
    assert "1 of 5 rows wrong" in written.words


@pytest.mark.parametrize("n_tiles", [1, 4, 18])
@pytest.mark.parametrize("label", ["x", "汽车" * 100, "sehr lange Bezeichnung " * 9])
def test_no_text_is_cut_or_runs_into_another(written, n_tiles, label):
    errors = ErrorSheet(label, 0.4, 9_000_000, tiles(n_tiles), 1_000_000 * n_tiles, tiles(n_tiles), n_tiles)
    written.assert_apart(draw_sheet(errors).width)
