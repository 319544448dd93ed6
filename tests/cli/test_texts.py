"""How columns of text become numbers, said on the command line."""

import numpy as np
import polars as pl
import pytest

from manyhot import load
from tests.cli.conftest import SMALL


@pytest.fixture
def notes(tmp_path):
    generator = np.random.default_rng(0)
    words = np.array(["red", "blue", "loud", "quiet"])
    texts = [" ".join(generator.choice(words, size=6)) for _ in range(60)]
    labels = {f"is_{word}": [int(text.count(word) > 1) for text in texts] for word in words[:2]}
    pl.DataFrame({"note": texts, **labels}).write_csv(tmp_path / "notes.csv")
    return tmp_path / "notes.csv"


@pytest.mark.slow
def test_settings_of_texts_are_flags(manyhot, notes, tmp_path):
    flags = [
        "--column-type",
        "note=text",
        "--text",
        "tfidf",
        "--text-params",
        "max_words=16,max_characters=0,hashed=true",
    ]
    done = manyhot("train", notes, "--labels", "is_*", "-o", tmp_path / "n.manyhot", "--quiet", *flags, *SMALL)
    assert done.code == 0, done.err
    model = load(tmp_path / "n.manyhot")
    assert model.text_params == {"max_words": 16, "max_characters": 0, "hashed": True}
    assert model.model_.encoder.shapes() == {"text": (16,)}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--text", "tfdif"], "did you mean 'tfidf'"),
        (["--text-params", "max_word=3"], "did you mean 'max_words'"),
        (["--text-params", "max_words"], "expected NAME=VALUE"),
    ],
)
def test_a_wrong_setting_is_named(manyhot, notes, tmp_path, flags, message):
    done = manyhot("train", notes, "--labels", "is_*", "-o", tmp_path / "n.manyhot", *flags)
    assert done.code == 2
    assert message in " ".join(done.err.split())
