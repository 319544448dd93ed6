"""`--plot` where the extra `pictures` is not installed."""

from pathlib import Path

import pytest

from manyhot.cli.jobs.demo import next_commands
from tests.cli.conftest import songs


@pytest.mark.parametrize(
    "words",
    [
        ("cv", "songs.csv", "--labels", "mood_*"),
        ("tune", "songs.csv", "--labels", "mood_*"),
        ("compare-heads", "songs.csv", "--labels", "mood_*"),
        ("check", "songs.csv", "--labels", "mood_*"),
        ("inspect", "songs.manyhot"),
    ],
    ids=lambda words: words[0],
)
def test_commands_name_the_extra_before_they_read_anything(without_pictures, manyhot, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    songs().write_csv("songs.csv")
    Path("songs.manyhot").write_bytes(b"no model")

    def refuse(*_, **__):
        raise AssertionError("the work began")

    module = words[0].replace("-", "_")
    opens = "read_any_model" if module == "inspect" else "read"
    monkeypatch.setattr(f"manyhot.cli.jobs.{module}.{opens}", refuse)
    done = manyhot(*words, "--plot", "plot.svg")
    assert done.code == 2
    assert "pip install 'manyhot[pictures]'" in done.err
    assert not Path("plot.svg").exists()


def test_the_tour_suggests_no_plots_that_cannot_be_drawn(without_pictures):
    assert not [line for line in next_commands(Path("tour")) if "--plot" in line]


def test_the_tour_suggests_plots():
    assert sum("--plot" in line for line in next_commands(Path("tour"))) == 2
