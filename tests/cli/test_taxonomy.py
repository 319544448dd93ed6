"""`--taxonomy`, as pairs and as a file."""

import json

import pytest

from manyhot import load
from tests.cli.conftest import SMALL

PAIRS = "mood_sad>mood_quiet,mood_fast>mood_quiet"


@pytest.fixture
def tree(tmp_path):
    path = tmp_path / "moods.csv"
    path.write_text("parent,child\nmood_quiet,mood_sad\nmood_quiet,mood_fast\n")
    return path


def train(manyhot, table, taxonomy, output, *more):
    return manyhot(
        "train",
        table,
        "--labels",
        "mood_*",
        "-o",
        output,
        *SMALL,
        "--decision",
        "f1_macro",
        "--taxonomy",
        taxonomy,
        "--json",
        "--quiet",
        *more,
    )


@pytest.mark.parametrize("kind", ["pairs", "file"])
def test_train_predict_and_evaluate(manyhot, table, tree, tmp_path, kind):
    done = train(manyhot, table, PAIRS if kind == "pairs" else tree, tmp_path / "m.manyhot")
    assert done.code == 0, done.err
    assert done.document["report"]["config"]["taxonomy"] == [["mood_sad", "mood_quiet"], ["mood_fast", "mood_quiet"]]
    tree.unlink()
    assert load(tmp_path / "m.manyhot").taxonomy[0] == ("mood_sad", "mood_quiet")
    done = manyhot("predict", tmp_path / "m.manyhot", table, "--jsonl")
    assert done.code == 0, done.err
    predictions = [json.loads(line) for line in done.out.splitlines()]
    assert len(predictions) == 60
    for row in predictions:
        assert row["p_mood_quiet"] >= max(row["p_mood_sad"], row["p_mood_fast"])
        assert "mood_quiet" in row["labels"] or not row["labels"]
    done = manyhot("evaluate", tmp_path / "m.manyhot", table, "--json")
    assert done.code == 0, done.err
    assert done.document["metrics"]["decision"]["hierarchical_f1"]["value"] > 0
    assert any("that the taxonomy completed" in note for note in done.document["notes"])
    done = manyhot("report", tmp_path / "m.manyhot", "-o", tmp_path / "page.html", "--json")
    assert done.code == 0, done.err
    assert "Hierarchical precision" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("taxonomy", "more", "words"),
    [
        ("mood_sat>mood_quiet", (), "did you mean 'mood_sad'"),
        ("nowhere.csv", (), "nowhere.csv"),
        (PAIRS, ("--extreme",), "has no effect with --extreme"),
        (PAIRS, ("--head", "softmax"), "softmax"),
    ],
)
def test_what_does_not_suit_is_told(manyhot, table, tmp_path, taxonomy, more, words):
    done = train(manyhot, table, taxonomy, tmp_path / "m.manyhot", *more)
    assert done.code == 2
    assert words in " ".join(done.err.split())


def test_the_file_is_not_written_over(manyhot, table, tree):
    done = train(manyhot, table, tree, tree)
    assert done.code == 2
    assert "would overwrite the taxonomy" in " ".join(done.err.split())
