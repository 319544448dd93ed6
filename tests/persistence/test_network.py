"""A saved network is the one that config and encoder make; anything else is refused before it is built."""

from pathlib import Path

import numpy as np
import pytest

from manyhot import load
from manyhot.errors import BundleError
from manyhot.persistence import container

SAVED = Path(__file__).parents[1] / "contract" / "frozen" / "saved"


@pytest.mark.parametrize(
    ("config", "network"),
    [
        ({"network": "auto"}, {"name": "auto"}),
        ({"network": "cnn"}, {"name": "cnn"}),
        ({"network": "unet"}, {"name": "unet"}),
        ({"network": "embedding_bag"}, {"name": "embedding_bag"}),
        ({"network": "backbone"}, {"name": "backbone"}),
        ({}, {"name": "cnn"}),
        ({}, {"settings": None}),
        ({}, {"widths": {"features": 1}}),
        ({}, {"more": 1}),
        ({"hidden_layer_sizes": [1] * 1001}, {}),
        ({"hidden_layer_sizes": [10**9]}, {}),
        ({"dropout": 0.5}, {}),
    ],
)
def test_a_network_that_is_not_that_of_the_config_is_refused(config, network, tmp_path):
    contents = container.read(SAVED / "table" / "model.manyhot")
    document = contents.document
    document["config"] |= config
    document["network"] |= network
    if "hidden_layer_sizes" in config:
        document["network"]["settings"] |= config
    container.write(tmp_path / "m.manyhot", document, contents.arrays)
    with pytest.raises(BundleError):
        load(tmp_path / "m.manyhot")


def test_what_auto_became_is_as_it_was_saved(tmp_path):
    contents = container.read(SAVED / "images_cnn" / "model.manyhot")
    document, file = contents.document, tmp_path / "m.manyhot"
    filters = document["network"]["settings"]["filters"]
    document["config"]["image_params"] = {**(document["config"]["image_params"] or {}), "filters": "auto"}
    container.write(file, document, contents.arrays)
    assert load(file).model_.network.settings["filters"] == filters
    document["network"]["settings"]["filters"] = [*filters, 8]
    container.write(file, document, contents.arrays)
    with pytest.raises(BundleError):
        load(file)
    document["network"]["settings"]["filters"] = "auto"
    container.write(file, document, contents.arrays)
    with pytest.raises(BundleError):
        load(file)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("network/trainable.0", lambda a: np.where(a == a.max(), np.float16(np.nan), a), "NaN or infinity"),
        ("network/trainable.0", lambda a: np.where(a == a.max(), np.float16(np.inf), a), "NaN or infinity"),
        ("network/trainable.0", lambda a: np.where(a == a.max(), np.float16(-np.inf), a), "NaN or infinity"),
        ("network/trainable.0", lambda a: a[..., :-1], "shape"),
        ("network/trainable.0", lambda a: a[:1], "shape"),
        ("network/trainable.0", lambda a: a.view(np.int16), "int16, expected float32 or float16"),
        ("network/trainable.0", lambda a: a.astype(np.float64), "float64, expected float32 or float16"),
        ("network/trainable.1", lambda a: a.astype(np.float16), "float16, expected float32;"),
        ("evidence/scores", lambda a: a.astype(np.float16), "float16, expected float32;"),
    ],
)
def test_half_precision_is_for_tables_and_checked(name, change, words, tmp_path):
    contents = container.read(SAVED / "text_half_precision" / "model.manyhot")
    arrays = {**contents.arrays, name: change(contents.arrays[name])}
    container.write(tmp_path / "m.manyhot", contents.document, arrays)
    with pytest.raises(BundleError, match=words):
        load(tmp_path / "m.manyhot")


def test_half_precision_is_not_for_float64(tmp_path):
    contents = container.read(SAVED / "extreme_mixed" / "model.manyhot")
    half = contents.arrays["network/trainable.0"].astype(np.float16)
    container.write(tmp_path / "m.manyhot", contents.document, {**contents.arrays, "network/trainable.0": half})
    with pytest.raises(BundleError, match="float16, expected float64;"):
        load(tmp_path / "m.manyhot")


def test_a_table_may_also_be_stored_in_single_precision(tmp_path):
    contents = container.read(SAVED / "text_half_precision" / "model.manyhot")
    table = contents.arrays["network/trainable.0"]
    assert table.dtype == np.float16
    single = {**contents.arrays, "network/trainable.0": table.astype(np.float32)}
    container.write(tmp_path / "m.manyhot", contents.document, single)
    for path in (tmp_path / "m.manyhot", SAVED / "text_half_precision" / "model.manyhot"):
        loaded = load(path).model_.weights.trainable[0]
        assert loaded.dtype == np.float32
        np.testing.assert_array_equal(loaded, table)
