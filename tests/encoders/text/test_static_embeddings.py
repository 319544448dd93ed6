"""Static embeddings: the formulas, the files, and what is wrong with them."""

import json

import numpy as np
import polars as pl
import pytest

from manyhot import MultiLabelClassifier, load
from manyhot.encoders.text import static_embeddings
from manyhot.encoders.text.static_embeddings import StaticEncoder
from manyhot.errors import InputError
from tests.fixtures.text_files import WORDS, static_folder, vectors

pytest.importorskip("tokenizers", reason="static embeddings need the extra: pip install 'manyhot[static]'")

TEXTS = ["Good thing", "not very good .", "unheard of", "", None, "bad bad thing", "grün 😀"]
SMALL = {"n_members": 2, "n_folds": 2, "epochs": 2, "hidden_layer_sizes": (8,), "batch_size": 16, "verbose": 0}


def means(folder, texts=TEXTS) -> np.ndarray:
    encoder = StaticEncoder(str(folder)).fit(TEXTS)
    return encoder._extract([text or "" for text in texts])


def mean_of(words: list[str], table: np.ndarray) -> np.ndarray:
    return np.mean([table[WORDS.index(word)] for word in words], axis=0)


def test_a_text_is_the_mean_of_its_known_words(tmp_path):
    rows = means(static_folder(tmp_path, {"normalize": False}))
    np.testing.assert_allclose(rows[1], mean_of(["not", "very", "good", "."], vectors()), rtol=1e-6)
    np.testing.assert_allclose(rows[0], mean_of(["good", "thing"], vectors()), rtol=1e-6)
    assert not rows[2:5].any()


def test_the_config_says_whether_rows_have_a_length_of_one(tmp_path):
    rows = means(static_folder(tmp_path, {"normalize": True}))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), [1, 1, 0, 0, 0, 1, 1], rtol=1e-6)


def test_weights_and_mapping_of_a_quantised_vocabulary_are_followed(tmp_path):
    generator = np.random.default_rng(1)
    few, mapping = vectors(3), generator.integers(0, 3, len(WORDS))
    weights = generator.random(len(WORDS)).astype(np.float32)
    folder = static_folder(tmp_path, {}, {"embeddings": few, "mapping": mapping, "weights": weights})
    table = few[mapping] * weights[:, None]
    np.testing.assert_allclose(means(folder)[5], mean_of(["bad", "bad", "thing"], table), rtol=1e-6)


def test_half_precision_and_whole_numbers_are_taken(tmp_path):
    half = means(static_folder(tmp_path / "half", {}, {"embeddings": vectors().astype(np.float16)}))
    np.testing.assert_allclose(half, means(static_folder(tmp_path / "full", {})), rtol=1e-2, atol=1e-2)
    whole = means(static_folder(tmp_path / "whole", {}, {"embeddings": np.ones((len(WORDS), 2), np.int8)}))
    np.testing.assert_array_equal(whole[0], [1, 1])


def test_long_texts_are_cut_at_the_length_of_the_config(tmp_path):
    folder = static_folder(tmp_path, {"max_length": 4})
    np.testing.assert_allclose(means(folder, [". . . . bad"])[0], mean_of(["."], vectors()), rtol=1e-6)


def test_the_numbers_are_those_of_model2vec(tmp_path):
    model2vec = pytest.importorskip("model2vec", reason="compared where it happens to be installed")
    texts = [text or "" for text in TEXTS] + ["very good thing . " * 400]
    for k, config in enumerate(({"normalize": True}, {"normalize": False, "max_length": 3})):
        folder = static_folder(tmp_path / str(k), config)
        theirs = model2vec.StaticModel.from_pretrained(folder).encode(texts)
        np.testing.assert_allclose(means(folder, texts), theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_the_saved_file_needs_no_folder_and_holds_the_vectors_once(tmp_path):
    folder = static_folder(tmp_path / "vectors")
    frame = pl.DataFrame({"a": TEXTS * 6, "b": TEXTS[::-1] * 6, "x": np.arange(42.0)})
    Y = np.random.default_rng(0).integers(0, 2, (42, 2))
    settings = {"text": "static", "text_params": {"model": str(folder)}}
    model = MultiLabelClassifier(column_types={"a": "text", "b": "text"}, **settings, **SMALL).fit(frame, Y)
    assert model.model_.encoder.shapes() == {"features": (9,)}
    names = set(model.model_.encoder.to_spec()[1])
    assert {name for name in names if name.endswith("vectors")} == {"text.0.vectors"}
    model.save(tmp_path / "m.manyhot")
    for file in folder.iterdir():
        file.unlink()
    np.testing.assert_array_equal(load(tmp_path / "m.manyhot").predict_proba(frame), model.predict_proba(frame))


def test_files_that_cannot_be_used_are_named(tmp_path):
    def check_error(match, **change):
        with pytest.raises(InputError, match=match):
            StaticEncoder(**{"model": str(folder), **change}).fit(TEXTS)

    folder = tmp_path / "none"
    check_error("needs a folder of Model2Vec files", model="")
    check_error("there is no folder")
    folder = static_folder(tmp_path / "a")
    (folder / "config.json").unlink()
    check_error("has no config.json")
    folder = static_folder(tmp_path / "b")
    (folder / "tokenizer.json").write_text("{}")
    check_error("tokenizer.json cannot be read")
    folder = static_folder(tmp_path / "c")
    (folder / "model.safetensors").write_bytes(b"12345678")
    check_error("cannot be read")
    folder = static_folder(tmp_path / "d", arrays={"other": vectors()})
    check_error("expected an array 'embeddings'")
    folder = static_folder(tmp_path / "e", arrays={"embeddings": vectors(5)})
    check_error("5 vectors for the 10 pieces")
    folder = static_folder(tmp_path / "f", arrays={"embeddings": vectors() * np.float32(np.nan)})
    check_error("NaN or infinity")
    folder = static_folder(tmp_path / "g", arrays={"embeddings": vectors(3), "mapping": np.full(len(WORDS), 3)})
    check_error("points beyond 3 vectors")


def test_a_missing_library_is_answered_with_the_command(tmp_path, monkeypatch):
    folder = static_folder(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(InputError, match=r"pip install 'manyhot\[static\]'"):
        StaticEncoder(str(folder)).fit(TEXTS)


def test_a_name_on_the_hub_is_fetched_file_by_file(tmp_path, monkeypatch):
    folder = static_folder(tmp_path)

    class Hub:
        @staticmethod
        def hf_hub_download(name, file):
            if name != "owner/name":
                raise OSError("no such model")
            return str(folder / file)

    real = static_embeddings._import_extra
    monkeypatch.setattr(
        static_embeddings, "_import_extra", lambda name: Hub if name == "huggingface_hub" else real(name)
    )
    StaticEncoder("owner/name").fit(TEXTS)
    with pytest.raises(InputError, match="could not be had from the hub: no such model"):
        StaticEncoder("owner/other").fit(TEXTS)


@pytest.mark.parametrize(
    "change",
    [
        lambda spec, arrays: spec.update(more=1),
        lambda spec, arrays: spec.update(normalize=1),
        lambda spec, arrays: spec.update(max_tokens=0),
        lambda spec, arrays: spec.update(model=None),
        lambda spec, arrays: arrays.pop("vectors"),
        lambda spec, arrays: arrays.update(vectors=arrays["vectors"][:, :2]),
        lambda spec, arrays: arrays.update(vectors=arrays["vectors"].astype(object)),
        lambda spec, arrays: arrays.update(tokenizer=np.frombuffer(b'{"a": 1}', np.uint8)),
        lambda spec, arrays: arrays.update(tokenizer=arrays["tokenizer"].astype(np.uint16)),
        lambda spec, arrays: arrays.update(mapping=np.full(len(WORDS), -1)),
        lambda spec, arrays: arrays.update(scale=arrays["scale"] * 0),
    ],
)
def test_a_hostile_description_is_refused(change, tmp_path):
    spec, arrays = StaticEncoder(str(static_folder(tmp_path))).fit(TEXTS).to_spec()
    again = StaticEncoder.from_spec(json.loads(json.dumps(spec)), dict(arrays))
    np.testing.assert_array_equal(again.transform(TEXTS), StaticEncoder(str(tmp_path)).fit(TEXTS).transform(TEXTS))
    change(spec, arrays)
    with pytest.raises(InputError):
        StaticEncoder.from_spec(spec, arrays)
