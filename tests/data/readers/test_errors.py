"""What is wrong with a file is said with its place."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from manyhot.data.readers import ReadOptions, read
from manyhot.errors import InputError

Y = {"labels": "y"}
HEAD = "@relation x\n@attribute a numeric\n@attribute 'b c' {u,'v w'}\n@attribute y {0,1}\n@data\n"
SPARSE = "@relation 'x: -C -1'\n@attribute a numeric\n@attribute b {0,1}\n@attribute y {0,1}\n@data\n"

# name: file, content, options, words of the message, row, column
BAD = {
    "only blank lines": ("a.csv", "\n\n \n", Y, "is empty", None, None),
    "only a header": ("a.csv", "a,y\n", Y, "no rows", None, None),
    "a line break of old in the header": ("a.csv", "a\rb,y\n1,0\n", Y, "as column names", None, None),
    "utf-16 cut in a character": ("a.csv", b"\xff\xfea", Y, "begins as UTF-16", None, None),
    "neither UTF-8 nor Windows-1252": ("a.csv", b"a,y\n1,0\n\x81,1\n", Y, "line 3 holds the byte 0x81", None, None),
    "gz under a plain name": ("a.csv", gzip.compress(b"a,y\n1,0\n"), Y, "let its name end in .gz", None, None),
    "gz that is none": ("a.csv.gz", "a,y\n1,0\n", Y, "plain text, not gzip", None, None),
    "zst that is none": ("a.csv.zst", "a,y\n1,0\n", Y, "plain text, not Zstandard", None, None),
    "cut gz": ("a.csv.gz", gzip.compress(os.urandom(9999))[:5000], Y, "damaged or cut short", None, None),
    "csv as parquet": ("a.parquet", "a,y\n1,0\n", Y, "not Parquet but plain text", None, None),
    "broken parquet": ("a.parquet", b"PAR1" + bytes(50) + b"PAR1", Y, "cannot be read as Parquet", None, None),
    "broken zst": ("a.parquet.zst", b"\x28\xb5\x2f\xfd1234", Y, "damaged or cut short", None, None),
    "long row": ("a.csv", "a,b,y\n1,2,1\n3,4,0,5\n", Y, "has 4 cells, expected 3", 2, None),
    "short row": ("a.csv", "a,b,y\n1,2,1\n\n3,1\n", Y, "has 2 cells, expected 3", 2, None),
    "short row after a quoted break": ("a.csv", 'a,b,y\n1,"x\ny",1\n3,4\n', Y, "has 2 cells", 2, None),
    "one character in a row": ("a.csv", "a,b,y\n1,2,1\n3\n", Y, "has 1 cells", 2, None),
    "short last row without line end": ("a.csv", "a,b,y\n1,2,1\n3,4", Y, "has 2 cells", 2, None),
    "open quote": ("a.csv", 'a,y\n2,1\n"x,1\n3,1\n', Y, "does not close", 2, None),
    "text after a quote": ("a.csv", 'a,y\n2,1\n"x"z,1\n', Y, "does not close", 2, None),
    "twin columns": ("a.csv", "a,a,y\n1,2,0\n", Y, "found more than once: a", None, None),
    "no such label": ("a.csv", "a,label_sad\n1,0\n", {"labels": "label_sat"}, "did you mean 'label_sad'", None, None),
    "no such label in a list": ("a.csv", "a,sad\n1,0\n", {"labels": "sad,a_"}, "there is no column 'a_'", None, None),
    "listed twice": ("a.csv", "a,sad\n1,0\n", {"labels": "sad,sad"}, "more than once", None, None),
    "empty glob": ("a.csv", "a,y\n1,0\n", {"labels": "x_*"}, "no column matches 'x_*'", None, None),
    "target 2": ("a.csv", "a,y_1,y_2\n1,0,1\n3,1,2\n", {"labels": "y_*"}, "a target is '2'", 2, "y_2"),
    "target 0.5 in a number": ("a.jsonl", '{"a":1,"y":0.5}\n', Y, "a target is 0.5", 1, "y"),
    "infinity": ("a.csv", "a,y\n1,0\n2,1\n-inf,1\n", Y, "got -inf", 3, "a"),
    "word in numbers": ("a.csv", "a,y\n1,0\nx,1\n", {**Y, "column_types": {"a": "numeric"}}, "got 'x'", 2, "a"),
    "3 in a boolean": (
        "a.csv",
        "a,y\n1,0\n3,1\n",
        {**Y, "column_types": {"a": "boolean"}},
        "got 3, expected 0 or 1",
        2,
        "a",
    ),
    "kind of no column": (
        "a.csv",
        "size,y\n1,0\n",
        {**Y, "column_types": {"sise": "numeric"}},
        "did you mean 'size'",
        None,
        None,
    ),
    "no such id": ("a.csv", "song,y\n1,0\n", {**Y, "id_column": "sonk"}, "did you mean 'song'", None, None),
    "row without id": ("a.csv", "song,y\n1,0\n,1\n", {**Y, "id_column": "song"}, "has no id", 2, "song"),
    "sets without sep": ("a.csv", "a,tags\n1,x|y\n", {"labels": "tags"}, "separator", 1, "tags"),
    "broken JSON list": ("a.csv", 'a,tags\n1,"[""x"""\n', {"labels": "tags"}, "no JSON list", 1, "tags"),
    "no label at all": (
        "a.csv",
        "a,tags\n1,\n",
        {"labels": "tags", "sep": "|"},
        "no row has any label",
        None,
        "tags",
    ),
    "names for a wider file": (
        "a.csv",
        "1,2\n",
        {**Y, "header": False, "column_names": ("a", "b", "y")},
        "2 cells but 3 column names",
        None,
        None,
    ),
    "unseen label": (
        "a.csv",
        "a,t\n1,x\n2,x|z\n",
        {"labels": "t", "sep": "|", "known_labels": ("x",)},
        "'z' was not there",
        2,
        "t",
    ),
    "broken JSON line": ("a.jsonl", '{"y":1}\n\n{"y":}\n', Y, "is no JSON object", 2, None),
    "JSON list": ("a.jsonl", '[{"y":1}]\n', Y, "one JSON object in each line", None, None),
    "JSON number": ("a.jsonl", '{"y":1}\n3\n', Y, "the value 3", 2, None),
    "twin keys": ("a.jsonl", '{"y":1,"y":0}\n', Y, "found more than once: y", 1, None),
    "unknown suffix": ("a.cvs", "a,y\n1,0\n", Y, "did you mean '.csv'", None, None),
    "no @data": ("a.arff", "a,b\n1,2\n", {}, "no line @data", None, None),
    "unknown type": ("a.arff", "@attribute a foo\n@data\n1\n", {}, "the type of 'a' is 'foo'", None, None),
    "no rows in ARFF": ("a.arff", HEAD + "% c\n", Y, "no rows after @data", None, None),
    "ragged ARFF": ("a.arff", HEAD + "1,u,1\n% c\n2,u\n", Y, "has 2 cells, expected 3", 2, None),
    "unknown level": ("a.arff", HEAD + "1,u,1\n2,'v v',1\n", Y, "did you mean 'v w'", 2, "b c"),
    "word in ARFF number": ("a.arff", HEAD + "1,u,1\nz,u,1\n", Y, "got 'z', expected a number", 2, "a"),
    "target 7 in ARFF": ("a.arff", HEAD + "1,u,7\n", Y, "got '7', expected one of 0, 1", 1, "y"),
    "attribute beyond": ("a.arff", SPARSE + "{0 1}\n{5 1}\n", {}, "names attribute 5, expected 0 to 2", 2, None),
    "attribute twice": ("a.arff", SPARSE + "{0 1,0 2}\n", {}, "more than once", 1, "a"),
    "word in a sparse number": ("a.arff", SPARSE + "{}\n{0 x}\n", {}, "got 'x', expected a number", 2, "a"),
    "2 in a sparse binary": ("a.arff", SPARSE + "{1 2}\n", {}, "got 2, expected one of 0, 1", 1, "b"),
    "3 in a sparse label": ("a.arff", SPARSE + "{2 3}\n", {}, "got 3", 1, "y"),
    "brace left open": ("a.arff", SPARSE + "{0 1}\n{0 1\n", {}, "expected a sparse row", 2, None),
    "infinity in sparse": ("a.svm", "1 1:2\n1 4:inf\n", {}, "got inf", 2, "f4"),
    "word in libsvm": ("a.svm", "1 1:2\n1 4:x\n", {}, "'4:x'", 2, None),
    "no colon in libsvm": ("a.svm", "1 1:2 7\n", {}, "'7'", 1, None),
    "qid": ("a.svm", "1 qid:3 1:2\n", {}, "qid", 1, None),
    "index twice": ("a.svm", "1 4:1 4:2\n", {}, "index 4 stands more than once", 1, None),
    "xc without header": ("a.xc", "1 0:1\n", {}, "three whole numbers", None, None),
    "xc with a row less": ("a.xc", "2 3 2\n0 1:1\n", {}, "has 1 rows, but its first line says 2", None, None),
    "xc label beyond": ("a.xc", "1 3 2\n0,2 0:1\n", {}, "the label '2', expected a whole number from 0 to 1", 1, None),
    "xc index beyond": ("a.xc", "1 3 2\n0 3:1\n", {}, "the index 3, expected 0 to 2", 1, None),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_input(name, tmp_path):
    file, content, options, words, row, column = BAD[name]
    path = tmp_path / file
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        read(path, ReadOptions(**options))
    error = caught.value
    assert words in str(error)
    assert (error.file, error.row, error.column) == (str(path), row, column)
    assert str(error).count(str(path)) == 1
    assert error.exit_code == 2


def test_no_such_file(tmp_path):
    (tmp_path / "emotions.csv").write_text("a\n1\n")
    with pytest.raises(InputError, match=r"no such file; did you mean 'emotions\.csv'"):
        read(tmp_path / "emotion.csv")
    with pytest.raises(InputError, match="does not exist either"):
        read(tmp_path / "nowhere" / "emotion.csv")
    with pytest.raises(InputError, match="is a folder"):
        read(tmp_path)


def test_without_labels_it_says_what_to_type(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("size,mood_sad,mood_calm\n1.5,0,1\n2,1,?\n")
    with pytest.raises(InputError, match=r"--labels 'mood_\*'"):
        read(path)
    path.write_text("size,tags\n1.5,x|y\n2,y\n")
    with pytest.raises(InputError, match="--labels tags --sep"):
        read(path)


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"unknown_labels": "drop"}, "unknown_labels"),
        ({"column_types": {"a": "number"}}, "column_types"),
        ({"sep": ""}, "sep"),
        ({"labels": " "}, "labels"),
        ({"known_labels": ("a", "a")}, "known_labels"),
        ({"known_labels": "ab"}, "known_labels"),
        ({"column_names": ("a",)}, "column_names"),
    ],
)
def test_wrong_options(options, argument):
    with pytest.raises(InputError) as caught:
        ReadOptions(**options)
    assert caught.value.argument == argument


def test_a_format_that_does_not_exist(tmp_path):
    path = tmp_path / "a.dat"
    path.write_text("a,y\n1.5,0\n2,1\n")
    with pytest.raises(InputError, match="did you mean 'csv'"):
        read(path, ReadOptions(labels="y", format="cvs"))
    assert read(path, ReadOptions(labels="y", format="csv")).n_samples == 2


def test_archives_with_objects_or_lies_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    X, Y = np.eye(3), np.ones((3, 2))
    np.savez(path, X=X, Y=np.array([{"a": 1}] * 3, dtype=object))
    with pytest.raises(InputError, match="never loaded"):
        read(path)
    np.savez(path, X=X, Y=np.ones((2, 2)))
    with pytest.raises(InputError, match=r"expected numbers of shape \(3, l\)"):
        read(path)
    np.savez(path, Y=Y)
    with pytest.raises(InputError, match="has no array X"):
        read(path)
    np.savez(
        path, Y=Y, data=np.ones(2), indices=np.array([0, 9]), indptr=np.array([0, 1, 1, 2]), shape=np.array([3, 4])
    )
    with pytest.raises(InputError, match="do not make a CSR matrix"):
        read(path)
    for code in (0xFFFFFF, 0xD800):
        labels = np.array(["sad", "quiet"])
        labels.view(np.uint32)[1] = code
        np.savez(path, X=X, Y=Y, labels=labels)
        with pytest.raises(InputError, match=r"a\.npz.*labels is damaged: it has codes that are no characters"):
            read(path)
    np.savez(path, X=np.where(X == 1, np.inf, X), Y=Y)
    with pytest.raises(InputError) as caught:
        read(path)
    assert (caught.value.row, caught.value.column) == (1, "f0")
    np.savez(path, X=X, Y=Y * 3)
    with pytest.raises(InputError, match="a target is 3"):
        read(path)


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        ('<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "x">]><labels><label name="&a;"/></labels>', "DOCTYPE"),
        ('<labels><label name="y"', "no valid XML"),
        ("<html/>", "expected <labels>"),
        ("<labels/>", "names no labels"),
        ("<labels><label/></labels>", "without a name"),
        ('<labels><label name="y"/><label name="y"/></labels>', "more than once"),
        ('<labels><label name="yy"/></labels>', "did you mean 'y'"),
        ("<labels>" + " " * (1 << 24) + '<label name="y"/></labels>', "larger than 16 MiB"),
    ],
)
def test_label_files_that_cannot_be_used(xml, words, tmp_path):
    Path(tmp_path / "x.xml").write_text(xml)
    Path(tmp_path / "x.arff").write_text(SPARSE + "{0 1,2 1}\n")
    with pytest.raises(InputError) as caught:
        read(tmp_path / "x.arff")
    assert words in str(caught.value)
