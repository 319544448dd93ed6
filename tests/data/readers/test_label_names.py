"""Labels that are numbers in a file get the names of `label_names`, in every format, and are never shifted."""

import json

import numpy as np
import polars as pl
import pytest

from manyhot.data.readers import ReadOptions, read, read_chunks, sample_file
from manyhot.data.readers.label_names_file import load_label_names
from manyhot.errors import InputError

NAMES = ["joy", "grief", "fear", "pride"]
SETS = [["3", "1"], ["1"], [], ["3", "0"]]
TARGETS = [[0, 1, 1], [0, 1, 0], [0, 0, 0], [1, 0, 1]]
"""Of joy (0), grief (1) and pride (3); nobody feels fear (2)."""


def write_csv(folder, cell=",".join):
    lines = [f'{k},"{cell(labels)}"' for k, labels in enumerate(SETS)]
    (folder / "t.csv").write_text("x,y\n" + "\n".join(lines) + "\n")
    return folder / "t.csv", {"labels": "y"}


def write_jsonl(folder, convert):
    rows = [json.dumps({"x": k, "y": convert(labels)}) for k, labels in enumerate(SETS)]
    (folder / "t.jsonl").write_text("\n".join(rows) + "\n")
    return folder / "t.jsonl", {"labels": "y"}


def write_libsvm(folder):
    lines = [",".join(labels) + " 1:0.5" for labels in SETS]
    (folder / "t.svm").write_text("\n".join(lines) + "\n")
    return folder / "t.svm", {}


def write_fasttext(folder):
    lines = [" ".join(f"__label__{number}" for number in labels) + f" some words {k}" for k, labels in enumerate(SETS)]
    (folder / "t.ft").write_text("\n".join(lines) + "\n")
    return folder / "t.ft", {}


def write_columns(folder):
    columns = {number: [int(number) * 1 >= 0 and number in labels for labels in SETS] for number in "013"}
    pl.DataFrame({"x": [1.0, 2.5, 0.5, 3.5], **columns}).cast({n: pl.Int64 for n in "013"}).write_parquet(
        folder / "t.parquet"
    )
    return folder / "t.parquet", {"labels": "0,1,3"}


FORMS = {
    "commas": lambda folder: (write_csv(folder)[0], {"labels": "y", "sep": ","}),
    "commas without sep": write_csv,
    "bars": lambda folder: (write_csv(folder, "|".join)[0], {"labels": "y", "sep": "|"}),
    "zeros in front": lambda folder: (
        write_csv(folder, lambda labels: "|".join(f"0{number}" for number in labels))[0],
        {"labels": "y", "sep": "|"},
    ),
    "JSON text": lambda folder: write_csv(folder, lambda labels: "[" + ", ".join(labels) + "]"),
    "lists of numbers": lambda folder: write_jsonl(folder, lambda labels: [int(number) for number in labels]),
    "lists of text": lambda folder: write_jsonl(folder, list),
    "libsvm": write_libsvm,
    "fasttext": write_fasttext,
    "columns": write_columns,
}


@pytest.mark.parametrize("form", FORMS)
def test_numbers_have_names_in_every_form(form, tmp_path):
    path, where = FORMS[form](tmp_path)
    samples = read(path, ReadOptions(**where, label_names=NAMES))
    assert samples.labels.names == ("joy", "grief", "pride")
    assert samples.targets.values.tolist() == np.array(TARGETS, dtype=bool).tolist()
    notes = " ".join(samples.notes)
    assert "0 is 'joy', 1 is 'grief', 3 is 'pride'" in notes
    assert "no row has these labels of label_names: 'fear' (2)" in notes
    known = ReadOptions(**where, label_names=NAMES, known_labels=("pride", "joy", "grief"))
    assert read(path, known).targets.values.tolist() == np.array(TARGETS, dtype=bool)[:, [2, 0, 1]].tolist()


@pytest.mark.parametrize("form", [form for form in FORMS if form != "columns"])
def test_very_many_labels_have_names_too(form, tmp_path):
    path, where = FORMS[form](tmp_path)
    samples = read(path, ReadOptions(**where, label_names=NAMES, sparse_targets=True))
    assert samples.labels.names == ("joy", "grief", "pride")
    assert samples.sparse_targets.toarray().tolist() == np.array(TARGETS, dtype=bool).tolist()


@pytest.mark.parametrize("is_sparse", [False, True])
def test_xc_and_npz_number_their_labels_from_0(is_sparse, tmp_path):
    body = "3,1 0:0.5\n1 0:0.5\n 0:0.5\n3,0 0:0.5\n".replace("\n 0", "\n0")
    (tmp_path / "t.xc").write_text("4 1 4\n" + body)
    expected = np.array([[0, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]], dtype=bool)
    options = ReadOptions(label_names=NAMES, sparse_targets=is_sparse)
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n")  # what a person gives goes before it
    samples = read(tmp_path / "t.xc", options)
    assert samples.labels.names == tuple(NAMES)
    targets = samples.sparse_targets.toarray() if is_sparse else samples.targets.values
    np.testing.assert_array_equal(targets, expected)
    np.savez(tmp_path / "t.npz", X=np.ones((4, 1)), Y=expected.astype(int))
    samples = read(tmp_path / "t.npz", ReadOptions(label_names=NAMES))
    assert samples.labels.names == tuple(NAMES)
    np.testing.assert_array_equal(samples.targets.values, expected)
    with pytest.raises(InputError, match=r"label 3 has no name \(2 rows with 3\)"):
        read(tmp_path / "t.npz", ReadOptions(label_names=NAMES[:3]))


def test_rows_of_0_and_1_are_named_by_their_place(tmp_path):
    lines = [json.dumps({"x": k, "y": row}) for k, row in enumerate([[0, 1, 0, 1], [0, 1, 0, 0], [1, 0, 0, 1]])]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    samples = read(tmp_path / "t.jsonl", ReadOptions(labels="y", label_names=NAMES))
    assert samples.labels.names == tuple(NAMES)
    assert samples.targets.values.astype(int).tolist() == [[0, 1, 0, 1], [0, 1, 0, 0], [1, 0, 0, 1]]
    with pytest.raises(InputError, match="lists 4 times 0 or 1 in every row, expected 3"):
        read(tmp_path / "t.jsonl", ReadOptions(labels="y", label_names=NAMES[:3]))


def test_mappings_of_numbers_have_names(tmp_path):
    rows = [{"3": 1, "0": 0}, {"3": 0}, {"0": 1, "3": 1}]
    lines = [json.dumps({"x": k, "y": row}) for k, row in enumerate(rows)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    samples = read(tmp_path / "t.jsonl", ReadOptions(labels="y", label_names=NAMES))
    assert samples.labels.names == ("joy", "pride")
    assert samples.targets.values.tolist() == [[False, True], [False, False], [True, True]]
    assert samples.targets.known.tolist() == [[True, True], [False, True], [True, True]]


def test_one_number_in_a_column_of_numbers_is_a_label(tmp_path):
    pl.DataFrame({"x": [1.5, 2.5, 0.5], "y": [3, None, 0]}).write_parquet(tmp_path / "t.parquet")
    samples = read(tmp_path / "t.parquet", ReadOptions(labels="y", label_names=NAMES))
    assert samples.labels.names == ("joy", "pride")
    assert samples.targets.values.tolist() == [[False, True], [False, False], [True, False]]
    assert samples.targets.known.tolist() == [[True, True], [False, False], [True, True]]


def test_labels_are_in_the_order_of_their_numbers(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n1,10|9\n2,2\n3,10\n")
    names = {"10": "ten", "9": "nine", "2": "two"}
    options = ReadOptions(labels="y", sep="|", label_names=names)
    assert read(tmp_path / "t.csv", options).labels.names == ("two", "nine", "ten")
    ordered = ReadOptions(labels="y", sep="|", label_names=names, label_order=("ten", "two", "nine", "one"))
    samples = read(tmp_path / "t.csv", ordered)
    assert samples.labels.names == ("ten", "two", "nine", "one")
    assert samples.targets.values.astype(int).tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]]
    (tmp_path / "t.svm").write_text("10,9 1:1\n2 1:2\n10 1:3\n")
    samples = read(tmp_path / "t.svm", ReadOptions(label_names=names, label_order=("ten", "two", "nine")))
    assert samples.targets.values.astype(int).tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize("form", FORMS)
def test_numbers_are_never_shifted(form, tmp_path):
    path, where = FORMS[form](tmp_path)
    from_1 = {str(number + 1): name for number, name in enumerate(NAMES)}
    for names, words in ((NAMES[:3], "label 3 has no name"), (from_1, "label 0 has no name")):
        with pytest.raises(InputError, match=words) as refusal:
            read(path, ReadOptions(**where, label_names=names))
        assert str(path) in str(refusal.value)
        if form != "columns" and "3" in words:
            assert refusal.value.row == 1
            assert "(2 rows with 3)" in str(refusal.value)
    with pytest.raises(InputError, match="names for 0 to 2") as refusal:
        read(path, ReadOptions(**where, label_names=NAMES[:3]))
    assert "where the numbers do not count from 0, write them beside the names" in str(refusal.value)


def test_labels_that_are_no_numbers_are_refused_with_the_reason(tmp_path):
    (tmp_path / "t.csv").write_text("x,y,mood_sad\n1,a|3,0\n2,b,1\n3,a,1\n")
    for where, word in (({"labels": "y", "sep": "|"}, "'a'"), ({"labels": "mood_*"}, "'mood_sad'")):
        with pytest.raises(InputError, match=f"got the label {word}, expected whole numbers"):
            read(tmp_path / "t.csv", ReadOptions(**where, label_names=NAMES))
    (tmp_path / "m.csv").write_text("image,mask\na.png,b.png\n")
    with pytest.raises(InputError, match="get their labels from a legend"):
        read(tmp_path / "m.csv", ReadOptions(labels="mask", label_names=NAMES))


def test_a_model_reads_names_and_numbers(tmp_path):
    (tmp_path / "names.csv").write_text("x,y\n1,joy|pride\n2,grief\n")
    (tmp_path / "numbers.csv").write_text("x,y\n1,0|3\n2,1\n")
    where = {"labels": "y", "sep": "|", "known_labels": ("pride", "joy", "grief")}
    for file in ("names.csv", "numbers.csv"):
        samples = read(tmp_path / file, ReadOptions(**where, label_names=NAMES))
        assert samples.targets.values.astype(int).tolist() == [[1, 1, 0], [0, 0, 1]]
    hint = r"'0'.* was not there in training.*label_names \(--label-names FILE\)"
    with pytest.raises(InputError, match=hint):
        read(tmp_path / "numbers.csv", ReadOptions(**where))
    with pytest.raises(InputError, match=hint):
        read(tmp_path / "numbers.csv", ReadOptions(**where, sparse_targets=True))
    (tmp_path / "t.svm").write_text("0,3 1:1\n1 1:2\n")
    with pytest.raises(InputError, match=hint):
        read(tmp_path / "t.svm", ReadOptions(known_labels=("pride", "joy", "grief")))
    with pytest.raises(InputError, match="not there in training") as refusal:  # numbers are this model's names
        read(tmp_path / "numbers.csv", ReadOptions(labels="y", sep="|", known_labels=("3", "1")))
    assert "label_names" not in str(refusal.value)


def test_pieces_of_a_file_have_the_same_names(tmp_path):
    rows = [f"{k * 1.5},{k % 3}|{3 if k % 2 else k % 3}" for k in range(40)]
    (tmp_path / "t.csv").write_text("x,y\n" + "\n".join(rows) + "\n")
    options = ReadOptions(labels="y", sep="|", label_names=NAMES)
    whole = read(tmp_path / "t.csv", options)
    pieces = list(read_chunks(tmp_path / "t.csv", options, 7))
    np.testing.assert_array_equal(np.concatenate([piece.targets.values for piece in pieces]), whole.targets.values)
    survey = sample_file(tmp_path / "t.csv", options)
    assert survey.samples.labels == whole.labels
    streamed = np.concatenate([piece.targets.values for piece in survey.file.chunks()])
    np.testing.assert_array_equal(streamed, whole.targets.values)


def test_labels_without_a_file_of_their_own_stay_as_they_are_to_predict(tmp_path):
    path, where = write_libsvm(tmp_path)
    samples = read(path, ReadOptions(**where, label_names=NAMES[:2], require_labels=False, known_labels=("joy",)))
    assert samples.targets is None
    assert any("labels in this file were not used" in note for note in samples.notes)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("names.txt", "expected a mapping of numbers to names"),
        ([], "expected a mapping of numbers to names"),
        ({"joy": 3}, "got 'joy': 3, expected a whole number and its name"),
        ({"1": ""}, "expected a whole number and its name"),
        ({True: "yes"}, "expected a whole number and its name"),
        ({"1": "joy", "01": "grief"}, "the number 1 stands more than once"),
        (["joy", "grief", "joy"], "'joy' is the name of 0 and of 2"),
        ([1, 2], "expected a whole number and its name"),
    ],
)
def test_what_are_no_names_is_refused(names, words):
    with pytest.raises(InputError, match=words) as refusal:
        ReadOptions(label_names=names)
    assert refusal.value.argument == "label_names"


# name of the file: what is in it, and the names
FILES = {
    "names.txt": ("joy\ngrief, mild\n", {"0": "joy", "1": "grief, mild"}),
    "crlf.txt": ("\ufeffjoy\r\ngrief\r\n\r\n", {"0": "joy", "1": "grief"}),
    "list.json": ('["joy", "grief"]', {"0": "joy", "1": "grief"}),
    "object.json": ('{"3": "joy", "10": "grief"}', {"3": "joy", "10": "grief"}),
    "names.csv": ('3,joy\n10,"grief, mild"\n', {"3": "joy", "10": "grief, mild"}),
    "header.csv": ("id,emotion\n3,joy\n10,grief\n", {"3": "joy", "10": "grief"}),
    "semicolons.csv": ("3;joy\n10;grief, mild\n", {"3": "joy", "10": "grief, mild"}),
    "names.tsv": ("number\tname\n1\tjoy\n2\tgrief\n", {"1": "joy", "2": "grief"}),
    "numbered.txt": ("1\tjoy\n2\tgrief\n", {"1": "joy", "2": "grief"}),
    "3 stars.txt": ("1 star\n2 stars\n", {"0": "1 star", "1": "2 stars"}),
}


@pytest.mark.parametrize("file", FILES)
def test_files_of_names(file, tmp_path):
    content, names = FILES[file]
    (tmp_path / file).write_bytes(content.encode())
    assert load_label_names(tmp_path / file) == names


# name of the file: what is in it, words of the refusal, row
BAD_FILES = {
    "blank.txt": ("joy\n\ngrief\n", "is empty, expected the name of label 1", 2),
    "twins.txt": ("joy\ngrief\njoy\n", "'joy' is the name of 0 and of 2", None),
    "number.json": ("3", "expected a mapping of numbers to names", None),
    "broken.json": ("[", "is not valid JSON", None),
    "inverse.json": ('{"joy": 3}', "got 'joy': 3, expected a whole number and its name", None),
    "twins.json": ('{"3": "joy", "3": "grief"}', "the number '3' stands more than once", None),
    "one.csv": ("name\njoy\ngrief\n", "has 1 cell, expected 2", 1),
    "three.csv": ("3,joy,good\n4,grief,bad\n", "has 3 cells, expected 2", 1),
    "inverse.csv": ("name,id\njoy,3\ngrief,4\n", "got 'joy', expected a whole number", 1),
    "twins.csv": ("3,joy\n03,grief\n", "the number 3 stands more than once", 2),
    "nameless.csv": ("3,joy\n4,\n", "expected a whole number and its name", None),
    "empty.txt": (" \n", "is empty", None),
}


@pytest.mark.parametrize("file", BAD_FILES)
def test_other_files_are_refused(file, tmp_path):
    content, words, row = BAD_FILES[file]
    (tmp_path / file).write_text(content)
    with pytest.raises(InputError, match=words) as refusal:
        load_label_names(tmp_path / file)
    assert refusal.value.row == row
    assert refusal.value.file == str(tmp_path / file)


def test_a_missing_file_is_named(tmp_path):
    (tmp_path / "names.txt").write_text("joy\n")
    with pytest.raises(InputError, match=r"no such file; did you mean 'names.txt'"):
        load_label_names(tmp_path / "name.txt")


def test_goemotions(data_folder):
    folder = data_folder("goemotions")
    path = folder / "dev.tsv.gz"
    options = {"labels": "emotions", "sep": ",", "header": False, "column_names": ("text", "emotions", "comment")}
    numbers = read(path, ReadOptions(**options))
    names = load_label_names(folder / "labels.txt")
    named = read(path, ReadOptions(**options, label_names=names))
    assert named.labels.names == tuple((folder / "labels.txt").read_text().split())
    np.testing.assert_array_equal(named.targets.values, numbers.targets.values)
    assert named.labels.names[-1] == "neutral"
