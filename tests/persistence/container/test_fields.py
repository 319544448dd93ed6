"""Typed fields out of an untrusted document: nothing odd comes through, nothing unknown stays."""

import numpy as np
import pytest

from manyhot.errors import BundleError
from manyhot.persistence.container import DocumentReader


def test_reader_takes_typed_fields():
    arrays = {"encoder/medians": np.ones((3, 5)), "evidence/x": np.zeros(2)}
    document = {
        "network": {"name": "mlp", "depth": 2, "rate": 1, "on": False, "widths": [3, 4], "weights": [1, 0.5]},
        "gone": {"no": None}, "labels": ["a", "b"], "layers": [{"kind": "dense"}, {"kind": "drop"}],
        "free": {"x": {"y": [1]}}, "notes": 1,
    }  # fmt: skip
    reader = DocumentReader(document, arrays, "songs.manyhot")
    assert reader.text("network.name", choices=["mlp", "cnn"]) == "mlp"
    assert reader.integer("network.depth", 1, 2) == 2
    assert reader.number("network.rate", 0, 1) == 1.0
    assert reader.boolean("network.on") is False
    assert reader.list_of_integers("network.widths", 1, 4) == [3, 4]
    assert reader.list_of_numbers("network.weights", 0, 1) == [1.0, 0.5]
    assert "gone.no" not in reader
    assert "network.absent" not in reader
    assert reader.list_of_text("labels", 2, is_unique=True) == ["a", "b"]
    layers = reader.records("layers", 2)
    assert layers[0].text("kind") == "dense"
    assert reader.mapping("free") == {"x": {"y": [1]}}
    assert reader.array("encoder/medians", dtype=float, shape=(None, 5), low=0, high=1) is arrays["encoder/medians"]
    with pytest.raises(BundleError, match="'notes' is not known"):
        reader.finish()
    reader.integer("notes")
    with pytest.raises(BundleError, match=r"layers\[1\].kind"):
        reader.finish()
    layers[1].text("kind")
    with pytest.raises(BundleError, match="'evidence/x' is not known"):
        reader.finish()
    assert reader.n_elements("evidence/") == 2
    assert reader.arrays("evidence/") == {"x": arrays["evidence/x"]}
    reader.finish()


def test_an_array_that_a_record_takes_is_taken():
    reader = DocumentReader({"layers": [{}]}, {"layers/0": np.zeros(2)})
    reader.records("layers")[0].array("layers/0", dtype=float, shape=(2,))
    reader.finish()


def test_key_that_holds_a_dot_is_not_taken_for_a_path():
    reader = DocumentReader({"a": {"b": 1}, "a.b": 2})
    assert reader.integer("a.b") == 1
    with pytest.raises(BundleError, match="not known"):
        reader.finish()


@pytest.mark.parametrize(
    ("method", "value", "more"),
    [
        ("text", 1, {}), ("text", "x" * 20, {"max_characters": 19}), ("text", "mlq", {"choices": ["mlp"]}),
        ("text", [], {"choices": ["a"]}), ("integer", True, {}), ("integer", 1.0, {}), ("integer", 3, {"low": 4}),
        ("integer", 2**64 - 1, {"high": 9}), ("integer", "1", {}), ("number", True, {}), ("number", "1", {}),
        ("number", 1.5, {"high": 1}), ("number", None, {}), ("number", 2**64 - 1, {"high": 1}), ("boolean", 1, {}),
        ("boolean", "true", {}), ("list_of_text", "abc", {}), ("list_of_text", ["a", 1], {}),
        ("list_of_text", ["a", "a"], {"is_unique": True}), ("list_of_text", ["a"] * 3, {"max_items": 2}),
        ("list_of_text", [], {"min_items": 1}), ("list_of_integers", [1, True], {}),
        ("list_of_integers", {"0": 1}, {}), ("list_of_numbers", [0.5, "1"], {}), ("mapping", [], {}),
        ("mapping", {"a": 1, "b": 2}, {"max_items": 1}), ("records", [{}, 1], {}),
        ("records", {}, {}),
    ],
)  # fmt: skip
def test_reader_refuses_by_name(method, value, more):
    with pytest.raises(BundleError, match=r"^songs\.manyhot: the field 'here\.there.*save the file again") as caught:
        getattr(DocumentReader({"here": {"there": value}}, {}, "songs.manyhot"), method)("here.there", **more)
    assert len(str(caught.value)) < 500
    with pytest.raises(BundleError, match=r"'here\.gone' is missing"):
        getattr(DocumentReader({"here": {"there": value}}), method)("here.gone", **more)


@pytest.mark.parametrize(
    ("array", "more", "word"),
    [
        (np.zeros(3, np.float32), {}, "dtype"), (np.zeros((3, 1)), {}, "shape"),
        (np.zeros(4), {"shape": (3,)}, "shape"), (np.array([np.nan]), {}, "NaN"), (np.array([np.inf]), {}, "NaN"),
        (np.array([2.0, 0]), {"high": 1}, "outside"),
        (np.array([-1.0, np.nan]), {"low": 0, "finite": False}, "outside"), (np.array(0.0), {}, "shape"),
    ],
)  # fmt: skip
def test_reader_refuses_arrays(array, more, word):
    with pytest.raises(BundleError, match=f"'a/b'.*{word}"):
        DocumentReader({}, {"a/b": array}).array("a/b", **{"dtype": np.float64, "shape": (None,)} | more)
    with pytest.raises(BundleError, match="did you mean 'a/bc'"):
        DocumentReader({}, {"a/bc": array}).array("a/b", dtype=float, shape=(None,))
    passing = DocumentReader({}, {"a/b": np.array([np.nan, 0.5])})
    assert len(passing.array("a/b", dtype=float, shape=(None,), finite=False, low=0, high=1)) == 2
