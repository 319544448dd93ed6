"""How the cells of a row are told apart: Excel's first line, and delimiters that stand in names and texts."""

import gzip

import pytest

from manyhot.data.readers import ReadOptions, count_rows, read, read_chunks

Y = ReadOptions(labels="y_*")


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"', "\ufeffsep=;"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_separator_line_of_excel_is_no_header(first, end, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(end.join([first, "x;y_p", "1,5;1", "2,5;0", ""]).encode())
    samples = read(path, Y)
    assert samples.features["x"].to_list() == [1.5, 2.5]
    assert samples.targets.values.tolist() == [[True], [False]]
    pieces = list(read_chunks(path, Y, rows=1))
    assert [piece.features["x"].to_list() for piece in pieces] == [[1.5], [2.5]]
    assert count_rows(path, Y, 10) == 2


def test_the_separator_line_decides(tmp_path):
    (tmp_path / "a.csv").write_text("sep=|\na|y_p\nu,v|1\nw,z|0\n")
    assert read(tmp_path / "a.csv", Y).features["a"].to_list() == ["u,v", "w,z"]
    (tmp_path / "a.csv").write_text("sep=\t\n1.5\t1\n2\t0\n")
    options = ReadOptions(labels="y", header=False, column_names=("a", "y"))
    assert read(tmp_path / "a.csv", options).features["a"].to_list() == [1.5, 2.0]


FILES = {
    "a tab beside a comma in a quoted name": ('"size, cm"\ty_p\n1.5\t1\n2.5\t0\n', ("size, cm",)),
    "a tab beside a comma in a plain name": ("size, cm\ty_p\n1.5\t1\n2.5\t0\n", ("size, cm",)),
    "a tab and decimal commas": ("size, cm\ty_p\n1,5\t1\n2,5\t0\n", ("size, cm",)),
    "a semicolon beside commas in names": ("size, cm;mass, g;y_p\n1,5;3,5;1\n2,5;1;0\n", ("size, cm", "mass, g")),
    "a semicolon in a quoted name": ('"a;b",c,y_p\n1.5,2,1\n2.5,3,0\n', ("a;b", "c")),
    "tabs in quoted texts": ('a,y_p\n"u\tv",1\n"w\tx",0\n', ("a",)),
    "semicolons in cells": ("a,b,y_p\nu;v,1,1\nw;x,2,0\n", ("a", "b")),
    "a bar": ("a|y_p\n1.5|1\n2,5|0\n", ("a",)),
    "a quoted line break in a name": ('"a,\nb"\tc\ty_p\n1.5\t2\t1\n2.5\t1\t0\n', ("a,\nb", "c")),
}


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_delimiter_is_seen_from_the_first_lines(name, tmp_path):
    content, features = FILES[name]
    (tmp_path / "a.csv").write_text(content)
    samples = read(tmp_path / "a.csv", Y)
    assert samples.feature_names == features
    assert samples.labels.names == ("y_p",)


def test_long_lines_do_not_deceive(tmp_path):
    rows = "".join(f"{'word ' * 2000}, more\t{k % 2}\n" for k in range(12))
    (tmp_path / "a.csv").write_text("text\ty_p\n" + rows)
    assert read(tmp_path / "a.csv", Y).features.height == 12


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_lines_that_end_in_a_carriage_return_alone(name, tmp_path):
    content = 'x,y,"a, b"\r1.5,1,Köln\r2.5,0,"two ""words"""\r'.encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    whole = read(path, ReadOptions(labels="y"))
    (piece,) = read_chunks(path, ReadOptions(labels="y"), 100)
    for samples in (whole, piece):
        assert samples.features.rows() == [(1.5, "Köln"), (2.5, 'two "words"')]
        assert samples.targets.values[:, 0].tolist() == [True, False]
