"""Every format answers the same questions; a new one is one entry in WRITERS."""

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from manyhot.data.readers import FORMATS, ReadOptions, read, read_chunks
from manyhot.data.samples import Samples
from manyhot.errors import InputError
from tests.fixtures.workbooks import write_workbook

VALUES = np.array([[0.5, 2.0], [1.5, 0.0], [-2.0, 1.0], [0.0, 4.0]])
TARGETS = np.array([[1, 0], [1, 1], [0, 1], [0, 0]], dtype=bool)
LABELS = ("1", "2")
FRAME = pl.DataFrame({"f1": VALUES[:, 0], "f2": VALUES[:, 1], "1": TARGETS[:, 0] * 1, "2": TARGETS[:, 1] * 1})
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


def svm_lines() -> str:
    lines = []
    for values, targets in zip(VALUES, TARGETS, strict=True):
        names = ",".join(name for name, yes in zip(LABELS, targets, strict=True) if yes)
        lines.append(names + " " + " ".join(f"{j + 1}:{v}" for j, v in enumerate(values) if v))
    return "\n".join(lines) + "\n"


def write_arff(path: Path) -> None:
    head = "@relation 'songs: -C -2'\n" + "".join(f"@attribute {name} numeric\n" for name in ("f1", "f2"))
    head += "@attribute 1 {0,1}\n@attribute 2 {0,1}\n@data\n"
    path.write_text(head + FRAME.write_csv(include_header=False))


def write_xc(path: Path) -> None:
    (path.parent / "labels.txt").write_text("1\n2\n")
    (path.parent / "features.txt").write_text("f0\nf1\nf2\n")
    path.write_text(
        "4 3 2\n" + svm_lines().replace("1,2 ", "0,1 ").replace("\n2 ", "\n1 ").replace("1 1:0.5", "0 1:0.5", 1)
    )


def write_npz(path: Path) -> None:
    np.savez(path, X=VALUES, Y=TARGETS.astype(int), labels=np.array(LABELS), feature_names=np.array(["f1", "f2"]))


BY_NAME = ReadOptions(labels="1,2")
WRITERS: dict[str, tuple[str, Callable[[Path], object], ReadOptions]] = {
    "csv": ("songs.csv", FRAME.write_csv, BY_NAME),
    "tsv": ("songs.tsv", lambda path: FRAME.write_csv(path, separator="\t"), BY_NAME),
    "parquet": ("songs.parquet", FRAME.write_parquet, BY_NAME),
    "jsonl": ("songs.jsonl", FRAME.write_ndjson, BY_NAME),
    "json": ("songs.json", FRAME.write_json, BY_NAME),
    "excel": ("songs.xlsx", lambda path: write_workbook(path, {"songs": [FRAME.columns, *FRAME.rows()]}), BY_NAME),
    "arrow": ("songs.arrow", FRAME.write_ipc, BY_NAME),
    "arff": ("songs.arff", write_arff, ReadOptions()),
    "libsvm": ("songs.svm", lambda path: path.write_text(svm_lines()), ReadOptions()),
    "xc": ("songs.xc", write_xc, ReadOptions()),
    "npz": ("songs.npz", write_npz, ReadOptions()),
}


TEXTS = ("fasttext",)
"""Formats of text alone, which cannot hold these values either: tests/data/readers/test_documents.py."""
PICTURES = ("idx", "folder")
"""Formats of images alone, which cannot hold these values: tests/data/readers/test_images.py asks them the same."""


@pytest.fixture(params=sorted(WRITERS))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, ReadOptions]:
    if request.param == "excel":
        pytest.importorskip("fastexcel")
    name, write, options = WRITERS[request.param]
    write(tmp_path / name)
    return tmp_path / name, options


def dense(samples: Samples) -> np.ndarray:
    names = [list(samples.feature_names).index(name) for name in ("f1", "f2")]
    matrix = samples.features.toarray() if samples.is_sparse else samples.features.cast(pl.Float64).to_numpy()
    return matrix[:, names]


def with_options(options: ReadOptions, **changes: object) -> ReadOptions:
    return ReadOptions(**{**options.__dict__, **changes})


def test_every_format_has_an_entry():
    assert {*WRITERS, *PICTURES, *TEXTS} == {row.name for row in FORMATS}
    suffixes = [suffix for row in FORMATS for suffix in row.suffixes]
    assert len(suffixes) == len(set(suffixes))


def test_values_targets_and_names(case):
    path, options = case
    samples = read(path, options)
    np.testing.assert_array_equal(dense(samples), VALUES)
    np.testing.assert_array_equal(samples.targets.values, TARGETS)
    assert samples.targets.known is None
    assert samples.labels.names == LABELS
    assert set(samples.feature_names) <= set(samples.column_types)
    assert not set(LABELS) & set(samples.column_types)
    assert samples.source == str(path)


def test_gzip_changes_nothing(case):
    path, options = case
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(dense(read(packed, options)), VALUES)
    np.testing.assert_array_equal(read(packed, options).targets.values, TARGETS)


def test_a_zip_archive_changes_nothing(case, tmp_path):
    path, options = case
    packed = path.with_name("packed.zip")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, f"folder/{path.name}")
        archive.writestr("__MACOSX/folder/._x", b"x")
        archive.writestr("folder/README.txt", "what this is")
    samples = read(packed, options)
    np.testing.assert_array_equal(dense(samples), VALUES)
    np.testing.assert_array_equal(samples.targets.values, TARGETS)
    assert any("not read: folder/README.txt" in note for note in samples.notes)
    np.testing.assert_array_equal(np.concatenate([dense(piece) for piece in read_chunks(packed, options, 3)]), VALUES)


def test_known_labels_give_the_order(case):
    path, options = case
    samples = read(path, with_options(options, known_labels=("2", "1")))
    assert samples.labels.names == ("2", "1")
    np.testing.assert_array_equal(samples.targets.values, TARGETS[:, ::-1])


def test_labels_beyond_the_known_ones_follow_the_rule(case):
    path, options = case
    with pytest.raises(InputError, match="not there in training"):
        read(path, with_options(options, known_labels=("2",)))
    report = read(path, with_options(options, known_labels=("2",), unknown_labels="report"))
    assert any("'1'" in note and "2 rows" in note for note in report.notes)
    ignore = read(path, with_options(options, known_labels=("2",), unknown_labels="ignore"))
    assert not any("'1'" in note for note in ignore.notes)
    for samples in (report, ignore):
        np.testing.assert_array_equal(samples.targets.values, TARGETS[:, 1:])
        assert "1" not in samples.feature_names


def test_unreadable_labels_do_not_stop_a_prediction(case):
    path, options = case
    samples = read(path, with_options(options, known_labels=("2",), require_labels=False))
    assert samples.targets is None
    assert any("not used" in note for note in samples.notes)
    np.testing.assert_array_equal(dense(samples), VALUES)
    assert not set(LABELS) & set(samples.feature_names)


def test_pieces_make_the_whole(case):
    path, options = case
    pieces = list(read_chunks(path, options, rows=3))
    assert [piece.n_samples for piece in pieces] == [3, 1]
    np.testing.assert_array_equal(np.concatenate([dense(piece) for piece in pieces]), VALUES)
    np.testing.assert_array_equal(np.concatenate([piece.targets.values for piece in pieces]), TARGETS)
    assert pieces[0].column_types == pieces[1].column_types


@pytest.mark.parametrize(
    "content", [b"", PNG, gzip.compress(b"a,b\n1,2\n"), b"\0\1\2\3" * 40], ids=["", "png", "gz", "bin"]
)
def test_what_the_name_does_not_say_is_refused(case, content):
    path, options = case
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(path, options)
    assert caught.value.file == str(path)
    assert caught.value.exit_code == 2


def test_a_file_cut_in_half_is_refused_or_shorter(case):
    path, options = case
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    try:
        n_samples = read(path, options).n_samples
    except InputError as error:
        found = str(error)
    else:
        found = str(path.parent)
        assert n_samples < len(VALUES)
    assert str(path.parent) in found
