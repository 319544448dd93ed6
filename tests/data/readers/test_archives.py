"""Zip archives of one table, and packed files that unpack to too much."""

import gzip
import zipfile

import pytest

from manyhot.data.readers import ReadOptions, read, read_chunks, sample_file
from manyhot.errors import InputError

Y = ReadOptions(labels="y_*")
TABLE = "a,y_p\n" + "1.5,1\n2,0\n" * 50


def pack(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return path


def test_a_table_in_an_archive_streams(tmp_path):
    path = pack(tmp_path / "a.zip", songs_csv=TABLE.encode("utf-16"))
    survey = sample_file(path, Y)
    assert survey.file.n_rows == 100
    assert sum(piece.n_samples for piece in survey.file.chunks()) == 100
    assert any("UTF-16" in note for note in read(path, Y).notes)


def test_several_tables_or_none_are_named(tmp_path):
    with pytest.raises(InputError, match=r"2 files: 'a\.csv', 'b\.csv'; .* unpack it"):
        read(pack(tmp_path / "a.zip", a_csv=TABLE, b_csv=TABLE), Y)
    with pytest.raises(InputError, match="no file"):
        read(pack(tmp_path / "b.zip"), Y)
    (tmp_path / "c.zip").write_text(TABLE)
    with pytest.raises(InputError, match="no zip archive"):
        read(tmp_path / "c.zip", Y)
    content = bytearray(pack(tmp_path / "d.zip", a_csv=TABLE).read_bytes())
    content[40:50] = b"\xff" * 10
    (tmp_path / "d.zip").write_bytes(content)
    for reading in (lambda: read(tmp_path / "d.zip", Y), lambda: list(read_chunks(tmp_path / "d.zip", Y))):
        with pytest.raises(InputError, match="cannot be unpacked"):
            reading()


def test_what_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("manyhot.data.readers.memory.available_memory", lambda: 10**6)
    bomb = b"a,y_p\n" + b"1,0\n" * 10**6
    pack(tmp_path / "a.zip", a_csv=bomb)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(bomb))
    for name in ("a.zip", "a.csv.gz"):
        with pytest.raises(InputError, match="unpacks to more than"):
            read(tmp_path / name, Y)
