"""What a backbone makes of images is computed once for each image, kept by content, and never mixed up."""

import numpy as np
import polars as pl
import pytest

from manyhot.encoders import TableEncoder
from manyhot.encoders.feature_cache import MIN_ROWS
from manyhot.encoders.images.backbone_features import CALL_IMAGES, ImageFeatures
from manyhot.encoders.scaling import fit_scale
from manyhot.errors import InputError

EDGES = (32, 40)


class Sums:
    """A backbone of little sense that counts what it looks at."""

    name, width = "mobilenetv2", 2
    trainable, fixed = (np.ones(3, np.float32),), ()

    def __init__(self, digest: str = "a", factor: float = 1.0) -> None:
        self.digest, self.factor, self.batch_sizes = digest, factor, []

    def __call__(self, images):
        self.batch_sizes.append(len(images))
        sums = images.reshape(len(images), -1).sum(axis=1, dtype=np.float64)
        return (self.factor * np.stack([sums, images[:, 0, 0, 0]], axis=1)).astype(np.float32)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MANYHOT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def some(n: int, seed: int = 0, edges: tuple[int, int] = EDGES) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *edges, 3), dtype=np.uint8)


def test_each_image_is_looked_at_once():
    images = some(40)
    function = Sums()
    features = ImageFeatures(function)
    twice = features.extract(np.concatenate([images, images[::-1]]))
    assert function.batch_sizes == [40]
    np.testing.assert_array_equal(twice, np.concatenate([Sums()(images), Sums()(images)[::-1]]))
    np.testing.assert_array_equal(features.extract(images[5:7]), twice[5:7])
    assert function.batch_sizes == [40]


def test_another_process_finds_them_on_disk(cache):
    images = some(40)
    ImageFeatures(Sums()).extract(images)
    again = Sums()
    np.testing.assert_array_equal(ImageFeatures(again).extract(images[::2]), Sums()(images[::2]))
    assert not again.batch_sizes
    assert list(cache.rglob("*.npy"))


@pytest.mark.parametrize("is_cached", [True, False])
def test_other_weights_and_other_sizes_do_not_meet(is_cached, cache):
    images = some(40)
    ImageFeatures(Sums(), is_cached).extract(images)
    other = Sums("b", 2.0)
    np.testing.assert_array_equal(ImageFeatures(other, is_cached).extract(images), other(images))
    turned = images.reshape(40, *EDGES[::-1], 3)  # the same bytes at another size
    function = Sums()
    ImageFeatures(function, is_cached).extract(turned)
    assert function.batch_sizes == [40]
    assert list(cache.rglob("*.npy")) != [] if is_cached else not cache.exists()


def test_a_call_has_so_many_images_at_most_and_progress_is_told():
    function, shares = Sums(), []
    ImageFeatures(function, is_cached=False).extract(some(CALL_IMAGES + MIN_ROWS, edges=(32, 32)), shares.append)
    assert function.batch_sizes == [CALL_IMAGES, MIN_ROWS]
    assert shares == [CALL_IMAGES / (CALL_IMAGES + MIN_ROWS), 1.0]


def frame(n: int = 40, seed: int = 0) -> pl.DataFrame:
    numbers = np.random.default_rng(seed).normal(size=n)
    return pl.DataFrame([pl.Series("photo", some(n, seed)), pl.Series("x", numbers)])


def encoder(**settings) -> TableEncoder:
    made = TableEncoder({"photo": "image", "x": "numeric"}, image_params={"backbone": "mobilenetv2", **settings})
    made.images.attach(ImageFeatures(Sums(), is_cached=False))
    return made


def test_frozen_features_stand_behind_the_numbers_scaled_as_these_are():
    made, rows = encoder(size=EDGES).fit(frame()), frame(seed=1)
    block = made.transform(rows)["features"]
    assert made.shapes() == {"features": (3,)}
    assert not made.image_scaling
    scale = fit_scale(Sums()(some(40)), np.ones(40))
    np.testing.assert_array_equal(block[:, 1:], scale.apply(Sums()(some(40, 1))))
    plain = TableEncoder({"x": "numeric"}).fit(frame()).transform(rows)["features"]
    np.testing.assert_array_equal(block[:, :1], plain)


def test_a_backbone_that_learns_gets_pixels_and_what_it_would_have_made_can_be_asked():
    made, rows = encoder(size=EDGES, fine_tune_epochs=1).fit(frame()), frame(seed=1)
    blocks = made.transform(rows)
    assert {name: block.shape[1:] for name, block in blocks.items()} == made.shapes()
    assert set(blocks) == {"features", "image"}
    expected = encoder(size=EDGES).fit(frame()).transform(rows)
    np.testing.assert_array_equal(made.backbone_features(blocks)["features"], expected["features"])


def test_the_size_is_the_backbones_and_the_shape_that_of_the_images():
    made = encoder().fit(frame())
    assert made.images.encoders[0].shape == (179, 224, 3)
    flat = pl.DataFrame([pl.Series("photo", some(40, edges=(10, 200))), pl.Series("x", np.zeros(40))])
    assert encoder().fit(flat).images.encoders[0].shape == (32, 224, 3)
    grey = pl.DataFrame([pl.Series("photo", some(40)[..., 0]), pl.Series("x", np.zeros(40))])
    assert encoder(size=[32]).fit(grey).images.encoders[0].shape == (32, 32, 3)


def test_a_backbone_must_be_the_one_that_was_asked_for():
    other = Sums()
    other.name = "xception"
    with pytest.raises(InputError, match="expected 'mobilenetv2'"):
        encoder().images.attach(ImageFeatures(other))
    with pytest.raises(InputError, match="was not handed over"):
        TableEncoder({"photo": "image"}, image_params={"backbone": "mobilenetv2"}).fit(frame())
