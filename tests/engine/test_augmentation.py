"""Images varied in training: what moves, what stays, and that targets move along."""

import numpy as np
import pytest

from manyhot import MultiLabelClassifier
from manyhot.backend import jax
from manyhot.config.images import AUGMENTATIONS
from manyhot.engine.augmentation import GEOMETRIC, Augmentation, TrainBatch, augment

N, H, W = 64, 12, 16


def images(c: int = 3, width: int = W) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (N, H, width, c)).astype(np.uint8)


def vary(x, names, targets=None, known=None, real=None, strength=1.0, seed=0):
    targets = np.eye(N, dtype=np.float32) if targets is None else targets
    real = np.ones(N, bool) if real is None else real
    batch = TrainBatch({"image": x}, targets, known)
    return augment(jax.random.key(seed), batch, ["image"], real, Augmentation(tuple(names), strength))


@pytest.mark.slow
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_way_changes_images_reproducibly_and_keeps_their_range(name):
    x = images()
    first, again, other = (np.asarray(vary(x, [name], seed=seed).inputs["image"]) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, x)
    assert first.shape == x.shape
    assert first.min() >= -1e-3
    assert first.max() <= 255 + 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shift", "rotate", "zoom", "colour"])
def test_no_strength_changes_nothing(name):
    x = images()
    np.testing.assert_allclose(vary(x, [name], strength=0.0).inputs["image"], x, atol=1e-3)


@pytest.mark.slow
def test_flips_and_turns_are_exact():
    x = images(1, H)
    variants = [np.rot90(x, k, axes=(1, 2))[:, :, ::step] for k in range(4) for step in (1, -1)]
    for names, few in ((["flip"], {0, 1}), (["flip_vertical"], {0, 5}), (["quarter_turns"], {0, 2, 4, 6})):
        found = np.asarray(vary(x, names).inputs["image"])
        which = [
            next(k for k, one in enumerate(variants) if np.allclose(found[row], one[row], atol=2e-3))
            for row in range(N)
        ]
        assert set(which) == few
        assert min(which.count(k) for k in few) > N / 12


@pytest.mark.slow
def test_targets_of_pixels_move_with_them():
    x = (255 * (images(1) > 128)).astype(np.uint8)
    targets = np.concatenate([x > 0, x == 0], axis=3).astype(np.float32)
    known = np.concatenate([x > 0, np.ones_like(x, dtype=bool)], axis=3)
    batch = vary(x, ["flip", "flip_vertical", "quarter_turns"], targets, known)
    moved = np.asarray(batch.inputs["image"])
    np.testing.assert_allclose(batch.targets[..., 0], moved[..., 0] / 255, atol=1e-4)
    np.testing.assert_array_equal(batch.known[..., 0], moved[..., 0] > 128)
    batch = vary(x, GEOMETRIC, targets, known)
    assert set(np.unique(batch.targets)) == {0, 1}
    near = np.abs(np.asarray(batch.inputs["image"])[..., 0] / 255 - np.asarray(batch.targets)[..., 0])
    assert (near <= 0.75).mean() > 0.999


@pytest.mark.slow
def test_only_real_rows_are_mixed_and_their_label_sets_with_them():
    x = np.repeat(np.arange(N, dtype=np.uint8), 48).reshape(N, 4, 4, 3)
    real = np.arange(N) < 10
    known = np.ones((N, N), dtype=bool)
    known[3] = False
    batch = vary(x, ["mixup"], None, known, real)
    targets, pixels = np.asarray(batch.targets), np.asarray(batch.inputs["image"])
    np.testing.assert_allclose(targets[:10].sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(targets[:10, 10:], 0)
    np.testing.assert_allclose(pixels[:10, 0, 0, 0], targets[:10] @ np.arange(N), atol=1e-3)
    assert (targets[:10].max(axis=1) >= 0.5).all()
    partners = (targets[:10] > 0).sum(axis=1)
    assert partners.max() == 2
    assert not np.asarray(batch.known)[targets[:, 3] > 0].any()


@pytest.mark.slow
def test_erasing_covers_half_of_the_images_with_their_mean():
    x = images()
    found = np.asarray(vary(x, ["erase"]).inputs["image"])
    changed = (found != x).any(axis=3)
    touched = changed.any(axis=(1, 2))
    assert 0.25 < touched.mean() < 0.75
    assert changed[touched].mean() < 0.25
    mean = x.mean(axis=(1, 2))
    row = int(np.flatnonzero(touched)[0])
    np.testing.assert_allclose(found[row][changed[row]], np.broadcast_to(mean[row], (changed[row].sum(), 3)), rtol=1e-4)


@pytest.mark.slow
def test_training_varies_images_only_when_told():
    generator = np.random.default_rng(1)
    x, y = images(1)[:48], generator.random((48, 2)) < 0.5

    def scores(names: str, seed: int = 0) -> np.ndarray:
        settings = {"filters": [4], "augment": names}
        model = MultiLabelClassifier(
            network="cnn", n_members=2, epochs=2, verbose=0, image_params=settings, random_state=seed
        )
        return model.fit(x, y).predict_proba(x)

    np.testing.assert_array_equal(scores("shift"), scores("shift"))
    assert not np.array_equal(scores("shift"), scores("none"))
    np.testing.assert_array_equal(scores("auto"), scores("shift+rotate+zoom"))
