"""Tiles of images, and scores blended back."""

import numpy as np
import pytest

from manyhot.data.pixel_targets import PixelTargets
from manyhot.data.targets import Targets
from manyhot.errors import InputError
from manyhot.models.segmentation import ImageSet, blend_tiles, cut_tiles, tile_shape
from manyhot.models.segmentation.tiling import places, starts, window


@pytest.mark.parametrize("length", [1, 15, 16, 17, 31, 40, 100])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.75])
def test_tiles_cover_an_edge_and_overlap_as_told(length, overlap):
    begins = starts(length, 16, overlap)
    covered = np.zeros(max(length, 16), dtype=int)
    for place in begins:
        covered[place : place + 16] += 1
    assert covered[:length].all()
    assert begins[0] == 0
    if length > 16:
        assert begins[-1] + 16 == length
        assert max(np.diff(begins)) <= 16 - round(overlap * 16)


def test_tiles_are_no_larger_than_the_images():
    assert tile_shape([(20, 300), (33, 40)], 256, 16) == (48, 256)
    assert tile_shape([(5, 5)], 256, 16) == (16, 16)
    with pytest.raises(InputError, match="multiple of 24"):
        tile_shape([(5, 5)], 256, 24)


def pictures(sizes, seed: int = 0) -> ImageSet:
    generator = np.random.default_rng(seed)
    return ImageSet([generator.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes])


SIZES = [(16, 16), (40, 23), (7, 50), (16, 17), (1, 1)]


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_what_looks_at_single_pixels_is_blended_to_itself(overlap, batch):
    images = pictures(SIZES)
    seen = []

    def score(tiles: np.ndarray) -> np.ndarray:
        seen.append(len(tiles))
        return tiles[..., :2].astype(np.float32) / 255

    rows = np.array([4, 0, 1, 3])
    found = dict(blend_tiles(images, rows, (16, 16), overlap, score, batch))
    assert list(found) == rows.tolist()
    for row, scores in found.items():
        np.testing.assert_allclose(scores, images[row][..., :2] / 255, atol=1e-6)
    assert max(seen) <= batch
    assert sum(seen) == sum(len(places(images[row].shape[:2], (16, 16), overlap)) for row in rows)


def test_seams_are_smooth():
    """A score that says only how far a pixel is from the edge of its tile changes by no step."""
    images = ImageSet([np.zeros((16, 200), dtype=np.uint8)])

    def score(tiles: np.ndarray) -> np.ndarray:
        ramp = np.linspace(0, 1, 32, dtype=np.float32)[None, None, :, None]
        return np.broadcast_to(ramp, (*tiles.shape[:3], 1))

    (_, scores), *_ = blend_tiles(images, np.array([0]), (16, 32), 0.5, score, 4)
    assert np.abs(np.diff(scores[8, :, 0])).max() < 0.15
    assert window((8, 8)).min() > 0


def test_training_tiles_hold_every_pixel_and_leave_the_rest_unknown():
    images = pictures(SIZES)
    generator = np.random.default_rng(1)
    values = [generator.random((*size, 2)) < 0.4 for size in SIZES]
    known = [None, generator.random((*SIZES[1], 2)) < 0.7, None, None, None]
    targets = PixelTargets(tuple(Targets(v, k) for v, k in zip(values, known, strict=True)))
    tiles = cut_tiles(images, targets, (16, 16))
    assert tiles.images.shape[1:] == (16, 16, 3)
    assert np.bincount(tiles.owners).tolist() == [len(places(size, (16, 16), 0.0)) for size in SIZES]
    single = np.flatnonzero(tiles.owners == 4)[0]
    assert tiles.targets.known_mask()[single].sum() == 2
    assert tiles.targets.known_mask()[single][0, 0].all()
    np.testing.assert_array_equal(tiles.targets.values[0], values[0])
    for row, size in enumerate(SIZES):
        whole = np.zeros((*size, 2), dtype=bool)
        is_there = np.zeros((*size, 2), dtype=bool)
        for tile, (y, x) in zip(np.flatnonzero(tiles.owners == row), places(size, (16, 16), 0.0), strict=True):
            height, width = min(16, size[0] - y), min(16, size[1] - x)
            whole[y : y + 16, x : x + 16] = tiles.targets.values[tile][:height, :width]
            is_there[y : y + 16, x : x + 16] = tiles.targets.known_mask()[tile][:height, :width]
            assert not tiles.targets.known_mask()[tile][height:].any()
            assert not tiles.targets.known_mask()[tile][:, width:].any()
        np.testing.assert_array_equal(whole, targets.images[row].values)
        np.testing.assert_array_equal(is_there, targets.images[row].known_mask())
    assert len(set(tiles.digests)) == len(SIZES)


def test_images_and_targets_of_different_sizes_are_refused():
    targets = PixelTargets((Targets(np.zeros((16, 16, 1), bool)), Targets(np.zeros((16, 15, 1), bool))))
    with pytest.raises(InputError, match=r"16 x 16 pixels, but its labels 16 x 15.*") as caught:
        cut_tiles(pictures([(16, 16), (16, 16)]), targets, (16, 16))
    assert caught.value.row == 2
