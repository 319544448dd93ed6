"""Which words of a text are no reasons."""

import numpy as np
import pytest

from manyhot.encoders.feature_sources import FeatureSources
from manyhot.explanation.explain import _strongest_reasons
from manyhot.explanation.stop_words import is_stop_word


@pytest.mark.parametrize("word", ["the", "and", "i", ",", ".", "--", "und", "les"])
def test_function_words_and_punctuation_are_no_reasons(word):
    assert is_stop_word(word)


@pytest.mark.parametrize(
    "word", ["not", "no", "never", "but", "die", "war", "refund", "7", "\N{CRYING FACE}", "\u732b"]
)
def test_words_that_mean_something_are(word):
    assert not is_stop_word(word)


def test_they_are_left_out_of_texts_only():
    names, columns = ["the", "money", ".", "a"], ["body", "body", "body", "a"]
    sources = FeatureSources(names, columns, {}, {"body": "The money."})
    positive, negative = _strongest_reasons(sources, np.array([3.0, 2.0, -1.0, 0.5]), top=2)
    assert [reason.what for reason in positive] == ["money", "a"]
    assert not negative
