"""Pixels drawn from images."""

import numpy as np

from manyhot.data.pixel_targets import PixelTargets
from manyhot.data.targets import Targets
from manyhot.models.segmentation import sample_pixels
from manyhot.models.segmentation.pixel_sample import gather_targets


def made(seed: int = 0) -> PixelTargets:
    generator = np.random.default_rng(seed)
    images = []
    for size in ((20, 30), (40, 30), (10, 10), (3, 3)):
        values = generator.random((*size, 2)) < 0.3
        images.append(Targets(values, generator.random((*size, 2)) < 0.6 if size[0] > 10 else None))
    return PixelTargets(tuple(images))


def test_pixels_are_drawn_evenly_from_what_is_known():
    targets = made()
    wanted = np.array([True, True, False, True])
    drawn = sample_pixels(targets, wanted, 7, 400)
    counts = np.bincount(drawn.rows, minlength=4)
    n_known = [int(one.known_mask().any(axis=2).sum()) for one in targets.images]
    share = 400 / sum(n for n, is_wanted in zip(n_known, wanted, strict=True) if is_wanted)
    assert counts[2] == 0
    for k in (0, 1):
        assert abs(counts[k] - share * n_known[k]) <= 1
    assert counts[3] >= 1
    for k in np.unique(drawn.rows):
        here = drawn.places_in(k)
        assert (np.diff(here) > 0).all()
        assert targets.images[k].known_mask().any(axis=2).ravel()[here].all()


def test_draws_are_the_same_each_time_and_differ_by_seed():
    targets, wanted = made(), np.ones(4, dtype=bool)
    first, again, other = (sample_pixels(targets, wanted, seed, 300) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.places, again.places)
    assert not np.array_equal(first.places, other.places)


def test_all_are_taken_where_there_are_few():
    targets, wanted = made(), np.ones(4, dtype=bool)
    drawn = sample_pixels(targets, wanted, 0)
    assert len(drawn.places) == sum(int(one.known_mask().any(axis=2).sum()) for one in targets.images)
    rows = gather_targets(targets, drawn)
    assert rows.support().tolist() == targets.support().tolist()
    assert rows.n_known().tolist() == targets.n_known().tolist()


def test_ids_say_image_row_and_column():
    targets = made()
    drawn = sample_pixels(targets, np.array([False, False, False, True]), 0)
    ids = drawn.ids(np.array(["a", "b", "c", "d"]), np.array([width for _, width in targets.sizes]))
    assert ids.tolist() == [f"d:{y}:{x}" for y in range(3) for x in range(3)]
