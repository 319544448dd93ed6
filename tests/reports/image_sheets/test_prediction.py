"""One row's picture: which labels it shows, and that everything is where it should be."""

from dataclasses import replace

import numpy as np
import pytest

from manyhot.reports.image_sheets.canvas import text_width
from manyhot.reports.image_sheets.prediction import (
    BAR_WIDTH,
    MAX_IN_ORDER,
    MAX_LABELS,
    MAX_MAPS,
    PredictionSheet,
    draw_sheet,
    lay_out,
    shown_labels,
)

LONG = "sehr lange Bezeichnung einer Landnutzungsklasse (Grünfläche, städtisch) Nummer"


def row(n_labels: int, shape=(64, 80), n_maps: int = 0, title: str = "image 7", n_images: int = 1) -> PredictionSheet:
    generator = np.random.default_rng(n_labels)
    scores, thresholds = generator.random(n_labels), generator.uniform(0.2, 0.9, n_labels)
    images = [generator.integers(0, 256, (*shape, 3), dtype=np.uint8) for _ in range(n_images)]
    names = [f"{LONG} {k}" if k % 3 else f"car {k}" for k in range(n_labels)]
    image_maps = [(image, generator.normal(size=shape)) for image in images]
    maps = {int(k): image_maps for k in np.flatnonzero(scores >= thresholds)[:n_maps]}
    return PredictionSheet(title, images, names, scores, scores >= thresholds, thresholds, maps)


@pytest.mark.parametrize("shape", [(28, 28), (480, 640), (200, 1200), (1200, 150), (1, 1)])
@pytest.mark.parametrize("n_labels", [1, 3, 12, 40, 200])
def test_nothing_overlaps_and_everything_is_on_the_sheet(n_labels, shape):
    sheet_row = row(n_labels, shape, n_maps=20)
    at = lay_out(sheet_row)
    (image_x, image_y, image_width, image_height) = at.images[0]
    names = [bar.x0 - text_width(bar.name, at.letters, bar.is_predicted) for bar in at.bars]
    assert min(names) - 20 > image_x + image_width
    assert image_y > 16 + 15
    assert at.row >= 1.3 * at.letters
    ys = [bar.y for bar in at.bars]
    assert np.allclose(np.diff(ys), at.row)
    assert at.axis_y > ys[-1] + at.row / 2
    assert at.axis_y + 32 < at.height
    assert at.width <= 1000
    assert at.height <= max(ys[-1], image_y + image_height) + 90 + (0 if not at.maps else 60 + 250 * len(at.maps))
    for label, column, x, y, width, height in at.maps:
        assert x + width <= at.width
        assert y + height + 15 < at.height
        assert y > max(image_y + image_height, at.axis_y + 32)
        others = [one for one in at.maps if one[:2] != (label, column)]
        assert all(x + width <= o[2] or o[2] + o[4] <= x or y + height <= o[3] or o[3] + o[5] <= y for o in others)
    assert text_width(at.title, 15, True) <= at.width - 32


@pytest.mark.parametrize("n_labels", [3, 40, 200])
def test_bars_and_threshold_marks_stand_at_their_numbers(n_labels):
    sheet_row = row(n_labels)
    for bar in lay_out(sheet_row).bars:
        assert (bar.x1 - bar.x0) / BAR_WIDTH == pytest.approx(sheet_row.scores[bar.label])
        assert (bar.threshold - bar.x0) / BAR_WIDTH == pytest.approx(sheet_row.thresholds[bar.label])
        assert (bar.x1 >= bar.threshold) == bar.is_predicted == sheet_row.predictions[bar.label]


def test_few_labels_keep_their_order_and_many_are_ranked():
    sheet_row = row(MAX_IN_ORDER)
    assert [bar.label for bar in lay_out(sheet_row).bars] == list(range(MAX_IN_ORDER))
    scores = row(40).scores
    assert shown_labels(scores, scores > 2) == (np.argsort(-scores).tolist(), "")


def test_what_is_left_out_is_below_what_is_said():
    scores = np.linspace(0, 0.6, 200)
    answers = np.zeros(200, dtype=bool)
    answers[3] = True
    order, more = shown_labels(scores, answers)
    assert len(order) == MAX_LABELS
    assert 3 in order
    assert order == sorted(order, reverse=True)
    left = sorted(set(range(200)) - set(order))
    assert more == "and 160 more below 0.49"
    assert 0.48 <= max(scores[left]) < 0.49
    assert shown_labels(np.ones(41), np.ones(41, dtype=bool))[1] == "and 1 more, 1 of them predicted"


@pytest.mark.parametrize("shape", [(28, 28), (1200, 150), (150, 1200)])
@pytest.mark.parametrize(("n_labels", "n_maps"), [(1, 1), (12, 2), (40, 20), (200, 200)])
def test_no_text_is_cut_or_runs_into_another(written, n_labels, n_maps, shape):
    sheet_row = row(n_labels, shape, n_maps, title="sehr langer Titel 汽车 " * 20)
    named = [f"汽车和城市绿地 {name}" if k % 2 else name for k, name in enumerate(sheet_row.labels)]
    unanswered = (
        {int(np.flatnonzero(~sheet_row.predictions)[0]): next(iter(sheet_row.maps.values()))} if n_labels > 1 else {}
    )
    sheet_row = replace(sheet_row, labels=named, maps=sheet_row.maps | unanswered)
    written.assert_apart(draw_sheet(sheet_row).width)


@pytest.mark.parametrize(("n_labels", "n_maps"), [(20_000, 0), (60, 60)])
def test_a_narrow_sheet_is_wide_enough_for_its_longest_line(written, n_labels, n_maps):
    sheet_row = row(n_labels, (1200, 20), n_maps, title="a")
    sheet_row = replace(sheet_row, labels=[str(k % 10) for k in range(n_labels)])
    written.assert_apart(draw_sheet(sheet_row).width)
    assert any(" more" in words for words in written.words)


def test_large_numbers_under_maps_have_no_decimals(written):
    image = np.zeros((28, 28, 3), np.uint8)
    maps = {0: [(image, np.where(np.arange(28) < 14, 9.0, -9.0) * np.ones((28, 1)))], 1: [(image, np.ones((28, 28)))]}
    sheet_row = PredictionSheet("a", [image], ["x", "y"], np.ones(2), np.ones(2, dtype=bool), None, maps)
    written.assert_apart(draw_sheet(sheet_row).width)
    assert any("for +3" in words and "against −3" in words and "." not in words for words in written.words)
    assert "for +784.00, against +0.00" in written.words


def test_answers_are_set_apart_by_more_than_colour(written):
    sheet_row = row(12)
    draw_sheet(sheet_row)
    assert written.n_ticks == sheet_row.predictions.sum() + 1
    bold = sum(bar.is_predicted for bar in lay_out(sheet_row).bars)
    assert sum(text.is_bold for text in written) == 2 * bold + 2


def test_no_thresholds_no_marks(written):
    sheet_row = row(5)
    plain = PredictionSheet(
        sheet_row.title, sheet_row.images, sheet_row.labels, sheet_row.scores, sheet_row.predictions
    )
    assert all(bar.threshold is None for bar in lay_out(plain).bars)
    draw_sheet(plain)
    assert "predicted" in written.words
    assert "threshold" not in written.words


def test_more_maps_than_fit_are_counted(written):
    sheet_row = row(60, n_maps=60)
    at = lay_out(sheet_row)
    assert len({label for label, *_ in at.maps}) == MAX_MAPS
    assert at.more_maps == len(sheet_row.maps) - MAX_MAPS
    draw_sheet(sheet_row)
    assert f"What spoke for and against (and {at.more_maps} more)" in written.words


def test_a_missing_image_and_several_images(tmp_path, written):
    sheet_row = row(4, n_images=2, n_maps=2)
    sheet_row = PredictionSheet(
        sheet_row.title,
        [sheet_row.images[0], None],
        sheet_row.labels,
        sheet_row.scores,
        sheet_row.predictions,
        None,
        sheet_row.maps,
    )
    at = lay_out(sheet_row)
    assert at.images[1][1] > at.images[0][1] + at.images[0][3]
    sheet = draw_sheet(sheet_row)
    assert "no image" in written.words
    sheet.save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
