"""`manyhot next`: the rows to label next, for people, in files and as JSON."""

import json

import numpy as np
import polars as pl
import pytest

import manyhot as package
from manyhot.cli.jobs.next_rows import with_contents
from tests.cli.conftest import NAMES, songs
from tests.contract.frozen.answers import SAVED

COLUMNS = ["id", "score", "labels", "reason"]
READERS = {".csv": pl.read_csv, ".jsonl": pl.read_ndjson, ".parquet": pl.read_parquet}


@pytest.fixture
def new(tmp_path):
    """Rows without labels."""
    songs(80, seed=3).drop(NAMES).write_csv(tmp_path / "new.csv")
    return tmp_path / "new.csv"


@pytest.fixture
def expected(bundle):
    """What Python ranks."""
    frame = songs(80, seed=3).drop(NAMES)
    return package.load(bundle).rank_for_labeling(frame.drop("song_id"), 12, ids=frame["song_id"].to_list())


def test_rows_are_shown_with_their_labels(manyhot, bundle, new, expected):
    done = manyhot("next", bundle, new, "--top", 12, "--quiet")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == f"{bundle}: 12 rows of 80 to label next"
    shown = [line.split("  ")[-1] for line in lines[3:]]
    assert shown == [f"{name}: {text}" for name, text in zip(expected.ids, expected.reasons(), strict=True)]
    assert set(expected.ids) <= {f"s{k}" for k in range(80)}
    assert done.err == ""


@pytest.mark.parametrize("suffix", READERS)
def test_the_file_holds_what_python_ranks(manyhot, bundle, new, expected, tmp_path, suffix):
    output = tmp_path / f"next{suffix}"
    output.write_text("old")
    done = manyhot("next", bundle, new, "--top", 12, "-o", output)
    assert done.code == 0, done.err
    assert done.out == f"saved 12 rows of 80 to label next to {output}\n"
    frame = READERS[suffix](output)
    assert frame.columns[:4] == COLUMNS
    rows = songs(80, seed=3).drop(NAMES)[expected.row.tolist()]
    assert frame.columns[4:] == [name for name in rows.columns if name != "song_id"]
    for name in frame.columns[4:]:  # what is to be read while labelling
        assert frame[name].cast(rows[name].dtype).to_list() == rows[name].to_list()
    assert frame["id"].to_list() == expected.ids.tolist()
    np.testing.assert_allclose(frame["score"], expected.score)
    labels = [text.split(";") for text in frame["labels"]] if suffix == ".csv" else frame["labels"].to_list()
    assert labels == [expected.label_names(k) for k in range(12)]
    assert frame["reason"].to_list() == expected.reasons()


def test_json_is_one_document_or_a_line_for_each_row(manyhot, bundle, new, expected):
    done = manyhot("next", bundle, new, "--top", 12, "--json")
    document = done.document
    assert [row["id"] for row in document["next"]] == expected.ids.tolist()
    assert [list(row) for row in document["next"]] == [COLUMNS] * 12
    assert document["rows"] == 80
    assert document["measure"] == "disagreement"
    assert document["notes"] == []
    lines = manyhot("next", bundle, new, "--top", 12, "--jsonl", "--quiet").out.splitlines()
    assert [json.loads(line) for line in lines] == document["next"]


def test_columns_called_as_those_of_the_ranking_say_where_they_are_from():
    entries = pl.DataFrame({"id": ["a"], "score": [0.5]})
    found = with_contents(entries, pl.DataFrame({"score": [7], "words": ["one two"]}))
    assert found.to_dicts() == [{"id": "a", "score": 0.5, "score (file)": 7, "words": "one two"}]
    assert with_contents(entries, None) is entries


def test_rows_without_ids_have_their_numbers(manyhot, bundle, new):
    pl.read_csv(new).drop("song_id").write_csv(new)
    document = manyhot("next", bundle, new, "--top", 80, "--json").document
    assert sorted(int(row["id"]) for row in document["next"]) == list(range(1, 81))


def test_formulas_in_ids_are_defused(manyhot, bundle, new, tmp_path):
    frame = pl.read_csv(new)
    frame.with_columns(song_id="=cmd|" + frame["song_id"]).write_csv(new)
    assert manyhot("next", bundle, new, "-o", tmp_path / "next.csv").code == 0
    assert all(name.startswith("'=cmd|") for name in pl.read_csv(tmp_path / "next.csv")["id"])
    assert manyhot("next", bundle, new, "-o", tmp_path / "next.jsonl").code == 0
    assert all(name.startswith("=cmd|") for name in pl.read_ndjson(tmp_path / "next.jsonl")["id"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--top", 0], "top"),
        (["-o", "next.xlsx"], ".jsonl"),
        (["--json", "--jsonl"], "cannot be combined with --json"),
        (["-o", "next.csv", "--jsonl"], "cannot be combined with --output"),
    ],
)
def test_what_is_wrong_is_refused(manyhot, bundle, new, words, message):
    done = manyhot("next", bundle, new, *words)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert not (new.parent / "next.csv").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pixels", "gives every pixel its labels"),
        ("decision_layer", "scores of another program"),
        ("extreme_mixed", "does not support"),
    ],
)
def test_models_that_cannot_rank_say_so(manyhot, new, name, message):
    done = manyhot("next", SAVED / name / "model.manyhot", new)
    assert done.code == 2
    assert message in done.err
    assert done.out == ""
