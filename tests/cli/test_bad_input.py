"""Every kind of bad input has its own message and exit code 2, and leaves nothing behind."""

import gzip
import os
import re
import subprocess
import sys

import polars as pl
import pytest

from tests.cli.conftest import NAMES, SMALL, songs


def text(content):
    return lambda path: path.write_text(content)


def frame(make):
    return lambda path: make(songs()).write_csv(path)


GOOD = songs().write_csv()
BAD_TABLES = {
    "no such file": ("song.csv", None, "did you mean 'songs.csv'"),
    "a folder": ("folder.csv", lambda path: path.mkdir(), "folder"),
    "empty file": ("empty.csv", text(""), "empty"),
    "a picture named csv": ("p.csv", lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200)), "PNG"),
    "csv named parquet": ("t.parquet", text(GOOD), "Parquet"),
    "text named gz": ("t.csv.gz", text(GOOD), "gzip"),
    "packed but not named so": ("t.csv", lambda p: p.write_bytes(gzip.compress(GOOD.encode())), "gzip"),
    "ragged rows": ("r.csv", text(GOOD + "s99,1\n"), "row 61"),
    "no such label column": ("m.csv", frame(lambda f: f.drop(NAMES)), "mood_\\*"),
    "a target of 2": ("t2.csv", frame(lambda f: f.with_columns(mood_sad=pl.lit(2))), "mood_sad"),
    "no label varies": ("c.csv", frame(lambda f: f.with_columns(**dict.fromkeys(NAMES, pl.lit(1)))), "no label varies"),
    "duplicate columns": ("d.csv", text(GOOD.replace("tempo", "energy", 1)), "energy"),
    "infinities": ("i.csv", frame(lambda f: f.with_columns(tempo=1 / (pl.col("energy") - f["energy"][7]))), "infin"),
    "not utf-8": ("u.csv", lambda p: p.write_bytes(GOOD.encode().replace(b"rock", b"r\x81ck")), "UTF-8"),
}


@pytest.mark.parametrize("kind", BAD_TABLES)
def test_bad_tables(manyhot, table, tmp_path, kind):
    name, make, message = BAD_TABLES[kind]
    if make:
        make(tmp_path / name)
    model = tmp_path / "out.manyhot"
    done = manyhot("train", tmp_path / name, "--labels", "mood_*", "-o", model, *SMALL)
    assert done.code == 2, (done.code, done.err)
    assert re.search(message, done.err), done.err
    assert name.split(".")[0] in done.err
    assert "Traceback" not in done.err
    assert not model.exists()


@pytest.mark.slow
def test_one_constant_label_among_others_is_legal_and_named(manyhot, tmp_path):
    songs().with_columns(mood_fast=pl.lit(0)).write_csv(tmp_path / "c.csv")
    done = manyhot("train", tmp_path / "c.csv", "--labels", "mood_*", "-o", tmp_path / "c.manyhot", "--json", *SMALL)
    assert done.code == 0
    assert done.document["report"]["data"]["constant_labels"] == ["mood_fast"]


def broken(change):
    def make(bundle, path):
        path.write_bytes(change(bundle.read_bytes()))

    return make


BAD_BUNDLES = {
    "truncated": (broken(lambda b: b[: len(b) // 2]), "trunc|short|cut|incomplete"),
    "altered": (broken(lambda b: b[:-40] + bytes([b[-40] ^ 1]) + b[-39:]), "checksum"),
    "newer": (broken(lambda b: b.replace(b'\\"format\\":1', b'\\"format\\":2', 1)), "newer|checksum"),
    "a text": (lambda _, path: path.write_text("hello " * 40), "no bundle|not a bundle|text"),
    "a pickle": (lambda _, path: path.write_bytes(b"\x80\x05\x95" + bytes(100)), "pickle"),
    "empty": (lambda _, path: path.write_bytes(b""), "empty"),
    "missing": (None, "no such file|does not exist|there is no"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", BAD_BUNDLES)
@pytest.mark.parametrize("command", ["predict", "evaluate", "inspect"])
def test_bad_bundles(manyhot, bundle, table, tmp_path, kind, command):
    make, message = BAD_BUNDLES[kind]
    path = tmp_path / "b.manyhot"
    if make:
        make(bundle, path)
    done = manyhot(command, path, *([] if command == "inspect" else [table]))
    assert done.code == 2, (done.code, done.err)
    assert re.search(message, done.err, re.IGNORECASE), done.err
    assert "b.manyhot" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--n-members", "many"], "auto"),
        (["--n-members", "0"], "n_members"),
        (["--decision", "f1_makro"], "did you mean 'f1_macro'"),
        (["--text", "tfidff"], "expected one of 'tfidf', 'static', 'embeddings', 'onnx', 'pretrained'; did you mean"),
        (["--text", "custom"], "hand it over in Python: MultiLabelClassifier(text=...)"),
        (["--optimizer", "compiled"], "hand it over in Python"),
        (["--hidden-layer-sizes", "12,x"], "layer sizes"),
        (["--learning-rate", "-1"], "above 0"),
        (["--column-type", "tempo"], "NAME=TYPE"),
        (["--column-type", "tempo=number"], "numeric"),
        (["--no-such-flag"], "no-such-flag"),
        (["--labels", "mood_sda,mood_quiet"], "did you mean 'mood_sad'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_flags(manyhot, table, tmp_path, words, message):
    done = manyhot("train", table, "--labels", "mood_*", "-o", tmp_path / "m.manyhot", *SMALL, *words)
    assert done.code == 2
    assert message in done.err


@pytest.mark.slow
def test_output_folder_that_is_not_there(manyhot, bundle, table, tmp_path):
    done = manyhot("train", table, "--labels", "mood_*", "-o", tmp_path / "no" / "m.manyhot", *SMALL)
    assert done.code == 2
    assert "folder" in done.err
    done = manyhot("predict", bundle, table, "-o", tmp_path / "no" / "predictions.csv")
    assert done.code == 2
    assert "folder" in done.err


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
@pytest.mark.parametrize("command", ["predict", "train"])
def test_a_full_disk_leaves_the_old_file(bundle, table, tmp_path, command):
    """A file size limit stands in for a disk that is full: the write fails in the middle."""
    output = tmp_path / "old"
    old = bundle.read_bytes() if command == "train" else b"the old file"
    output.write_bytes(old)
    words = {
        "predict": ["predict", str(bundle), str(table), "-o", str(output.with_suffix(".csv"))],
        "train": ["train", str(table), "--labels", "mood_*", "-o", str(output.with_suffix(".csv")), *SMALL],
    }[command]
    output.rename(output.with_suffix(".csv"))
    script = (
        "import resource, signal, sys\n"
        "from manyhot.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        f"main({words!r})\n"
    )
    environment = {**os.environ, "MANYHOT_CACHE": str(tmp_path / "cache"), "JAX_ENABLE_COMPILATION_CACHE": "false"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert done.returncode == 2, done.stderr
    assert "could not be written" in done.stderr
    assert output.with_suffix(".csv").read_bytes() == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "old.csv", "songs.csv"] or command == "predict"
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]


def test_several_labels_are_one_word(manyhot, tmp_path):
    songs(20).write_csv(tmp_path / "songs.csv")
    done = manyhot("train", tmp_path / "songs.csv", "--labels", "mood_sad", "mood_fast", "-o", tmp_path / "m.manyhot")
    assert done.code == 2
    assert "Names of several labels are one word, with commas: --labels sad,happy" in done.err
