"""Hostile tables by number: the handmade ones, then valid files of every format damaged in ways that know it."""

import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tests.attacks.handmade_tables import HANDMADE
from tests.attacks.table_files import HostileTable, packed
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


def damaged_bytes(content: bytes, generator: Generator) -> bytes:
    """Cut, flip, insert, drop, repeat, or overwrite with an integer, anywhere."""
    kind, place = generator.integers(8), int(generator.integers(len(content) + 1))
    stop = min(len(content), place + int(generator.integers(1, 64)))
    if kind == 0:
        return content[:place]
    if kind == 1 and place == len(content):
        return content
    if kind == 1:
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
    columns = [one for one, kept in zip(chosen, keep, strict=True) if kept]
    columns += labels if generator.random() < 0.7 else []
    return pl.DataFrame(list({one.name: one for one in columns}.values()))


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
