"""README's lines run as they are typed in a fresh folder, and what it claims is what was measured."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
NUMBER = re.compile(r"\d+\.\d+|(?<![\w.])-(?!\w)")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.slow
def test_python_lines_run(tmp_path):
    [code] = blocks("python")
    assert len(code.splitlines()) <= 16
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "moods.manyhot"}


@pytest.mark.slow
def test_shell_lines_run_and_print_what_readme_shows(tmp_path):
    [script] = blocks("sh")
    shown_report, shown_predictions = blocks("text")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-ec", script], cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PATH": path}
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    for part in shown_report.split("...\n"):
        lines = part.splitlines()
        start = printed.index(lines[0])
        assert_alike(lines, printed[start : start + len(lines)])
    predictions = (tmp_path / "predictions.csv").read_text().splitlines()
    assert_alike(shown_predictions.splitlines(), predictions[: len(shown_predictions.splitlines())])
    assert (tmp_path / "songs.html").is_file()


def assert_alike(shown, printed):
    """Equal but for numbers, which another machine makes a little different."""
    for old, new in zip(shown, printed, strict=True):
        assert "|".join(NUMBER.sub("#", old).split()) == "|".join(NUMBER.sub("#", new).split())
        numbers = [[float(n) if n != "-" else 0.0 for n in NUMBER.findall(line)] for line in (old, new)]
        np.testing.assert_allclose(numbers[0], numbers[1], atol=0.06, err_msg=f"{old}\n{new}")


def test_it_is_short():
    assert len(README.splitlines()) <= 130


def test_the_picture_is_there():
    for name in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README):
        path = ROOT / name
        assert path.stat().st_size < 150_000
        with Image.open(path) as picture:
            assert picture.width >= 1000


def test_its_links_lead_to_the_site_and_not_to_notes_for_contributors():
    assert "docs/decisions" not in README


def test_its_ranks_were_measured():
    """First in mean rank over sets in each measure, with its defaults, among methods with more than one set."""
    measured = json.loads((ROOT / "benchmarks/results/mulan.json").read_text())
    for of_measure in measured["compared"]["default decision"].values():
        ranks = {name: one["mean"] for name, one in of_measure["ranks"].items() if one["n_sets"] > 1}
        assert min(ranks, key=ranks.get) == "manyhot"
    methods = {name for one in measured["peers"].values() for name in one}
    [n_sets, n_methods] = re.findall(r"Over (\w+) public data sets .*?best of (\d+) methods", README, flags=re.DOTALL)[
        0
    ]
    assert (n_sets, len(measured["sets"])) == ("twelve", 12)
    assert int(n_methods) == len(methods) + 1


def test_its_speed_was_measured():
    """Beside a loop with Keras as tutorials write it, and beside the quickest one of `benchmarks/cv.py`."""
    contenders = json.loads((ROOT / "benchmarks/results/cv.json").read_text())["contenders"]
    loops = {name: one["over_manyhot-cold"] for name, one in contenders.items() if name.startswith("keras")}
    text = " ".join(README.split())
    words = "about a seventh of the time of a plain loop, and two thirds of that of the quickest loop we could write"
    assert words in text
    assert 6.5 <= loops["keras-jax"] <= 8.5
    assert 1.4 <= min(ratio for name, ratio in loops.items() if not name.endswith("warm")) <= 1.75


def test_what_it_says_of_scikit_learn():
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import TunedThresholdClassifierCV
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.neural_network import MLPClassifier

    X = np.random.default_rng(0).normal(size=(60, 3))
    Y = (X > 0).astype(float)
    for several in (CalibratedClassifierCV(MLPClassifier()), TunedThresholdClassifierCV(LogisticRegression())):
        with pytest.raises(ValueError, match=r"(?i)y should be a 1d array|bad input shape|only binary|multilabel"):
            several.fit(X, Y)
    for one in (CalibratedClassifierCV(LogisticRegression()), TunedThresholdClassifierCV(LogisticRegression())):
        MultiOutputClassifier(one).fit(X, Y)  # one label at a time
    Y[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        MLPClassifier().fit(X, Y)
