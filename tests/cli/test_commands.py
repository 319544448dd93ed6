"""The commands, from file to answers."""

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer

import manyhot as package
from manyhot.cli import app
from manyhot.cli.config_flags import FLAG_NAMES, SETTINGS
from manyhot.config.fields import describe_fields
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from tests.cli.conftest import NAMES, SMALL, songs


def test_train_evaluate_predict_inspect(manyhot, table, tmp_path):
    model = tmp_path / "songs.manyhot"
    done = manyhot("train", table, "--labels", "mood_*", "-o", model, "--json", *SMALL)
    assert done.code == 0, done.err
    assert done.document["labels"] == NAMES
    assert set(done.document["thresholds"]) == set(NAMES)
    done = manyhot("evaluate", model, table, "--json")
    assert done.code == 0, done.err
    assert set(done.document["metrics"]) == {"decision", "fixed"}
    assert {"f1_micro", "hamming_loss", "lrap", "ranking_loss"} <= set(done.document["metrics"]["decision"])
    done = manyhot("inspect", model, "--layers", "--json")
    assert done.document["n_members"] == 2
    assert done.document["config"]["epochs"] == 2
    assert [layer["output"][-1] for layer in done.document["network"]["layers"]][-1] == 3
    text = manyhot("inspect", model).out
    assert "mood_quiet" in text
    assert "network: mlp (hidden_layer_sizes=" in text
    assert "logits" not in text
    assert "logits" in manyhot("inspect", model, "--layers").out


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_answers_hold_ids_labels_and_every_probability(manyhot, bundle, table, tmp_path, suffix):
    unlabelled = tmp_path / "new.csv"
    pl.read_csv(table).drop(NAMES).write_csv(unlabelled)
    answers = tmp_path / f"answers{suffix}"
    done = manyhot("predict", bundle, unlabelled, "-o", answers, "--quiet")
    assert done.code == 0, done.err
    read = {".csv": pl.read_csv, ".jsonl": pl.read_ndjson, ".parquet": pl.read_parquet}[suffix]
    frame = read(answers)
    assert frame.columns == ["id", "labels", *(f"p_{name}" for name in NAMES)]
    assert frame["id"].to_list() == [f"s{k}" for k in range(60)]
    classifier = package.load(bundle)
    scores = classifier.predict_proba(songs().drop(["song_id", *NAMES]))
    np.testing.assert_allclose(frame.select(f"p_{name}" for name in NAMES).to_numpy(), scores, atol=1e-6)
    sets = [set((row or "").split(";")) - {""} if suffix == ".csv" else set(row) for row in frame["labels"]]
    assert sets == classifier.predict_labels(songs().drop(["song_id", *NAMES]))


def test_columns_are_matched_by_name(manyhot, bundle, table, tmp_path):
    frame = pl.read_csv(table)
    shuffled, extra, missing = (tmp_path / name for name in ("shuffled.csv", "extra.csv", "missing.csv"))
    frame.select(reversed(frame.columns)).write_csv(shuffled)
    frame.with_columns(extra_column=pl.lit(1.5)).write_csv(extra)
    frame.drop("energy", "kind").write_csv(missing)
    expected = manyhot("predict", bundle, table, "--quiet").out
    assert manyhot("predict", bundle, shuffled, "--quiet").out == expected
    done = manyhot("predict", bundle, extra)
    assert done.out == expected
    done = manyhot("predict", bundle, missing)
    assert done.code == 2
    assert "energy" in done.err
    assert "the feature columns of training 'energy', 'kind' are missing" in done.err


def test_formulas_in_cells_are_defused(manyhot, bundle, tmp_path):
    frame = songs(40).with_columns(song_id=pl.Series([f"=cmd|{k}" for k in range(40)]))
    frame.write_csv(tmp_path / "evil.csv")
    out = manyhot("predict", bundle, tmp_path / "evil.csv", "--quiet").out
    assert out.splitlines()[1].startswith("'=cmd|0")


def test_unknown_labels_are_an_error_or_a_note(manyhot, bundle, tmp_path):
    frame = songs().with_columns(mood_odd=pl.lit(1))
    frame.write_csv(tmp_path / "more.csv")
    done = manyhot("evaluate", bundle, tmp_path / "more.csv")
    assert done.code == 2
    assert "mood_odd" in done.err
    assert manyhot("evaluate", bundle, tmp_path / "more.csv", "--unknown-labels", "ignore").code == 0
    assert "mood_odd" in manyhot("evaluate", bundle, tmp_path / "more.csv", "--unknown-labels", "report").err


def test_every_setting_is_a_flag_under_its_own_name(manyhot):
    shown = manyhot("train", "--help").out
    for field in (*fields(TrainingConfig), *fields(RuntimeConfig)):
        flag = FLAG_NAMES.get(field.name, (f"--{field.name.replace('_', '-')}",))[0]
        assert re.search(rf"{flag}[ ,/\n]", shown), field.name
        assert field.name in describe_fields(TrainingConfig) | describe_fields(RuntimeConfig)
    assert set(SETTINGS) == {field.name for field in (*fields(TrainingConfig), *fields(RuntimeConfig))}
    parameters = package.MultiLabelClassifier().get_params()
    assert set(SETTINGS) <= set(parameters)
    assert all(parameters[name] == field.default for name, field in SETTINGS.items())


def test_help_shows_an_example(manyhot):
    for command in ("demo", "train", "evaluate", "predict", "inspect"):
        assert "Example: manyhot" in manyhot(command, "--help").out
    assert manyhot("--version").out.strip() == f"manyhot {package.__version__}"


# flags that say how a file is read: the commands that have them
READ_FLAGS = {
    "--labels": {"train", "decide", "check", "cv", "tune", "compare-heads", "evaluate", "report", "guarantee"},
    "--sep": {"train", "decide", "check", "cv", "tune", "compare-heads", "evaluate", "report", "guarantee"},
    "--label-names": {"train", "decide", "check", "cv", "tune", "compare-heads", "evaluate", "report", "guarantee"},
    "--drop": {"train", "decide", "check", "cv", "tune", "compare-heads"},
    "--sample-weight": {"train", "decide", "cv", "tune", "evaluate"},
    "--legend": {"train", "evaluate", "report"},
}


@pytest.mark.parametrize("flag", READ_FLAGS)
def test_flags_stand_where_they_have_a_meaning(flag):
    commands = typer.main.get_command(app).commands
    having = {name for name, command in commands.items() if any(flag in option.opts for option in command.params)}
    assert having == READ_FLAGS[flag]


@pytest.mark.slow
def test_the_same_scores_bit_for_bit_in_another_process(bundle, tmp_path):
    songs().write_csv(tmp_path / "songs.csv")
    outputs = []
    for k in range(2):
        answers = tmp_path / f"{k}.parquet"
        words = ["predict", str(bundle), str(tmp_path / "songs.csv"), "-o", str(answers)]
        subprocess.run([sys.executable, "-m", "manyhot", *words], check=True, capture_output=True)
        outputs.append(pl.read_parquet(answers))
    assert outputs[0].equals(outputs[1])


def test_no_evidence_makes_a_smaller_file(manyhot, table, tmp_path):
    for name, words in (("with", []), ("without", ["--no-evidence"])):
        assert manyhot("train", table, "--labels", "mood_*", "-o", tmp_path / name, "--quiet", *words, *SMALL).code == 0
    assert (tmp_path / "without").stat().st_size < (tmp_path / "with").stat().st_size
    assert package.load(tmp_path / "without").model_.evidence is None


def test_the_same_rows_from_four_formats_give_the_same_model_bit_for_bit(manyhot, tmp_path):
    frame = songs()
    sets = [[name for name in NAMES if row[name]] for row in frame.to_dicts()]
    plain = frame.drop(NAMES)
    frame.write_csv(tmp_path / "a.csv")
    plain.with_columns(moods=pl.Series(["|".join(names) for names in sets])).write_csv(tmp_path / "b.csv")
    frame.with_columns(pl.col(NAMES).cast(pl.Boolean)).write_parquet(tmp_path / "c.parquet")
    plain.with_columns(moods=pl.Series(sets)).write_ndjson(tmp_path / "d.jsonl")
    order = ",".join(NAMES)
    words = {
        "a.csv": ["--labels", "mood_*"],
        "b.csv": ["--labels", "moods", "--sep", "|", "--label-order", order],
        "c.parquet": ["--labels", order],
        "d.jsonl": ["--labels", "moods", "--label-order", order],
    }
    models = []
    for name, spec in words.items():
        done = manyhot("train", tmp_path / name, *spec, "-o", tmp_path / f"{name}.manyhot", "--quiet", *SMALL)
        assert done.code == 0, done.err
        models.append(package.load(tmp_path / f"{name}.manyhot").model_)
    for other in models[1:]:
        assert other.labels == models[0].labels
        for a, b in zip(other.weights.trainable, models[0].weights.trainable, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(other.evidence.scores, models[0].evidence.scores)
        np.testing.assert_array_equal(other.policy.thresholds, models[0].policy.thresholds)


@pytest.mark.slow
def test_the_tour_and_the_commands_it_shows(manyhot, tmp_path):
    done = manyhot("demo", "-o", tmp_path / "tour", "--json", "--quiet")
    assert done.code == 0, done.err
    assert done.document["report"]["metrics"]["decision"]["f1_macro"]["value"] > 0.95
    assert len(done.document["predictions"]) == 5
    for command in done.document["next"]:
        words = re.findall(r"'[^']*'|\S+", command)
        assert words[0].endswith("manyhot")
        done = manyhot(*(word.strip("'") for word in words[1:]))
        assert done.code == 0, (command, done.err)


@pytest.mark.slow
def test_songs_to_try_it_with_and_the_commands_shown_beside_them(manyhot, tmp_path):
    folder = tmp_path / "songs"
    done = manyhot("demo", "--files", folder, "--json")
    assert done.code == 0, done.err
    tables = {Path(name).name: pl.read_csv(name) for name in done.document["files"]}
    assert {name: len(table) for name, table in tables.items()} == {
        "songs.csv": 800,
        "more-songs.csv": 200,
        "new-songs.csv": 20,
    }
    assert not any(name.startswith("mood_") for name in tables["new-songs.csv"].columns)
    assert len(tables["songs.csv"].select("^mood_.*$").columns) == 6
    shown = manyhot("demo", "--files", folder).out
    for command in done.document["next"]:
        assert command in shown
        words = re.findall(r"'[^']*'|\S+", command)[1:]
        ended = manyhot(*(word.strip("'") for word in words), "--quiet")
        assert ended.code == 0, (command, ended.err)
    assert len(pl.read_csv(folder / "predictions.csv")) == 20
    metrics = manyhot("evaluate", folder / "songs.manyhot", folder / "more-songs.csv", "--json").document["metrics"]
    assert metrics["decision"]["f1_macro"]["value"] > 0.7


def test_json_is_the_only_thing_on_standard_output(manyhot, bundle, table):
    assert json.loads(manyhot("evaluate", bundle, table, "--json").out)
    assert all(json.loads(line) for line in manyhot("predict", bundle, table, "--jsonl").out.splitlines())
    assert Path(bundle).is_file()


def test_check_speaks_once_of_columns_that_look_like_labels(manyhot, table):
    words = ["--labels", "mood_sad,mood_quiet"]
    done = manyhot("check", table, *words)
    assert done.code == 0, done.err
    text = " ".join(done.out.split())
    assert "Column 'mood_fast' of 0 and 1 looks like a further label and is used as a feature." in text
    assert "further label" not in done.err
    assert "the rows are named by column 'song_id'" in done.err
    findings = manyhot("check", table, *words, "--json").document["findings"]
    assert [f["columns"] for f in findings if f["kind"] == "possible_label"] == [["mood_fast"]]
    assert "possible_label" not in manyhot("check", table, "--labels", "mood_*", "--json").out
