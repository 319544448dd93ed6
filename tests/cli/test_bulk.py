"""Many tables go to a folder: a part for each, whole or not at all, completed by the same command."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest

from manyhot.cli.jobs import bulk
from manyhot.cli.jobs.row_predictor import PredictionSettings
from manyhot.cli.signals import StoppedError
from tests.cli.conftest import NAMES, songs
from tests.fixtures.fragile_texts import fragile, text_model, text_rows
from tests.fixtures.workers import killing_workers

SETTINGS = PredictionSettings(";", False, None, {"format": None, "images": None, "on_bad_image": "error"})
PROCESSES = pytest.param("processes:2", marks=pytest.mark.slow)


def write_tables(folder, n=3, suffix=".parquet", n_rows=50):
    folder.mkdir(exist_ok=True)
    for k in range(n):
        frame = songs(n_rows + k, seed=k).drop(NAMES).with_columns(song_id=pl.format("{}-{}", pl.lit(k), "song_id"))
        write = frame.write_parquet if suffix == ".parquet" else frame.write_csv
        write(folder / f"part{k}{suffix}")
    return folder


@pytest.fixture
def here(tmp_path, bundle, monkeypatch):
    """A folder with a model and a folder of tables."""
    shutil.copy(bundle, tmp_path / "songs.manyhot")
    write_tables(tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def fragile_model(tmp_path_factory):
    return text_model(tmp_path_factory.mktemp("fragile") / "fragile.manyhot")


def stamps(folder):
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def assert_done(done, **expected):
    assert done.code == 0, done.err
    assert done.document == {"output": "out", **expected}


def assert_failed(done, code, *words):
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    assert "unexpected" not in done.err
    for word in words:
        assert word in done.err
    assert done.out == ""


def assert_whole(folder, names):
    """Nothing but the parts and their manifest, which is right about them."""
    assert {path.name for path in folder.iterdir()} == {*names, "manifest.json"}
    parts = json.loads((folder / "manifest.json").read_text())["parts"]
    assert set(parts) == set(names)
    for name, part in parts.items():
        content = (folder / name).read_bytes()
        assert part["sha256"] == hashlib.sha256(content).hexdigest()
        assert part["bytes"] == len(content)


@pytest.mark.parametrize("executor", [None, PROCESSES])
def test_each_part_is_what_predict_makes_of_the_file_alone(manyhot, here, executor):
    flags = [] if executor is None else ["--executor", executor]
    done = manyhot("predict", "songs.manyhot", "in/*.parquet", "-o", "out", "--json", *flags)
    assert_done(done, rows=153, files=3, predicted=3)
    assert_whole(here / "out", ["part0.parquet", "part1.parquet", "part2.parquet"])
    for k in range(3):
        manyhot("predict", "songs.manyhot", f"in/part{k}.parquet", "-o", "one.parquet")
        frame = pl.read_parquet(f"out/part{k}.parquet")
        assert frame.equals(pl.read_parquet("one.parquet"))
        assert frame["id"].to_list() == pl.read_parquet(f"in/part{k}.parquet")["song_id"].to_list()


@pytest.mark.parametrize("kind", ["shell", "pattern", "folder", "folder and file"])
def test_several_files_are_named_in_several_ways(manyhot, here, kind):
    write_tables(here / "in", suffix=".csv", n=2)
    for k in range(3):
        (here / f"in/part{k}.parquet").rename(here / f"in/other{k}.parquet")
    for name in ("_SUCCESS", "_part.csv.gz", ".part.csv"):
        (here / "in" / name).touch()
    (here / "in/readme.md").write_text("tables\n")
    words = {
        "shell": sorted((here / "in").glob("p*.csv")),
        "pattern": ["i?/**/p*.csv"],
        "folder": ["in"],
        "folder and file": ["in", "in/part0.csv"],
    }[kind]
    done = manyhot("predict", "songs.manyhot", *words, "-o", "out", "--quiet")
    assert done.code == 0, done.err
    parquet = [f"other{k}.parquet" for k in range(3)] if kind.startswith("folder") else []
    assert_whole(here / "out", ["part0.csv", "part1.csv", *parquet])


def test_what_killed_runs_left_of_their_files_is_removed(manyhot, here):
    left, foreign = (".manifest.4b70cc1f3b0fed4b.tmp", ".part1.4b70cc1f3b0fed4b.tmp"), ".other.4b70cc1f3b0fed4b.tmp"
    (here / "out").mkdir()
    for name in (*left, foreign):
        (here / "out" / name).touch()
    assert manyhot("predict", "songs.manyhot", "in/*.parquet", "-o", "out", "--quiet").code == 0
    (here / "out" / foreign).unlink()
    assert_whole(here / "out", ["part0.parquet", "part1.parquet", "part2.parquet"])


def test_one_match_goes_to_a_folder_that_exists(manyhot, here):
    (here / "out").mkdir()
    assert_done(
        manyhot("predict", "songs.manyhot", "in/part1.parquet", "-o", "out", "--json"), rows=51, files=1, predicted=1
    )
    assert_whole(here / "out", ["part1.parquet"])


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet"])
def test_the_format_may_be_chosen(manyhot, here, name):
    done = manyhot("predict", "songs.manyhot", "in/*", "-o", "out", "--output-format", name, "--explain", "--quiet")
    assert done.code == 0, done.err
    read = {"csv": pl.read_csv, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet}[name]
    assert read(here / f"out/part2.{name}").height == 52
    assert "explanation" in read(here / f"out/part2.{name}").columns


def test_the_same_command_does_what_is_missing_or_changed(manyhot, here):
    command = ["predict", "songs.manyhot", "in/*.parquet", "-o", "out", "--json"]
    assert_done(manyhot(*command), rows=153, files=3, predicted=3)
    before = stamps(here / "out")
    assert_done(manyhot(*command), rows=153, files=3, predicted=0)
    assert {name: stamp for name, stamp in stamps(here / "out").items() if name.startswith("part")} == {
        name: stamp for name, stamp in before.items() if name.startswith("part")
    }
    changes = {
        "part0.parquet": lambda: (here / "out/part0.parquet").unlink(),
        "part1.parquet": lambda: (here / "out/part1.parquet").write_bytes(
            bytes((here / "out/part1.parquet").stat().st_size)
        ),
        "part2.parquet": lambda: songs(70, seed=9).drop(NAMES).write_parquet(here / "in/part2.parquet"),
    }
    for name, change in changes.items():
        change()
        before = stamps(here / "out")
        done = manyhot(*command)
        assert (done.code, done.document["predicted"]) == (0, 1), done.err
        after = stamps(here / "out")
        assert after[name] != before.get(name)
        assert all(after[other] == before[other] for other in changes if other != name)
        assert_whole(here / "out", changes)
    songs(10, seed=5).drop(NAMES).write_parquet(here / "in/part3.parquet")
    assert manyhot(*command).document["predicted"] == 1
    assert_whole(here / "out", [*changes, "part3.parquet"])


def test_another_model_or_other_settings_are_refused_by_name(manyhot, here):
    command = ["predict", "songs.manyhot", "in", "-o", "out"]
    assert manyhot(*command).code == 0
    before = stamps(here / "out")
    assert manyhot("thresholds", "songs.manyhot", "--set", "mood_sad=0.9", "-o", "other.manyhot").code == 0
    assert_failed(
        manyhot("predict", "other.manyhot", "in", "-o", "out"),
        2,
        "another model",
        f"{here / 'songs.manyhot'}",
        "another folder, or replace what is there with --overwrite",
    )
    assert_failed(manyhot(*command, "--explain"), 2, "'--explain'", "got True", "made with nothing", "--overwrite")
    assert_failed(manyhot(*command, "--output-format", "csv"), 2, "'--output-format'", "got 'csv'")
    assert stamps(here / "out") == before
    done = manyhot("predict", "other.manyhot", "in", "-o", "out", "--overwrite", "--json")
    assert_done(done, rows=153, files=3, predicted=3)
    assert stamps(here / "out")["part0.parquet"] != before["part0.parquet"]
    assert_whole(here / "out", ["part0.parquet", "part1.parquet", "part2.parquet"])


def test_a_manifest_of_something_else_is_not_replaced(manyhot, here):
    (here / "out").mkdir()
    (here / "out/manifest.json").write_text('{"name": "app"}')
    for flags in ([], ["--overwrite"]):
        done = manyhot("predict", "songs.manyhot", "in", "-o", "out", *flags)
        assert_failed(done, 2, "out/manifest.json", "is not a manifest", "another folder")
    assert (here / "out/manifest.json").read_text() == '{"name": "app"}'


WRONG = [
    (["in/*.csv", "-o", "out"], "in/*.csv: no file matches this pattern"),
    (["in/part0.parquet", "in/part9.parquet", "-o", "out"], "in/part9.parquet: no such file; did you mean"),
    (["in/*.parquet"], "'--output': several files"),
    (["in/*.parquet", "-o", "all.csv"], "such as -o predictions"),
    (["in/*.parquet", "-o", "songs.manyhot"], "songs.manyhot is a file; give a folder"),
    (["in", "twins/PART0.csv", "-o", "out"], "twins/PART0.csv: has the same name as in/part0.parquet"),
    (["in/*.parquet", "-o", "in"], "would overwrite the rows (in/part0.parquet)"),
    (["in", "-o", "out", "--executor", "processes"], "'--executor': got 'processes'"),
    (["in", "-o", "out", "--output-format", "xlsx"], "'--output-format': got 'xlsx', expected one of 'csv', 'jsonl'"),
    (["in", "-o", "out", "--plots", "seen"], "'--plots': draws the rows of one file"),
    (["in", "-o", "out", "--label-sep", "d", "--output-format", "csv"], "'--label-sep'"),
    (["in", "empty", "-o", "out"], "empty: is a folder without tables"),
    (["e*y", "-o", "out"], "only folders match this pattern"),
]


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_what_cannot_be_done_is_said_before_anything_is(manyhot, here, words, message):
    (here / "twins").mkdir()
    songs(5).drop(NAMES).write_csv("twins/PART0.csv")
    (here / "empty").mkdir()
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    assert_failed(manyhot("predict", "songs.manyhot", *words), 2, message)
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("executor", [None, PROCESSES])
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_done(manyhot, here, executor):
    write_tables(here / "in", suffix=".csv", n=2)
    text = (here / "in/part1.csv").read_text()
    (here / "in/part1.csv").write_text(text.replace("rock", "rock,rock", 1))
    flags = [] if executor is None else ["--executor", executor]
    command = ["predict", "songs.manyhot", *(f"in/part{k}.csv" for k in range(2)), "in/part2.parquet", "-o", "out"]
    done = manyhot(*command, *flags)
    assert_failed(done, 2, "manyhot: in/part1.csv, row ", "; done: 2 other files")
    assert_whole(here / "out", ["part0.csv", "part2.parquet"])
    (here / "in/part1.csv").write_text(text)
    assert manyhot(*command, "--json", *flags).document["predicted"] == 1
    assert_whole(here / "out", ["part0.csv", "part1.csv", "part2.parquet"])


def test_notes_are_said_once_with_their_file(manyhot, here, monkeypatch):
    write = bulk.write_predictions

    def write_and_note(file, predictor, output, label_sep, on_notes):
        on_notes(["2 images were not predicted", "2 images were not predicted"])
        return write(file, predictor, output, label_sep, on_notes)

    monkeypatch.setattr(bulk, "write_predictions", write_and_note)
    done = manyhot("predict", "songs.manyhot", "in", "-o", "out")
    assert done.err == "note: in/part0.parquet: 2 images were not predicted\n"
    assert manyhot("predict", "songs.manyhot", "in", "-o", "other", "--quiet").err == ""


def predict_texts(model, folder, executor, n_done=None):
    """Predict a folder of texts, as the command does with a function of the user's; the error, if any."""
    try:
        bulk.predict_tables(
            model,
            sorted((folder / "in").iterdir()),
            folder / "out",
            SETTINGS,
            bulk.BulkOptions(executor=executor, quiet=True),
            text=fragile,
        )
    except (bulk.PartsError, StoppedError) as error:
        return error
    return None


def texts_with(folder, text, n_tables=4, row=137):
    """Tables of texts, one of which has a text of its own in a row, counted from 1."""
    (folder / "in").mkdir()
    for k in range(n_tables):
        frame = text_rows(400, seed=k)
        if k == 1:
            frame = frame.with_columns(
                words=pl.when(pl.int_range(pl.len()) == row - 1).then(pl.lit(text)).otherwise("words")
            )
        frame.write_parquet(folder / f"in/part{k}.parquet")


@pytest.mark.slow
def test_a_row_that_kills_its_worker_is_named_after_three_tries(tmp_path, fragile_model):
    log = tmp_path / "tries"
    texts_with(tmp_path, f"KILL {log}")
    error = predict_texts(fragile_model, tmp_path, "processes:2")
    assert error.exit_code == 1
    assert f"{tmp_path / 'in/part1.parquet'}, row 137: the process died 3 times" in str(error)
    assert str(error).endswith("; done: 3 other files")
    n_texts = list(map(int, log.read_text().split()))
    assert n_texts == [400, 20, 1]
    others = ["part0.parquet", "part2.parquet", "part3.parquet"]
    assert_whole(tmp_path / "out", others)
    before = stamps(tmp_path / "out")
    text_rows(400, seed=1).write_parquet(tmp_path / "in/part1.parquet")
    assert predict_texts(fragile_model, tmp_path, "processes:2") is None
    assert_whole(tmp_path / "out", [*others, "part1.parquet"])
    assert all(stamps(tmp_path / "out")[name] == before[name] for name in others)


@pytest.mark.parametrize("executor", [None, PROCESSES])
def test_a_row_that_raises_is_named_after_three_tries(tmp_path, fragile_model, executor):
    log = tmp_path / "tries"
    texts_with(tmp_path, f"RAISE {log}", n_tables=2)
    error = predict_texts(fragile_model, tmp_path, executor)
    assert error.exit_code == 1
    assert "part1.parquet, row 137: cannot be predicted (ValueError: what a text); done: 1 other file" in str(error)
    assert list(map(int, log.read_text().split())) == [400, 20, 1]
    assert_whole(tmp_path / "out", ["part0.parquet"])


def assert_every_row_once(folder, n_tables):
    assert_whole(folder / "out", [f"part{k}.parquet" for k in range(n_tables)])
    for k in range(n_tables):
        ids = pl.read_parquet(folder / f"out/part{k}.parquet")["id"].to_list()
        assert ids == pl.read_parquet(folder / f"in/part{k}.parquet")["song_id"].to_list()


def slow_texts(folder, n_tables, seconds):
    (folder / "in").mkdir()
    for k in range(n_tables):
        frame = text_rows(60, seed=k)
        words = pl.when(pl.int_range(pl.len()) == 30).then(pl.lit(f"SLEEP {seconds} {k}")).otherwise("words")
        frame.with_columns(words=words).write_parquet(folder / f"in/part{k}.parquet")


@pytest.mark.slow
def test_killed_workers_cost_no_row(tmp_path, fragile_model):
    slow_texts(tmp_path, 6, 1.5)
    with killing_workers([3.0, 3.0, 3.0]) as killed:
        assert predict_texts(fragile_model, tmp_path, "processes:2") is None
    assert killed
    assert_every_row_once(tmp_path, 6)


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_twenty_killed_workers_cost_no_row(tmp_path, fragile_model):
    n_tables = 60
    slow_texts(tmp_path, n_tables, 2.0)
    seconds = np.random.default_rng(0).uniform(1.0, 6.0, 20).tolist()
    with killing_workers(seconds) as killed:
        assert predict_texts(fragile_model, tmp_path, "processes:2") is None
    assert len(killed) == 20
    assert_every_row_once(tmp_path, n_tables)


@pytest.mark.slow
@pytest.mark.parametrize("executor", [pytest.param([], marks=pytest.mark.exhaustive), ["--executor", "processes:2"]])
def test_after_kill_9_the_same_command_completes_the_folder(manyhot, here, executor):
    shutil.rmtree("in")
    write_tables(here / "in", n=40, n_rows=10_000)
    command = ["predict", "songs.manyhot", "in/*.parquet", "-o", "out", "--quiet", *executor]
    process = subprocess.Popen([sys.executable, "-m", "manyhot", *command], stdout=subprocess.DEVNULL)
    try:
        while len(list((here / "out").glob("part*.parquet"))) < 5:
            assert process.poll() is None
            time.sleep(0.001)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    time.sleep(1.5)  # workers end when they see that they are alone
    parts = json.loads((here / "out/manifest.json").read_text())["parts"]
    assert len(parts) < 40
    for path in (here / "out").glob("part*.parquet"):
        pl.read_parquet(path)
    before = stamps(here / "out")
    done = manyhot(*command, "--json")
    assert_done(done, rows=sum(10_000 + k for k in range(40)), files=40, predicted=40 - len(parts))
    assert all(stamps(here / "out")[name] == before[name] for name in parts)
    assert_every_row_once(here, 40)


@pytest.mark.slow
def test_a_row_that_kills_the_process_itself_is_named_by_the_fourth_run(tmp_path, fragile_model):
    log = tmp_path / "tries"
    texts_with(tmp_path, f"KILL {log}", n_tables=2)
    code = (
        "import sys; from pathlib import Path; from tests.cli.test_bulk import predict_texts; "
        "print(predict_texts(Path(sys.argv[1]), Path(sys.argv[2]), None))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code, str(fragile_model), str(tmp_path)], capture_output=True, text=True)
        for _ in range(4)
    ]
    assert [run.returncode for run in runs] == [-signal.SIGKILL] * 3 + [0], runs[-1].stderr
    assert "part1.parquet, row 137: the process died 3 times" in runs[-1].stdout
    assert len(log.read_text().split()) == 3


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done(tmp_path, fragile_model):
    slow_texts(tmp_path, 3, 2.0)
    text_rows(60, seed=0).write_parquet(tmp_path / "in/part0.parquet")
    code = (
        "import sys; from pathlib import Path; from tests.cli.test_bulk import predict_texts; "
        "print(predict_texts(Path(sys.argv[1]), Path(sys.argv[2]), None))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(fragile_model), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    while not (tmp_path / "out/part0.parquet").exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert "interrupted; 1 of 3 files are done; run the same command again for the others" in out
    assert_whole(tmp_path / "out", ["part0.parquet"])


@pytest.mark.slow
def test_very_many_labels(manyhot, tmp_path):
    os.chdir(tmp_path)
    rows = "\n".join(f"{k % 3} 0:{k % 5}.5 1:1" for k in range(40))
    (tmp_path / "train.xc").write_text(f"40 2 3\n{rows}\n")
    done = manyhot("train", "train.xc", "--extreme", "--epochs", "1", "-o", "m.manyhot", "--quiet")
    assert done.code == 0, done.err
    for name in ("a", "b"):
        shutil.copy("train.xc", f"{name}.xc")
    assert_done(
        manyhot("predict", "m.manyhot", "[ab].xc", "--top", 2, "-o", "out", "--json"), rows=80, files=2, predicted=2
    )
    assert pl.read_csv("out/b.csv").columns == ["id", "labels", "scores"]


def test_a_model_of_pixels_takes_one_table(manyhot, here, monkeypatch):
    class Pixels:
        labels_pixels = True

    class Classifier:
        model_ = Pixels()

    monkeypatch.setattr(bulk, "load", lambda *_, **__: Classifier())
    assert_failed(manyhot("predict", "songs.manyhot", "in", "-o", "out"), 2, "one table at a time")
