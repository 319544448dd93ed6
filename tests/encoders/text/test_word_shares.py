"""Words and their shares of a text's columns, and where words stand."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manyhot.encoders.text.tfidf import NgramEncoder
from manyhot.encoders.text.tokenization import WORD, find_words, normalize_text
from tests.encoders.text.term_names import term_names

TEXTS = [
    "The cat sat on the mat, the cat slept.",
    "A dog and a cat; don't e-mail!",
    None,
    "Übermut tut selten gut 😀 U\u0308bermut",
    "",
    "猫は可愛い good",
    "good good good",
    "tab\tand\x00control\x1b[31m end",
    "ﬁne ½ ΟΔΟΣ İstanbul",
]
EVERY = [
    {},
    {"max_characters": 0},
    {"max_words": 0},
    {"max_words": 9, "max_characters": 7, "hashed": True},
    {"max_words": 2**18, "max_characters": 2**18, "hashed": True},
]


def assert_shared(encoder: NgramEncoder, text: str | None) -> None:
    """Every column of the text's row is given to words, and nothing else is."""
    found, row = encoder.shares(text), encoder.transform([text])
    np.testing.assert_array_equal(found.columns, row.indices)
    assert found.shares.shape == (len(found.words), row.nnz)
    assert len(set(found.words)) == len(found.words)
    np.testing.assert_allclose(found.shares.sum(axis=0), np.ones((1, row.nnz)), atol=1e-12)
    assert (found.shares.data > 0).all()
    amounts = np.random.default_rng(0).normal(size=row.nnz)
    assert abs((found.shares @ amounts).sum() - amounts.sum()) < 1e-6


@pytest.mark.parametrize("options", EVERY)
@pytest.mark.parametrize("text", [*TEXTS, "never seen 🦕", "the the the cat"])
def test_each_column_of_a_text_is_shared_among_its_words(options, text):
    assert_shared(NgramEncoder(**options).fit(TEXTS), text)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=3), st.sampled_from(EVERY))
def test_any_text_is_shared_whole(texts, options):
    encoder = NgramEncoder(**options).fit([*texts, "a good cat"])
    for text in texts:
        assert_shared(encoder, text)


def shares_of(encoder: NgramEncoder, text: str) -> dict:
    found = encoder.shares(text)
    dense = found.shares.toarray()
    return {
        term_names(encoder)[column]: {
            word: share for word, share in zip(found.words, dense[:, k], strict=True) if share
        }
        for k, column in enumerate(found.columns)
    }


def test_pairs_are_halved_and_runs_go_by_their_characters():
    text = "so good, goods"
    found = shares_of(NgramEncoder().fit([text, ""]), text)
    assert found["word: good"] == {"good": 1.0}
    assert found["word: so good"] == {"so": 0.5, "good": 0.5}
    assert found["characters: ood"] == {"good": 0.5, "goods": 0.5}
    assert found["characters: od,"] == pytest.approx({"good": 2 / 3, ",": 1 / 3})
    assert found["characters: od, "] == pytest.approx({"good": 2 / 3, ",": 1 / 3})
    assert found["characters:  goo"] == {"good": 0.5, "goods": 0.5}


def test_a_word_beside_itself_has_the_whole_pair():
    assert shares_of(NgramEncoder().fit(["no no", ""]), "no no")["word: no no"] == {"no": 1.0}


def test_terms_that_share_a_column_by_hash_share_it_by_how_often_they_occur():
    encoder = NgramEncoder(max_words=1, max_characters=0, hashed=True).fit(["a b", "a"])
    found = encoder.shares("a a b")
    # a, a, b, "a a", "a b": five occurrences of the one column
    np.testing.assert_allclose(found.shares.toarray(), [[(2 + 1 + 0.5) / 5], [(1 + 0.5) / 5]])


@pytest.mark.parametrize("text", [None, "", "   ", "\u200b"])
def test_a_text_without_words_has_none(text):
    found = NgramEncoder().fit(["a cat"]).shares(text)
    assert found.words == ()
    assert found.shares.shape == (0, 0)


@pytest.mark.parametrize(
    ("text", "word", "there"),
    [
        ("Refund, REFUND", "refund", ["Refund", "REFUND"]),
        ("gut U\u0308bermut Übermut", "übermut", ["U\u0308bermut", "Übermut"]),
        ("so 😀! 😀\ufe0f", "😀", ["😀", "😀\ufe0f"]),
        ("re\u00adfund", "refund", ["re\u00adfund"]),
        ("猫は可愛い", "可", ["可"]),
        ("a\x00b\tc", "b", ["b"]),
        ("der ΟΔΟΣ, gut", "οδος", ["ΟΔΟΣ"]),
        ("½ cup", "2", ["½"]),
        ("\u1112\u1161\u11ab, so", "한", ["\u1112\u1161\u11ab,"]),
    ],
)
def test_words_are_found_where_they_stand(text, word, there):
    assert [text[start:end] for start, end in find_words(text, {word}, 9)[word]] == there


def test_places_are_bounded_and_what_is_not_there_has_none():
    found = find_words("no " * 50, {"no", "yes"}, 3)
    assert found == {"no": [(0, 2), (3, 5), (6, 8)], "yes": []}


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_every_word_of_any_text_has_a_place_within_it(text):
    words = set(re.findall(WORD, normalize_text(text)))
    for word, spans in find_words(text, words, 100).items():
        assert spans, word
        assert all(0 <= start < end <= len(text) for start, end in spans)
