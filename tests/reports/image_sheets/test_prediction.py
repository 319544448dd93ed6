"""One row's picture: which labels it shows, and that everything is where it should be."""

import numpy as np
import pytest

from manyhot.reports.image_sheets.prediction import (
    BAR_WIDTH,
    IN_ORDER,
    MAX_LABELS,
    MAX_MAPS,
    PredictionSheet,
    drawn,
    lay_out,
    shown_labels,
)
from manyhot.reports.image_sheets.svg import width_of

LONG = "sehr lange Bezeichnung einer Landnutzungsklasse (Grünfläche, städtisch) Nummer"


def row(n_labels: int, shape=(64, 80), n_maps: int = 0, title: str = "image 7", n_images: int = 1) -> PredictionSheet:
    generator = np.random.default_rng(n_labels)
    scores, thresholds = generator.random(n_labels), generator.uniform(0.2, 0.9, n_labels)
    images = [generator.integers(0, 256, (*shape, 3), dtype=np.uint8) for _ in range(n_images)]
    names = [f"{LONG} {k}" if k % 3 else f"car {k}" for k in range(n_labels)]
    seen = [(image, generator.normal(size=shape)) for image in images]
    maps = {int(k): seen for k in np.flatnonzero(scores >= thresholds)[:n_maps]}
    return PredictionSheet(title, images, names, scores, scores >= thresholds, thresholds, maps)


@pytest.mark.parametrize("shape", [(28, 28), (480, 640), (200, 1200), (1200, 150), (1, 1)])
@pytest.mark.parametrize("n_labels", [1, 3, 12, 40, 200])
def test_nothing_overlaps_and_everything_is_on_the_sheet(n_labels, shape):
    given = row(n_labels, shape, n_maps=20)
    at = lay_out(given)
    (image_x, image_y, image_width, image_height) = at.images[0]
    names = [bar.x0 - width_of(bar.name, at.letters, bar.is_answered) for bar in at.bars]
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
    assert width_of(at.title, 15, True) <= at.width - 32


@pytest.mark.parametrize("n_labels", [3, 40, 200])
def test_bars_and_threshold_marks_stand_at_their_numbers(n_labels):
    given = row(n_labels)
    for bar in lay_out(given).bars:
        assert (bar.x1 - bar.x0) / BAR_WIDTH == pytest.approx(given.scores[bar.label])
        assert (bar.threshold - bar.x0) / BAR_WIDTH == pytest.approx(given.thresholds[bar.label])
        assert (bar.x1 >= bar.threshold) == bar.is_answered == given.answers[bar.label]


def test_few_labels_keep_their_order_and_many_are_ranked():
    given = row(IN_ORDER)
    assert [bar.label for bar in lay_out(given).bars] == list(range(IN_ORDER))
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
    assert shown_labels(np.ones(41), np.ones(41, dtype=bool))[1] == "and 1 more, 1 of them answered"


def test_answers_are_set_apart_by_more_than_colour():
    given = row(12)
    sheet = "".join(drawn(given).parts)
    assert sheet.count("<polyline") == given.answers.sum() + 1
    bold = sum(bar.is_answered for bar in lay_out(given).bars)
    assert sheet.count('font-weight="bold"') == 2 * bold + 2


def test_no_thresholds_no_marks():
    given = row(5)
    plain = PredictionSheet(given.title, given.images, given.labels, given.scores, given.answers)
    assert all(bar.threshold is None for bar in lay_out(plain).bars)
    assert "threshold" not in "".join(drawn(plain).parts)


def test_more_maps_than_fit_are_counted():
    given = row(60, n_maps=60)
    at = lay_out(given)
    assert len({label for label, *_ in at.maps}) == MAX_MAPS
    assert at.more_maps == len(given.maps) - MAX_MAPS
    assert f"(and {at.more_maps} more)" in "".join(drawn(given).parts)


def test_a_missing_image_and_several_images(tmp_path):
    given = row(4, n_images=2, n_maps=2)
    given = PredictionSheet(
        given.title, [given.images[0], None], given.labels, given.scores, given.answers, None, given.maps
    )
    at = lay_out(given)
    assert at.images[1][1] > at.images[0][1] + at.images[0][3]
    sheet = drawn(given)
    assert "no image" in sheet.svg()
    sheet.save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_names_are_no_markup():
    given = PredictionSheet("<a> & b", [None], ["<script>"], np.array([0.4]), np.array([True]))
    assert "&lt;script&gt;" in drawn(given).svg()
    assert "&lt;a&gt; &amp; b" in drawn(given).svg()
