"""A saved network is the one that config and encoder make; anything else is refused before it is built."""

from pathlib import Path

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
