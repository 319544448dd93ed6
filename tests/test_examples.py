"""The example scripts, at small sizes: what a person's first use does and prints."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data"


def answer_of(script: str, *words: str) -> dict:
    """The JSON object in the last line that a script prints."""
    command = [sys.executable, str(ROOT / "examples" / script), *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_example_is_in_the_list_and_here():
    scripts = {path.name for path in (ROOT / "examples").glob("*.py")}
    listed = (ROOT / "examples" / "README.md").read_text()
    here = Path(__file__).read_text()
    for name in scripts:
        assert f"`{name}`" in listed
        assert f'"{name}"' in here


def test_synthetic_cv():
    """The full size: thirty folds take a second or two."""
    answer = answer_of("synthetic_cv.py", "--data", str(DATA))
    assert answer["folds"] == 30
    assert 0.80 < answer["subset_accuracy"] < 0.83
    assert 0.01 < answer["std"] < 0.06
    assert answer["low"] < answer["subset_accuracy"] < answer["high"]
    assert len(answer["probabilities"]) == 3


def test_wide_network():
    answer = answer_of("wide_network.py", "--rows", "1500", "--hidden", "60,20", "--batch-size", "50")
    assert answer["tuned"]["f1_macro"] > answer["half"]["f1_macro"]
    assert answer["tuned"]["lrap"] > 0.5


def test_softmax_or_sigmoid():
    answer = answer_of("softmax_or_sigmoid.py", "--rows", "240")
    second, third = answer["by_hand"][1], answer["by_hand"][2]
    assert second["sigmoid"][1] == pytest.approx(0.9933, abs=1e-4)
    assert second["softmax"][1] == pytest.approx(0.4974, abs=1e-4)
    assert third["sigmoid"][1] == second["sigmoid"][1]
    assert third["softmax"][1] > second["softmax"][1]
    np.testing.assert_allclose([sum(example["softmax"]) for example in answer["by_hand"]], 1)
    assert set(answer["trained"]["set_sizes"]) >= {"1", "2"}


def test_emotions_in_comments(data_folder):
    """A part of the rows; benchmarks/text.py has the whole."""
    answer = answer_of("emotions_in_comments.py", "--data", str(data_folder("goemotions")), "--rows", "4000")
    assert answer["rows"] == 4000
    assert answer["f1_micro"] > 0.4
    assert answer["f1_macro"] > 0.2


def test_paper_topics(data_folder):
    file = data_folder("arxiv1000") / "arxiv_data.csv.gz"
    answer = answer_of("paper_topics.py", "--data", str(file), "--hidden", "64,32", "--members", "2")
    assert answer["f1_micro"] > 0.6
    assert answer["lrap"] > 0.7
    assert answer["element_accuracy_of_no_answers"] > 0.8


def test_digits_and_more(data_folder):
    words = ("--rows", "1200", "--epochs", "3", "--heads", "300")
    answer = answer_of("digits_and_more.py", "--data", str(data_folder("mnist")), *words)
    assert answer["same_elsewhere"] is True
    assert answer["element_accuracy"] > 0.93
    assert 0 < answer["subset_accuracy"] < 1
    assert answer["loss"] < 0.2
    assert answer["pictures"] == ["heads.svg", "image-9.png"]


def test_land_use(data_folder):
    words = ("--size", "32", "--members", "1", "--epochs", "2")
    answer = answer_of("land_use.py", "--data", str(data_folder("ucmerced_multilabel")), *words)
    assert answer["map"] > 0.3


def test_movie_posters():
    answer = answer_of("movie_posters.py", "--drawn", "160", "--epochs", "12", "--members", "1")
    assert answer["genres"] == ["comedy", "drama", "romance", "sci-fi", "thriller"]
    assert answer["f1_micro"] > 0.6


def test_cells(data_folder):
    """A few images and epochs; the whole takes minutes."""
    folder = data_folder("nuclei_dsb2018")
    small = ["--images", "30", "--members", "1", "--epochs", "6", "--batch-size", "2", "--filters", "8x16x32"]
    answer = answer_of("cells.py", "--data", str(folder), *small)
    assert set(answer["test"]) == {"nucleus", "boundary", "touching"}
    assert answer["test"]["nucleus"]["dice"] > 0.4
    assert answer["several"] > 0
