"""A pretrained transformer as a function of texts; needs keras-hub, which is installed without its dependencies."""

import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from manyhot import MultiLabelClassifier, load
from manyhot.cli import main
from manyhot.errors import InputError
from manyhot.networks.text_transformer import preset_function
from tests.fixtures.text_files import preset_folder

SMALL = {"n_members": 2, "n_folds": 2, "epochs": 2, "hidden_layer_sizes": (8,), "batch_size": 16, "verbose": 0}
TEXTS = ["the good dogs.", "", None, "GRÜN 😀", "bad dog. " * 40, "עברית מימין", "good"] * 6


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A tiny BERT with weights drawn at random, in a folder."""
    pytest.importorskip("keras_hub", reason="needs keras-hub: pip install --no-deps keras-hub")
    return preset_folder(tmp_path_factory.mktemp("preset") / "tiny")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MANYHOT_CACHE", str(tmp_path / "cache"))


def rows() -> tuple[pl.DataFrame, np.ndarray]:
    return pl.DataFrame({"t": TEXTS, "x": np.arange(42.0)}), np.random.default_rng(0).integers(0, 2, (42, 2))


def test_features_are_the_mean_of_the_last_layer(preset):
    import keras_hub

    texts = ["the good dogs.", "bad"]
    backbone = keras_hub.models.Backbone.from_preset(str(preset))
    ids = np.array([[2, 9, 5, 7, 8, 10, 3], [2, 6, 3, 0, 0, 0, 0]])
    inputs = {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": ids > 0}
    made = np.asarray(backbone(inputs)["sequence_output"])
    expected = [made[0].mean(axis=0), made[1, :3].mean(axis=0)]
    np.testing.assert_allclose(preset_function(preset, 16)(texts), expected, atol=1e-5)


def test_a_text_does_not_depend_on_its_neighbours(preset):
    function = preset_function(preset, 64)
    texts = [text or "" for text in TEXTS]
    whole = function(texts)
    np.testing.assert_array_equal(function(texts[3:5]), whole[3:5])
    np.testing.assert_array_equal(function(texts[::-1]), whole[::-1])


def test_tensorflow_stays_out(preset):
    code = (
        "import sys; from manyhot.networks.text_transformer import preset_function; "
        f"preset_function({str(preset)!r}, 16)(['a']); "
        "assert not {'tensorflow', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_saved_model_is_told_the_folder_and_nothing_is_opened_for_a_file(preset, tmp_path):
    frame, Y = rows()
    settings = {"text": "pretrained", "text_params": {"preset": str(preset), "max_tokens": 16}}
    model = MultiLabelClassifier(column_types={"t": "text"}, **settings, **SMALL).fit(frame, Y)
    assert model.model_.encoder.shapes() == {"features": (9,)}
    model.save(tmp_path / "m.manyhot")
    waiting = load(tmp_path / "m.manyhot")
    with pytest.raises(InputError, match=r"pretrained transformer \(tiny\).*load\(path, text='FOLDER'\)"):
        waiting.predict(frame)
    with pytest.raises(InputError, match="expected the folder"):
        waiting.set_params(column_types={"t": "text"}).fit(frame, Y)
    again = load(tmp_path / "m.manyhot", text=str(preset))
    np.testing.assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
    again.set_params(column_types={"t": "text"}).fit(frame, Y)


def test_the_command_line_is_told_the_folder(preset, tmp_path, capsys):
    frame, Y = rows()
    frame = frame.with_columns(pl.Series("l_a", Y[:, 0]), pl.Series("l_b", Y[:, 1]))
    frame.write_parquet(tmp_path / "rows.parquet")
    flags = ["--column-type", "t=text", "--text", "pretrained", "--text-params", f"preset={preset},max_tokens=16"]
    small = ["--n-members", "2", "--epochs", "2", "--n-folds", "2", "--hidden-layer-sizes", "8", "--quiet"]

    def run(*words):
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in words])
        return int(stop.value.code or 0)

    bundle = tmp_path / "m.manyhot"
    assert run("train", tmp_path / "rows.parquet", "--labels", "l_*", "-o", bundle, *flags, *small) == 0
    assert run("predict", bundle, tmp_path / "rows.parquet", "--quiet") == 2
    assert run("predict", bundle, tmp_path / "rows.parquet", "--quiet", "--text", preset) == 0
    assert run("evaluate", bundle, tmp_path / "rows.parquet", "--quiet", "--text", preset) == 0


def test_what_cannot_be_opened_is_named(tmp_path, monkeypatch):
    frame, Y = rows()
    for settings in (None, {"preset": str(tmp_path / "none")}):
        with pytest.raises(InputError, match="expected the folder of a keras-hub preset"):
            MultiLabelClassifier(column_types={"t": "text"}, text="pretrained", text_params=settings, **SMALL).fit(
                frame, Y
            )
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(InputError, match="pip install --no-deps keras-hub"):
        preset_function(tmp_path, 16)


def test_a_folder_without_a_preset_is_named(tmp_path):
    pytest.importorskip("keras_hub", reason="needs keras-hub: pip install --no-deps keras-hub")
    with pytest.raises(InputError, match="holds no preset"):
        preset_function(tmp_path, 16)
