"""Columns of labels in files, as people write them: cells of sets, mappings and indicators."""

import json

import numpy as np
import polars as pl
import pytest

from manyhot.data.readers import ReadOptions, read
from manyhot.errors import InputError

SETS = [["Drama", "Film Noir"], ["Action"], []]
WRITTEN = {
    "numpy": ["['Drama' 'Film Noir']", "['Action']", "[]"],
    "python": ["['Drama', 'Film Noir']", "['Action']", "[]"],
    "set": ["{'Drama', 'Film Noir'}", "{'Action'}", "set()"],
    "json": ['["Drama", "Film Noir"]', '["Action"]', "[]"],
    "braces": ["{Drama,Film Noir}", "{Action}", "{}"],
    "tags": ["<Drama><Film Noir>", "<Action>", ""],
}


def write_csv(path, columns, delimiter=","):
    pl.DataFrame(columns).write_csv(path, separator=delimiter)
    return path


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("sep", [None, ",", "|"])
@pytest.mark.parametrize("notation", WRITTEN)
def test_notations_of_label_sets(tmp_path, notation, sep, is_sparse):
    cells = WRITTEN[notation] * 5
    path = write_csv(tmp_path / "f.csv", {"x": np.arange(15) * 1.5, "genres": cells})
    samples = read(path, ReadOptions(labels="genres", sep=sep, sparse_targets=is_sparse))
    assert samples.labels.names == ("Action", "Drama", "Film Noir")
    values = samples.sparse_targets.toarray() if is_sparse else samples.targets.values
    assert values[:3].tolist() == [[False, True, True], [True, False, False], [False, False, False]]
    ordered = read(path, ReadOptions(labels="genres", sep=sep, known_labels=("Film Noir", "Action", "Drama")))
    assert ordered.targets.values[0].tolist() == [True, False, True]


def test_words_for_missing_label_sets_are_unknown_and_stated(tmp_path):
    cells = ["Drama|Comedy", "nan", "Comedy", "None"] * 5
    path = write_csv(tmp_path / "f.csv", {"x": np.arange(20) * 1.5, "genres": cells})
    samples = read(path, ReadOptions(labels="genres", sep="|"))
    assert samples.labels.names == ("Comedy", "Drama")
    assert samples.targets.known_mask()[:, 0].tolist() == [True, False] * 10
    assert any("'nan' (5), 'None' (5)" in note for note in samples.notes)
    with pytest.raises(InputError, match=r"row 2.*column 'genres'.*unknown"):
        read(path, ReadOptions(labels="genres", sep="|", sparse_targets=True))


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "arrow"])
def test_mappings_are_indicators_by_name(tmp_path, suffix):
    rows = [{"x": 1.5, "y": {"q": 1, "p": 0}}, {"x": 2.5, "y": {"p": None, "q": 0}}, {"x": 3.5, "y": {"p": 1}}]
    path = tmp_path / f"f.{suffix}"
    if suffix == "jsonl":
        path.write_text("\n".join(map(json.dumps, [*rows, {"x": 4.5, "y": None}])))
    else:
        frame = pl.DataFrame([*rows, {"x": 4.5, "y": None}])
        frame.write_parquet(path) if suffix == "parquet" else frame.write_ipc(path)
    samples = read(path, ReadOptions(labels="y"))
    assert samples.labels.names == ("p", "q")
    assert samples.targets.values.tolist() == [[False, True], [False, False], [True, False], [False, False]]
    assert samples.targets.known_mask().tolist() == [[True, True], [False, True], [True, False], [False, False]]
    known = read(path, ReadOptions(labels="y", known_labels=("r", "q", "p")))
    assert known.targets.known_mask()[:, 0].tolist() == [False] * 4
    assert known.targets.values[:, 2].tolist() == [False, False, True, False]
    with pytest.raises(InputError, match=r"'q'.*not there in training"):
        read(path, ReadOptions(labels="y", known_labels=("p", "r")))


def test_whole_numbers_and_rows_of_0_and_1_in_json(tmp_path):
    path = tmp_path / "f.jsonl"
    path.write_text("\n".join(json.dumps({"x": k + 0.5, "y": y}) for k, y in enumerate([[10, 2], [], [3]])))
    assert read(path, ReadOptions(labels="y")).labels.names == ("2", "3", "10")
    path.write_text("\n".join(json.dumps({"x": k + 0.5, "y": y}) for k, y in enumerate([[1, 0, 0], [0, 1, 1]])))
    samples = read(path, ReadOptions(labels="y"))
    assert samples.targets.values.tolist() == [[True, False, False], [False, True, True]]
    assert any("lists 0 and 1" in note for note in samples.notes)
    assert read(path, ReadOptions(labels="y", label_order=("a", "b", "c"))).labels.names == ("a", "b", "c")


def test_pairs_of_numbers_beside_decimal_commas(tmp_path):
    cells = ["16,0", "7,1", "2", "0"] * 5
    path = write_csv(tmp_path / "f.csv", {"x": [f"{k},5" for k in range(20)], "ids": cells}, ";")
    samples = read(path, ReadOptions(labels="ids", sep=","))
    assert samples.labels.names == ("0", "1", "2", "7", "16")
    assert samples.targets.values.sum(axis=0).tolist() == [10, 5, 5, 5, 5]
    assert samples.column_types["x"] == "numeric"


def test_columns_of_yes_and_no_in_other_words(tmp_path):
    columns = {
        "x": np.arange(4) * 1.5,
        "y_a": ["Y", "N", "Y", "N/A"],
        "y_b": ["T", "F", "F", None],
        "y_c": ["x", "", None, "x"],
        "y_d": ["1.00", "0.00", "1.00", "NULL"],
    }
    samples = read(write_csv(tmp_path / "f.csv", columns), ReadOptions(labels="y_*"))
    expected = [[True, True, True, True], [False] * 4, [True, False, False, True], [False, False, True, False]]
    assert samples.targets.values.tolist() == expected
    assert samples.targets.known_mask()[3].tolist() == [False, False, True, False]
    assert any("'y_c'" in note for note in samples.notes)
