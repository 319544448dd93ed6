"""`manyhot export`."""

import hashlib
import json

import numpy as np
import onnx
import polars as pl
import pytest

from manyhot import load
from tests.cli.conftest import NAMES, songs
from tests.export.models import run

pytestmark = pytest.mark.slow  # they wait for the model


def rows_of(described, frame):
    numbers, kinds = (one["columns"] for one in described["inputs"])
    return {
        "numbers": frame.select(numbers).cast(pl.Float64).to_numpy(),
        "categories": frame.select(kinds).to_numpy().astype(object),
    }


def test_a_file_answers_as_predict_does(manyhot, bundle, tmp_path):
    done = manyhot("export", bundle, "-o", tmp_path / "songs.onnx", "--json")
    assert done.code == 0, done.err
    described = done.document
    assert described["labels"] == NAMES
    assert described["source"]["sha256"] == hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert described["comparison"]["n_rows"] == 64
    assert described["bytes"] == (tmp_path / "songs.onnx").stat().st_size
    told = {one.key: json.loads(one.value) for one in onnx.load(tmp_path / "songs.onnx").metadata_props}
    assert told == {f"manyhot.{k}": v for k, v in described.items() if k not in ("output", "bytes", "comparison")}
    clf = load(bundle)
    answers, frame = run(tmp_path / "songs.onnx", rows_of(described, songs())), songs().select(clf.feature_names_in_)
    np.testing.assert_allclose(answers["probabilities"], clf.predict_proba(frame), atol=1e-5)
    np.testing.assert_array_equal(answers["labels"], clf.predict(frame))


def test_for_people(manyhot, bundle, tmp_path):
    done = manyhot("export", bundle, "-o", tmp_path / "songs.onnx")
    assert done.code == 0, done.err
    for words in ("input 'numbers': float64, rows of 2", "columns: tempo, energy", "output 'labels'", "64 rows"):
        assert words in done.out


def test_flags(manyhot, bundle, tmp_path):
    flags = ("--no-encoder", "--no-calibrated", "--no-labels")
    described = manyhot("export", bundle, "-o", tmp_path / "a.onnx", *flags, "--json").document
    assert [one["name"] for one in described["inputs"]] == ["features"]
    assert (described["encoder"], described["calibrated"], described["decision"]) == (False, False, None)


def test_what_is_not_ours_is_not_replaced(manyhot, bundle, tmp_path):
    path = tmp_path / "other.onnx"
    path.write_bytes(b"\x08\x08\x12\x07pytorch")
    done = manyhot("export", bundle, "-o", path)
    assert done.code == 2
    assert "was not written by manyhot export" in done.err
    assert path.read_bytes() == b"\x08\x08\x12\x07pytorch"
    assert manyhot("export", bundle, "-o", tmp_path / "a.onnx").code == 0
    assert manyhot("export", bundle, "-o", tmp_path / "a.onnx").code == 0  # our own is


@pytest.mark.parametrize("name", ["songs.txt", "songs.manyhot"])
def test_another_ending_is_refused(manyhot, bundle, tmp_path, name):
    done = manyhot("export", bundle, "-o", tmp_path / name)
    assert done.code == 2
    assert ".onnx" in done.err
    assert list(tmp_path.iterdir()) == []
