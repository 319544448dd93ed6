"""`manyhot thresholds` and `manyhot guarantee`: a model's answers, changed in its file."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from manyhot import load
from tests.cli.conftest import NAMES, SMALL, songs

LABELS = ["--labels", "mood_*", "--id-column", "song_id"]


@pytest.fixture
def bundle(manyhot, tmp_path):
    songs(120).write_csv(tmp_path / "songs.csv")
    path = tmp_path / "songs.manyhot"
    done = manyhot("train", tmp_path / "songs.csv", *LABELS, "-o", path, *SMALL, "--quiet")
    assert done.code == 0, done.err
    return path


@pytest.mark.slow
def test_they_are_shown_and_nothing_is_written(manyhot, bundle):
    before = bundle.read_bytes()
    done = manyhot("thresholds", bundle, "--json")
    assert done.code == 0
    assert [row["label"] for row in done.document["labels"]] == NAMES
    assert done.document["decision"] == "auto"
    assert bundle.read_bytes() == before
    shown = manyhot("thresholds", bundle).out
    assert "saved" not in shown
    tuned = manyhot("thresholds", bundle, "--metric", "f1_macro", "--dry-run").out
    assert "each row is decided by thresholds tuned on other rows" in " ".join(tuned.split())


@pytest.mark.slow
def test_a_misspelt_metric_names_the_flag(manyhot, bundle):
    done = manyhot("thresholds", bundle, "--metric", "f1micro")
    assert done.code == 2
    assert "argument '--metric': got 'f1micro'" in done.err


@pytest.mark.slow
def test_set_by_hand_they_are_used_in_python_at_the_command_line_and_after_a_second_load(manyhot, bundle, tmp_path):
    done = manyhot("thresholds", bundle, "--metric", "f1_micro", "--set", "mood_sad=0.875", "--json")
    assert done.code == 0, done.err
    assert {row["label"]: row["threshold"] for row in done.document["labels"]}["mood_sad"] == 0.875
    assert done.document["decision"] == "f1_micro"
    fresh = songs(40, seed=1)
    fresh.drop(*NAMES).write_csv(tmp_path / "new.csv")
    classifier = load(bundle)
    assert classifier.thresholds_["mood_sad"] == 0.875
    scores = classifier.predict_proba(fresh.drop("song_id", *NAMES))
    expected = [[name for j, name in enumerate(NAMES) if row[j] >= classifier.thresholds_[name]] for row in scores]
    answers = manyhot("predict", bundle, tmp_path / "new.csv", "--jsonl")
    assert [json.loads(line)["labels"] for line in answers.out.splitlines()] == expected
    classifier.save(tmp_path / "again.manyhot")
    again = load(tmp_path / "again.manyhot")
    assert again.thresholds_ == classifier.thresholds_
    np.testing.assert_array_equal(
        again.predict(fresh.drop("song_id", *NAMES)), classifier.predict(fresh.drop("song_id", *NAMES))
    )


@pytest.mark.slow
def test_a_change_shows_what_it_replaces_can_be_tried_and_undone(manyhot, bundle):
    before, old = bundle.read_bytes(), load(bundle).thresholds_
    done = manyhot("thresholds", bundle, "--set", "mood_sad=0.875", "--max-labels", "2", "--dry-run")
    assert done.code == 0, done.err
    assert f"{old['mood_sad']:.3f}      0.875" in done.out
    assert "nothing was saved (dry run)" in done.out
    assert bundle.read_bytes() == before
    document = manyhot("thresholds", bundle, "--set", "mood_sad=0.875", "--max-labels", "2", "--json").document
    assert document["saved"]
    assert {row["label"]: row["threshold"] for row in document["before"]["labels"]} == old
    assert "nothing was saved" in manyhot("thresholds", bundle, "--undo", "--dry-run").out
    assert load(bundle).thresholds_["mood_sad"] == 0.875
    assert "saved" in manyhot("thresholds", bundle, "--undo").out
    assert load(bundle).thresholds_ == old
    assert load(bundle).model_.policy.rules.max_labels is None
    assert manyhot("thresholds", bundle, "--undo", "--set", "mood_sad=0.5").code == 2
    evaluated = manyhot("evaluate", bundle, bundle.with_suffix(".csv"))
    assert evaluated.out.startswith("Warning: 120 of 120 rows were used to train this model")
    answers = manyhot("predict", bundle, bundle.with_suffix(".csv"), "--json").document
    assert answers["rows"] == len(answers["predictions"]) == 120
    assert manyhot("predict", bundle, bundle.with_suffix(".csv"), "--json", "--jsonl").code == 2


@pytest.mark.slow
def test_what_decides_single_labels_is_said(manyhot, bundle):
    shown = manyhot("thresholds", bundle, "--min-recall", "mood_sad=0.9", "--min-recall", "mood_fast=0.9")
    assert "decision auto, except mood_sad, mood_fast: recall (min_recall 0.9)" in " ".join(shown.out.split())
    assert f"to undo: manyhot thresholds {bundle} --undo" in shown.out
    undone = manyhot("thresholds", bundle, "--undo").out
    assert "except" not in undone
    assert f"to bring the change back: manyhot thresholds {bundle} --undo" in undone
    by_hand = " ".join(manyhot("thresholds", bundle, "--set", "mood_sad=1", "--min-labels", "1").out.split())
    assert "decision auto, thresholds set by hand" in by_hand
    assert "every row is decided by those shown" in by_hand
    assert "Hardly ever predicted, at threshold 1: mood_sad;" in by_hand
    assert "labels per row: at least 1 Rows without a label above its threshold get their most probable" in by_hand


@pytest.mark.slow
def test_another_file_can_take_the_change(manyhot, bundle, tmp_path):
    before = bundle.read_bytes()
    other = tmp_path / "other.manyhot"
    assert manyhot("thresholds", bundle, "--set", "mood_sad=0.5", "-o", other).code == 0
    assert bundle.read_bytes() == before
    assert load(other).thresholds_["mood_sad"] == 0.5


@pytest.mark.slow
def test_rules_are_kept_beside_each_other(manyhot, bundle):
    assert manyhot("thresholds", bundle, "--exclusive", "mood_sad|mood_fast").code == 0
    done = manyhot("thresholds", bundle, "--implies", "mood_quiet>mood_sad", "--max-labels", "2", "--json")
    rules = done.document["rules"]
    assert rules["exclusive"] == [["mood_sad", "mood_fast"]]
    assert rules["implies"] == [["mood_quiet", "mood_sad"]]
    assert rules["max_labels"] == 2


@pytest.mark.slow
def test_the_limit_of_labels_is_lifted_by_zero(manyhot, bundle):
    assert manyhot("thresholds", bundle, "--max-labels", "2", "--exclusive", "mood_sad|mood_fast").code == 0
    done = manyhot("thresholds", bundle, "--max-labels", "0", "--json")
    assert done.code == 0, done.err
    assert done.document["rules"]["max_labels"] is None
    assert done.document["rules"]["exclusive"] == [["mood_sad", "mood_fast"]]
    assert load(bundle).model_.policy.rules.max_labels is None


@pytest.mark.slow
def test_settings_of_the_measure(manyhot, bundle):
    done = manyhot("thresholds", bundle, "--metric", "precision", "--decision-params", "min_precision=0.8", "--json")
    assert done.code == 0, done.err
    assert done.document["decision"] == "precision"


def thresholds_of(done):
    assert done.code == 0, done.err
    return {row["label"]: row["threshold"] for row in done.document["labels"]}


@pytest.mark.slow
def test_a_precision_for_all_labels_for_one_alone_and_for_both(manyhot, bundle):
    def shown(*words):
        return thresholds_of(manyhot("thresholds", bundle, *words, "--dry-run", "--json"))

    before, low, high = shown(), shown("--min-precision", "0.35"), shown("--min-precision", "0.5")
    assert low == shown("--metric", "precision", "--decision-params", "min_precision=0.35")
    label = "mood_quiet"
    assert len({before[label], low[label], high[label]}) == 3
    assert shown("--min-precision", f"{label}=0.5") == before | {label: high[label]}
    assert shown("--min-precision", "0.35", "--min-precision", f"{label}=0.5") == low | {label: high[label]}
    recall = shown("--min-recall", "0.5")
    mixed = shown("--min-recall", f"{label}=0.5", "--min-precision", "0.35", "--set", "mood_fast=0.125")
    assert mixed == low | {label: recall[label], "mood_fast": 0.125}
    assert recall[label] != low[label]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "mood_sat=0.5"], "did you mean 'mood_sad'"),
        (["--set", "mood_sad"], "NAME=NUMBER"),
        (["--set", "mood_sad=2"], "from 0"),
        (["--metric", "f1_mikro"], "did you mean 'f1_micro'"),
        (["--decision-params", "min_precision=0.5"], "--metric"),
        (["--min-precision", "mood_sat=0.9"], "did you mean 'mood_sad'"),
        (["--min-precision", "mood_sad=high"], "LABEL=NUMBER"),
        (["--min-precision", "mood_sad=1.9"], "argument '--min-precision'"),
        (["--min-recall", "nan"], "argument '--min-recall'"),
        (["--min-precision", "0.9", "--min-recall", "0.9"], "so does --min-recall"),
        (["--metric", "f1_micro", "--min-recall", "0.9"], "argument '--metric'"),
        (["--min-recall", "0.9", "--undo"], "--undo"),
        (["--set", "mood_sad=1.3"], "argument '--set': got 'mood_sad=1.3', expected NAME=NUMBER"),
        (["--min-labels", "one"], "got 'one', expected a whole number"),
        (["--implies", "mood_sad"], "child>parent"),
        (["--exclusive", "mood_sad|nobody"], "nobody"),
    ],
)
def test_what_is_wrong_is_told_and_changes_nothing(manyhot, bundle, words, message):
    before = bundle.read_bytes()
    done = manyhot("thresholds", bundle, *words)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert bundle.read_bytes() == before


@pytest.mark.slow
def test_a_write_that_fails_leaves_the_old_file(manyhot, bundle, monkeypatch):
    before = bundle.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert manyhot("thresholds", bundle, "--set", "mood_sad=0.5").code != 0
    monkeypatch.undo()
    assert bundle.read_bytes() == before
    assert [path.name for path in bundle.parent.iterdir() if ".tmp" in path.name] == []


@pytest.mark.slow
def test_a_promise_from_a_file(manyhot, bundle, tmp_path):
    songs(200, seed=2).write_csv(tmp_path / "aside.csv")
    done = manyhot("guarantee", bundle, tmp_path / "aside.csv", "--miss-rate", "0.2", "--json")
    assert done.code == 0, done.err
    assert "20%" in done.document["guarantee"]
    assert load(bundle).guarantee_.at_most == 0.2
    assert "20%" in manyhot("thresholds", bundle).out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "miss_rate"),
        (["--miss-rate", "0.1", "--false-discovery-rate", "0.1"], "give either"),
        (["--miss-rate", "0.001"], "999"),
        (["--miss-rate", "3"], "3"),
    ],
)
def test_a_promise_that_cannot_be_made_is_told_and_changes_nothing(manyhot, bundle, tmp_path, words, message):
    songs(80, seed=2).write_csv(tmp_path / "aside.csv")
    before = bundle.read_bytes()
    done = manyhot("guarantee", bundle, tmp_path / "aside.csv", *words)
    assert done.code == 2
    assert message in done.err
    assert bundle.read_bytes() == before


@pytest.mark.slow
def test_settings_of_losses_and_rules_are_flags_of_train(manyhot, tmp_path):
    songs(80).write_csv(tmp_path / "songs.csv")
    words = ["--loss", "focal", "--loss-params", "gamma=1.5", "--label-weights", "mood_sad=2,mood_fast=0.5"]
    words += ["--label-smoothing", "0.05", "--decision", "precision", "--decision-params", "min_precision=0.7"]
    words += ["--implies", "mood_quiet>mood_sad", "--calibration", "platt", "--max-labels", "2"]
    path = tmp_path / "a.manyhot"
    done = manyhot("train", tmp_path / "songs.csv", *LABELS, "-o", path, *SMALL, *words, "--json", "--quiet")
    assert done.code == 0, done.err
    config = done.document["report"]["config"]
    assert config["loss_params"] == {"gamma": 1.5, "balance": 0.5}
    assert config["label_weights"] == {"mood_sad": 2, "mood_fast": 0.5}
    assert config["implies"] == [["mood_quiet", "mood_sad"]]
    assert config["max_labels"] == 2
    assert load(path).get_params()["calibration"] == "platt"
    for wrong, message in (
        (["--loss", "focal", "--loss-params", "gama=2"], "did you mean 'gamma'"),
        (["--loss", "focal", "--loss-params", "gamma"], "NAME=VALUE"),
        (["--label-weights", "ballanced"], "did you mean 'balanced'"),
        (["--label-weights", "mood_sat=2"], "did you mean 'mood_sad'"),
        (["--loss", "zlpr", "--label-smoothing", "0.1"], "smoothing"),
        (["--decision", "precision"], "min_precision"),
        (["--calibration", "plat"], "did you mean 'platt'"),
    ):
        done = manyhot("train", tmp_path / "songs.csv", *LABELS, "-o", tmp_path / "b.manyhot", *SMALL, *wrong)
        assert done.code == 2, wrong
        assert message in done.err, (wrong, done.err)
        assert not (tmp_path / "b.manyhot").exists()


@pytest.mark.slow
def test_a_picture_of_scores_beside_frequencies(manyhot, bundle, tmp_path):
    done = manyhot("inspect", bundle, "--plot", tmp_path / "reliability.svg")
    assert done.code == 0, done.err
    svg = (tmp_path / "reliability.svg").read_text()
    assert all(name in svg for name in ("all labels", *NAMES))
    assert manyhot("inspect", bundle, "--plot", tmp_path / "reliability.txt").code == 2


@pytest.mark.slow
def test_two_changes_at_once_are_both_there(bundle):
    command = [sys.executable, "-m", "manyhot", "thresholds", str(bundle), "--json", "--set"]
    pairs = [f"{name}=0.{k}25" for k, name in enumerate(NAMES[:2], 1)]
    runs = [subprocess.Popen([*command, pair], stdout=subprocess.DEVNULL) for pair in pairs]
    assert [run.wait(300) for run in runs] == [0, 0]
    thresholds = load(bundle).thresholds_
    assert [thresholds[name] for name in NAMES[:2]] == [0.125, 0.225]
    assert not list(bundle.parent.glob(".*.lock"))
