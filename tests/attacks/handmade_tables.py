"""Hostile tables made by hand: claims of sizes, much in little, blank files, odd structures."""

import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from manyhot.data.readers.unpacking import zstd
from tests.attacks.table_files import HostileTable, packed


def _bytes_of(write: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def _of(name: str, make: Callable[[], bytes], **options: Any) -> Callable[[], HostileTable]:
    return lambda: HostileTable("handmade", name, make(), options)


def _claimed(shape: str) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    header = header.ljust(117) + "\n"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(64)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("X.npy", array)
    return buffer.getvalue()


def _much(n_pieces: int, suffix: str, piece: bytes) -> bytes:
    """A header, and the same piece many times, as members or frames one behind another."""
    return packed(b"a,y\n", suffix) + packed(piece, suffix) * n_pieces


ROWS = (b"1." + b"0" * 36 + b",0\n") * 25_000
Y = {"labels": "y"}
HANDMADE: list[Callable[[], HostileTable]] = [
    *(
        _of("a.xc", lambda head=head: head.encode() + b"\n0 0:1\n")
        for head in (
            "1 2000000000 3",
            "1 3 2000000000",
            "2000000000 3 3",
            "1 60000000 3",
            "1 3 1000000",
            f"1 {'9' * 5000} 3",
            "0 0 0",
            "1 0 0",
        )
    ),
    _of("a.xc", lambda: b"300 10 1000000\n" + b"0 0:1\n" * 300),
    _of("a.xc", lambda: b"100 4000000 1000000\n" + b"7,99,999999 5:1 3999999:2\n" * 100, sparse_targets=True),
    *(
        _of("a.svm", lambda text=text: text.encode())
        for text in (
            "1,2 99999999999:1\n",
            "1 60000000:1\n2 1:1\n",
            "1 9007199254740993:1\n",
            "1 1:nan\n2 1:inf\n",
            ":::\n",
            "1 -1:1\n",
        )
    ),
    *(
        _of("a.arff", lambda body=body: f"@relation 'x: -C {body}\n".encode())
        for body in (
            "99'\n@attribute a numeric\n@data\n1",
            "1'\n@attribute y {0,1}\n@attribute a numeric\n@data\n{0 1,99999999999 1}",
            "1'\n@attribute y {0,1}\n@data\n{99999999999999999999999 1}",
            "1'\n@attribute y {" + "a," * 100_000 + "b}\n@data\n0",
        )
    ),
    *(
        _of("a.npz", lambda shape=shape: _claimed(shape))
        for shape in (
            "(2000000000, 2)",
            "(99999999999, 99999999999)",
            "(2, -1)",
            "(0, 0)",
            "(True, 2)",
            "(" * 200,
        )
    ),
    _of(
        "a.npz",
        lambda: _bytes_of(lambda file: np.savez_compressed(file, X=np.zeros((10_000, 2000)), Y=np.eye(10_000, 2))),
    ),
    _of("a.npz", lambda: _bytes_of(lambda file: np.savez(file, X=np.array([[{}]], dtype=object)))),
    *(
        _of("t-images-idx3-ubyte", lambda edges=edges: b"\0\0\x08\x03" + struct.pack(">3I", *edges) + bytes(9))
        for edges in ((0, 0, 0), (4 * 10**9,) * 3, (1, 3, 3), (9, 1, 0))
    ),
    _of("t-images-idx3-ubyte", lambda: b"\0\0\x08\xff" + b"\xff" * 1020),
    _of("a.csv.gz", lambda: _much(64, ".gz", ROWS * 64), **Y),
    _of("a.csv.zst", lambda: _much(64, ".zst", ROWS * 64), **Y),
    _of("a.csv.gz", lambda: _much(16, ".gz", bytes(2**26)), **Y),
    _of("a.csv.zst", lambda: _much(16, ".zst", b"x" * 2**26), **Y),
    _of("a.csv.zst", lambda: zstd.compress(b"a,y\n1,0\n2,1\n")[:-3], **Y),
    _of("a.csv.zip", lambda: packed(b"a,y\n" + ROWS * 100, ".zip"), **Y),
    _of(
        "a.jsonl.gz",
        lambda: packed((b'{"a":"' + b"x" * 70 + b'","y":0}\n') * 10**6, ".gz"),
        **Y,
    ),
    *(
        _of(f"a{suffix}", lambda text=text: text, **Y)
        for suffix in (".csv", ".tsv", ".json", ".jsonl", ".ft", ".svm", ".arff")
        for text in (b"", b"\n \n\t\n", b"\0" * 100, b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"\r\r\r")
    ),
    _of("a.parquet", lambda: _bytes_of(pl.DataFrame().write_parquet), **Y),
    _of("a.parquet", lambda: _bytes_of(pl.DataFrame({"a": [], "y": []}).write_parquet), **Y),
    _of("a.parquet", lambda: _bytes_of(pl.DataFrame(height=5).write_parquet), **Y),
    _of("a.arrow", lambda: _bytes_of(pl.DataFrame().write_ipc), **Y),
    _of("a.arrows", lambda: _bytes_of(pl.DataFrame().write_ipc_stream), **Y),
    _of("a.json", lambda: b'[{"a":' + b"[" * 100_000 + b"]" * 100_000 + b',"y":1}]', **Y),
    _of("a.json", lambda: b'[{"a":' + b"[" * 900 + b"]" * 900 + b',"y":1}]', **Y),
    _of("a.jsonl", lambda: b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b',"y":1}\n', **Y),
    _of("a.jsonl", lambda: b'{"a":1,"y":0}\n' * 200 + b'{"a":' + b"[[]," * 900 + b"1" + b"]" * 900 + b',"y":1}\n', **Y),
    _of("a.jsonl", lambda: b'{"a":' + b'{"b":' * 900 + b"1" + b"}" * 900 + b',"y":1}\n', **Y),
    _of("a.jsonl", lambda: b'{"a":1,"y":0}\n{"a":"x","y":[1]}\n{"a":{"b":1},"y":null}\n[1]\n', **Y),
    _of("a.csv", lambda: b"a,y\n" + b"x" * 50_000_000 + b",1\nb,0\n", **Y),
    _of("a.csv", lambda: b'a,y\n"' + b"x,1\n" * 1_000_000, **Y),
    _of("a.csv", lambda: b'a,y\n"x"z,1\n' + b"x,1\n" * 200_000, **Y),
    _of("a.csv", lambda: b"a,y\n1,0\n\0,1\n2,0\n", **Y),
    _of("a.ft", lambda: b"__label__" * 100_000 + b" x\n"),
]
