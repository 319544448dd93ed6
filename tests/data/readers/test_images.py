"""Images from files: paths in tables, contents in Parquet, folders with a file of labels, idx and npz."""

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from manyhot.data.readers import ReadOptions, read, read_chunks, sample_file
from manyhot.data.readers.image_folder import ImageListing
from manyhot.encoders.images.encoder import ImageEncoder
from manyhot.errors import InputError
from tests.fixtures.image_files import as_file, moods, noise

LABELS = "sad,fast"
N = 40


@pytest.fixture
def table(tmp_path: Path) -> pl.DataFrame:
    return moods(tmp_path, N)


def write(table: pl.DataFrame, path: Path) -> Path:
    writers = {".csv": table.write_csv, ".jsonl": table.write_ndjson, ".parquet": table.write_parquet}
    if path.suffix in writers:
        writers[path.suffix](path)
    else:
        table.write_csv(path, separator="\t")
    return path


def write_idx(path: Path, array: np.ndarray) -> Path:
    content = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_paths_start_from_the_file(table, tmp_path, monkeypatch, name):
    path = write(table, tmp_path / name)
    monkeypatch.chdir("/")
    samples = read(path, ReadOptions(labels=LABELS))
    assert samples.column_types == {"photo": "image"}
    assert samples.features["photo"][0] == str(tmp_path / "photos/a/im000.png")
    assert samples.ids[:2].tolist() == ["photos/a/im000.png", "photos/b/im001.png"]
    np.testing.assert_array_equal(samples.targets.values, table.select("sad", "fast").to_numpy() == 1)
    assert ImageEncoder().fit(samples.features["photo"]).shape == (12, 16, 3)


def test_absolute_paths_stay(table, tmp_path):
    (tmp_path / "far").mkdir()
    frame = table.with_columns(pl.col("photo").map_elements(lambda p: str(tmp_path / p), return_dtype=pl.String))
    path = write(frame, tmp_path / "far/t.csv")
    assert read(path, ReadOptions(labels=LABELS)).features["photo"].to_list() == frame["photo"].to_list()


def test_a_path_that_is_not_there_is_named_with_its_row(table, tmp_path):
    (tmp_path / table["photo"][4]).unlink()
    path = write(table, tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"'photos/a/im004\.png' does not exist") as caught:
        read(path, ReadOptions(labels=LABELS))
    assert (caught.value.file, caught.value.row, caught.value.column) == (str(path), 5, "photo")
    with pytest.raises(InputError) as caught:
        list(read_chunks(path, ReadOptions(labels=LABELS), rows=3))
    assert caught.value.row == 5
    assert read(path, ReadOptions(labels=LABELS, on_bad_image="skip")).n_samples == N
    assert read(path, ReadOptions(labels=LABELS, column_types={"photo": "ignored"})).n_samples == N


def test_a_missing_path_is_a_missing_image(table, tmp_path):
    frame = table.with_columns(photo=pl.Series([None if k == 3 else p for k, p in enumerate(table["photo"])]))
    samples = read(write(frame, tmp_path / "t.csv"), ReadOptions(labels=LABELS))
    assert samples.features["photo"].null_count() == 1
    assert samples.ids[3] == "4"


@pytest.mark.parametrize("form", ["bytes", "struct", "array"])
def test_images_inside_the_file(table, tmp_path, form):
    contents = [(tmp_path / name).read_bytes() for name in table["photo"]]
    cells = {
        "bytes": pl.Series("photo", contents),
        "struct": pl.Series("photo", [{"bytes": one, "path": "x.png"} for one in contents]),
        "array": pl.Series("photo", np.stack([noise(seed=k) for k in range(N)])),
    }[form]
    path = write(table.with_columns(cells), tmp_path / "t.parquet")
    samples = read(path, ReadOptions(labels=LABELS))
    assert samples.column_types == {"photo": "image"}
    assert samples.features["photo"].dtype == (pl.Array(pl.UInt8, (12, 16, 3)) if form == "array" else pl.Binary)
    pieces = list(read_chunks(path, ReadOptions(labels=LABELS), rows=7))
    whole = ImageEncoder(size=[8]).infer_shape(samples.features["photo"])
    np.testing.assert_array_equal(
        np.concatenate([whole.transform(piece.features["photo"]) for piece in pieces]),
        whole.transform(samples.features["photo"]),
    )


def test_other_bytes_and_lists_are_still_left_out(tmp_path):
    frame = pl.DataFrame({"raw": [b"abc", b"def"], "x": [1.5, 2.5], "v": [[1], [2]], "y": [0, 1]})
    samples = read(write(frame, tmp_path / "t.parquet"), ReadOptions(labels="y"))
    assert samples.feature_names == ("x",)


NAMES = {
    "stems": lambda p: Path(p).stem,
    "names": lambda p: Path(p).name,
    "paths": lambda p: p.removeprefix("photos/"),
    "dots": lambda p: "./" + p.removeprefix("photos/"),
    "backslashes": lambda p: p.removeprefix("photos/").replace("/", "\\"),
    "paths without suffix": lambda p: p.removeprefix("photos/").removesuffix(".png"),
}


@pytest.mark.parametrize("names", NAMES)
def test_names_are_looked_up_in_a_folder(table, tmp_path, names):
    named = pl.Series("photo", [NAMES[names](p) for p in table["photo"]])
    path = write(table.with_columns(named), tmp_path / "labels.txt")
    samples = read(path, ReadOptions(labels=LABELS, images=tmp_path / "photos"))
    assert samples.features["photo"].to_list() == [str(tmp_path / p) for p in table["photo"]]
    assert samples.ids[0] == "a/im000.png"
    assert not samples.notes


def test_rows_and_images_without_each_other(table, tmp_path):
    for name in table["photo"][::4]:
        (tmp_path / name).unlink()
    (tmp_path / "photos/more.jpg").write_bytes(as_file(noise(), "JPEG"))
    path = write(table, tmp_path / "t.csv")
    options = ReadOptions(labels=LABELS, images=tmp_path)
    samples = read(path, options)
    stays = np.flatnonzero(np.arange(N) % 4 != 0)
    np.testing.assert_array_equal(samples.rows, stays + 1)
    np.testing.assert_array_equal(samples.targets.values, table.select("sad", "fast").to_numpy()[stays] == 1)
    left_out, unused = samples.notes
    assert "10 rows are left out, without an image" in left_out
    assert "'photos/a/im000.png'" in left_out
    assert "1 image has no row" in unused
    pieces = list(read_chunks(path, options, rows=6))
    np.testing.assert_array_equal(np.concatenate([piece.rows for piece in pieces]), samples.rows)
    np.testing.assert_array_equal(np.concatenate([piece.ids for piece in pieces]), samples.ids)
    found = sample_file(path, options)
    assert (found.file.n_rows, found.samples.n_samples) == (30, 30)
    assert sum(piece.n_samples for piece in found.file.chunks()) == 30


def test_a_column_of_an_error_keeps_its_row_when_rows_were_left_out(table, tmp_path):
    frame = table.with_columns(x=pl.Series([1.0] * 20 + [float("inf")] + [2.0] * 19))
    (tmp_path / table["photo"][0]).unlink()
    with pytest.raises(InputError, match=r"got inf") as caught:
        read(write(frame, tmp_path / "t.csv"), ReadOptions(labels=LABELS, images=tmp_path))
    assert caught.value.row == 21


def test_a_name_of_two_images_is_refused(table, tmp_path):
    os.link(tmp_path / "photos/a/im000.png", tmp_path / "photos/b/im000.png")
    named = pl.Series("photo", [Path(p).stem for p in table["photo"]])
    path = write(table.with_columns(named), tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"'im000' may be 'a/im000.png' and 'b/im000.png'") as caught:
        read(path, ReadOptions(labels=LABELS, images=tmp_path / "photos"))
    assert (caught.value.row, caught.value.column) == (1, "photo")
    assert read(path, ReadOptions(labels=LABELS, images=tmp_path / "photos/a")).n_samples == N // 2


def test_a_folder_brings_its_file_of_labels(table, tmp_path):
    path = write(table.with_columns(photo=pl.Series([Path(p).stem for p in table["photo"]])), tmp_path / "t.csv")
    (tmp_path / "readme.txt").write_text("about these images\n")
    for folder in (tmp_path, tmp_path / "photos"):
        samples = read(folder, ReadOptions(labels=LABELS))
        assert (samples.n_samples, samples.source) == (N, str(path))
    write(table, tmp_path / "other.tsv")
    with pytest.raises(InputError, match=r"'other\.tsv', 't\.csv'"):
        read(tmp_path, ReadOptions(labels=LABELS))
    with pytest.raises(InputError, match="without a file of labels"):
        read(tmp_path / "photos/a", ReadOptions(labels=LABELS))


def test_a_folder_of_images_alone_is_for_answers(table, tmp_path):
    options = ReadOptions(column_types={"photo": "image"}, require_labels=False, known_labels=("sad", "fast"))
    samples = read(tmp_path / "photos", options)
    assert (samples.feature_names, samples.targets) == (("photo",), None)
    assert samples.ids[:2].tolist() == ["a/im000.png", "a/im002.png"]
    pieces = list(read_chunks(tmp_path / "photos", options, rows=15))
    np.testing.assert_array_equal(np.concatenate([piece.ids for piece in pieces]), samples.ids)
    assert pieces[1].rows[0] == 16


@pytest.mark.parametrize(
    ("images", "words"),
    [("nowhere", "no such folder"), ("empty", "it has no images"), ("others", "column 'photo' begins")],
)
def test_folders_that_do_not_fit(table, tmp_path, images, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "others").mkdir()
    (tmp_path / "others/x.png").write_bytes(as_file(noise()))
    path = write(table, tmp_path / "t.csv")
    for reading in (read, lambda *chosen: list(read_chunks(*chosen))):
        with pytest.raises(InputError, match=words):
            reading(path, ReadOptions(labels=LABELS, images=tmp_path / images))


def test_the_column_of_names_is_found_or_told(table, tmp_path):
    frame = table.select(pl.lit("by me").alias("author"), pl.all(), pl.col("photo").alias("copy"))
    path = write(frame, tmp_path / "t.csv")
    samples = read(path, ReadOptions(labels=LABELS, images=tmp_path))
    assert samples.column_types["photo"] == "image"
    chosen = read(path, ReadOptions(labels=LABELS, images=tmp_path, column_types={"copy": "image", "photo": "ignored"}))
    assert (chosen.column_types["copy"], chosen.column_types["photo"]) == ("image", "ignored")


def test_hidden_files_and_others_are_passed_over(tmp_path):
    (tmp_path / ".git").mkdir()
    for name in ("b.PNG", ".c.png", ".git/a.png", "notes.md", "a.jpeg"):
        (tmp_path / name).write_bytes(b"x")
    assert ImageListing(tmp_path).paths == ["a.jpeg", "b.PNG"]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_with_its_labels(tmp_path, suffix):
    images = np.stack([noise(5, 4, k)[..., 0] for k in range(6)])
    path = write_idx(tmp_path / f"train-images-idx3-ubyte{suffix}", images)
    with pytest.raises(InputError, match=f"expected 'train-labels-idx1-ubyte{suffix}'"):
        read(path)
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.array([7, 0, 7, 3, 3, 9], np.uint8))
    samples = read(path)
    assert samples.labels.names == ("0", "3", "7", "9")
    assert samples.targets.values.sum(axis=1).tolist() == [1] * 6
    np.testing.assert_array_equal(samples.features["image"].to_numpy(), images)
    known = ReadOptions(known_labels=tuple("0123456789"), column_types={"image": "image"})
    pieces = list(read_chunks(path, known, rows=4))
    assert [piece.n_samples for piece in pieces] == [4, 2]
    assert pieces[1].rows.tolist() == [5, 6]
    assert pieces[1].targets.values.argmax(axis=1).tolist() == [3, 9]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 2, 3, 4) + bytes(20), "cut short"),
        (struct.pack(">BBBBI", 0, 0, 8, 1, 4) + bytes(4), "holds labels"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, 2**31, 2**31, 2**31) + bytes(20), "cut short"),
        (b"\0\0\x0d\x03" + bytes(40), "not idx"),
        (b"some text", "not idx but plain text"),
    ],
)
def test_idx_that_is_none(tmp_path, content, words):
    (tmp_path / "a.idx").write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path / "a.idx")
    assert caught.value.file == str(tmp_path / "a.idx")


@pytest.mark.parametrize("shape", [(6, 5, 4), (6, 5, 4, 1), (6, 5, 4, 3)])
def test_npz_of_images(tmp_path, shape):
    X = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.savez(tmp_path / "a.npz", X=X, Y=np.eye(6, 2), labels=np.array(["p", "q"]))
    samples = read(tmp_path / "a.npz")
    assert (samples.column_types, samples.labels.names) == ({"image": "image"}, ("p", "q"))
    np.testing.assert_array_equal(samples.features["image"].to_numpy(), X)
    np.savez(tmp_path / "a.npz", X=X / 255.0, Y=np.eye(6, 2))
    with pytest.raises(InputError, match="uint8"):
        read(tmp_path / "a.npz")


def test_uc_merced(data_folder):
    folder = data_folder("ucmerced_multilabel")
    options = ReadOptions(labels="airplane,bare-soil,buildings,cars,chaparral,court,dock,field,grass,mobile-home,"
                          "pavement,sand,sea,ship,tanks,trees,water", images=folder / "images/test")  # fmt: skip
    samples = read(folder / "LandUse_Multilabeled.txt", options)
    assert (samples.n_samples, len(samples.labels)) == (420, 17)
    assert "1680 rows are left out" in samples.notes[0]
    images = ImageEncoder(size=[32]).infer_shape(samples.features[:8, 0]).transform(samples.features[:8, 0])
    assert images.shape == (8, 32, 32, 3)
    assert images.std() > 20


def test_mnist(data_folder):
    samples = read(data_folder("mnist") / "t10k-images-idx3-ubyte.gz")
    assert samples.features.schema == {"image": pl.Array(pl.UInt8, (28, 28))}
    assert samples.targets.values.sum(axis=0)[:2].tolist() == [980, 1135]
