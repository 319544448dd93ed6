"""Columns of text from rows to answers: found, trained on, saved, and the same in another process."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from manyhot import MultiLabelClassifier, cross_validate, load
from manyhot.errors import InputError
from tests.encoders.text.term_names import term_names

ODD = [
    "Grüße aus Köln, überall Straßen",
    "I love it 😀😀 👩‍👩‍👧 so much",
    "",
    None,
    "שלום עולם refund",
    "مرحبا بالعالم",
    "refund " * 150_000,
    "\x00\u200f?",
    "日本語のテキスト",
]
SMALL = {"n_members": 2, "epochs": 3, "hidden_layer_sizes": (16,), "random_state": 3}


def tickets(n: int = 300, seed: int = 0) -> tuple[pl.DataFrame, np.ndarray]:
    """Tickets whose words say what they are about, with a number and a category beside them."""
    generator = np.random.default_rng(seed)
    Y = generator.random((n, 3)) < 0.3
    speaks = [["refund", "money"], ["login", "password"], ["slow", "crash"]]
    texts = []
    for row in Y:
        words = list(generator.choice(["please", "the", "hello", "app", "account", "today"], 5))
        words += [str(generator.choice(speaks[j])) for j in np.flatnonzero(row)]
        texts.append(" ".join(generator.permutation(words)))
    config = np.where(generator.random(n) < 0.5, "free", "paid")
    return pl.DataFrame({"message": texts, "age": generator.normal(size=n), "config": config}), Y


@pytest.mark.slow
@pytest.mark.parametrize(
    "made", [list, tuple, np.asarray, pd.Series, pl.Series, lambda one: pd.Series(one, dtype="string")]
)
def test_texts_alone_are_one_column_of_text(made, tmp_path):
    frame, Y = tickets(60)
    texts = frame["message"].to_list()
    texts[3] = None
    asked = [*texts[:8], "007", None]
    framed = pl.DataFrame({"text": texts})
    wanted = (
        MultiLabelClassifier(column_types={"text": "text"}, **SMALL)
        .fit(framed, Y)
        .predict_proba(pl.DataFrame({"text": asked}))
    )
    classifier = MultiLabelClassifier(**SMALL).fit(made(texts), Y)
    classifier.save(tmp_path / "m.manyhot")
    for model in (classifier, load(tmp_path / "m.manyhot")):
        np.testing.assert_array_equal(model.predict_proba(made(asked)), wanted)
        np.testing.assert_array_equal(model.predict_proba(pl.DataFrame({"text": asked})), wanted)


@pytest.mark.slow
def test_texts_alone_go_to_the_only_column_of_text_whatever_its_name():
    frame, Y = tickets(60)
    texts = frame["message"].to_list()
    classifier = MultiLabelClassifier(column_types={"message": "text"}, **SMALL).fit(frame.select("message"), Y)
    np.testing.assert_array_equal(classifier.predict_proba(texts), classifier.predict_proba(frame.select("message")))
    found = cross_validate(MultiLabelClassifier(**SMALL), texts, Y, n_splits=2, n_repeats=1)
    framed = cross_validate(classifier, frame.select("message"), Y, n_splits=2, n_repeats=1)
    assert found.mean("f1_micro") == framed.mean("f1_micro")
    several = MultiLabelClassifier(column_types={"message": "text"}, **SMALL).fit(frame, Y)
    with pytest.raises(InputError, match="argument 'X': got texts alone, but the model takes message, age, config;"):
        several.predict(texts)
    numbers = MultiLabelClassifier(**SMALL).fit(frame["age"].to_numpy()[:, None], Y)
    with pytest.raises(InputError, match="argument 'X': got texts alone, but the model takes x0;"):
        numbers.predict(texts)


@pytest.fixture(scope="module")
def odd_model(tmp_path_factory) -> tuple[MultiLabelClassifier, pl.DataFrame, Path]:
    frame, Y = tickets()
    texts = ODD + frame["message"].to_list()[len(ODD) :]
    frame = frame.with_columns(pl.Series("message", texts))
    classifier = MultiLabelClassifier(column_types={"message": "text"}, **SMALL).fit(frame, Y)
    path = tmp_path_factory.mktemp("odd") / "odd.manyhot"
    classifier.save(path)
    return classifier, frame, path


@pytest.mark.slow
def test_words_are_learned_beside_numbers_and_categories():
    frame, Y = tickets(600)
    classifier = MultiLabelClassifier(n_members=4, random_state=1).fit(frame, Y)
    assert classifier.model_.encoder.text_columns == ["message"]
    X, truth = tickets(200, seed=9)
    scores = classifier.predict_proba(X)
    assert scores[truth].mean() > 0.9
    assert scores[~truth].mean() < 0.1


@pytest.mark.slow
def test_several_text_columns_are_told_apart():
    frame, Y = tickets(400)
    swapped = frame.with_columns(subject=pl.lit("nothing to see here, move along please") + pl.col("config"))
    classifier = MultiLabelClassifier(column_types={"subject": "text"}, **SMALL).fit(swapped, Y)
    assert classifier.model_.encoder.text_columns == ["message", "subject"]
    crossed = swapped.with_columns(message=pl.col("subject"), subject=pl.col("message"))
    assert np.abs(classifier.predict_proba(swapped) - classifier.predict_proba(crossed)).max() > 0.05


@pytest.mark.slow
def test_another_process_gives_the_same_scores_bit_for_bit(odd_model, tmp_path):
    classifier, frame, path = odd_model
    rows = frame.head(64)
    expected = classifier.predict_proba(rows)
    rows.write_parquet(tmp_path / "rows.parquet")
    code = (
        "import sys, numpy, polars; from manyhot import load;"
        "rows = polars.read_parquet(sys.argv[2]);"
        "numpy.save(sys.argv[3], load(sys.argv[1]).predict_proba(rows))"
    )
    files = [str(path), str(tmp_path / "rows.parquet"), str(tmp_path / "scores.npy")]
    subprocess.run([sys.executable, "-c", code, *files], check=True, capture_output=True)
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), expected)


@pytest.mark.slow
def test_missing_and_empty_texts_have_a_score_of_their_own_and_equal(odd_model):
    classifier, frame, _ = odd_model
    row = frame.head(1)
    variants = [row.with_columns(message=pl.lit(text, dtype=pl.String)) for text in ("", None, " ")]
    first, *others = [classifier.predict_proba(one) for one in variants]
    assert np.isfinite(first).all()
    for other in others:
        np.testing.assert_array_equal(first, other)


@pytest.mark.slow
def test_text_that_looks_like_numbers_stays_text():
    frame, Y = tickets(300)
    codes = pl.Series("code", np.where(Y[:, 0], "007", "008"))
    classifier = MultiLabelClassifier(column_types={"code": "text"}, **SMALL).fit(frame.with_columns(codes), Y)
    both = frame.head(1).with_columns(code=pl.lit("007"))
    other = frame.head(1).with_columns(code=pl.lit("008"))
    number = frame.head(1).with_columns(code=pl.lit(7.0))
    assert "word: 007" in term_names(classifier.model_.encoder.texts.encoders[-1])
    scores = [classifier.predict_proba(one) for one in (both, other, number)]
    assert not np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_a_network_of_ones_own_does_not_leave_texts_out_in_silence():
    keras = pytest.importorskip("keras")
    frame, Y = tickets(100)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3, activation="sigmoid")])
    with pytest.raises(InputError, match=r"message.*holds text"):
        MultiLabelClassifier(network=model).fit(frame.select("message", "age"), Y)


@pytest.mark.slow
def test_a_loaded_model_trains_on(odd_model):
    _, frame, path = odd_model
    classifier = load(path)
    before = classifier.predict_proba(frame)
    Y = np.zeros((len(frame), 3), dtype=int)
    Y[:, 0] = 1
    classifier.partial_fit(frame, Y)
    assert not np.array_equal(classifier.predict_proba(frame), before)
