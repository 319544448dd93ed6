"""Packed files: by pieces, in every format, and refused where they unpack to many times their size."""

import gzip
import tracemalloc
import zipfile

import numpy as np
import polars as pl
import pytest

from manyhot.data.readers import ReadOptions, read, read_chunks
from manyhot.data.readers.sampling import sample_file
from manyhot.data.readers.source import locate
from manyhot.data.readers.unpacking import open_packed, zstd
from manyhot.errors import InputError
from tests.contract.test_readers import BY_NAME, FRAME, VALUES, dense

Y = ReadOptions(labels="y")
PACK = {".gz": gzip.compress, ".zst": zstd.compress}


def much(suffix: str, n_pieces: int) -> bytes:
    """A header, and many rows that are all alike, 4 MB a piece."""
    pack = PACK[suffix]
    return pack(b"a,y\n") + pack(b"1,0\n" * 1_000_000) * n_pieces


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("way", [lambda path: read(path, Y), lambda path: sample_file(path, Y)], ids=["read", "sample"])
def test_a_file_that_unpacks_to_much_more_is_refused(tmp_path, suffix, way):
    path = tmp_path / f"a.csv{suffix}"
    path.write_bytes(much(suffix, 1000))
    with pytest.raises(InputError, match=r"100 times its .* bytes.*unpack it first") as caught:
        way(path)
    assert caught.value.file == str(path)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_what_is_small_may_be_packed_as_well_as_it_can(tmp_path, suffix):
    path = tmp_path / f"a.csv{suffix}"
    path.write_bytes(much(suffix, 1))
    assert read(path, Y).n_samples == 1_000_000


def test_zstandard_is_streamed(tmp_path):
    path, generator = tmp_path / "a.csv.zst", np.random.default_rng(0)
    body = b"".join(b"%d,%d\n" % (number, number % 2) for number in generator.integers(0, 10**9, 400_000))
    path.write_bytes(zstd.compress(b"a,y\n" + body))
    tracemalloc.start()
    try:
        n_lines = sum(1 for _ in locate(path).lines())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n_lines == 400_001
    assert peak < len(body) / 4
    survey = sample_file(path, Y)
    assert sum(samples.n_samples for samples in survey.file.chunks()) == 400_000


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("write", [pl.DataFrame.write_parquet, pl.DataFrame.write_ipc], ids=["parquet", "arrow"])
def test_binary_formats_may_be_packed(tmp_path, suffix, write):
    name = "a.parquet" if write is pl.DataFrame.write_parquet else "a.arrow"
    write(FRAME, tmp_path / name)
    path = tmp_path / (name + suffix)
    path.write_bytes(PACK[suffix]((tmp_path / name).read_bytes()))
    np.testing.assert_array_equal(dense(read(path, BY_NAME)), VALUES)
    np.testing.assert_array_equal(np.concatenate([dense(one) for one in read_chunks(path, BY_NAME, 3)]), VALUES)


def test_a_cut_file_is_refused(tmp_path):
    path = tmp_path / "a.csv.zst"
    path.write_bytes(zstd.compress(b"a,y\n1,0\n2,1\n")[:-3])
    with pytest.raises(InputError, match="damaged or cut short"):
        read(path, Y)


def packed_bomb(path, suffix):
    content = b"1,0\n" * 30_000_000
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", b"a,y\n" + content)
    else:
        path.write_bytes(much(suffix, 30))


@pytest.mark.parametrize(("suffix", "most"), [(".gz", 80 << 20), (".zst", 80 << 20), (".zip", 0)])
def test_it_is_refused_once_64_mib_are_unpacked(tmp_path, suffix, most):
    path, sizes = tmp_path / f"a.csv{suffix}", []
    packed_bomb(path, suffix)

    def unpack():
        with open_packed(path, suffix, "a.csv") as file:
            while block := file.read(1 << 20):
                sizes.append(len(block))

    with pytest.raises(InputError, match="unpack it first"):
        unpack()
    assert sum(sizes) <= most


def test_rows_that_pack_well_only_at_the_end_are_read(tmp_path):
    path, generator = tmp_path / "a.csv.gz", np.random.default_rng(0)
    varied = b"".join(b"%d,0\n" % number for number in generator.integers(0, 10**9, 1_000_000))
    path.write_bytes(gzip.compress(b"a,y\n" + varied + b"1,0\n" * 20_000_000))  # 4 MB and 100 KB: no 100 times
    assert sum(1 for _ in locate(path).lines()) == 21_000_001


def test_a_damaged_array_of_an_archive_is_named(tmp_path):
    np.savez(tmp_path / "whole.npz", X=np.eye(4, 2), Y=np.eye(4, 2))
    with zipfile.ZipFile(tmp_path / "whole.npz") as whole, zipfile.ZipFile(tmp_path / "a.npz", "w") as damaged:
        for name in whole.namelist():
            damaged.writestr(name, b"\x00" * (name == "X.npy") + whole.read(name))
    with pytest.raises(InputError, match="X is damaged") as caught:
        read(tmp_path / "a.npz", ReadOptions())
    assert caught.value.file == str(tmp_path / "a.npz")
