"""Hostile tables: valid files of every format damaged in ways that know the format, and handmade ones."""

import gzip
import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from manyhot.data.readers import ReadOptions
from manyhot.data.readers.unpacking import zstd
from tests.contract.test_readers import PNG, WRITERS

Generator = np.random.Generator
ODD_TOKENS = (
    *("", "0", "-1", "1e999", "-1e999", "nan", "inf", "9" * 19, "9" * 400, "99999999999", "2000000000", "4294967296"),
    *("0x10", "1_000", "1,5", "\0", '"', "'", '""', '"""', "{", "}", "[", "]", ":", ",", ";", "\t", "\n\n", "\r", "%"),
    *("?", "NA", "\u202e", "\ufeff", "é" * 3, "\U0001f600", "\u0661", "=cmd|' /C calc'!A0", "a" * 100_000, "__label__"),
    *(
        "2024-02-30",
        "25:61",
        "-0",
        "1 2 3",
        "qid:1",
        "1:1:1",
        "{1 2}",
        "@data",
        "@attribute",
        "null",
        "true",
        "\\",
        "//",
    ),
)
BIG_INTEGERS = (0, 1, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**64 - 1)
TEXT_FORMATS = ("csv", "tsv", "jsonl", "json", "arff", "libsvm", "xc", "fasttext", "folder")


@dataclass
class HostileTable:
    """A file, what lies beside it, and how it is read."""

    kind: str
    name: str
    content: bytes
    options: dict[str, Any] = field(default_factory=dict)
    others: dict[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Put it in an empty folder; the path to read."""
        for name, content in {**self.others, self.name: self.content}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder if self.name == "labels.csv" else folder / self.name


@cache
def valid_tables() -> dict[str, HostileTable]:
    """A small valid file of every format."""
    found = {}
    for kind, (name, write, options) in WRITERS.items():
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder) / name)
            contents = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        content = contents.pop(name)
        found[kind] = HostileTable(kind, name, content, {"labels": options.labels}, contents)
    lines = "__label__sad __label__slow a song of rain\n__label__glad sun and sea\n__label__sad nothing\nwords alone\n"
    found["fasttext"] = HostileTable("fasttext", "songs.ft", lines.encode())
    pixels = np.arange(4 * 3 * 3, dtype=np.uint8).tobytes()
    found["idx"] = HostileTable(
        "idx",
        "t-images-idx3-ubyte",
        b"\0\0\x08\x03" + struct.pack(">3I", 4, 3, 3) + pixels,
        others={"t-labels-idx1-ubyte": b"\0\0\x08\x01" + struct.pack(">I", 4) + b"\0\1\2\1"},
    )
    pictures = {f"{k}.png": PNG for k in range(3)}
    found["folder"] = HostileTable(
        "folder", "labels.csv", b"file,1,2\n0.png,1,0\n1.png,0,1\n2.png,1,1\n", {"labels": "1,2"}, pictures
    )
    return found


def hostile_table(seed: int) -> HostileTable:
    """The hostile table of that number: first the handmade ones, then damaged files, each format in turn."""
    if seed < len(HANDMADE):
        return HANDMADE[seed]()
    generator = np.random.default_rng([seed, 7])
    formats = list(valid_tables())
    table = valid_tables()[formats[seed % len(formats)]]
    table = HostileTable(table.kind, table.name, table.content, dict(table.options), dict(table.others))
    ways = [damaged_bytes]
    ways += [damaged_text] * 3 if table.kind in TEXT_FORMATS else []
    ways += [DAMAGED[table.kind]] * 3 if table.kind in DAMAGED else []
    for _ in range(generator.integers(1, 4)):
        table.content = ways[generator.integers(len(ways))](table.content, generator)
    if table.others and generator.random() < 0.2:
        name = list(table.others)[generator.integers(len(table.others))]
        table.others[name] = damaged_text(table.others[name], generator)
    _change_options(table, generator)
    if generator.random() < 0.15 and table.kind != "folder":
        _pack(table, generator)
    return table


def _change_options(table: HostileTable, generator: Generator) -> None:
    """Now and then the file is read in another way."""
    choices: list[dict[str, Any]] = [
        *({"labels": None}, {"labels": "*"}, {"labels": "2"}, {"require_labels": False}, {"sparse_targets": True}),
        *({"known_labels": ("2", "1")}, {"id_column": "f1"}, {"column_types": {"f1": "text"}}, {"header": False}),
        *({"sep": ";"}, {"drop": "f1"}, {"unknown_labels": "report"}, {"sample_weight": "f2"}),
        {"known_labels": ("2", "1"), "require_labels": False, "column_types": {"f1": "numeric", "f2": "numeric"}},
    ]
    if generator.random() < 0.4:
        table.options |= choices[generator.integers(len(choices))]
        if table.options.get("header") is False:
            table.options["labels"] = "column_3,column_4"


def _pack(table: HostileTable, generator: Generator) -> None:
    suffix = (".gz", ".zst", ".zip")[generator.integers(3)]
    table.content = packed(table.content, suffix, table.name)
    table.name += suffix
    table.kind += suffix
    if generator.random() < 0.5:
        table.content = damaged_bytes(table.content, generator)


def packed(content: bytes, suffix: str, name: str = "a.csv") -> bytes:
    """The content of a file in gzip, in Zstandard or in a zip archive."""
    if suffix == ".gz":
        return gzip.compress(content)
    if suffix == ".zst":
        return zstd.compress(content)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def damaged_bytes(content: bytes, generator: Generator) -> bytes:
    """Cut, flip, insert, drop, repeat, or overwrite with an integer, anywhere."""
    kind, place = generator.integers(8), int(generator.integers(len(content) + 1))
    stop = min(len(content), place + int(generator.integers(1, 64)))
    if kind == 0:
        return content[:place]
    if kind == 1 and place < len(content):
        return content[:place] + bytes([content[place] ^ (1 << int(generator.integers(8)))]) + content[place + 1 :]
    if kind == 2:
        return content[:place] + generator.bytes(int(generator.integers(1, 40))) + content[place:]
    if kind == 3:
        return content[:place] + content[stop:]
    if kind == 4:
        return content[:place] + content[place:stop] * int(generator.integers(2, 2000)) + content[stop:]
    if kind == 5:
        return content[:place] + (b"\0", b"\xff")[generator.integers(2)] * (stop - place) + content[stop:]
    number = BIG_INTEGERS[generator.integers(len(BIG_INTEGERS))]
    patch = struct.pack(("<Q", ">Q")[kind - 6], number)[: (1, 2, 4, 8)[generator.integers(4)]]
    return content[:place] + patch + content[place + len(patch) :]


def damaged_text(content: bytes, generator: Generator) -> bytes:
    """Replace a word, a line, all line ends, all delimiters or the encoding."""
    text = content.decode("utf-8", "replace")
    kind, lines = generator.integers(9), text.split("\n")
    line = int(generator.integers(len(lines)))
    token = ODD_TOKENS[generator.integers(len(ODD_TOKENS))]
    if kind <= 2:
        places = [k for k, letter in enumerate(text) if letter in ',; \t:{}[]"\n'] or [0]
        start = places[generator.integers(len(places))] + 1
        stop = next((k for k in places if k >= start), len(text))
        return (text[:start] + token + text[stop:]).encode("utf-8", "replace")
    if kind == 3:
        lines.insert(line, (token, lines[line], "", lines[line] * 50)[generator.integers(4)])
    elif kind == 4:
        del lines[line]
    elif kind == 5:
        return text.replace("\n", ("\r\n", "\r", "\0", "\u2028", "\n\n")[generator.integers(5)]).encode()
    elif kind == 6:
        marks = (",", ";", "\t", " ", "|", '"', ":")
        return text.replace(marks[generator.integers(len(marks))], marks[generator.integers(len(marks))]).encode()
    elif kind == 7:
        return text.encode(("utf-16", "utf-8-sig", "utf-16-be", "utf-7")[generator.integers(4)])
    else:
        lines[line] = lines[line].replace(",", f",{token},", 1)
    return "\n".join(lines).encode("utf-8", "replace")


ODD_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0.5, 10**400, 1e308, "", "x" * 5000, [], {}, [[[[]]]], {"a": {"b": [1, "2", None]}}, ["1", "2"]),
    *({"1": 1, "2": 0}, [None, 1], "1,2", "\0", 2**63, -(2**64)),
)


def damaged_json(content: bytes, generator: Generator) -> bytes:
    """Other values, keys and depths in JSON or JSON lines."""
    try:
        rows = json.loads(content)
        is_lines = False
    except ValueError:
        try:
            rows, is_lines = [json.loads(line) for line in content.splitlines() if line.strip()], True
        except ValueError:
            return damaged_text(content, generator)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        return damaged_text(content, generator)
    row = rows[generator.integers(len(rows))]
    keys = [*row, "new", "", "1"]
    value: Any = ODD_VALUES[generator.integers(len(ODD_VALUES))]
    if generator.random() < 0.1:
        for _ in range(int(generator.integers(1, 400))):
            value = [value] if generator.random() < 0.5 else {"a": value}
    for one in rows if generator.random() < 0.2 else [row]:
        one[keys[generator.integers(len(keys))]] = value
    if is_lines:
        return "\n".join(map(json.dumps, rows)).encode()
    return json.dumps(rows).encode()


def odd_frame(generator: Generator) -> pl.DataFrame:
    """A frame with columns of unusual types."""
    n = (0, 1, 4, 30)[generator.integers(4)]
    numbers = list(range(n))
    series = [
        pl.Series("f1", [[k, None] for k in numbers], dtype=pl.List(pl.Int64)),
        pl.Series("f1", [{"a": k, "b": "x"} for k in numbers], dtype=pl.Struct({"a": pl.Int8, "b": pl.String})),
        pl.Series("f1", [bytes([k]) for k in numbers], dtype=pl.Binary),
        pl.Series("f1", [None] * n, dtype=pl.Null),
        pl.Series("f1", numbers).cast(pl.Decimal(30, 5)),
        pl.Series("f1", numbers).cast(pl.Date),
        pl.Series("f1", numbers).cast(pl.Time),
        pl.Series("f1", numbers).cast(pl.Duration("ns")),
        pl.Series("f1", numbers).cast(pl.Datetime("us", "Europe/Berlin")),
        pl.Series("f1", [str(k % 3) for k in numbers]).cast(pl.Categorical),
        pl.Series("f1", [float("inf"), *[float("nan")] * n][:n], dtype=pl.Float32),
        pl.Series("f1", [2**63 + k for k in numbers], dtype=pl.UInt64),
        pl.Series("f1", [[[k]] for k in numbers], dtype=pl.Array(pl.List(pl.UInt8), 1)),
        pl.Series("f1", np.zeros((n, 2, 2), np.uint8)),
        pl.Series("f1", ["a\0b", "x" * 70_000, "", None, *[" "] * n][:n], dtype=pl.String),
    ]
    chosen = [series[k].alias(("f1", "f2", "1", "2")[j]) for j, k in enumerate(generator.integers(len(series), size=4))]
    keep = generator.random(4) < 0.6
    labels = [pl.Series(name, [k % 2 for k in numbers]) for name in ("1", "2")]
    frame = pl.DataFrame([one for one, kept in zip(chosen, keep, strict=True) if kept])
    return frame.with_columns(labels) if generator.random() < 0.7 else frame


def damaged_parquet(content: bytes, generator: Generator) -> bytes:
    """Odd types, or damage in the footer."""
    if generator.random() < 0.6:
        buffer = io.BytesIO()
        odd_frame(generator).write_parquet(buffer)
        return buffer.getvalue()
    return content[:-200] + damaged_bytes(content[-200:-4], generator) + content[-4:]


def damaged_arrow(content: bytes, generator: Generator) -> bytes:
    """Odd types, as a file or a stream."""
    buffer, frame = io.BytesIO(), odd_frame(generator)
    frame.write_ipc(buffer) if generator.random() < 0.5 else frame.write_ipc_stream(buffer)
    return buffer.getvalue()


def damaged_zip(content: bytes, generator: Generator) -> bytes:
    """Damage in one file of an archive, whose checksums are then right again."""
    buffer = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as old:
            contents = {name: old.read(name) for name in old.namelist()}
    except Exception:
        return damaged_bytes(content, generator)
    name = list(contents)[generator.integers(len(contents))]
    damage = damaged_text if name.endswith((".xml", ".rels")) else damaged_bytes
    if name.endswith(".npy") and generator.random() < 0.5:
        shape = ("(2000000000,)", "(4, 99999999999)", "(0, 2)", "(-4, 2)", "()", "(4, 2, 1)", "((4,), 2)")
        head = contents[name].replace(b"(4, 2)", shape[generator.integers(len(shape))].encode())
        contents[name] = head
    contents[name] = damage(contents[name], generator)
    if generator.random() < 0.1:
        del contents[name]
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name, inner in contents.items():
            new.writestr(name, inner)
    return buffer.getvalue()


def damaged_npz(content: bytes, generator: Generator) -> bytes:
    """Arrays of other types and shapes."""
    if generator.random() < 0.4:
        return damaged_zip(content, generator)
    arrays: dict[str, Any] = {"X": np.arange(8.0).reshape(4, 2), "Y": np.eye(4, 2, dtype=int)}
    if generator.random() < 0.4:
        arrays |= {"data": np.ones(3), "indices": np.array([0, 1, 1]), "indptr": np.array([0, 1, 2, 3, 3])}
        arrays |= {"shape": np.array([4, 2])}
        del arrays["X"]
    odd: tuple[Any, ...] = (
        *(
            np.array(3),
            np.zeros((0, 2)),
            np.zeros((4, 0)),
            np.zeros((4, 2, 1)),
            np.array(["a", "b"]),
            np.array([1j, 2]),
        ),
        *(
            np.array([[{}], [1]], dtype=object),
            np.array([5, -1, 2**40]),
            np.array([2**40, 2**40]),
            np.full((4, 2), np.nan),
        ),
        *(np.array([0, 9, 1, 2, 3]), np.zeros(4, "M8[D]"), np.zeros(3, [("a", "i4")]), np.array([[1, 2], [3, 4]] * 2)),
        *(np.zeros((4, 2, 2), np.uint8), np.array(["a", "a"]), np.full((4, 2), 1e308), np.array([1.5, 2]), np.zeros(0)),
    )
    names = [*arrays, "labels", "feature_names", "ids"]
    for _ in range(generator.integers(1, 3)):
        arrays[names[generator.integers(len(names))]] = odd[generator.integers(len(odd))]
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def damaged_idx(content: bytes, generator: Generator) -> bytes:
    """Other numbers of axes and edges in the header."""
    n_axes = int(generator.integers(0, 6)) if generator.random() < 0.9 else 255
    edges = [BIG_INTEGERS[generator.integers(len(BIG_INTEGERS))] % 2**32 for _ in range(n_axes)]
    return b"\0\0\x08" + bytes([n_axes]) + struct.pack(f">{n_axes}I", *edges) + content[16:]


DAMAGED: dict[str, Callable[[bytes, Generator], bytes]] = {
    "json": damaged_json,
    "jsonl": damaged_json,
    "parquet": damaged_parquet,
    "arrow": damaged_arrow,
    "excel": damaged_zip,
    "npz": damaged_npz,
    "idx": damaged_idx,
}


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


ROWS = b"1,0\n" * 250_000
Y = {"labels": "y"}
HANDMADE: list[Callable[[], HostileTable]] = [
    *(
        _of("a.xc", lambda head=head: head.encode() + b"\n0 0:1\n")
        for head in (
            "1 2000000000 3",
            "1 3 2000000000",
            "2000000000 3 3",
            "1 60000000 3",
            "1 3 4000000",
            f"1 {'9' * 5000} 3",
            "0 0 0",
            "1 0 0",
        )
    ),
    _of("a.xc", lambda: b"400 10 4000000\n" + b"0 0:1\n" * 400),
    _of("a.xc", lambda: b"100 3000000 2800000\n" + b"7,99,2799999 5:1 2999999:2\n" * 100, sparse_targets=True),
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
    _of("a.jsonl.gz", lambda: packed(b'{"a":1,"y":0}\n' * 10**7, ".gz"), **Y),
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
    _of("a.jsonl", lambda: b'{"a":' + b'{"b":' * 900 + b"1" + b"}" * 900 + b',"y":1}\n', **Y),
    _of("a.jsonl", lambda: b'{"a":1,"y":0}\n{"a":"x","y":[1]}\n{"a":{"b":1},"y":null}\n[1]\n', **Y),
    _of("a.csv", lambda: b"a,y\n" + b"x" * 50_000_000 + b",1\nb,0\n", **Y),
    _of("a.csv", lambda: b'a,y\n"' + b"x,1\n" * 1_000_000, **Y),
    _of("a.csv", lambda: b'a,y\n"x"z,1\n' + b"x,1\n" * 200_000, **Y),
    _of("a.csv", lambda: b"a,y\n1,0\n\0,1\n2,0\n", **Y),
    _of("a.ft", lambda: b"__label__" * 100_000 + b" x\n"),
]


def read_options(table: HostileTable) -> ReadOptions:
    """How it is read."""
    return ReadOptions(**table.options)
