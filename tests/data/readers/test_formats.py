"""ARFF, libsvm, XC and NPZ in their corners, and files read in pieces."""

import gzip

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from polars.testing import assert_frame_equal

from manyhot.data.readers import ReadOptions, read, read_chunks
from manyhot.errors import InputError

HEAD = "@RELATION x\n%c\n@attribute a REAL\n@attribute 'b \\'c' {u, 'v w',\"x,y\"}\n"
HEAD += "@attribute s string\n@attribute d date\n@attribute y {0,1}\n@DATA\n"


def test_arff_quotes_comments_and_gaps(tmp_path):
    path = tmp_path / "a.arff"
    path.write_text(
        HEAD + "1,u,'it\\'s, \"so\"',2024-01-01,1\n\n%x\n ?, 'v w' ,?,?,?\r\n-2e1,\"x,y\",plain words,?,0\n"
    )
    samples = read(path, ReadOptions(labels="y"))
    assert samples.features.rows() == [
        (1.0, "u", 'it\'s, "so"', "2024-01-01"),
        (None, "v w", None, None),
        (-20.0, "x,y", "plain words", None),
    ]
    assert samples.column_types == {"a": "numeric", "b 'c": "categorical", "s": "categorical", "d": "ignored"}
    assert samples.targets.known.tolist() == [[True], [False], [True]]


def test_arff_in_windows_1252_is_read_with_a_note(tmp_path):
    path = tmp_path / "a.arff"
    path.write_bytes("@attribute größe numeric\n@attribute y {0,1}\n@data\n1.5,1\n2,0\n".encode("latin-1"))
    samples = read(path, ReadOptions(labels="y"))
    assert samples.feature_names == ("größe",)
    assert "Windows-1252" in samples.notes[0]


@pytest.mark.parametrize(("count", "labels", "features"), [(1, ("y",), ("a", "b")), (-2, ("a", "b"), ("y",))])
def test_meka_header(count, labels, features, tmp_path):
    path = tmp_path / "a.arff"
    head = (
        f"@relation 'Music: -C {count} -f x'\n@attribute y {{0,1}}\n@attribute a {{0,1}}\n@attribute b {{0,1}}\n@data\n"
    )
    path.write_text(head + "1,0,1\n0,1,1\n")
    samples = read(path)
    assert (samples.labels.names, samples.feature_names) == (labels, features)
    path.write_text(head.replace(f"-C {count}", "-C 4") + "1,0,1\n")
    with pytest.raises(InputError, match="only 3 attributes"):
        read(path)


def test_the_xml_with_the_longest_beginning_wins_over_the_header(tmp_path):
    text = "@relation 'x: -C 1'\n@attribute a {0,1}\n@attribute b {0,1}\n@data\n1,0\n0,1\n"
    (tmp_path / "Music-500-train.arff").write_text(text)
    (tmp_path / "music.XML").write_text('<labels><label name="a"/></labels>')
    nested = '<m:labels xmlns:m="u"><label name="b"><label name="a"/></label></m:labels>'
    (tmp_path / "MUSIC-500.xml").write_text(nested)
    (tmp_path / "music-500-train-more.xml").write_text("<html/>")
    assert read(tmp_path / "Music-500-train.arff").labels.names == ("a", "b")
    (tmp_path / "MUSIC-500.xml").unlink()
    assert read(tmp_path / "Music-500-train.arff").labels.names == ("a",)
    labelled = read(tmp_path / "Music-500-train.arff", ReadOptions(labels="b"))
    assert labelled.labels.names == ("b",)


def test_an_xml_of_another_name_is_named(tmp_path):
    (tmp_path / "songs.arff").write_text("@attribute a numeric\n@attribute y {0,1}\n@data\n1,0\n2,1\n")
    (tmp_path / "moods.xml").write_text('<labels><label name="y"/></labels>')
    with pytest.raises(InputError, match=r"'moods\.xml'.*--xml moods\.xml"):
        read(tmp_path / "songs.arff")
    assert read(tmp_path / "songs.arff", ReadOptions(xml=tmp_path / "moods.xml")).labels.names == ("y",)
    with pytest.raises(InputError, match=r"no column 'moods\.xml'.* is read by itself .*--xml moods\.xml"):
        read(tmp_path / "songs.arff", ReadOptions(labels="moods.xml"))
    assert read(tmp_path / "songs.arff", ReadOptions(labels="y")).labels.names == ("y",)
    assert read(tmp_path / "songs.arff", ReadOptions(require_labels=False)).labels is None


SPARSE = "@attribute a numeric\n@attribute b {0,1}\n@attribute c {red,blue}\n@attribute y {0,1}\n"
SPARSE += "@attribute z {yes,no}\n@data\n"


def test_sparse_rows_leave_out_zero_or_the_first_level(tmp_path):
    path = tmp_path / "a.arff"
    path.write_text(SPARSE + "{0 1.5,2 blue,3 1,4 no}\n{}\n{ 1 1 , 3 ? }\n{0 ?, 4 no}\n")
    samples = read(path, ReadOptions(labels="y,z"))
    assert samples.features.rows() == [
        (1.5, False, "blue"),
        (0.0, False, "red"),
        (0.0, True, "red"),
        (None, False, "red"),
    ]
    assert samples.column_types == {"a": "numeric", "b": "boolean", "c": "categorical"}
    assert samples.targets.values.tolist() == [[True, False], [False, True], [False, True], [False, False]]
    assert samples.targets.known.tolist() == [[True, True], [True, True], [False, True], [True, True]]
    path.write_text(SPARSE.replace("@attribute c {red,blue}\n", "") + "{0 1.5,2 1,3 no}\n{}\n{1 1,2 ?}\n{0 ?}\n")
    sparse = read(path, ReadOptions(labels="y,z"))
    assert sparse.is_sparse
    np.testing.assert_array_equal(sparse.features.toarray(), [[1.5, 0], [0, 0], [0, 1], [np.nan, 0]])
    np.testing.assert_array_equal(sparse.targets.values[:, 1], [False, True, True, True])


def test_plain_and_worded_sparse_rows_agree(tmp_path):
    rng = np.random.default_rng(0)
    matrix = sp.random(300, 40, density=0.1, random_state=0, format="csr")
    matrix.data = np.round(matrix.data * 10 - 5, 3)
    head = "@relation x\n" + "".join(f"@attribute a{j} numeric\n" for j in range(40)) + "@attribute y {0,1}\n@data\n"
    yes = rng.random(300) < 0.3
    rows = [
        ",".join([*(f"{j} {v}" for j, v in zip(row.indices, row.data, strict=True)), *(["40 1"] if y else [])])
        for row, y in zip(matrix, yes, strict=True)
    ]
    text = "\n".join("{" + row + "}" for row in rows)
    (tmp_path / "plain.arff").write_text(head + text)
    (tmp_path / "words.arff").write_text(head + text.replace("40 1", "40 '1'"))
    for name in ("plain.arff", "words.arff"):
        samples = read(tmp_path / name, ReadOptions(labels="y"))
        np.testing.assert_array_equal(samples.features.toarray(), matrix.toarray())
        np.testing.assert_array_equal(samples.targets.values[:, 0], yes)


def test_libsvm_names_order_and_trained_features(tmp_path):
    path = tmp_path / "a.svm"
    path.write_text("1,10 4:0.5 7:1 # note\n 2:1\n2:3\n\n+2 1:1\n")
    samples = read(path)
    assert samples.labels.names == ("1", "2", "10")
    assert samples.targets.values.tolist() == [[True, False, True], [False] * 3, [False] * 3, [False, True, False]]
    assert samples.feature_names == tuple(f"f{j}" for j in range(1, 8))
    assert samples.features.toarray()[:, 3].tolist() == [0.5, 0, 0, 0]
    options = ReadOptions(feature_names=("f9", "f7", "f1"), known_labels=("10", "2"), unknown_labels="ignore")
    aligned = read(path, options)
    np.testing.assert_array_equal(aligned.features.toarray(), [[0, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1]])
    assert aligned.targets.values.tolist() == [[True, False], [False] * 2, [False] * 2, [False, True]]
    assert any("5 features" in note for note in aligned.notes)
    assert aligned.targets.known is None
    with pytest.raises(InputError, match="none of the features"):
        read(path, ReadOptions(feature_names=("size",)))
    without = read(path, ReadOptions(column_types={"f4": "ignored"}))
    assert "f4" not in without.feature_names
    path.write_text("1 0:2\n")
    assert read(path).feature_names == ("f0",)


def test_a_txt_file_is_told_by_its_first_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1,3 4:0.5\n")
    assert read(path).is_sparse
    path.write_text("1 5 4\n1,3 4:0.5\n")
    assert read(path).labels.names == ("label_0", "label_1", "label_2", "label_3")
    path.write_text("just words\n")
    with pytest.raises(InputError, match="cannot be determined"):
        read(path)


def test_xc_names_beside_must_fit(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("2 3 2\n0,1 0:1 2:2\n\n")
    (tmp_path / "labels.txt.gz").write_bytes(gzip.compress(b"sad\ncalm\n"))
    samples = read(path)
    assert samples.labels.names == ("sad", "calm")
    np.testing.assert_array_equal(samples.features.toarray(), [[1, 0, 2], [0, 0, 0]])
    (tmp_path / "features.txt").write_text("a\nb\n")
    with pytest.raises(InputError, match=r"has 2 names, but a\.txt has 3 features"):
        read(path)


def test_npz_sparse_with_names_and_unknown_targets(tmp_path):
    matrix = sp.csr_matrix(np.array([[0, 1.5], [2, 0], [0, 0]]))
    parts = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr, "shape": np.array(matrix.shape)}
    Y = np.array([[1, np.nan], [0, 1], [0, 0]])
    np.savez_compressed(tmp_path / "a.npz", **parts, Y=Y, ids=np.array(["x", "y", "z"]))
    samples = read(tmp_path / "a.npz")
    np.testing.assert_array_equal(samples.features.toarray(), matrix.toarray())
    assert samples.targets.known.tolist() == [[True, False], [True, True], [True, True]]
    assert samples.labels.names == ("label_0", "label_1")
    assert samples.ids.tolist() == ["x", "y", "z"]
    assert [piece.ids.tolist() for piece in read_chunks(tmp_path / "a.npz", rows=2)] == [["x", "y"], ["z"]]


N = 103
WRITERS = {
    "a.csv": lambda frame, path: frame.write_csv(path),
    "a.tsv.gz": lambda frame, path: path.write_bytes(gzip.compress(frame.write_csv(separator="\t").encode())),
    "a.csv.zst": lambda frame, path: frame.write_csv(path, compression="zstd"),
    "a.jsonl": lambda frame, path: frame.write_ndjson(path),
    "a.parquet": lambda frame, path: frame.write_parquet(path, row_group_size=17),
    "a.feather": lambda frame, path: frame.write_ipc(path),
    "a.arrows": lambda frame, path: frame.write_ipc_stream(path),
}


def songs() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [f"s{i}" for i in range(N)],
            "size": [i / 3 if i % 7 else None for i in range(N)],
            "flag": [min(i // 20, 1) for i in range(N)],
            "word": [f'{"red" if i % 3 else "dark"}\n"{i % 2}", so' for i in range(N)],
            "more": ["1" if i < 40 else "x" for i in range(N)],
            "y_1": [i % 2 for i in range(N)],
            "y_2": [int(i > 90) for i in range(N)],
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(WRITERS))
@pytest.mark.parametrize("rows", [1, 50, 103])
def test_pieces_are_the_whole_with_the_models_kinds(name, rows, tmp_path):
    WRITERS[name](songs(), tmp_path / name)
    column_types = {"size": "numeric", "flag": "boolean", "word": "categorical"}
    options = ReadOptions(labels="y_*", known_labels=("y_2", "y_1"), column_types=column_types)
    whole = read(tmp_path / name, options)
    pieces = list(read_chunks(tmp_path / name, options, rows=rows))
    assert [piece.n_samples for piece in pieces] == [min(rows, N - k) for k in range(0, N, rows)]
    assert all(piece.feature_names == tuple(column_types) for piece in pieces)
    assert_frame_equal(
        pl.concat([piece.features for piece in pieces]), whole.features.select(list(column_types)), check_exact=True
    )
    np.testing.assert_array_equal(np.concatenate([piece.targets.values for piece in pieces]), whole.targets.values)
    np.testing.assert_array_equal(np.concatenate([piece.ids for piece in pieces]), whole.ids)


def test_pieces_without_kinds_follow_the_first(tmp_path):
    frame = songs().drop("more", "flag").with_columns(count=pl.Series([i % 2 if i < 50 else i for i in range(N)]))
    frame.write_csv(tmp_path / "a.csv")
    pieces = list(read_chunks(tmp_path / "a.csv", ReadOptions(labels="y_*"), rows=40))
    assert {str(piece.column_types) for piece in pieces} == {str(pieces[0].column_types)}
    assert pieces[0].column_types["count"] == "numeric"
    assert pieces[2].features["count"][-1] == N - 1


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a.feather"])
def test_errors_in_a_late_piece_name_the_row_of_the_file(name, tmp_path):
    WRITERS[name](songs(), tmp_path / name)
    options = ReadOptions(labels="y_*", column_types={"more": "numeric"})
    with pytest.raises(InputError, match="got 'x'") as caught:
        list(read_chunks(tmp_path / name, options, rows=16))
    assert (caught.value.row, caught.value.column) == (41, "more")
    targets = songs().with_columns(y_1=pl.Series([2 if i == 77 else 0 for i in range(N)]))
    WRITERS[name](targets, tmp_path / name)
    with pytest.raises(InputError, match="a target is") as caught:
        list(read_chunks(tmp_path / name, ReadOptions(labels="y_*", column_types={"size": "numeric"}), rows=16))
    assert (caught.value.row, caught.value.column) == (78, "y_1")


def test_a_ragged_row_in_a_late_piece(tmp_path):
    lines = songs().select("size", "flag", "y_1").write_csv().splitlines()
    lines[60] = "1,2"
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with pytest.raises(InputError, match="has 2 cells, expected 3") as caught:
        list(read_chunks(tmp_path / "a.csv", ReadOptions(labels="y_1"), rows=16))
    assert caught.value.row == 60


def test_pieces_of_headerless_files(tmp_path):
    songs().select("size", "y_1").write_csv(tmp_path / "a.csv", include_header=False)
    options = ReadOptions(labels="y", header=False, column_names=("size", "y"))
    pieces = list(read_chunks(tmp_path / "a.csv", options, rows=50))
    assert [piece.n_samples for piece in pieces] == [50, 50, 3]
    with pytest.raises(InputError, match="1 upwards"):
        list(read_chunks(tmp_path / "a.csv", options, rows=0))


@pytest.mark.parametrize("block", [1, 5, 16, 64])
def test_where_a_block_ends_does_not_matter(block, tmp_path, monkeypatch):
    monkeypatch.setattr("manyhot.data.readers.csv.BLOCK_BYTES", block)
    monkeypatch.setattr("manyhot.data.readers.encodings.BLOCK_BYTES", block + 3)
    path = tmp_path / "a.csv"
    songs().with_columns(more=pl.lit("größe — ü")).write_csv(path)
    options = ReadOptions(labels="y_*", column_types={"word": "text", "more": "text"})
    samples = read(path, options)
    assert samples.features["word"].to_list() == songs()["word"].to_list()
    assert set(samples.features["more"]) == {"größe — ü"}
    text = path.read_text()
    path.write_text(text.replace("s50,", "s50,,"))
    with pytest.raises(InputError, match="has 8 cells") as caught:
        read(path, options)
    assert caught.value.row == 51
    path.write_text(text.replace("\ns50,", "\n\ns50,"))
    assert read(path, options).n_samples == N
    path.write_bytes(text.encode().replace(b"s50,", b"s\xff,"))
    with pytest.raises(InputError, match="0xff"):
        read(path, options)
