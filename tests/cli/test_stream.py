"""`manyhot train --stream`, and commands that need all rows."""

import pytest

from manyhot.estimators.loading import load
from tests.cli.conftest import NAMES, songs

FEW = ["--epochs", "2", "--hidden-layer-sizes", "8"]


@pytest.fixture
def large(tmp_path):
    songs(400).write_csv(tmp_path / "songs.csv")
    return tmp_path / "songs.csv"


@pytest.mark.slow
def test_a_stream_trains_a_model_that_predicts(manyhot, large, tmp_path):
    model = tmp_path / "songs.manyhot"
    done = manyhot("train", large, "--labels", "mood_*", "-o", model, "--stream", "--json", *FEW)
    assert done.code == 0, done.err
    assert done.document["labels"] == NAMES
    assert any("Trained from a stream of 400 rows" in note for note in done.document["report"]["notes"])
    assert load(model).model_.n_members == 1
    assert load(model).read_options_ == {"labels": "mood_*"}
    assert "read piece by piece" in done.err
    done = manyhot("predict", model, large, "-o", tmp_path / "predictions.csv", "--json")
    assert done.document["rows"] == 400
    assert manyhot("train", large, "--labels", "mood_*", "-o", model, "--stream", "--quiet", *FEW).err == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["predictions.csv", "songs.csv", "songs.manyhot"]


@pytest.mark.slow
def test_little_memory_makes_a_stream_and_stops_what_needs_all_rows(manyhot, large, bundle, tmp_path, monkeypatch):
    monkeypatch.setattr("manyhot.data.readers.memory.available_memory", lambda: 1000)
    model = tmp_path / "songs.manyhot"
    done = manyhot("train", large, "--labels", "mood_*", "-o", model, *FEW)
    assert done.code == 0
    assert "more memory than there is" in done.err
    done = manyhot("train", large, "--labels", "mood_*", "-o", model, "--no-stream", *FEW)
    assert "piece by piece" not in done.err
    for words in (["cv", large], ["compare-heads", large], ["check", large], ["evaluate", bundle, large]):
        done = manyhot(*words, "--labels", "mood_*")
        assert done.code == 2, words
        assert "needs all rows in memory" in done.err
    assert manyhot("guarantee", bundle, large, "--miss-rate", "0.1").code == 2


def test_errors_of_a_stream_name_what_to_do(manyhot, large, tmp_path):
    model = tmp_path / "songs.manyhot"
    nowhere = tmp_path / "nowhere"
    done = manyhot("train", large, "--labels", "mood_*", "-o", model, "--stream", "--stream-folder", nowhere, *FEW)
    assert done.code == 2
    assert "nowhere" in done.err
    large.write_text(large.read_text() + "1,2\n")
    done = manyhot("train", large, "--labels", "mood_*", "-o", model, "--stream", *FEW)
    assert done.code == 2
    assert "songs.csv, row 401" in done.err
    assert not model.exists()
