"""Workbooks, arrays of JSON objects, fastText, and text files that are tables."""

import zipfile

import pytest

from manyhot.data.readers import ReadOptions, read, read_chunks, sample_file
from manyhot.data.readers.jsonl import MAX_DEPTH
from manyhot.errors import InputError
from tests.fixtures.workbooks import MAIN, sheet_xml, write_workbook

Y = ReadOptions(labels="y_*")
ROWS = [["size", "word", "y_p"], [1.5, "a, b", 1], [None, None, None], [2, None, 0], [None, "c", 1]]


def test_the_first_sheet_is_read_and_the_others_are_named(tmp_path):
    pytest.importorskip("fastexcel")
    write_workbook(tmp_path / "a.xlsx", {"data": ROWS, "notes & co": [["x"]]})
    samples = read(tmp_path / "a.xlsx", Y)
    assert samples.features["size"].to_list() == [1.5, 2.0, None]
    assert samples.features["word"].to_list() == ["a, b", None, "c"]
    assert samples.targets.values.ravel().tolist() == [True, False, True]
    assert any("'data'; not read: 'notes & co'" in note for note in samples.notes)
    with pytest.raises(InputError, match="cannot be read in pieces"):
        sample_file(tmp_path / "a.xlsx", Y)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["a", "a"], [1, 2]], "found more than once: a"),
        ([["a", "y_p"]], "no rows in its first sheet"),
        ([], "no cells"),
        (f'<worksheet {MAIN}><sheetData><row r="1"><c r="A1"><v>1</v>', "save the sheet as CSV"),
        (sheet_xml([["a"], [1]]).replace('r="A2"', 'r="XFD1048576"'), "17179869184 cells"),
        (sheet_xml([["a"], [1]]) + " " * 10**8, "unpacks to more than"),
    ],
)
def test_workbooks_that_cannot_be_read(rows, words, tmp_path, monkeypatch):
    pytest.importorskip("fastexcel")
    monkeypatch.setattr("manyhot.data.readers.memory.available_memory", lambda: 10**8)
    write_workbook(tmp_path / "a.xlsx", {"data": rows})
    with pytest.raises(InputError, match=words):
        read(tmp_path / "a.xlsx", Y)


def test_no_workbook_or_nothing_to_read_it_with(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fastexcel", None)
    write_workbook(tmp_path / "a.xlsx", {"data": ROWS})
    with pytest.raises(InputError, match=r"manyhot\[excel\].*CSV in UTF-8"):
        read(tmp_path / "a.xlsx", Y)
    with zipfile.ZipFile(tmp_path / "b.xlsx", "w") as archive:
        archive.writestr("a.csv", "a,y_p\n1,0\n")
    (tmp_path / "c.xlsx").write_text("a,y_p\n1,0\n")
    (tmp_path / "d.xls").write_text("a,y_p\n1,0\n")
    for name, words in (("b.xlsx", "another zip"), ("c.xlsx", "plain text"), ("d.xls", "save it as .xlsx")):
        with pytest.raises(InputError, match=words):
            read(tmp_path / name, Y)


def test_json_gaps_and_lines(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('[{"a": 1.5, "y_p": 1},\n {"a": NaN, "y_p": 0}, {"y_p": 1}]')
    assert read(path, Y).features["a"].to_list() == [1.5, None, None]
    path.write_text('{"a": 1.5, "y_p": 1}\n{"a": 2, "y_p": 0}\n')
    assert read(path, Y).features["a"].to_list() == [1.5, 2.0]
    assert any("JSON lines" in note for note in read(path, Y).notes)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"a": {"0": 1}, "y_p": {"0": 1}}', "an object of 2 keys, expected an array of objects.*orient='records'"),
        ("[]", "an empty array"),
        ('[{"a":1}, 3]', "row 2.* is 3, expected a JSON object"),
        ('[{"a":1,"a":2}]', "found more than once: a"),
        ('[{"a":1},]', "is no JSON .* in line 1"),
        ('[{"a":Infinity}]', "Infinity is no number"),
        ("[" * 100000, "is no JSON"),
    ],
)
def test_json_that_is_no_table(content, words, tmp_path):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=words):
        read(tmp_path / "a.json", Y)


FASTTEXT = "__label__sad __label__slow a song, with a comma\nno label here\n\n__label__sad an __label__odd place\n"


@pytest.mark.parametrize("name", ["a.txt", "a.ft", "a.txt.gz"])
def test_fasttext(name, tmp_path):
    content = FASTTEXT.encode()
    (tmp_path / name).write_bytes(__import__("gzip").compress(content) if name.endswith("gz") else content)
    samples = read(tmp_path / name)
    assert samples.labels.names == ("odd", "sad", "slow")
    assert samples.targets.values.tolist() == [[False, True, True], [False] * 3, [True, True, False]]
    assert samples.features["text"].to_list() == ["a song, with a comma", "no label here", "an place"]
    assert samples.column_types == {"text": "text"}
    pieces = list(read_chunks(tmp_path / name, ReadOptions(known_labels=("slow", "sad", "odd")), rows=2))
    assert [piece.n_samples for piece in pieces] == [2, 1]
    assert pieces[0].targets.values.tolist()[0] == [True, True, False]


def test_fasttext_without_labels(tmp_path):
    (tmp_path / "a.ft").write_text("a song\nanother\n")
    options = ReadOptions(known_labels=("sad",), require_labels=False)
    assert read(tmp_path / "a.ft", options).features["text"].to_list() == ["a song", "another"]
    (tmp_path / "a.ft").write_text("__label__sad a\n__label__ b\n")
    with pytest.raises(InputError, match=r"row 2.* without a name"):
        read(tmp_path / "a.ft")


@pytest.mark.parametrize("content", ["a,y_p\n1.5,1\n2,0\n", "a;y_p\n1.5;1\n2;0\n", "sep=|\na|y_p\n1.5|1\n2|0\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_delimited_txt(content, encoding, tmp_path):
    (tmp_path / "a.txt").write_bytes(content.encode(encoding))
    assert read(tmp_path / "a.txt", Y).features["a"].to_list() == [1.5, 2.0]


def test_prose_is_no_table(tmp_path):
    (tmp_path / "a.txt").write_text("Dear all, hello.\nThis is, well, a letter.\nBye.\n")
    with pytest.raises(InputError, match="cannot be determined"):
        read(tmp_path / "a.txt", Y)


@pytest.mark.parametrize(
    ("opening", "depth", "is_read"),
    [
        *((b"[", MAX_DEPTH - 1, True), (b"[", MAX_DEPTH, False), (b"[[],", MAX_DEPTH, False)),
        *((b'{"b":', MAX_DEPTH - 1, True), (b'{"b":', MAX_DEPTH, False), (b'{"c":"}}","b":', MAX_DEPTH, False)),
    ],
)
def test_rows_nested_very_deep_are_refused(tmp_path, opening, depth, is_read):
    path, closing = tmp_path / "a.jsonl", b"}" if opening.startswith(b"{") else b"]"
    row = b'{"a":' + opening * depth + b"1" + closing * depth + b',"y":1}\n'
    smiles = b'{"a":null,"text":"' + b":[ {" * 50 + b'","y":0}\n'
    path.write_bytes(smiles * 150 + b"\n" + row)
    if is_read:
        assert read(path, ReadOptions(labels="y", drop="a")).n_samples == 151
        return
    with pytest.raises(InputError, match="nested more than 32 deep") as caught:
        read(path, ReadOptions(labels="y", drop="a"))
    assert caught.value.row == 151


def test_a_column_may_have_a_blank_name(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"b": 1, "": 2.5, "y": 1}\n{"b": 3, "": 4.5, "y": 0}\n')
    samples = read(tmp_path / "a.jsonl", ReadOptions(labels="y"))
    assert samples.features.columns == list(samples.feature_names) == list(samples.column_types) == ["b", ""]
