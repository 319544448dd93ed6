"""`manyhot predict --explain`: reasons beside the answers, in every form."""

import io
import json
import re
from contextlib import redirect_stdout

import numpy as np
import polars as pl
import pytest

from manyhot import load
from manyhot.cli import main
from manyhot.explanation import MAX_REASONS
from tests.cli.conftest import SMALL, songs

WORDS = ["hello", "please", "today", "über", "😀", "order", ";", "=now"]


@pytest.fixture(scope="module")
def tickets(tmp_path_factory, manyhot):
    """A model of texts whose label depends on the word "refund", and the file it was trained on."""
    folder = tmp_path_factory.mktemp("tickets")
    generator = np.random.default_rng(0)
    refund = generator.random(120) < 0.4
    texts = [" ".join([*generator.choice(WORDS, 12), *(["refund"] if is_it else [])]) for is_it in refund]
    columns = {"id": [f"t{k}" for k in range(120)], "body": texts, "is_refund": refund, "is_other": ~refund}
    pl.DataFrame(columns).with_columns(pl.col("is_refund", "is_other").cast(int)).write_csv(folder / "tickets.csv")
    words = ["--column-type", "body=text", "--n-members", "2", "--n-folds", "2", "--epochs", "20", "--quiet"]
    done = manyhot("train", folder / "tickets.csv", "--labels", "is_*", "-o", folder / "tickets.manyhot", *words)
    assert done.code == 0, done.err
    return folder / "tickets.manyhot", folder / "tickets.csv"


def predict_frame(manyhot, tickets, tmp_path, suffix, *words):
    answers = tmp_path / f"answers{suffix}"
    done = manyhot("predict", *tickets, "-o", answers, "--explain", "--quiet", *words)
    assert done.code == 0, done.err
    return {".csv": pl.read_csv, ".jsonl": pl.read_ndjson, ".parquet": pl.read_parquet}[suffix](answers), answers


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_have_the_reasons_as_one_text(manyhot, tickets, tmp_path, suffix):
    frame, _ = predict_frame(manyhot, tickets, tmp_path, suffix, "--top", 3)
    assert frame.columns == ["id", "labels", "p_is_refund", "p_is_other", "explanation"]
    expected = load(tickets[0]).explain(pl.read_csv(tickets[1]).select("body"), top=3)
    assert frame["explanation"].to_list() == [
        "; ".join(one.brief() for one in explanations.values()) for explanations in expected
    ]
    with_refund = frame.filter(pl.Series(pl.read_csv(tickets[1])["is_refund"] == 1))["explanation"].to_list()
    assert np.mean([text.startswith("is_refund: +refund") for text in with_refund]) > 0.9


@pytest.mark.slow
def test_json_lines_hold_the_reasons_as_an_object(manyhot, tickets, tmp_path):
    _, path = predict_frame(manyhot, tickets, tmp_path, ".jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    expected = load(tickets[0]).explain(pl.read_csv(tickets[1]).select("body"))
    assert len(rows) == len(expected) == 120
    for row, explanations in zip(rows, expected, strict=True):
        assert row["explanation"] == json.loads(json.dumps({name: one.to_dict() for name, one in explanations.items()}))
        assert set(row) == {"id", "labels", "p_is_refund", "p_is_other", "explanation"}
        assert not row["labels"] or set(row["explanation"]) == set(row["labels"])
    screen = manyhot("predict", *tickets, "--explain", "--jsonl", "--quiet")
    assert screen.out == path.read_text()


@pytest.mark.slow
def test_without_why_nothing_changes(manyhot, tickets):
    plain = manyhot("predict", *tickets, "--quiet").out
    output = manyhot("predict", *tickets, "--explain", "--quiet").out
    assert "explanation" not in plain.splitlines()[0]
    frame = pl.read_csv(io.StringIO(output))
    assert frame.drop("explanation").write_csv() == pl.read_csv(io.StringIO(plain)).write_csv()


@pytest.mark.slow
def test_pieces_of_a_long_file_are_joined(manyhot, tickets, tmp_path, monkeypatch):
    whole, _ = predict_frame(manyhot, tickets, tmp_path, ".csv", "--top", 2)
    monkeypatch.setattr("manyhot.cli.jobs.row_predictor.EXPLANATION_CHUNK_ROWS", 70)
    pieces, _ = predict_frame(manyhot, tickets, tmp_path, ".csv", "--top", 2)
    assert pieces["id"].to_list() == whole["id"].to_list()
    same = [one == other for one, other in zip(pieces["explanation"], whole["explanation"], strict=True)]
    assert np.mean(same) > 0.95  # float noise may swap reasons that are equally strong


@pytest.mark.slow
def test_formulas_in_reasons_are_defused(manyhot, tmp_path):
    frame = songs().rename({"mood_sad": "=sad", "mood_quiet": "=quiet", "mood_fast": "=fast"})
    frame.write_csv(tmp_path / "songs.csv")
    words = ["--labels", "=*", "-o", tmp_path / "songs.manyhot", "--quiet", *SMALL]
    assert manyhot("train", tmp_path / "songs.csv", *words).code == 0
    out = manyhot("predict", tmp_path / "songs.manyhot", tmp_path / "songs.csv", "--explain", "--quiet").out
    assert all(why.startswith("'=") for why in pl.read_csv(io.StringIO(out))["explanation"])


class Screen(io.StringIO):
    """Standard output that a person watches."""

    def isatty(self) -> bool:
        return True


def watched(*words: object) -> str:
    """What a person sees on a terminal."""
    screen = Screen()
    with redirect_stdout(screen), pytest.raises(SystemExit, match="0"):
        main([str(word) for word in words])
    return screen.getvalue()


def test_a_person_gets_lines_that_a_terminal_only_shows(tickets, tmp_path):
    path = tmp_path / "new.csv"
    pl.DataFrame({"id": ["t\x1b[31m1", "t2", "t3"], "body": ["REFUND please über 😀", "", None]}).write_csv(path)
    out = watched("predict", tickets[0], path, "--explain", "--top", 2, "--quiet")
    assert "\x1b" not in out
    assert re.search(r"^t.\[31m1: is_refund\n  is_refund \d\.\d\d\n    for      refund \+\d", out)
    assert re.search(r"^t2: .*\n  .*\n    for      -\n    against  -$", out, flags=re.MULTILINE)
    assert watched("predict", tickets[0], path, "--quiet").startswith("id,labels,p_")
    assert watched("predict", tickets[0], path, "--explain", "--jsonl", "--quiet").startswith("{")


def test_wrong_numbers_of_reasons(manyhot, tickets):
    done = manyhot("predict", *tickets, "--explain", "--top", 0)
    assert done.code == 2
    assert "'--top': got 0, expected a whole number from 1 upwards" in done.err
    done = manyhot("predict", *tickets, "--top", 3)
    assert done.code == 2
    assert "add --explain" in done.err


def test_help_says_how_and_how_many(manyhot):
    out = manyhot("predict", "--help").out
    assert "--explain -o predictions.jsonl" in " ".join(out.split())
    assert re.search(rf"label\s+\(default\s+{MAX_REASONS}\)", out)
