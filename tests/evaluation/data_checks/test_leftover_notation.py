"""Traces of lists in label names, and names that only look like them."""

import pytest

from manyhot.evaluation.data_checks.label_names import is_leftover


@pytest.mark.parametrize(
    "name",
    ["['Drama'", "'Comedy']", "'Drama'", '"Drama"', "[Drama", "Comedy]", "{a", "a}", "<python", "java>", "[a]", "('a'"],
)
def test_traces_of_lists(name):
    assert is_leftover(name)


@pytest.mark.parametrize(
    "name",
    [
        "Drama",
        "rock 'n' roll",
        "rockin'",
        "'90s",
        "drums (live)",
        "(live)",
        "C++",
        "a < b",
        "x -> y",
        "f(x)",
        "12",
        "a[0]",
    ],
)
def test_names(name):
    assert not is_leftover(name)
