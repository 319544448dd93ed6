"""Texts by a function of the user's: checked, kept, recognised."""

import json

import numpy as np
import polars as pl
import pytest

from manyhot import MultiLabelClassifier, cross_validate, load
from manyhot.encoders.feature_cache import MIN_ROWS, FeatureCache, content_key
from manyhot.encoders.text.custom import CALL_TEXTS, PROBE, CachedTextFunction, FunctionEncoder
from manyhot.errors import InputError

SMALL = {"n_members": 2, "n_folds": 2, "epochs": 2, "hidden_layer_sizes": (8,), "batch_size": 16, "verbose": 0}
TEXTS = [f"text {k % 50}" + "x" * (k % 7) for k in range(120)]
Y = np.random.default_rng(0).integers(0, 2, (120, 2))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MANYHOT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Counting:
    """Lengths and vowels, and how many texts were asked for."""

    def __init__(self, shift: float = 0.0) -> None:
        self.calls: list[str] = []
        self.shift = shift

    def __call__(self, texts: list[str]) -> np.ndarray:
        self.calls += texts
        return np.array([[len(text) + self.shift, sum(c in "aeiou" for c in text)] for text in texts], dtype=float)


def test_distinct_texts_are_asked_for_once_and_never_again():
    function = Counting()
    rows = CachedTextFunction(function, "counting").extract(TEXTS)
    np.testing.assert_array_equal(rows, Counting()(TEXTS).astype(np.float32))
    assert sorted(function.calls) == sorted([*PROBE, *set(TEXTS)])
    again = Counting()
    np.testing.assert_array_equal(CachedTextFunction(again, "counting").extract(TEXTS[::-1]), rows[::-1])
    assert again.calls == list(PROBE)


def test_another_name_another_function_and_no_cache_ask_again(cache):
    CachedTextFunction(Counting(), "counting").extract(TEXTS)
    for function, name, is_cached in ((Counting(), "other", True), (Counting(1), "counting", True)):
        CachedTextFunction(function, name, is_cached).extract(TEXTS)
        assert len(function.calls) == len(PROBE) + len(set(TEXTS))
    n_files = len(list(cache.rglob("*.npy")))
    assert n_files == 3
    CachedTextFunction(Counting(), "third", is_cached=False).extract(TEXTS)
    assert len(list(cache.rglob("*.npy"))) == n_files


def test_files_hold_numbers_alone_and_damaged_ones_are_computed_again(cache):
    rows = CachedTextFunction(Counting(), "counting").extract(TEXTS)
    (file,) = cache.rglob("*.npy")
    assert b"text" not in np.load(file, allow_pickle=False).tobytes()
    file.write_bytes(file.read_bytes()[:100])
    np.testing.assert_array_equal(CachedTextFunction(Counting(), "counting").extract(TEXTS), rows)
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.testing.assert_array_equal(CachedTextFunction(Counting(), "counting").extract(TEXTS), rows)


def test_few_texts_make_no_file_and_a_folder_that_cannot_be_written_is_no_error(cache, tmp_path):
    features = CachedTextFunction(Counting(), "counting")
    features.extract(TEXTS[: MIN_ROWS - 1])
    assert not list(cache.rglob("*.npy"))
    (tmp_path / "file").write_text("")
    feature_cache = FeatureCache(tmp_path / "file" / "below", 2)
    feature_cache.add([content_key(text) for text in TEXTS], np.ones((len(TEXTS), 2)))
    assert feature_cache.find([content_key("text 0")])[0] is not None


def test_a_call_has_so_many_texts_at_most():
    sizes = []

    def function(texts):
        sizes.append(len(texts))
        return np.ones((len(texts), 1))

    CachedTextFunction(function).extract([str(k) for k in range(2 * CALL_TEXTS + 5)])
    assert sizes == [len(PROBE), CALL_TEXTS, CALL_TEXTS, 5]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda texts: np.ones(len(texts)), r"shape \(5,\) for 5 texts"),
        (lambda texts: np.ones((3, 2)), r"shape \(3, 2\)"),
        (lambda texts: np.ones((len(texts), 0)), r"expected numbers"),
        (lambda texts: [["a"]] * len(texts), "expected numbers of shape"),
        (lambda texts: np.full((len(texts), 2), np.nan), "NaN or infinity for the text ''"),
        (lambda texts: np.full((len(texts), 2), 1e300), "NaN or infinity"),
        (lambda texts: np.ones((len(texts), 1 + len(texts[0]))), r"expected numbers of shape \(\d+, 1\)"),
        (7, "expected the name of a way or a function"),
    ],
)
def test_what_a_function_may_not_give_is_named(function, message):
    frame = pl.DataFrame({"t": TEXTS})
    with pytest.raises(InputError, match=message):
        MultiLabelClassifier(column_types={"t": "text"}, text=function, **SMALL).fit(frame, Y)


@pytest.mark.slow
def test_a_saved_model_waits_for_its_function(tmp_path):
    frame = pl.DataFrame({"t": TEXTS, "x": np.arange(120.0)})
    model = MultiLabelClassifier(column_types={"t": "text"}, text=Counting(), **SMALL).fit(frame, Y)
    assert model.model_.encoder.shapes() == {"features": (3,)}
    model.save(tmp_path / "m.manyhot")
    waiting = load(tmp_path / "m.manyhot")
    assert waiting.text == "custom"
    with pytest.raises(InputError, match=r"load\(path, text=function\)"):
        waiting.predict(frame)
    with pytest.raises(InputError, match="hand it over in Python"):
        waiting.fit(frame, Y)
    with pytest.raises(InputError, match=r"up to 5 away.*Counting"):
        load(tmp_path / "m.manyhot", text=Counting(5))
    with pytest.raises(InputError, match="gives 1 numbers a text, 2 of training"):
        load(tmp_path / "m.manyhot", text=lambda texts: np.ones((len(texts), 1)))
    again = load(tmp_path / "m.manyhot", text=Counting(1e-4))
    np.testing.assert_allclose(again.predict_proba(frame), model.predict_proba(frame), atol=1e-3)


@pytest.mark.slow
def test_a_model_without_a_function_takes_none(tmp_path):
    frame = pl.DataFrame({"t": TEXTS, "x": np.arange(120.0)})
    for column_types, message in (
        ({"t": "text"}, "by 'tfidf', which takes no function"),
        ({"t": "ignored"}, "no texts"),
    ):
        MultiLabelClassifier(column_types=column_types, **SMALL).fit(frame, Y).save(tmp_path / "m.manyhot")
        with pytest.raises(InputError, match=message):
            load(tmp_path / "m.manyhot", text=Counting())


@pytest.mark.slow
def test_cross_validation_asks_for_each_text_once():
    function = Counting()
    frame = pl.DataFrame({"t": TEXTS})
    model = MultiLabelClassifier(column_types={"t": "text"}, text=function, text_params={"cache": False}, **SMALL)
    cross_validate(model, frame, Y, n_splits=3, n_repeats=1)
    assert len(function.calls) == len(PROBE) + len(set(TEXTS))


@pytest.mark.parametrize(
    "change",
    [
        lambda spec, arrays: spec.update(more=1),
        lambda spec, arrays: spec.update(probe="abc"),
        lambda spec, arrays: spec.update(probe=[]),
        lambda spec, arrays: spec.update(name=3),
        lambda spec, arrays: spec.update(cache=1),
        lambda spec, arrays: spec.update(probe=["one"]),
        lambda spec, arrays: arrays.update(scale=-arrays["scale"]),
        lambda spec, arrays: arrays.update(center=arrays["center"][:1]),
        lambda spec, arrays: arrays.update(probe=arrays["probe"] * np.float32(np.nan)),
        lambda spec, arrays: arrays.pop("probe"),
    ],
)
def test_a_hostile_description_is_refused(change):
    encoder = FunctionEncoder()
    encoder.attach(Counting())
    spec, arrays = encoder.fit(TEXTS).to_spec()
    FunctionEncoder.from_spec(json.loads(json.dumps(spec)), dict(arrays))
    change(spec, arrays)
    with pytest.raises(InputError):
        FunctionEncoder.from_spec(spec, arrays)
