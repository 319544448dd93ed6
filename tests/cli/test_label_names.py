"""`--label-names FILE`: numbers in a file become names, which the model keeps."""

import json

import numpy as np
import pytest

from manyhot import ExtremeMultiLabelClassifier, load
from tests.cli.conftest import SMALL

NAMES = ["joy", "grief", "fear"]


@pytest.fixture
def rows(tmp_path):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(60, 2))
    sets = [[k for k in range(3) if (x[i, 0], x[i, 1], -x[i, 0])[k] > 0.2] for i in range(60)]
    for name, shift in (("numbers", 0), ("from_1", 1)):
        lines = [f"{a},{b},{'|'.join(str(k + shift) for k in labels)}" for (a, b), labels in zip(x, sets, strict=True)]
        (tmp_path / f"{name}.csv").write_text("a,b,y\n" + "\n".join(lines) + "\n")
    lines = [f"{a},{b},{'|'.join(NAMES[k] for k in labels)}" for (a, b), labels in zip(x, sets, strict=True)]
    (tmp_path / "names.csv").write_text("a,b,y\n" + "\n".join(lines) + "\n")
    (tmp_path / "names.txt").write_text("\n".join(NAMES) + "\n")
    (tmp_path / "from_1.json").write_text(json.dumps({k + 1: name for k, name in enumerate(NAMES)}))
    return tmp_path


LABELS = ["--labels", "y", "--sep", "|"]


@pytest.mark.slow
@pytest.mark.parametrize("stream", [[], ["--stream"]])
def test_a_model_knows_the_names(stream, manyhot, rows):
    model = rows / "m.manyhot"
    words = ["--label-names", rows / "names.txt", "--json", *SMALL, *stream]
    done = manyhot("train", rows / "numbers.csv", *LABELS, *words, "-o", model)
    assert done.code == 0, done.err
    assert done.document["labels"] == NAMES
    assert "0 is 'joy', 1 is 'grief', 2 is 'fear'" in done.err
    evaluated = {}
    for name, more in (("numbers", []), ("names", []), ("from_1", ["--label-names", rows / "from_1.json"])):
        done = manyhot("evaluate", model, rows / f"{name}.csv", *more, "--json")
        assert done.code == 0, done.err
        evaluated[name] = done.document["metrics"]
    assert evaluated["numbers"] == evaluated["names"] == evaluated["from_1"]
    done = manyhot("predict", model, rows / "numbers.csv", "--jsonl", "--quiet")
    assert {name for line in done.out.splitlines() for name in json.loads(line)["labels"]} <= set(NAMES)


@pytest.mark.slow
def test_a_model_of_names_hints_at_the_flag(manyhot, rows):
    model = rows / "m.manyhot"
    done = manyhot("train", rows / "names.csv", *LABELS, "-o", model, "--quiet", *SMALL)
    assert done.code == 0, done.err
    words = ["--label-names", rows / "names.txt", "--json"]
    lines = (rows / "numbers.csv").read_text().splitlines()
    other = [f"{float(a) + 0.01},{b},{y}" for a, b, y in (line.split(",") for line in lines[1:])]
    (rows / "other.csv").write_text("\n".join([lines[0], *other]) + "\n")
    for command in (["evaluate"], ["report"], ["guarantee", "--miss-rate", "0.5"]):
        done = manyhot(command[0], model, rows / "other.csv", *command[1:], "--json")
        assert done.code == 2
        assert "--label-names FILE" in done.err
        done = manyhot(command[0], model, rows / "other.csv", *command[1:], *words)
        assert done.code == 0, done.err


@pytest.mark.slow
def test_very_many_labels(manyhot, rows):
    model = rows / "m.manyhot"
    words = ["--label-names", rows / "names.txt", "--extreme", "--epochs", "1", "--quiet"]
    done = manyhot("train", rows / "numbers.csv", *LABELS, *words, "-o", model)
    assert done.code == 0, done.err
    classifier = load(model)
    assert isinstance(classifier, ExtremeMultiLabelClassifier)
    assert set(classifier.labels_) == set(NAMES)
    same = [manyhot("evaluate", model, rows / f"{name}.csv", "--json").document for name in ("numbers", "names")]
    assert same[0]["metrics"] == same[1]["metrics"]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["cv", "compare-heads"])
def test_cross_validation(command, manyhot, rows):
    words = ["--label-names", rows / "names.txt", "--n-splits", "2", "--epochs", "1", "--n-members", "1", "--json"]
    done = manyhot(command, rows / "numbers.csv", *LABELS, *words)
    assert done.code == 0, done.err
    assert "0 is 'joy'" in done.err


def test_check(manyhot, rows):
    done = manyhot("check", rows / "numbers.csv", *LABELS, "--label-names", rows / "names.txt", "--json")
    assert done.code == 0, done.err
    assert "2 is 'fear'" in done.err
    done = manyhot("check", rows / "from_1.csv", *LABELS, "--label-names", rows / "names.txt")
    assert done.code == 2
    assert "the label 3 has no name" in done.err
    assert "names for 0 to 2" in done.err
    done = manyhot("check", rows / "from_1.csv", *LABELS, "--label-names", rows / "from_1.json")
    assert done.code == 0, done.err


def test_the_file_of_names_is_not_overwritten(manyhot, rows):
    names = rows / "names.svg"
    (rows / "names.txt").rename(names)
    done = manyhot("check", rows / "numbers.csv", *LABELS, "--label-names", names, "--plot", names)
    assert done.code == 2
    assert "would overwrite the names of the labels" in done.err
    done = manyhot("check", rows / "numbers.csv", *LABELS, "--label-names", rows / "none.txt")
    assert done.code == 2
    assert "no such file" in done.err
