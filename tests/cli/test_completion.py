"""What Tab offers, asked as a shell asks."""

import gzip
import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import polars as pl
import pytest

from manyhot.cli import completion, main
from manyhot.cli.column_names import read_column_names
from manyhot.cli.config_flags import SETTINGS
from manyhot.config.training import DECISIONS, LOSSES, NETWORKS
from manyhot.data.labels import UNKNOWN_LABELS
from manyhot.data.readers.formats import FORMATS
from manyhot.data.samples import COLUMN_TYPES
from manyhot.evaluation.metrics import METRICS

MODEL = Path(__file__).parents[1] / "contract/frozen/saved/table/model.manyhot"
TABLE = pl.DataFrame({"id": [1], "mood sad": [0], "a,b": ["x"], "tempo": [1.5]})
NAMES = ["id", "mood sad", "a,b", "tempo"]


@pytest.fixture
def tab(monkeypatch):
    """What Tab offers at the end of some words, the last of which may be unfinished."""

    def offered(*words):
        monkeypatch.setenv("_MANYHOT_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", "\n".join(["manyhot", *(f"'{word}'" if word else "" for word in words)]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        output, errors = io.StringIO(), io.StringIO()
        with redirect_stdout(output), redirect_stderr(errors), pytest.raises(SystemExit) as stop:
            main([])
        assert not stop.value.code
        assert errors.getvalue() == ""
        return output.getvalue().split("\n")[:-1] if output.getvalue().strip() else []

    return offered


@pytest.fixture
def csv_file(tmp_path):
    TABLE.write_csv(tmp_path / "rows.csv")
    return str(tmp_path / "rows.csv")


def test_commands_and_flags(tab):
    assert tab("tr") == ["train"]
    assert tab("train", "--los") == ["--loss", "--loss-params"]


def test_words_of_settings(tab):
    assert tab("train", "--network", "") == [name for name in NETWORKS if name != "custom"]
    assert tab("train", "--loss", "") == list(LOSSES)
    assert tab("train", "--decision", "f1") == ["f1_macro", "f1_micro", "f1_samples"]
    assert tab("train", "--calibration", "pl") == ["platt"]
    assert tab("train", "--optimizer", "") == ["auto", "adamw", "adam", "sgd"]
    assert tab("train", "--schedule", "c") == ["constant", "cosine"]
    assert tab("train", "--text", "") == ["tfidf", "static", "embeddings", "onnx", "pretrained"]
    assert tab("train", "--executor", "") == ["processes:2", "processes:4", "processes:8", "ray", "ray://"]
    assert tab("train", "--epochs", "") == ["auto"]
    assert tab("train", "--prior-bias", "") == ["true", "false", "auto"]


def test_words_of_other_flags(tab):
    assert tab("thresholds", "m.manyhot", "--metric", "") == list(DECISIONS)
    assert tab("cv", "a.csv", "--metrics", "lrap,f1_m") == ["lrap,f1_macro", "lrap,f1_micro", "lrap,f1_macro_all"]
    assert tab("cv", "a.csv", "--metrics", "f1_macro,f1_mac") == ["f1_macro,f1_macro_all"]
    assert tab("cv", "a.csv", "--against", "net") == ["network="]
    assert tab("cv", "a.csv", "--against", "head=") == ["head=sigmoid", "head=softmax"]
    assert tab("predict", "m", "a.csv", "--output-format", "") == ["csv", "parquet", "jsonl"]
    assert tab("predict", "m", "a.csv", "--format", "j") == ["jsonl", "json"]
    assert tab("evaluate", "m", "a.csv", "--unknown-labels", "") == ["error", "ignore", "report"]
    assert tab("serve", "m", "--log-format", "") == ["text", "json"]


def test_words_are_those_of_their_tables():
    assert list(completion.METRICS) == list(METRICS)
    assert list(completion.FORMATS) == [file_format.name for file_format in FORMATS]
    assert completion.COLUMN_TYPES == COLUMN_TYPES
    assert completion.UNKNOWN_LABELS == UNKNOWN_LABELS


def test_columns_of_the_file(tab, csv_file):
    assert tab("train", csv_file, "--labels", "") == ["id", "mood sad", '"a,b"', "tempo"]
    assert tab("train", csv_file, "-o", "m", "--labels", "t") == ["tempo"]
    assert tab("train", csv_file, "--drop", "id,tem") == ["id,tempo"]
    assert tab("train", csv_file, "--id-column", "a") == ["a,b"]
    assert tab("cv", csv_file, "--groups", "te") == ["tempo"]
    assert tab("evaluate", "m.manyhot", csv_file, "--sample-weight", "te") == ["tempo"]
    assert tab("check", csv_file, "--column-type", "te") == ["tempo=numeric"]
    assert tab("check", csv_file, "--column-type", "tempo=i") == ["tempo=id", "tempo=image", "tempo=ignored"]


def test_labels_of_the_model(tab):
    assert tab("label-errors", str(MODEL), "--label", "") == ["sad", "quiet", "fast"]
    assert tab("thresholds", str(MODEL), "--set", "") == ["sad=0.427", "quiet=0.307", "fast=0.378"]
    assert tab("thresholds", str(MODEL), "--min-precision", "") == ["sad=", "quiet=", "fast="]
    assert tab("thresholds", str(MODEL), "--set", "sad=0.4", "--set", "qu") == ["quiet=0.307"]


def test_files_are_left_to_the_shell(tab, csv_file):
    assert tab("train", "") == []
    assert tab("train", csv_file, "-o", "") == []
    assert tab("train", csv_file, "--taxonomy", "") == []


@pytest.mark.parametrize("path", ["absent.csv", "", ".", "\0"])
def test_no_file_is_no_error(tab, path):
    assert tab("train", "--labels", "") == []
    if "\0" not in path:
        assert tab("train", path, "--labels", "") == []
        assert tab("thresholds", path, "--set", "") == []
    assert read_column_names(Path(path)) == []


def test_a_model_of_rubbish_is_no_error(tab, tmp_path):
    for content in (
        b"",
        b"x",
        b"\x05" + b"\0" * 7 + b"[1,2]",
        b"\x02" + b"\0" * 7 + b"{}",
        b"\xff" * 20,
        MODEL.read_bytes()[:99],
    ):
        (tmp_path / "m.manyhot").write_bytes(content)
        assert tab("thresholds", str(tmp_path / "m.manyhot"), "--set", "") == []
    for document in (
        '{"labels": 3}',
        '{"labels": ["a"], "policy": []}',
        "[]",
        '{"labels": ["a"], "policy": {"decision": 1}}',
    ):
        header = ('{"__metadata__": {"manyhot": "{\\"document\\": ' + document.replace('"', '\\"') + '}"}}').encode()
        (tmp_path / "m.manyhot").write_bytes(len(header).to_bytes(8, "little") + header)
        assert tab("thresholds", str(tmp_path / "m.manyhot"), "--set", "") == []


def test_showing_the_version_waits_for_enter(tab):
    assert "0." not in " ".join(tab("--version", ""))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet", ".csv.gz", ".jsonl.gz"])
def test_column_names_of_every_format(suffix, tmp_path):
    plain = tmp_path / f"rows{suffix.removesuffix('.gz')}"
    if ".csv" in suffix:
        TABLE.write_csv(plain)
    elif suffix == ".tsv":
        TABLE.write_csv(plain, separator="\t")
    elif ".jsonl" in suffix:
        TABLE.write_ndjson(plain)
    else:
        TABLE.write_parquet(plain)
    path = tmp_path / f"rows{suffix}"
    if suffix.endswith(".gz"):
        path.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_column_names(path) == NAMES


@pytest.mark.parametrize(
    "content",
    [
        b'\xef\xbb\xbfa;"b;c";d\n1;2;3\n',
        b"sep=;\na;b;c;d\n",
        'a;"b;c";d\n1;2;3\n'.encode("utf-16"),
        b'a,"b\nc",d\n1,2,3\n',
        b"a|b|c\n1|2|3",
    ],
)
def test_headers_of_csv(content, tmp_path):
    (tmp_path / "rows.csv").write_bytes(content)
    names = read_column_names(tmp_path / "rows.csv")
    assert names in (["a", "b;c", "d"], ["a", "b", "c", "d"], ["a", "b\nc", "d"], ["a", "b", "c"])


@pytest.mark.parametrize("writer", ["polars", "pyarrow"])
def test_nested_columns_of_parquet_count_once(writer, tmp_path):
    values = {"k": [1], "s": [{"u": 1, "v": [2]}], "w": [[1, 2]], "Grösse": ["x"], **{f"c{k}": [k] for k in range(40)}}
    frame, path = pl.DataFrame(values), tmp_path / "rows.parquet"
    if writer == "polars":
        frame.write_parquet(path)
    else:
        pytest.importorskip("pyarrow.parquet").write_table(frame.to_arrow(), path)
    assert read_column_names(path) == frame.columns


def test_rubbish_has_no_columns(tmp_path):
    TABLE.write_parquet(tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    length = int.from_bytes(whole[-8:-4], "little")
    path = tmp_path / "rows.parquet"
    for k in range(0, length, 3):  # bytes of the footer turned over one by one
        place = len(whole) - 8 - length + k
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        assert isinstance(read_column_names(path), list)
    for content in (b"", b"PAR1", b"\xff\xff\xff\xffPAR1", whole[:-9]):
        path.write_bytes(content)
        assert read_column_names(path) == []
    for name, content in {"a.csv.gz": b"no gzip", "a.jsonl": b"[1]\n", "b.jsonl": b"{", "a.npz": b"a,b\n"}.items():
        (tmp_path / name).write_bytes(content)
        assert read_column_names(tmp_path / name) == []


def test_tab_imports_nothing_heavy(csv_file, tmp_path):
    TABLE.write_parquet(tmp_path / "rows.parquet")
    script = (
        "import sys\n"
        "from manyhot.cli import main\n"
        "try:\n"
        "    main([])\n"
        "except SystemExit as done:\n"
        "    assert not done.code\n"
        "heavy = {'jax', 'keras', 'sklearn', 'polars', 'pandas', 'numpy', 'scipy', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    for words in (
        ["train", csv_file, "--labels", ""],
        ["train", str(tmp_path / "rows.parquet"), "--labels", ""],
        ["thresholds", str(MODEL), "--set", ""],
        ["cv", csv_file, "--metrics", ""],
    ):
        shell = {"COMP_WORDS": "\n".join(["manyhot", *words]), "COMP_CWORD": str(len(words))}
        environment = {**os.environ, **shell, "_MANYHOT_COMPLETE": "complete_bash"}
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.split("\n")) > 3


def test_zsh_and_fish_are_answered(csv_file):
    line = f"manyhot train {csv_file} --labels te"
    for shell, expected in {"zsh": '"tempo"', "fish": "tempo"}.items():
        environment = {
            **os.environ,
            "_MANYHOT_COMPLETE": f"complete_{shell}",
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
        done = subprocess.run([sys.executable, "-m", "manyhot"], capture_output=True, text=True, env=environment)
        assert expected in done.stdout, done.stderr


def test_every_setting_with_choices_is_completed(tab):
    for name in ("member_batching", "dtype", "head", "branches", "preprocessing", "on_bad_image"):
        assert tab("train", f"--{name.replace('_', '-')}", "") == list(SETTINGS[name].metadata["setting"].choices)
