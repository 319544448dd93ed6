"""The example scripts, at small sizes: what a person's first use does and prints."""

import io
import json
import re
import runpy
import shlex
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "fixtures"


def answer_of(script: str, *words: str) -> dict:
    """The JSON object in the last line that a script prints, run in this process."""
    told = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(told):
        patch.setattr(sys, "argv", [script, *words, "--json"])
        runpy.run_path(str(ROOT / "examples" / script), run_name="__main__")
    return json.loads(told.getvalue().splitlines()[-1])


def answer_of_process(script: str, *words: str) -> dict:
    """The same of a process of its own, as a person starts it."""
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


SCRIPTS = sorted(path.name for path in (ROOT / "examples").glob("*.py"))
USAGE = re.compile(r"^ *python examples/(.*)$", re.MULTILINE)


def stopped(script: str, *words: str) -> str:
    """What a script that stops at once says, run in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [script, *words])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(ROOT / "examples" / script), run_name="__main__")
    return str(stop.value.code)


@pytest.mark.parametrize("script", SCRIPTS)
def test_usage_names_flags_that_exist(script, capsys):
    lines = [shlex.split(line) for line in USAGE.findall((ROOT / "examples" / script).read_text())]
    assert len(lines) >= 2
    assert stopped(script, "--help") == "0"
    told = capsys.readouterr().out
    for name, *words in lines:
        assert name == script
        for flag in (word for word in words if word.startswith("-")):
            assert re.search(rf"(^|[\s,\[]){flag}\b", told), flag


@pytest.mark.parametrize("script", [name for name in SCRIPTS if "--data" in (ROOT / "examples" / name).read_text()])
def test_a_folder_that_is_missing_or_holds_something_else_is_told_in_one_line(script, tmp_path):
    for folder in (tmp_path / "nowhere", tmp_path):
        if folder == tmp_path and script == "synthetic_cv.py":
            continue  # it writes its data there
        told = stopped(script, "--data", str(folder))
        assert str(folder) in told
        assert "\n" not in told


def test_a_folder_that_lacks_a_part_is_told_in_one_line(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").touch()
    (tmp_path / "train-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3, *[0, 0, 0, 1] * 3, 7]))
    (tmp_path / "LandUse_Multilabeled.txt").write_text("name\tsea\na\t1\n")
    (tmp_path / "labels.txt").write_text("joy\n")
    (tmp_path / "movies.csv").write_text("poster,genres\nb.png,drama\n")
    (tmp_path / "arxiv_data.csv").write_text("titles\nNothing\n")
    for script, word in (
        ("cells.py", "instances/a.png"),
        ("digits_and_more.py", "train-labels-idx1-ubyte"),
        ("land_use.py", "images/train"),
        ("emotions_in_comments.py", "train.tsv"),
        ("movie_posters.py", "b.png"),
        ("paper_topics.py", "summaries"),
    ):
        told = stopped(script, "--data", str(tmp_path))
        assert word in told
        assert str(tmp_path) in told
        assert "\n" not in told


@pytest.mark.slow
def test_synthetic_cv():
    """The full size: thirty folds take a second or two."""
    answer = answer_of_process("synthetic_cv.py", "--data", str(DATA))
    assert answer["n_fits"] == 30
    assert 0.80 < answer["subset_accuracy"] < 0.83
    assert 0.01 < answer["std"] < 0.06
    assert answer["low"] < answer["subset_accuracy"] < answer["high"]
    assert len(answer["probabilities"]) == 3


@pytest.mark.slow
def test_wide_network():
    answer = answer_of("wide_network.py", "--rows", "1500", "--hidden-layer-sizes", "60,20", "--batch-size", "50")
    assert answer["decision"]["f1_macro"] > answer["fixed"]["f1_macro"]
    assert answer["decision"]["lrap"] > 0.5


@pytest.mark.slow
def test_softmax_or_sigmoid():
    answer = answer_of("softmax_or_sigmoid.py", "--rows", "240")
    second, third = answer["by_hand"][1], answer["by_hand"][2]
    assert second["sigmoid"][1] == pytest.approx(0.9933, abs=1e-4)
    assert second["softmax"][1] == pytest.approx(0.4974, abs=1e-4)
    assert third["sigmoid"][1] == second["sigmoid"][1]
    assert third["softmax"][1] > second["softmax"][1]
    np.testing.assert_allclose([sum(example["softmax"]) for example in answer["by_hand"]], 1)
    assert set(answer["trained"]["set_sizes"]) >= {"1", "2"}


@pytest.mark.slow
def test_emotions_in_comments(data_folder):
    """A part of the rows; benchmarks/text.py has the whole."""
    answer = answer_of("emotions_in_comments.py", "--data", str(data_folder("goemotions")), "--rows", "1500")
    assert answer["rows"] == 1500
    assert answer["f1_micro"] > 0.4
    assert answer["f1_macro"] > 0.2


@pytest.mark.exhaustive
def test_emotions_in_comments_as_its_usage_says(tmp_path):
    """Without --rows, on all rows that there are."""
    (tmp_path / "labels.txt").write_text("joy\nanger\nfear\n")
    for part, n in (("train", 60), ("test", 20)):
        rows = (f"{('good', 'bad', 'dark')[k % 3]} day {k}\t{k % 3}\tc{k}\n" for k in range(n))
        (tmp_path / f"{part}.tsv").write_text("".join(rows))
    assert answer_of("emotions_in_comments.py", "--data", str(tmp_path), "--random-state", "1")["rows"] == 60


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "arxiv_data.csv.gz"])
def test_paper_topics(data_folder, name):
    place = data_folder("arxiv1000") / name
    answer = answer_of("paper_topics.py", "--data", str(place), "--hidden-layer-sizes", "64,32", "--n-members", "2")
    assert answer["f1_micro"] > 0.6
    assert answer["lrap"] > 0.7
    assert answer["element_accuracy_of_no_predictions"] > 0.8


@pytest.mark.slow
def test_digits_and_more(data_folder):
    words = ("--rows", "1200", "--epochs", "3", "--heads", "300")
    answer = answer_of_process("digits_and_more.py", "--data", str(data_folder("mnist")), *words)
    assert answer["same_elsewhere"] is True
    assert answer["element_accuracy"] > 0.93
    assert 0 < answer["subset_accuracy"] < 1
    assert answer["loss"] < 0.2
    assert answer["plots"] == ["heads.svg", "image-9.png"]


@pytest.mark.slow
def test_land_use(data_folder, tmp_path):
    """One photo in twelve."""
    folder = data_folder("ucmerced_multilabel")
    (tmp_path / "LandUse_Multilabeled.txt").symlink_to(folder / "LandUse_Multilabeled.txt")
    for part in ("train", "test"):
        (tmp_path / "images" / part).mkdir(parents=True)
        for photo in sorted((folder / "images" / part).iterdir())[::12]:
            (tmp_path / "images" / part / photo.name).symlink_to(photo)
    words = ("--size", "32", "--n-members", "1", "--epochs", "2")
    answer = answer_of("land_use.py", "--data", str(tmp_path), *words)
    assert answer["map"] > 0.3


@pytest.mark.slow
def test_movie_posters():
    answer = answer_of("movie_posters.py", "--drawn", "160", "--epochs", "6", "--n-members", "1")
    assert answer["genres"] == ["comedy", "drama", "romance", "sci-fi", "thriller"]
    assert answer["f1_micro"] > 0.6


@pytest.mark.slow
def test_cells(data_folder):
    """A few images and epochs; the whole takes minutes."""
    folder = data_folder("nuclei_dsb2018")
    small = ["--images", "30", "--n-members", "1", "--epochs", "6", "--batch-size", "2", "--filters", "8x16x32"]
    answer = answer_of("cells.py", "--data", str(folder), *small)
    assert set(answer["test"]) == {"nucleus", "boundary", "touching"}
    assert answer["test"]["nucleus"]["dice"] > 0.4
    assert answer["several"] > 0
