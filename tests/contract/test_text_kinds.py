"""Every way from texts to numbers through the same questions."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from manyhot import MultiLabelClassifier, load
from manyhot.config.fields import BoolField, ChoiceField, IntField, TextField
from manyhot.config.text import TEXT_KINDS, text_params
from manyhot.config.training import TrainingConfig, config_from_dict
from manyhot.encoders.text.columns import TEXT_ENCODERS, TextColumns
from manyhot.errors import InputError
from tests.fixtures.onnx_files import onnx_folder
from tests.fixtures.text_files import preset_folder, static_folder

SMALL = {"n_members": 2, "n_folds": 2, "epochs": 2, "hidden_layer_sizes": (8,), "batch_size": 16, "verbose": 0}
SENTENCES = [
    "grün und gut",
    "😀 very good 😀",
    "עברית מימין",
    "not at all good",
    "猫が好き",
    "العربية",
    "bad\x00 thing",
    "x",
]


def frame(n: int = 48, seed: int = 0) -> pl.DataFrame:
    """Texts of every script; empty, missing and very long ones among them; a number beside."""
    generator = np.random.default_rng(seed)
    texts: list[str | None] = [" ".join(generator.choice(SENTENCES, size=3)) for _ in range(n)]
    texts[3], texts[4], texts[5] = None, "", "good thing " * 95_000
    titles = generator.choice(SENTENCES, size=n).tolist()
    return pl.DataFrame({"body": texts, "price": generator.normal(size=n), "title": titles})


def targets(n: int = 48) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, size=(n, 3))


KINDS = {"body": "text", "title": "text"}

OWN = """
import hashlib
import numpy as np

def features(texts):
    rows = [np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)[:6] for text in texts]
    return np.array(rows, dtype=float).reshape(len(texts), 6) / 256
"""
"""A function of the user's, in a module that another process can import."""
CASES = {
    "tfidf": {},
    "hashed tfidf": {"text": "tfidf", "text_params": {"hashed": True, "max_words": 64}},
    "custom": {"text": "custom"},
    "static": {"text": "static"},
    "embeddings": {"text": "embeddings", "text_params": {"buckets": 7, "units": 5, "max_tokens": 16}},
    "pretrained": {"text": "pretrained"},
    "onnx": {"text": "onnx"},
    "embedded onnx": {"text": "onnx", "text_params": {"embed": True}},
    "mean of embeddings": {"text": "embeddings", "text_params": {"pool": "mean", "units": 5}},
}

ONNX_LIBRARIES = ("onnx", "onnxruntime", "tokenizers")
NEEDED = {"static": ("tokenizers",), "pretrained": ("keras_hub",)}
NEEDED |= {"onnx": ONNX_LIBRARIES, "embedded onnx": ONNX_LIBRARIES}
"""Packages that a case needs beside our own: the extras static and onnxtext, pip install --no-deps keras-hub."""


def settings_of(case: str, folder: Path) -> dict:
    """The settings of a case, with the files that they need made in a folder."""
    settings = dict(CASES[case])
    if case == "static":
        settings["text_params"] = {"model": str(static_folder(folder / "vectors"))}
    if "onnx" in case:
        settings["text_params"] = {**settings.get("text_params", {}), "model": str(onnx_folder(folder / "model"))}
    if case == "pretrained":
        settings["text_params"] = {"preset": str(preset_folder(folder / "preset")), "max_tokens": 16}
    return settings


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """Case -> its model, what it is handed when it is loaded, its file, and the scores that another process makes.

    One process answers for all cases, because it takes longer to start than to answer; a case whose packages are not
    here is left out.
    """
    folder, patch = tmp_path_factory.mktemp("kinds"), pytest.MonkeyPatch()
    patch.setenv("MANYHOT_CACHE", str(folder / "cache"))
    (folder / "words.py").write_text(OWN)
    spec = importlib.util.spec_from_file_location("words", folder / "words.py")
    words = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(words)
    frame(40, 7).write_parquet(folder / "rows.parquet")
    lines, made = ["import polars as pl, numpy as np, manyhot, words", "rows = pl.read_parquet('rows.parquet')"], {}
    for number, case in enumerate(CASES):
        if any(importlib.util.find_spec(name) is None for name in NEEDED.get(case, ())):
            continue
        place = folder / str(number)
        place.mkdir()
        settings = settings_of(case, place)
        handed = {"custom": words.features, "pretrained": str(place / "preset"), "onnx": str(place / "model")}.get(case)
        if case == "custom":
            settings["text"] = handed
        model = MultiLabelClassifier(column_types=KINDS, **SMALL, **settings).fit(frame(), targets())
        model.save(place / "m.manyhot")
        if settings.get("text_params", {}).get("embed"):  # the file is to do without the folder
            shutil.rmtree(place / "model")
        told = "words.features" if case == "custom" else repr(handed)
        lines.append(f"model = manyhot.load('{number}/m.manyhot', text={told})")
        lines.append(f"np.save('{number}/scores.npy', model.predict_proba(rows))")
        made[case] = model, handed, place
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    yield made
    patch.undo()


def test_every_kind_is_asked():
    assert {case.get("text", "tfidf") for case in CASES.values()} == set(TEXT_KINDS) == set(TEXT_ENCODERS)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_another_process_gives_the_same_scores_bit_for_bit(case, answered):
    for name in NEEDED.get(case, ()):
        pytest.importorskip(name, reason=f"the case {case!r} needs {name}")
    model, handed, place = answered[case]
    fresh = frame(40, 7)
    scores = model.predict_proba(fresh)
    np.testing.assert_array_equal(np.load(place / "scores.npy"), scores)
    np.testing.assert_array_equal(load(place / "m.manyhot", text=handed).predict_proba(fresh), scores)


@pytest.mark.slow
def test_the_settings_reach_the_encoders():
    settings = {"max_words": 7, "max_characters": 0}
    model = MultiLabelClassifier(column_types=KINDS, text_params=settings, **SMALL).fit(frame(), targets())
    assert [encoder.width for encoder in model.model_.encoder.texts.encoders] == [7, 7]
    assert model.model_.config.text_params == {**settings, "hashed": False}


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_defaults_are_within_their_range(kind):
    settings = text_params(kind, None)
    assert set(settings) == set(TEXT_KINDS[kind].all_settings)
    for name, setting in TEXT_KINDS[kind].all_settings.items():
        assert isinstance(setting, (IntField, BoolField, TextField, ChoiceField))
        assert setting.description
        assert settings[name] == setting.default


def test_a_plan_with_settings_survives_json():
    config = TrainingConfig(text_params={"max_words": np.int64(5), "hashed": True})
    assert config_from_dict(TrainingConfig, config.to_dict()) == config
    assert type(config.text_params["max_words"]) is int


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"text": "tfid"}, "argument 'text': .*did you mean 'tfidf'"),
        ({"text_params": {"max_word": 5}}, "argument 'text_params': .*did you mean 'max_words'"),
        ({"text_params": {"max_words": -1}}, "argument 'text_params': max_words: got -1"),
        ({"text_params": {"hashed": 1}}, "argument 'text_params': hashed: got 1"),
        ({"text_params": 5}, "argument 'text_params': got 5"),
    ],
)
def test_what_cannot_be_used_is_named(settings, told):
    with pytest.raises(InputError, match=told):
        TrainingConfig(**settings)


@pytest.mark.parametrize("specs", [[{"kind": ["tfidf"]}], [{"kind": {}}], [{"kind": None}], ["tfidf"], [{}]])
def test_a_kind_that_is_no_name_is_refused(specs):
    with pytest.raises(InputError):
        TextColumns.from_spec(specs, {}, 1)
