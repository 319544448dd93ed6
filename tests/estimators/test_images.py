"""Images as features: training, saving, and what is refused."""

import warnings
from copy import copy
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from PIL import Image

from manyhot import ExtremeMultiLabelClassifier, MultiLabelClassifier, load
from manyhot.config.images import IMAGE_SETTINGS, image_params
from manyhot.errors import InputError, ManyhotWarning
from tests.fixtures.image_files import moods

SMALL = {"n_members": 2, "epochs": 3, "verbose": 0, "hidden_layer_sizes": (16,), "image_params": {"filters": [6, 8]}}


def squares(n: int = 160, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images with a bright left half, a bright upper half, both or neither."""
    generator = np.random.default_rng(seed)
    Y = generator.random((n, 2)) < 0.5
    X = generator.integers(0, 60, (n, 8, 10), dtype=np.uint8)
    X[:, :, :5] += (150 * Y[:, 0, None, None]).astype(np.uint8)
    X[:, :4] += (45 * Y[:, 1, None, None]).astype(np.uint8)
    return X, Y.astype(int)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["cnn", "auto", "resnet", "convnext"])
def test_images_are_learned_saved_and_answered_alike(network, tmp_path):
    X, Y = squares(400)
    model = MultiLabelClassifier(**{**SMALL, "epochs": 20}, network=network, batch_size=16).fit(X, Y)
    assert model.model_.report["metrics"]["decision"]["f1_micro"]["value"] > 0.9
    model.save(tmp_path / "m.manyhot")
    np.testing.assert_array_equal(load(tmp_path / "m.manyhot").predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(model.predict_proba(X[..., None]), model.predict_proba(X))
    np.testing.assert_array_equal(model.predict_proba(X / 255), model.predict_proba(X))


@pytest.mark.slow
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
    column_types = {"photo": "image", "words": "text"}
    model = MultiLabelClassifier(**SMALL, column_types=column_types).fit(frame, Y)
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
        MultiLabelClassifier(image_params=given).fit(*squares(40))


def test_settings_have_their_forms():
    told = image_params({"size": "64x48", "filters": 32, "augment": "shift+flip"})
    assert (told["size"], told["filters"], told["augment"]) == ([64, 48], [32], ["flip", "shift"])
    assert set(told) == set(IMAGE_SETTINGS)
    assert image_params(None)["augment"] == "auto"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A table of 40 photos in a folder, and a model of them."""
    folder = tmp_path_factory.mktemp("photos")
    table = moods(folder)
    Y = table.select("sad", "fast").to_numpy()
    paths = table.select(pl.col("photo").map_elements(lambda p: str(folder / p), return_dtype=pl.String))
    return paths, Y, MultiLabelClassifier(**SMALL).fit(paths, Y)


@pytest.mark.slow
def test_frames_hold_images_in_many_forms(files, tmp_path, monkeypatch):
    paths, Y, model = files
    expected = model.predict_proba(paths)
    names = paths["photo"].to_list()
    opened = [Image.open(name) for name in names]
    arrays = np.stack([np.asarray(one) for one in opened])
    monkeypatch.chdir(Path(names[0]).parent.parent)
    forms = {
        "relative": pl.DataFrame({"photo": [str(Path(name).relative_to(Path.cwd())) for name in names]}),
        "bytes": pl.DataFrame({"photo": [Path(name).read_bytes() for name in names]}),
        "arrays": pl.DataFrame([pl.Series("photo", arrays)]),
        "objects": pl.DataFrame({"photo": pl.Series(opened, dtype=pl.Object)}),
        "pandas paths": pd.DataFrame({"photo": names}),
        "pandas images": pd.DataFrame({"photo": opened}),
        "pandas arrays": pd.DataFrame({"photo": list(arrays)}),
        "pandas bytes": pd.DataFrame({"photo": [Path(name).read_bytes() for name in names]}),
        "array": arrays,
    }
    for name, form in forms.items():
        np.testing.assert_array_equal(model.predict_proba(form), expected, err_msg=name)
    again = MultiLabelClassifier(**SMALL).fit(forms["pandas images"], Y)
    np.testing.assert_array_equal(again.predict_proba(paths), expected)


@pytest.mark.slow
def test_paths_alone_are_one_column_of_images(files):
    paths, Y, model = files
    names = paths["photo"].to_list()
    np.testing.assert_array_equal(model.predict_proba(names), model.predict_proba(paths))
    alone = MultiLabelClassifier(**SMALL).fit(names, Y)
    assert alone.model_.encoder.image_columns == ["image"]
    np.testing.assert_array_equal(alone.predict_proba(names), model.predict_proba(paths))


@pytest.mark.slow
def test_bad_images_are_skipped_or_refused(files):
    paths, Y, model = files
    names = paths["photo"].to_list()
    broken = pl.DataFrame({"photo": [names[0], names[0] + ".not.png", *names[2:]]})
    with pytest.raises(InputError, match="does not exist") as caught:
        model.predict(broken)
    assert (caught.value.row, caught.value.column) == (2, "photo")
    model = copy(model).set_params(on_bad_image="skip")
    with pytest.warns(ManyhotWarning, match="1 row was not predicted"):
        scores = model.predict_proba(broken)
    assert np.isnan(scores[1]).all()
    np.testing.assert_array_equal(np.delete(scores, 1, 0), np.delete(model.predict_proba(paths), 1, 0))
    with pytest.warns(ManyhotWarning, match="not predicted"):
        assert model.predict_labels(broken)[1] == set()
    weights = np.arange(1, len(Y) + 1)
    told = {**SMALL, "on_bad_image": "skip"}
    skipped = MultiLabelClassifier(**told).fit(broken, Y, sample_weight=weights)
    kept = np.arange(len(Y)) != 1
    without = MultiLabelClassifier(**SMALL).fit(paths.filter(kept), Y[kept], sample_weight=weights[kept])
    np.testing.assert_array_equal(skipped.predict_proba(paths), without.predict_proba(paths))
    assert "1 row was left out" in " ".join(skipped.report_.to_dict()["notes"])


@pytest.mark.slow
def test_warnings_of_manyhot_are_filtered_by_their_category(files):
    paths, _, model = files
    broken = pl.DataFrame({"photo": [paths["photo"][0], "none.png"]})
    model = copy(model).set_params(on_bad_image="skip")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        with pytest.raises(ManyhotWarning, match="1 row was not predicted"):
            model.predict_proba(broken)
        warnings.simplefilter("ignore", ManyhotWarning)
        assert np.isnan(model.predict_proba(broken)[1]).all()


@pytest.mark.slow
def test_settings_of_images_hold_for_files(files, tmp_path):
    paths, Y, _ = files
    told = {**SMALL, "image_params": {"filters": [4], "size": "6x9", "channels": "grey", "fit": "crop"}}
    model = MultiLabelClassifier(**told).fit(paths, Y)
    assert model.model_.network.shapes == {"image": (6, 9, 1)}
    model.save(tmp_path / "m.manyhot")
    np.testing.assert_array_equal(load(tmp_path / "m.manyhot").predict_proba(paths), model.predict_proba(paths))


@pytest.mark.slow
def test_very_many_labels_take_no_images(files):
    paths, _, _ = files
    with pytest.raises(InputError, match="--column-type photo=ignored"):
        ExtremeMultiLabelClassifier().fit(paths, [{"a"} if k % 2 else {"b"} for k in range(len(paths))])
