"""What a file says of an encoder is checked before one is made of it."""

import copy
import json

import numpy as np
import polars as pl
import pytest

from manyhot.encoders import TableEncoder
from manyhot.errors import BundleError
from manyhot.persistence.container import DocumentReader
from manyhot.persistence.encoder import read_encoder

FRAME = pl.DataFrame(
    {
        "sex": ["m", "m", "w", "m", "w"] * 4,
        "n": [1.0, 2.0, 3.0, 4.0, None] * 4,
        "smokes": ["yes", None, None, None, None] * 4,
        "town": ["a", "b", "c", "a", "b"] * 4,
    }
)
KINDS = {"sex": "categorical", "n": "numeric", "smokes": "categorical", "town": "categorical"}


def written() -> tuple[dict, dict[str, np.ndarray]]:
    spec, arrays = TableEncoder(KINDS).fit(FRAME).to_spec()
    return json.loads(json.dumps({"encoder": spec})), {f"encoder/{name}": array for name, array in arrays.items()}


def test_categories_of_two_values_are_read_again():
    document, arrays = written()
    assert [set(one) for one in document["encoder"]["categories"]] == [{"levels", "rarer", "share"}] * 2 + [{"levels"}]
    encoder = read_encoder(DocumentReader(document, arrays))
    expected = TableEncoder(KINDS).fit(FRAME)
    np.testing.assert_array_equal(encoder.transform(FRAME)["features"], expected.transform(FRAME)["features"])
    np.testing.assert_array_equal(encoder.reference["features"], expected.reference["features"])


def test_a_file_without_pairs_has_an_input_a_level_as_when_it_was_written():
    document, arrays = written()
    for category in document["encoder"]["categories"]:
        category.pop("rarer", None), category.pop("share", None)
    arrays |= {f"encoder/{name}": arrays[f"encoder/{name}"][1:2] for name in ("center", "scale")}
    arrays["encoder/gaps"] = np.array([0])
    encoder = read_encoder(DocumentReader(document, arrays))
    assert encoder.shapes() == {"features": (1 + 1 + 2 + 2 + 3,)}
    assert encoder.transform(FRAME)["features"][:3, 2:6].tolist() == [[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 0, 1]]


@pytest.mark.parametrize(
    ("k", "field", "value"),
    [(0, "rarer", 2), (0, "rarer", True), (0, "share", 1.5), (0, "share", None), (0, "levels", ["m"]), (2, "rarer", 1)],
)
def test_pairs_that_no_encoder_would_have_written_are_refused(k, field, value):
    document, arrays = written()
    changed = copy.deepcopy(document)
    changed["encoder"]["categories"][k] |= {"share": 0.5} if k == 2 else {}
    changed["encoder"]["categories"][k][field] = value
    with pytest.raises(BundleError):
        read_encoder(DocumentReader(changed, arrays))


def test_as_many_scales_as_numbers_and_pairs():
    document, arrays = written()
    del document["encoder"]["categories"][0]["rarer"]
    with pytest.raises(BundleError):
        read_encoder(DocumentReader(document, arrays))


def test_the_size_of_inputs_of_levels_is_read_again_and_bounded():
    frame = FRAME.head(10)
    encoder = TableEncoder(KINDS).fit(frame)
    spec, arrays = encoder.to_spec()
    assert spec["level_size"] == encoder.level_size == (10 / (4 * 3)) ** 0.5
    arrays = {f"encoder/{name}": array for name, array in arrays.items()}
    again = read_encoder(DocumentReader({"encoder": spec}, arrays))
    np.testing.assert_array_equal(again.transform(frame)["features"], encoder.transform(frame)["features"])
    for size in (0.0, -1.0, 1.5, "1", True):
        with pytest.raises(BundleError):
            read_encoder(DocumentReader({"encoder": {**spec, "level_size": size}}, arrays))


def test_a_file_without_a_size_has_inputs_of_0_and_1():
    spec, arrays = TableEncoder(KINDS).fit(FRAME.head(10)).to_spec()
    del spec["level_size"]
    encoder = read_encoder(DocumentReader({"encoder": spec}, {f"encoder/{name}": one for name, one in arrays.items()}))
    assert set(np.unique(encoder.transform(FRAME)["features"][:, -3:])) == {0, 1}
