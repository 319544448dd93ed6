"""Images as features: training, saving, and what is refused."""

import numpy as np
import polars as pl
import pytest

from manyhot import MultiLabelClassifier, load
from manyhot.errors import InputError
from manyhot.image_kinds import IMAGE_SETTINGS, image_settings

SMALL = {"members": 2, "epochs": 3, "quiet": True, "hidden": (16,), "image_settings": {"filters": [6, 8]}}


def squares(n: int = 160, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images with a bright left half, a bright upper half, both or neither."""
    generator = np.random.default_rng(seed)
    Y = generator.random((n, 2)) < 0.5
    X = generator.integers(0, 60, (n, 8, 10), dtype=np.uint8)
    X[:, :, :5] += (150 * Y[:, 0, None, None]).astype(np.uint8)
    X[:, :4] += (45 * Y[:, 1, None, None]).astype(np.uint8)
    return X, Y.astype(int)


@pytest.mark.parametrize("network", ["cnn", "resnet", "convnext", "auto"])
def test_images_are_learned_saved_and_answered_alike(network, tmp_path):
    X, Y = squares(400)
    model = MultiLabelClassifier(**{**SMALL, "epochs": 20}, network=network, batch_size=16).fit(X, Y)
    assert model.model_.report["measures"]["own"]["f1_micro"]["value"] > 0.9
    model.save(tmp_path / "m.manyhot")
    np.testing.assert_array_equal(load(tmp_path / "m.manyhot").predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(model.predict_proba(X[..., None]), model.predict_proba(X))
    np.testing.assert_array_equal(model.predict_proba(X / 255), model.predict_proba(X))


def test_images_stand_beside_numbers_and_texts():
    X, Y = squares()
    generator = np.random.default_rng(1)
    frame = pl.DataFrame(
        [
            pl.Series("photo", X),
            pl.Series("x", generator.normal(size=len(X))),
            pl.Series(
                "words", [f"some words {k % 7} here that are long enough to be a text {k}" for k in range(len(X))]
            ),
        ]
    )
    kinds = {"photo": "image", "words": "text"}
    model = MultiLabelClassifier(**SMALL, kinds=kinds).fit(frame, Y)
    assert set(model.model_.network.shapes) == {"features", "text", "image"}
    assert model.predict_proba(frame).shape == Y.shape


@pytest.mark.parametrize(
    ("X", "words"),
    [
        (np.zeros((20, 4, 4, 2), np.uint8), "1 or 3 channels"),
        (np.full((20, 4, 4), 300), "from 300 to 300"),
        (np.full((20, 4, 4), np.nan), "floats from 0 to 1"),
        (np.zeros((20, 2, 4, 4, 3), np.uint8), "Keras model of your own"),
    ],
)
def test_what_is_no_image_is_refused(X, words):
    with pytest.raises(InputError, match=words):
        MultiLabelClassifier(**SMALL).fit(X, np.arange(40).reshape(20, 2) % 3 == 0)


def test_networks_and_features_that_do_not_fit_are_refused():
    X, Y = squares(40)
    with pytest.raises(InputError, match="takes no images"):
        MultiLabelClassifier(**SMALL, network="mlp").fit(X, Y)
    with pytest.raises(InputError, match="is for images"):
        MultiLabelClassifier(**SMALL, network="cnn").fit(X.reshape(40, -1), Y)


@pytest.mark.parametrize(
    ("given", "words"),
    [({"size": "a"}, "size"), ({"filters": [0]}, "filters"), ({"augment": "turn"}, "augment"), ({"sise": 3}, "size")],
)
def test_settings_are_checked(given, words):
    with pytest.raises(InputError, match=words):
        MultiLabelClassifier(image_settings=given).fit(*squares(40))


def test_settings_have_their_forms():
    told = image_settings({"size": "64x48", "filters": 32, "augment": "shift+flip"})
    assert (told["size"], told["filters"], told["augment"]) == ([64, 48], [32], ["flip", "shift"])
    assert set(told) == set(IMAGE_SETTINGS)
    assert image_settings(None)["augment"] == "auto"
