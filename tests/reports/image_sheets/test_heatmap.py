"""Colours over an image: signs are kept, nothing hides the image, scales are shared."""

import numpy as np
import pytest

from manyhot.reports.image_sheets.heatmap import AGAINST, FOR, overlay_heatmap, ramp, shared_strength, smooth


def test_smoothing_keeps_the_sum():
    pixels = np.random.default_rng(0).normal(size=(28, 40))
    assert smooth(pixels).sum() == pytest.approx(pixels.sum())
    assert np.abs(smooth(pixels)).max() < np.abs(pixels).max()


def test_for_and_against_have_their_colours_and_the_image_stays_visible():
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, ::2] = 255
    heat = np.zeros((4, 8))
    heat[:, :2], heat[:, 6:] = 1, -1
    shown = overlay_heatmap(image, heat, 1.0, 8).astype(int)
    assert shown.shape == (4, 8, 3)
    assert np.abs(shown[:, 1] - FOR).max() < 30
    assert np.abs(shown[:, 7] - AGAINST).max() < 30
    assert (shown[:, 0] > shown[:, 1]).all()
    assert np.ptp(shown[:, 3:5], axis=2).max() == 0
    assert (shown[:, 4] - shown[:, 3] > 150).all()


def test_both_colours_are_about_as_light():
    light = [np.dot(np.array(colour) / 255, [0.2126, 0.7152, 0.0722]) for colour in (FOR, AGAINST)]
    assert abs(light[0] - light[1]) < 0.05


@pytest.mark.parametrize("shape", [(28, 28), (5, 9), (400, 300)])
def test_small_images_are_enlarged_by_whole_pixels(shape):
    image = np.zeros((*shape, 3), np.uint8)
    shown = overlay_heatmap(image, np.ones(shape), 1.0, 352)
    factor = max(1, 352 // max(shape))
    assert shown.shape == (shape[0] * factor, shape[1] * factor, 3)
    assert np.ptp(shown.reshape(-1, 3), axis=0).max() == 0


def test_one_strength_for_all_and_none_for_nothing():
    quiet, loud = np.full((10, 10), 0.1), np.full((10, 10), -4.0)
    assert shared_strength([quiet, loud]) == 4.0
    assert shared_strength([np.zeros((3, 3))]) > 0
    assert shared_strength([]) == 1.0
    assert (overlay_heatmap(np.full((3, 3, 3), 90, np.uint8), np.zeros((3, 3)), shared_strength([]), 3) > 0).all()


def test_the_ramp_goes_from_against_to_for():
    colours = ramp(50, 4).astype(int)
    assert colours[0, 0, 2] > colours[0, 0, 0] + 100
    assert colours[0, -1, 0] > colours[0, -1, 2] + 100
    assert (np.diff(colours[0, :, 0]) >= 0).all()
