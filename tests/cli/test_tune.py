"""`manyhot tune`: the model, the table, and the command that trains it again."""

import json
import shlex

import pytest

from manyhot import load
from manyhot.cli.jobs.tune import parse_space_flags
from manyhot.errors import InputError
from manyhot.estimators.search.journal import Journal
from tests.cli.conftest import songs

QUICK = ["--n-members", "2", "--n-folds", "2", "--epochs", "2", "--hidden-layer-sizes=8", "--quiet"]


@pytest.mark.slow
def test_the_best_model_is_saved_and_its_command_trains_it_again(manyhot, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    songs().write_csv("songs.csv")
    words = ("tune", "songs.csv", "--labels", "mood_*", "--drop", "song_id", *QUICK, "--trials", "3")
    search = ("--space", "learning_rate=1e-3..1e-1", "--space=hidden_layer_sizes=8/4", "--metric", "f1_macro")
    done = manyhot(*words, *search, "--json", "-o", "best.manyhot", "--journal", "search.jsonl")
    assert done.code == 0, done.err
    document = done.document
    assert document["model"] == "best.manyhot"
    model = load("best.manyhot")
    value = model.report_.values["metrics"]["decision"]["f1_macro"]["value"]
    assert value == document["best_score"]
    command = shlex.split(document["command"])
    assert command[:3] == ["manyhot", "train", "songs.csv"]
    assert not {"--trials", "--space", "--metric", "--json", "--journal", "--quiet"} & set(command)
    again = manyhot(*command[1:-1], "again.manyhot", "--json")
    assert again.code == 0, again.err
    assert again.document["report"]["metrics"]["decision"]["f1_macro"]["value"] == value
    # the same words again train nothing but the best, and say the same
    text = manyhot(*words, *search, "--journal", "search.jsonl").out
    assert f"{document['best_score']:.4f}" in text
    assert "To train it again:\nmanyhot train songs.csv" in text
    assert json.loads((tmp_path / "search.jsonl").read_text().splitlines()[1])["number"] == 0


def test_ranges_and_choices_of_the_command_line():
    pairs = ["learning-rate=1e-4..1e-2", "epochs=5..40", "dropout=0.1/0.3", "hidden_layer_sizes=128/256,256/none"]
    assert parse_space_flags([*pairs, "loss_params.gamma=1..4", "activation=relu/gelu"]) == {
        "learning_rate": (1e-4, 1e-2),
        "epochs": (5, 40),
        "dropout": [0.1, 0.3],
        "hidden_layer_sizes": [(128,), (256, 256), ()],
        "loss_params.gamma": (1, 4),
        "activation": ["relu", "gelu"],
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("learning_rate=1e-4-1e-2", "a range is LOW..HIGH"),
        ("learning_rate=1e-2..1e-4", "the lower number first"),
    ],
)
def test_what_a_range_looks_like_is_told(text, words):
    with pytest.raises(InputError, match=words) as refused:
        parse_space_flags([text])
    assert refused.value.argument == "--space"


@pytest.mark.parametrize("text", ["learning_rate", "=1..2", "learning_rate=", "learning_rate=a..b", "no_such=1/2"])
def test_another_form_is_refused(text):
    with pytest.raises(InputError):
        parse_space_flags([text])


def test_a_wrong_space_is_told_before_the_file_is_read(manyhot, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("nothing that can be read\n")
    done = manyhot("tune", path, "--labels", "a", "--space", "learning_rate")
    assert done.code == 2
    assert "--space" in done.err


def test_a_search_that_is_interrupted_names_its_journal(manyhot, monkeypatch, table, tmp_path):
    journal = tmp_path / "search.jsonl"

    def run(**arguments):
        Journal(arguments["journal"], {})
        raise KeyboardInterrupt

    monkeypatch.setattr("manyhot.cli.jobs.tune.run", run)
    done = manyhot("tune", table, "--labels", "mood_*", "--journal", journal)
    assert (done.code, done.err) == (130, f"manyhot: interrupted; {journal} was written\n")
