"""A sample of a file is drawn evenly, whatever the pieces, and is all of it where it is small."""

import numpy as np
import polars as pl
import pytest

from manyhot.data.readers import ReadOptions, read, sample_file
from manyhot.data.readers.sampling import Reservoir


def sampled_rows(n_rows: int, piece: int, max_rows: int, seed: int = 0, max_bytes: int = 10**9) -> np.ndarray:
    reservoir = Reservoir(seed, max_rows, max_bytes)
    for first in range(0, n_rows, piece):
        rows = np.arange(first, min(first + piece, n_rows))
        reservoir.add(pl.DataFrame({"row": rows, "text": [f"a text that is long enough, {k}" for k in rows]}), first)
    frame, numbers = reservoir.sample()
    np.testing.assert_array_equal(frame["row"].to_numpy(), numbers)
    assert frame["text"].to_list() == [f"a text that is long enough, {k}" for k in numbers]
    return numbers


def test_the_same_rows_whatever_the_pieces():
    first = sampled_rows(5000, 5000, 100)
    assert len(first) == 100
    assert (np.diff(first) > 0).all()
    for piece in (37, 1000):
        np.testing.assert_array_equal(sampled_rows(5000, piece, 100), first)
    assert len(np.intersect1d(sampled_rows(5000, 1000, 100, seed=1), first)) < 20
    np.testing.assert_array_equal(sampled_rows(90, 37, 100), np.arange(90))


@pytest.mark.slow
def test_rows_are_drawn_evenly():
    counts = np.zeros(10)
    for seed in range(200):
        counts += np.histogram(sampled_rows(1000, 100, 50, seed), bins=10, range=(0, 1000))[0]
    chi2 = ((counts - 1000) ** 2 / 1000).sum()
    assert chi2 < 9 + 5 * np.sqrt(18)


def test_bytes_bound_the_sample():
    assert 20 < len(sampled_rows(20_000, 1000, 10_000, max_bytes=40_000)) < 1000


@pytest.mark.parametrize("name", ["songs.csv", "songs.jsonl", "songs.parquet"])
def test_pieces_are_the_file(tmp_path, name):
    frame = pl.DataFrame(
        {
            "x": [k / 7 for k in range(900)],
            "flag": [0, 1, 0] * 300,
            "kind": ["rock", "folk"] * 450,
            "label_a": [0, 1] * 450,
        }
    )
    {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[name.split(".")[1]](
        tmp_path / name
    )
    options = ReadOptions(labels="label_*")
    found = sample_file(tmp_path / name, options, max_rows=100)
    whole = read(tmp_path / name, options)
    assert found.file.n_rows == 900
    pieces = list(found.file.chunks())
    assert sum(piece.n_samples for piece in pieces) == 900
    joined = pl.concat([piece.features for piece in pieces])
    assert joined["x"].to_list() == whole.features["x"].to_list()
    assert joined["kind"].to_list() == whole.features["kind"].to_list()
    assert found.samples.features["x"].to_list() == [frame["x"][int(k)] for k in found.rows]
    assert found.samples.column_types["flag"] == "numeric"  # a later piece may hold other numbers
    assert sample_file(tmp_path / name, options).samples.column_types["flag"] == "boolean"
