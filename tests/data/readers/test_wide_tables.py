"""Columns without a digit are told at once, and are what the slow look at each one finds."""

import random

import polars as pl

from manyhot.data.readers import column_types
from manyhot.data.readers.column_types import inspect_columns

CELLS = [
    *("", " ", "?", "na", "NA", "nan", "NaN", "inf", "-inf", "Infinity", "e", "-", "−", ".", ",", "()", "%", "$", "kg"),
    *(
        "½",
        "②",
        "٣",
        "yes",
        "No",
        "on",
        "off",
        "true",
        "a b c",
        "word",
        "words and more words that make a long text " * 2,
    ),
    *("1", "1,5", "2024-02-01", "Jan", "10:05", "photo.png", "x1", "[a]", None),
]


def test_the_short_way_finds_what_the_long_way_finds(monkeypatch):
    chooser = random.Random(0)
    for _ in range(15):
        n_rows = chooser.choice([1, 3, 12, 40])
        pools = [chooser.sample(CELLS, chooser.choice([1, 2, 3, 8])) for _ in range(40)]
        frame = pl.DataFrame(
            {
                f"c{k}": pl.Series([chooser.choice(pool) for _ in range(n_rows)], dtype=pl.String)
                for k, pool in enumerate(pools)
            }
        )
        short = inspect_columns(frame, {"c0": "numeric"})
        with monkeypatch.context() as patch:
            patch.setattr(column_types, "MAX_SCANNED_ROWS", -1)
            long = inspect_columns(frame, {"c0": "numeric"})
        assert short.column_types == long.column_types
        assert (short.notes, short.number_formats) == (long.notes, long.number_formats)
        assert short.numbers.keys() == long.numbers.keys()


def test_words_are_not_looked_at_as_numbers(monkeypatch):
    looked_at = []
    monkeypatch.setattr(column_types, "infer_number_format", lambda column, *_: looked_at.append(column.name))
    frame = pl.DataFrame({"a": ["red", "blue", "red"], "b": ["5 kg", "6 kg", "7 kg"]})
    assert inspect_columns(frame, {}).column_types["a"] == "categorical"
    assert looked_at == ["b"]
