"""Texts as rows of words and characters: which terms there are, what a row holds, and what a file may say of it."""

import json
import math
import unicodedata

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

from manyhot.encoders import TableEncoder
from manyhot.encoders.text.tfidf import _ANALYSIS, FEW_ROWS, NgramEncoder, _counts, _row_counts
from manyhot.encoders.text.tokenization import normalize_text
from manyhot.errors import InputError
from tests.encoders.text.term_names import term_names

TEXTS = [
    "The cat sat on the mat, the cat slept.",
    "A dog and a cat",
    None,
    "Übermut tut selten gut 😀",
    "",
    "the dog sat 😀 gut",
    "مرحبا بالعالم، مرحبا",
    "猫は可愛い",
    "tab\tand\x00control\x1b[31m end",
] * 8

BOTH = [{}, {"max_characters": 500}]
EVERY = [*BOTH, {"max_words": 0, "max_characters": 300}, {"max_words": 64, "max_characters": 100, "hashed": True}]


def assert_same(first: sp.csr_matrix, second: sp.csr_matrix) -> None:
    assert first.shape == second.shape
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
        assert getattr(first, name).dtype == getattr(second, name).dtype


def again(encoder: NgramEncoder) -> NgramEncoder:
    spec, arrays = encoder.to_spec()
    return NgramEncoder.from_spec(json.loads(json.dumps(spec)), {name: a.copy() for name, a in arrays.items()})


def words(texts, **options) -> NgramEncoder:
    return NgramEncoder(max_characters=0, **options).fit(texts)


def terms(encoder: NgramEncoder) -> set[str]:
    return {name.partition(": ")[2] for name in term_names(encoder)}


@pytest.mark.parametrize("options", EVERY)
def test_a_described_encoder_gives_the_same_bits(options):
    encoder = NgramEncoder(**options).fit(TEXTS)
    X = encoder.transform([*TEXTS, "never seen 🦕", "the the the cat"])
    assert X.dtype == np.float32
    assert X.has_sorted_indices
    assert X.shape == (len(TEXTS) + 2, encoder.width)
    assert_same(again(encoder).transform([*TEXTS, "never seen 🦕", "the the the cat"]), X)
    assert term_names(again(encoder)) == term_names(encoder)
    assert len(term_names(encoder)) == encoder.width


@pytest.mark.parametrize("options", EVERY)
def test_the_order_of_the_rows_changes_nothing(options):
    generator = np.random.default_rng(0)
    order, weights = generator.permutation(len(TEXTS)), generator.random(len(TEXTS))
    one = NgramEncoder(**options).fit(TEXTS, weights)
    other = NgramEncoder(**options).fit([TEXTS[i] for i in order], weights[order])
    assert term_names(one) == term_names(other)
    assert_same(other.transform(TEXTS), one.transform(TEXTS))


@pytest.mark.parametrize("options", EVERY)
def test_missing_and_empty_texts_are_empty_rows(options):
    X = NgramEncoder(**options).fit(TEXTS).transform([None, "", "  \n\t\x00", "cat"])
    assert np.diff(X.indptr)[:3].tolist() == [0, 0, 0]
    assert X[3].nnz > 0


def test_no_rows_are_no_rows():
    for options in EVERY:
        encoder = NgramEncoder(**options).fit(TEXTS)
        assert encoder.transform([]).shape == (0, encoder.width)


def test_weights_of_a_row_are_those_of_the_formula():
    texts = ["good good dog", "good cat", "bird", "bird"]
    encoder = words(texts)
    row = dict(zip(term_names(encoder), encoder.transform(["good good dog unknown"]).toarray()[0], strict=True))
    idf = {"good": 1 + math.log(5 / 3), "dog": 1 + math.log(5 / 2), "good good": 1 + math.log(5 / 2)}
    expected = {"word: good": (1 + math.log(2)) * idf["good"], "word: dog": idf["dog"]}
    expected |= {"word: good good": idf["good good"], "word: good dog": idf["dog"]}
    length = math.sqrt(sum(value**2 for value in expected.values()))
    assert {name for name, value in row.items() if value} == set(expected)
    for name, value in expected.items():
        assert row[name] == pytest.approx(value / length, rel=1e-6)


def test_each_part_of_a_row_has_length_one():
    encoder = NgramEncoder(max_characters=500).fit(TEXTS)
    X = encoder.transform(TEXTS)
    n_words = sum(name.startswith("word:") for name in term_names(encoder))
    for part in (X[:, :n_words], X[:, n_words:]):
        lengths = np.sqrt(part.multiply(part).sum(axis=1)).A1
        np.testing.assert_allclose(lengths[[0, 1, 3]], 1, rtol=1e-5)


def test_columns_are_sorted_words_first():
    names = term_names(NgramEncoder(max_characters=500).fit(TEXTS))
    found = [[n.partition(": ")[2] for n in names if n.startswith(part)] for part in ("word", "characters")]
    assert found[0] == sorted(found[0])
    assert found[1] == sorted(found[1])
    assert [name.partition(":")[0] for name in names] == ["word"] * len(found[0]) + ["characters"] * len(found[1])


def test_the_most_frequent_by_rows_are_kept():
    texts = ["many many many many many x", "few", "few some", "some few"] * 20
    assert terms(words(texts, max_words=2)) == {"few", "some"}
    assert terms(words(texts[::-1], max_words=1)) == {"few"}


def test_equally_frequent_terms_are_kept_by_code_point():
    assert terms(words(["b", "a", "c", "d"] * 20, max_words=2)) == {"a", "b"}


def test_a_term_needs_two_rows_unless_rows_are_few():
    texts = ["common"] * FEW_ROWS + ["single single"]
    assert terms(words(texts)) == {"common"}
    assert "single" in terms(words(texts[-10:]))


def test_rows_without_a_common_term_keep_their_terms():
    assert len(terms(words([f"word{k}" for k in range(100)]))) == 100


def test_a_row_of_weight_k_counts_like_k_rows():
    times = np.random.default_rng(0).integers(1, 4, size=len(TEXTS))
    for options in EVERY:
        weighted = NgramEncoder(**options).fit(TEXTS, times.astype(float))
        repeated = NgramEncoder(**options).fit([t for t, k in zip(TEXTS, times, strict=True) for _ in range(k)])
        assert_same(repeated.transform(TEXTS), weighted.transform(TEXTS))


@pytest.mark.parametrize("hashed", [False, True])
def test_characters_are_those_of_scikit_learn(hashed):
    """Counting word by word gives what counting in whole texts gives."""
    rows = [text or "" for text in TEXTS] + ["a a a ab  ab\u2003abc"]
    encoder = NgramEncoder(max_words=0, max_characters=200, hashed=hashed).fit(rows)
    settings = {"analyzer": "char_wb", "ngram_range": _ANALYSIS["characters"]["ngram_range"], "lowercase": False}
    whole = (
        HashingVectorizer(n_features=200, alternate_sign=False, norm=None, **settings)
        if hashed
        else CountVectorizer(vocabulary=[name.partition(": ")[2] for name in term_names(encoder)], **settings)
    )
    plain = [normalize_text(row) for row in rows]
    counts = _counts("characters", encoder._vectorizers["characters"], plain)
    assert counts.has_sorted_indices
    np.testing.assert_array_equal(counts.toarray(), whole.transform(plain).toarray())
    if not hashed:
        found = _row_counts("characters", plain, np.ones(len(rows)))
        n_rows = (whole.transform(plain) > 0).sum(axis=0).A1
        assert [found[name.partition(": ")[2]] for name in term_names(encoder)] == n_rows.tolist()


def test_unseen_words_are_passed_over():
    encoder = words(TEXTS)
    assert encoder.transform(["zebra xylophone"]).nnz == 0
    assert_same(encoder.transform(["zebra cat"]), encoder.transform(["cat"]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Übermut", "U\u0308bermut"),
        ("ÜBERMUT", "übermut"),
        ("ﬁne ①", "fine 1"),
        ("ℌello", "hello"),
        ("caf\u00adé", "café"),
        ("\u202eبالعالم\u202c", "بالعالم"),
        ("❤\ufe0f", "❤"),
        ("zero\ud800width", "zero width"),
        ("bell\x07rings", "bell rings"),
    ],
)
def test_one_text_in_two_spellings_is_one_row(one, other):
    for options in EVERY:
        encoder = NgramEncoder(**options).fit([one, other, "something else"])
        assert_same(encoder.transform([one]), encoder.transform([other]))
        assert encoder.transform([one]).nnz > 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I'm ok 👍🏽!", {"i", "'", "m", "ok", "👍", "🏽", "!"}),
        ("हिन्दी भाषा", {"हिन्दी", "भाषा"}),
        ("مُحَمَّد، שָׁלוֹם", {"مُحَمَّد", "،", "שָׁלוֹם"}),
        ("猫は 한국어 ok", {"猫", "は", "한국어", "ok"}),
        ("ภาษา", {"ภ", "า", "ษ"}),
    ],
)
def test_words_of_many_scripts(text, expected):
    found = {unicodedata.normalize("NFKC", term) for term in terms(words([text])) if " " not in term}
    assert found == {unicodedata.normalize("NFKC", term) for term in expected}


def test_no_name_holds_what_a_terminal_obeys():
    names = term_names(NgramEncoder(max_characters=500).fit(TEXTS))
    assert all(name.isprintable() for name in names)


@pytest.mark.slow
def test_long_texts_are_no_trouble():
    texts = ["many different words " * 48_000, "x" * 100_000, "短い" * 10_000]
    for options in (BOTH[1], EVERY[3]):
        X = NgramEncoder(**options).fit(texts).transform(texts)
        assert np.isfinite(X.data).all()
        assert (np.diff(X.indptr) > 0).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.text(st.characters()), min_size=1, max_size=8), st.sampled_from(EVERY))
def test_any_text_survives_the_round_trip(texts, options):
    encoder = NgramEncoder(**options).fit([*texts, "a word"])
    X = encoder.transform(texts)
    assert_same(again(encoder).transform(texts), X)
    assert np.isfinite(X.data).all()
    assert X.data.max(initial=0) <= 1 + 1e-6


@pytest.mark.parametrize("make", [list, np.array, lambda texts: pl.Series("t", texts)])
def test_lists_arrays_and_series_are_one(make):
    texts = ["a cat", None, "a dog"]
    assert_same(words(make(texts)).transform(make(texts)), words(texts).transform(texts))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one text", "expected a list"),
        (["a", 3], "row 2: got 3, expected text"),
        ([b"bytes"], "row 1: got b'bytes'"),
        (pl.Series("year", [1999, 2000]), "row 1, column 'year'"),
        (["", None, " \x00"], "no text in any row"),
        (pl.Series("body", [None, ""], dtype=pl.String), "column 'body': there is no text"),
    ],
)
def test_what_is_no_text_is_refused(texts, message):
    with pytest.raises(InputError, match=message):
        NgramEncoder().fit(texts)


@pytest.mark.parametrize(
    "options", [{"max_words": -1}, {"max_words": 0, "max_characters": 0}, {"hashed": 1}, {"max_characters": 10**9}]
)
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(InputError, match=r"max_|hashed"):
        NgramEncoder(**options)


def described(**options):
    return NgramEncoder(max_words=100, max_characters=50, **options).fit(TEXTS).to_spec()


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "table"},
        {"kind": None},
        {"max_words": "20"},
        {"max_words": 20.0},
        {"max_words": True},
        {"max_words": 10**30},
        {"max_words": -5},
        {"max_words": 3},
        {"max_words": 0},
        {"hashed": 0},
        {"hashed": True},
        {"hashed": [True]},
        {"more": 1},
    ],
)
def test_hostile_settings_are_refused(change):
    spec, arrays = described()
    with pytest.raises(InputError):
        NgramEncoder.from_spec(spec | change, arrays)


@pytest.mark.parametrize("spec", [None, [], "tfidf", {}, {"kind": "tfidf"}])
def test_what_describes_no_encoder_is_refused(spec):
    with pytest.raises(InputError, match="described by"):
        NgramEncoder.from_spec(spec, {})


def _replaced(array, value):
    changed = array.copy()
    changed[3] = value
    return changed


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("words.idf", lambda a: a.astype(np.float64)),
        ("words.idf", lambda a: a[:-1]),
        ("words.idf", lambda a: a[:, None]),
        ("words.idf", lambda a: _replaced(a, np.nan)),
        ("words.idf", lambda a: _replaced(a, np.inf)),
        ("words.idf", lambda a: _replaced(a, -1)),
        ("words.ends", lambda a: a.astype(np.int32)),
        ("words.ends", lambda a: a[None]),
        ("words.ends", lambda a: a[:-1]),
        ("words.ends", lambda a: a[::-1]),
        ("words.ends", lambda a: _replaced(a, a[2])),
        ("words.ends", lambda a: _replaced(a, -1)),
        ("words.ends", lambda a: a + 1),
        ("words.ends", lambda a: np.r_[0, a[1:]]),
        ("words.ends", lambda a: a[:0]),
        ("words.bytes", lambda a: a[:-1]),
        ("words.bytes", lambda a: a.astype(np.int8)),
        ("words.bytes", lambda a: np.full_like(a, 0xFF)),
        ("words.bytes", lambda a: a[::-1]),
        ("words.bytes", lambda a: np.full_like(a, 97)),
        ("characters.bytes", lambda a: None),
        ("characters.idf", lambda a: a[:-1]),
    ],
)
def test_hostile_arrays_are_refused(name, change):
    spec, arrays = described()
    changed = change(arrays[name])
    arrays = {k: a for k, a in arrays.items() if k != name} | ({} if changed is None else {name: changed})
    with pytest.raises(InputError):
        NgramEncoder.from_spec(spec, arrays)


def test_a_term_there_twice_is_refused():
    spec, arrays = words(["aa", "bb"]).to_spec()
    NgramEncoder.from_spec(spec, arrays)
    arrays["words.bytes"] = np.frombuffer(b"aaaa", dtype=np.uint8)
    with pytest.raises(InputError, match="each once"):
        NgramEncoder.from_spec(spec, arrays)


def test_an_array_too_many_and_no_term_at_all_are_refused():
    spec, arrays = described()
    with pytest.raises(InputError, match="expected"):
        NgramEncoder.from_spec(spec, arrays | {"words.more": np.zeros(3)})
    spec, arrays = described(hashed=True)
    assert set(arrays) == {"words.idf", "characters.idf"}
    with pytest.raises(InputError, match="expected 100"):
        NgramEncoder.from_spec(spec, arrays | {"words.idf": arrays["words.idf"][:-1]})
    empty = {"words.idf": np.zeros(0, np.float32), "words.ends": np.zeros(0, np.int64), "words.bytes": b""}
    empty["words.bytes"] = np.zeros(0, np.uint8)
    with pytest.raises(InputError, match="without a single term"):
        NgramEncoder.from_spec(spec | {"hashed": False, "max_characters": 0}, empty)


def mixed() -> pl.DataFrame:
    n = len(TEXTS)
    return pl.DataFrame(
        {
            "title": TEXTS,
            "price": np.arange(n, dtype=float),
            "colour": ["red", "blue", "green"] * (n // 3),
            "body": TEXTS[::-1],
            "when": ["2020-01-01"] * n,
        }
    )


MIXED = {"title": "text", "price": "numeric", "colour": "categorical", "body": "text", "when": "ignored"}


def test_texts_stand_side_by_side_in_the_order_of_the_columns():
    frame = mixed()
    encoder = TableEncoder(MIXED).fit(frame)
    blocks = encoder.transform(frame)
    title, body = (NgramEncoder().fit(frame[name]).transform(frame[name]) for name in ("title", "body"))
    assert list(blocks) == ["features", "text"]
    assert encoder.sparse == {"text"}
    assert encoder.shapes() == {"features": (4,), "text": (title.shape[1] + body.shape[1],)}
    assert_same(blocks["text"], sp.hstack([title, body], format="csr"))
    alone = TableEncoder({name: kind for name, kind in MIXED.items() if kind != "text"}).fit(frame)
    assert alone.sparse == frozenset()
    assert list(alone.shapes()) == ["features"]
    np.testing.assert_array_equal(alone.transform(frame)["features"], blocks["features"])


def test_a_table_of_texts_alone_has_no_dense_block():
    frame = mixed().select("title", "when")
    encoder = TableEncoder({"title": "text", "when": "ignored"}).fit(frame)
    assert list(encoder.shapes()) == ["text"]
    spec, arrays = encoder.to_spec()
    assert set(spec["text"][0]) == {"kind", "max_words", "max_characters", "hashed"}
    blocks = TableEncoder.from_spec(json.loads(json.dumps(spec)), arrays).transform(frame)
    assert list(blocks) == ["text"]
    assert_same(blocks["text"], encoder.transform(frame)["text"])


@pytest.mark.parametrize(
    "change",
    [
        lambda spec, arrays: spec.update(text=[]),
        lambda spec, arrays: spec.update(text=None),
        lambda spec, arrays: spec.update(text=spec["text"] * 2),
        lambda spec, arrays: spec.update(text=[1, 2]),
        lambda spec, arrays: arrays.update({"text.2.words.idf": np.ones(1, np.float32)}),
        lambda spec, arrays: arrays.update({"text.00.words.idf": np.ones(1, np.float32)}),
        lambda spec, arrays: arrays.pop("text.1.words.idf"),
    ],
)
def test_texts_that_do_not_fit_the_table_are_refused(change):
    spec, arrays = TableEncoder(MIXED).fit(mixed()).to_spec()
    change(spec, arrays)
    with pytest.raises(InputError):
        TableEncoder.from_spec(spec, arrays)


def test_columns_of_text_that_nothing_describes_are_refused():
    spec, arrays = TableEncoder(MIXED).fit(mixed()).to_spec()
    other_arrays = {name: array for name, array in arrays.items() if not name.startswith("text.")}
    with pytest.raises(InputError, match="2 columns of text"):
        TableEncoder.from_spec(spec | {"text": []}, other_arrays)


def test_numbers_in_a_text_column_are_read_as_they_are_written():
    encoder = TableEncoder({"t": "text"}).fit(pl.DataFrame({"t": ["room 12", "room 7"]}))
    as_text = encoder.transform(pl.DataFrame({"t": ["12", "7"]}))["text"]
    assert as_text.nnz > 0
    assert_same(encoder.transform(pl.DataFrame({"t": [12.0, 7.0]}))["text"], as_text)


def test_a_text_column_without_text_and_one_that_is_gone_are_named():
    frame = pl.DataFrame({"t": [None, ""], "x": [1.0, 2.0]}, schema={"t": pl.String, "x": pl.Float64})
    with pytest.raises(InputError, match="column 't': there is no text"):
        TableEncoder({"t": "text", "x": "numeric"}).fit(frame)
    encoder = TableEncoder(MIXED).fit(mixed())
    with pytest.raises(InputError, match=r"missing: body"):
        encoder.transform(mixed().drop("body"))


def test_settings_reach_every_text_column():
    encoder = TableEncoder(MIXED, text_params={"max_words": 5, "max_characters": 0}).fit(mixed())
    assert encoder.shapes()["text"] == (10,)


@pytest.mark.parametrize("hashed", [False, True])
def test_terms_that_every_row_has_equally_often_weigh_nothing(hashed):
    texts = [f"please help me with order number {k}" for k in range(90)]
    encoder = NgramEncoder(1_000_000, 1_000_000, hashed).fit(texts)
    rows = encoder.transform(["please help me with order number", "please please", texts[3]])
    # By their hash a few of the 58 terms share a column with a number.
    assert rows[:2].nnz <= (2 if hashed else 0), "a row of nothing else is empty, and none is divided by 0"
    assert encoder.shares(texts[0]).columns.tolist() == encoder.transform(texts[:1]).indices.tolist()
    again = NgramEncoder.from_spec(*encoder.to_spec())
    assert (again.transform(texts) != encoder.transform(texts)).nnz == 0


@pytest.mark.parametrize("hashed", [False, True])
def test_a_term_that_rows_have_unequally_often_keeps_its_weight(hashed):
    texts = ["very good", "very very good", "so very good"] * 40
    encoder = NgramEncoder(max_characters=0, hashed=hashed).fit(texts)
    assert len({tuple(row) for row in encoder.transform(texts[:3]).toarray().round(6).tolist()}) == 3
    very, good = (encoder.transform([word]).nnz for word in ("very", "good"))
    assert (very, good) == (1, 0)
    late = ["same"] * 150 + ["same same"]
    assert NgramEncoder(max_characters=0, hashed=hashed).fit(late).transform(["same"]).nnz == 1
