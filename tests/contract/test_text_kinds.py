"""Every way from texts to numbers through the same questions."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from manyhot import MultiLabelClassifier, load
from manyhot.config.fields import Choice, Switch, Whole, Words
from manyhot.config.text import TEXT_KINDS, text_settings
from manyhot.config.training import Plan, plan_from_dict, to_dict
from manyhot.encoders.text.columns import TEXT_ENCODERS
from manyhot.errors import InputError
from tests.fixtures.text_files import preset_folder, static_folder

SMALL = {"members": 2, "folds": 2, "epochs": 2, "hidden": (8,), "batch_size": 16, "quiet": True}
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
    "ngrams": {},
    "hashed ngrams": {"text": "ngrams", "text_settings": {"hashed": True, "max_words": 64}},
    "own": {"text": "own"},
    "static": {"text": "static"},
    "embeddings": {"text": "embeddings", "text_settings": {"buckets": 7, "units": 5, "max_tokens": 16}},
    "pretrained": {"text": "pretrained"},
    "mean of embeddings": {"text": "embeddings", "text_settings": {"pool": "mean", "units": 5}},
}


def settings_of(case: str, folder: Path) -> dict:
    """The settings of a case, with the files that they need made in a folder."""
    settings = dict(CASES[case])
    if case == "static":
        pytest.importorskip("tokenizers", reason="static embeddings need the extra: pip install 'manyhot[static]'")
        settings["text_settings"] = {"model": str(static_folder(folder / "vectors"))}
    if case == "pretrained":
        pytest.importorskip("keras_hub", reason="a transformer needs keras-hub: pip install --no-deps keras-hub")
        settings["text_settings"] = {"preset": str(preset_folder(folder / "preset")), "max_tokens": 16}
    return settings


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The user's function."""
    (tmp_path / "words.py").write_text(OWN)
    monkeypatch.setenv("MANYHOT_CACHE", str(tmp_path / "cache"))
    spec = importlib.util.spec_from_file_location("words", tmp_path / "words.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.features


def test_every_kind_is_asked():
    assert {case.get("text", "ngrams") for case in CASES.values()} == set(TEXT_KINDS) == set(TEXT_ENCODERS)


@pytest.mark.parametrize("case", CASES)
def test_another_process_gives_the_same_scores_bit_for_bit(case, tmp_path, own):
    settings = settings_of(case, tmp_path)
    handed = {"own": own, "pretrained": str(tmp_path / "preset")}.get(settings.get("text", ""))
    if handed is own:
        settings["text"] = own
    model = MultiLabelClassifier(kinds=KINDS, **SMALL, **settings).fit(frame(), targets())
    model.save(tmp_path / "m.manyhot")
    fresh = frame(40, 7)
    fresh.write_parquet(tmp_path / "rows.parquet")
    code = (
        "import polars as pl, numpy as np, manyhot, words\n"
        f"model = manyhot.load('m.manyhot', text={'words.features' if handed is own else repr(handed)})\n"
        "np.save('scores.npy', model.predict_proba(pl.read_parquet('rows.parquet')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    scores = model.predict_proba(fresh)
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), scores)
    np.testing.assert_array_equal(load(tmp_path / "m.manyhot", text=handed).predict_proba(fresh), scores)


def test_the_settings_reach_the_encoders():
    settings = {"max_words": 7, "max_characters": 0}
    model = MultiLabelClassifier(kinds=KINDS, text_settings=settings, **SMALL).fit(frame(), targets())
    assert [encoder.width for encoder in model.model_.encoder.texts.encoders] == [7, 7]
    assert model.model_.plan.text_settings == {**settings, "hashed": False}


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_defaults_are_within_their_range(kind):
    settings = text_settings(kind, None)
    assert set(settings) == set(TEXT_KINDS[kind].all_settings)
    for name, setting in TEXT_KINDS[kind].all_settings.items():
        assert isinstance(setting, (Whole, Switch, Words, Choice))
        assert setting.meaning
        assert settings[name] == setting.default


def test_a_plan_with_settings_survives_json():
    plan = Plan(text_settings={"max_words": np.int64(5), "hashed": True})
    assert plan_from_dict(to_dict(plan)) == plan
    assert type(plan.text_settings["max_words"]) is int


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"text": "ngram"}, "argument 'text': .*did you mean 'ngrams'"),
        ({"text_settings": {"max_word": 5}}, "argument 'text_settings': .*did you mean 'max_words'"),
        ({"text_settings": {"max_words": -1}}, "argument 'text_settings': max_words: got -1"),
        ({"text_settings": {"hashed": 1}}, "argument 'text_settings': hashed: got 1"),
        ({"text_settings": 5}, "argument 'text_settings': got 5"),
    ],
)
def test_what_cannot_be_used_is_named(settings, told):
    with pytest.raises(InputError, match=told):
        Plan(**settings)
