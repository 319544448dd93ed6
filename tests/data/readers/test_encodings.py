"""Text as spreadsheets really save it: Windows-1252, UTF-16, and what is neither."""

import gzip

import pytest

from manyhot.data.readers import ReadOptions, read, read_chunks, sample_file
from manyhot.errors import InputError

Y = ReadOptions(labels="y_*", column_types={"text": "text"})
WORDS = ["it’s a “good” thing", "5 €", "naïve Größe", "plain", "„Ü“ – Œuvre"]
TEXT = "text,y_p\n" + "".join(f"{words},{k % 2}\n" for k, words in enumerate(WORDS))


def texts(samples):
    return samples.features["text"].to_list()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_every_encoding_gives_the_same_table_with_a_note(encoding, suffix, tmp_path):
    content = ("\ufeff" * (encoding == "utf-16-be") + TEXT).encode(encoding)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(content) if suffix == ".csv.gz" else content)
    samples = read(path, Y)
    pieces = list(read_chunks(path, Y, rows=2))
    assert texts(samples) == WORDS == [text for piece in pieces for text in texts(piece)]
    assert samples.labels.names == ("y_p",)
    assert texts(sample_file(path, Y).samples) == WORDS
    name = {"cp1252": "Windows-1252", "utf-16": "UTF-16", "utf-16-be": "UTF-16"}.get(encoding)
    for notes in (samples.notes, pieces[-1].notes, sample_file(path, Y).samples.notes):
        assert [note for note in notes if "was read as" in note] == [note for note in notes if str(name) in note]
        assert any("was read as" in note for note in notes) == (name is not None)


def test_json_lines_in_windows_1252(tmp_path):
    (tmp_path / "a.jsonl").write_bytes('{"text":"5 €","y_p":1}\n{"text":"é","y_p":0}\n'.encode("cp1252"))
    samples = read(tmp_path / "a.jsonl", Y)
    assert texts(samples) == ["5 €", "é"]
    assert "line 1 holds the byte 0x80" in samples.notes[0]
    assert [text for piece in read_chunks(tmp_path / "a.jsonl", Y, rows=1) for text in texts(piece)] == ["5 €", "é"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("Größe,1\nschön,0\n".encode() + "für,1\n".encode("cp1252"), "line 4 holds the byte 0xfc, but other lines"),
        ("Привет мир,1\nещё слова,0\n".encode("cp1251"), "does not look Western"),
        ("日本語の文章,1\n短い,0\n".encode("shift-jis"), "save it as UTF-8"),
        ("多标签分类,1\n文本,0\n".encode("gbk"), "does not look Western"),
        (b"a\x9d,1\nb,0\n", "not Windows-1252 either"),
    ],
)
def test_what_is_neither_or_both_is_refused(body, words, tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text,y_p\n" + body)
    for reading in (lambda: read(tmp_path / "a.csv", Y), lambda: list(read_chunks(tmp_path / "a.csv", Y, rows=1))):
        with pytest.raises(InputError) as caught:
            reading()
        assert "is not UTF-8: line" in str(caught.value)
        assert "WINDOWS-1252" in str(caught.value)
    with pytest.raises(InputError, match=words):
        read(tmp_path / "a.csv", Y)


def test_a_stream_does_not_change_its_encoding(tmp_path):
    lines = [b"text,y_p\n", "é,1\n".encode("cp1252"), "Größe, schön,0\n".replace(", ", " ").encode()]
    (tmp_path / "a.csv").write_bytes(b"".join(lines))
    with pytest.raises(InputError, match="line 3"):
        list(read_chunks(tmp_path / "a.csv", Y, rows=1))
    (tmp_path / "a.csv").write_bytes(lines[0] + lines[2] + lines[1])
    with pytest.raises(InputError, match="line 3 holds the byte 0xe9, but other lines are UTF-8"):
        list(read_chunks(tmp_path / "a.csv", Y, rows=1))


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\xd8a\x00", "a,y_p\n1,0\n".encode("utf-32")])
def test_broken_utf_16_is_refused(content, tmp_path):
    (tmp_path / "a.csv").write_bytes(content)
    for reading in (lambda: read(tmp_path / "a.csv", Y), lambda: list(read_chunks(tmp_path / "a.csv", Y))):
        with pytest.raises(InputError) as caught:
            reading()
        assert "UTF-16" in str(caught.value) or "binary" in str(caught.value)
