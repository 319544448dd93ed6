"""Random tables as people write them, with what every cell means: the truth for `test_generated_tables.py`.

A table is a mix of columns (`generated_columns.py`), labels in one of many notations (`generated_labels.py`) and a
format of file, or a dialect of CSV in some encoding. Everything follows from the seed. Start reading at `make_table`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from manyhot.data.readers import ReadOptions
from tests.data.readers.generated_columns import Column, Generator, make_columns
from tests.data.readers.generated_labels import make_labels


@dataclass
class GeneratedTable:
    """A file and its meaning.

    Args:
        file_name: With the suffix of its format.
        content: Bytes.
        options: What a person says about it.
        columns: The features.
        label_names: Sorted as a reader should.
        targets: bool (n, l).
        known: bool (n, l).
        story: How it was written, for messages.
    """

    file_name: str
    content: bytes
    options: ReadOptions
    columns: list[Column]
    label_names: list[str]
    targets: np.ndarray
    known: np.ndarray
    story: list[str] = field(default_factory=list)


def make_table(seed: int) -> GeneratedTable:
    """The table of a seed."""
    generator = np.random.default_rng(seed)
    n = int(generator.choice([15, 30, 60, 120, 300]))
    decimal = str(generator.choice([".", ".", ","]))
    columns = make_columns(generator, n, decimal)
    notation, labels = make_labels(generator, n)
    write = WRITERS[generator.integers(len(WRITERS))]
    table = GeneratedTable("", b"", labels.options, columns, labels.names, labels.targets, labels.known, [notation])
    cells = {column.name: column.cells for column in columns}
    place = int(generator.integers(3))
    ordered = {**labels.cells, **cells} if place == 0 else {**cells, **labels.cells}
    write(generator, table, ordered, labels.is_open)
    return table


def delimited_file(generator: Generator, table: GeneratedTable, cells: dict[str, list[str]], is_open: bool) -> None:
    """CSV in some dialect and encoding, packed or not."""
    delimiter = str(generator.choice([",", ",", ";", "\t", "|"]))
    suffix = {"\t": str(generator.choice([".tsv", ".csv", ".txt"])), ",": str(generator.choice([".csv", ".txt"]))}
    quoting = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)[generator.integers(2)]
    newline = str(generator.choice(["\n", "\r\n"]))
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, quoting=quoting, lineterminator=newline)
    writer.writerow(list(cells))
    writer.writerows(zip(*cells.values(), strict=True))
    text = stream.getvalue()
    name = "table" + suffix.get(delimiter, ".csv")
    if delimiter == ";" and generator.random() < 0.3:
        text = "sep=;" + newline + text
    encoding = str(generator.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    try:
        content = text.encode(encoding)
    except UnicodeEncodeError:
        encoding, content = "utf-8", text.encode()
    packing = str(generator.choice(["", "", "", ".gz", ".zip"]))
    table.story += [f"delimiter {delimiter!r}", encoding, packing or "plain", "quoted" if quoting else "minimal"]
    table.file_name, table.content = _packed(name, content, packing)


def _packed(name: str, content: bytes, packing: str) -> tuple[str, bytes]:
    if packing == ".gz":
        return name + ".gz", gzip.compress(content, 1)
    if packing == ".zip":
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(name, content)
        return "table.zip", stream.getvalue()
    return name, content


def json_file(generator: Generator, table: GeneratedTable, cells: dict[str, list[str]], is_open: bool) -> None:
    """Lines or an array of objects, all values text as in the CSV; empty cells are null where that means the same."""
    rows = [
        {name: (None if value == "" and is_open else value) for name, value in zip(cells, row, strict=True)}
        for row in zip(*cells.values(), strict=True)
    ]
    if generator.integers(2):
        table.file_name = "table.jsonl"
        table.content = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
    else:
        table.file_name, table.content = "table.json", json.dumps(rows, indent=1).encode()


def columnar_file(generator: Generator, table: GeneratedTable, cells: dict[str, list[str]], is_open: bool) -> None:
    """Parquet or Arrow of text columns, or of typed ones where a column is plain."""
    plain = {column.name: column for column in table.columns if generator.integers(2)}
    data = []
    for name, texts in cells.items():
        column = plain.get(name)
        if column is not None and column.kind in ("numeric", "boolean") and column.values is not None:
            dtype = pl.Float64 if column.kind == "numeric" else pl.Boolean
            data.append(pl.Series(name, column.values, dtype=dtype))
        elif column is not None and column.kind == "categorical":
            data.append(pl.Series(name, column.values, dtype=pl.Categorical))
        else:
            data.append(pl.Series(name, texts, dtype=pl.String))
    stream = io.BytesIO()
    if generator.integers(2):
        pl.DataFrame(data).write_parquet(stream)
        table.file_name = "table.parquet"
    else:
        pl.DataFrame(data).write_ipc(stream)
        table.file_name = "table.arrow"
    table.content = stream.getvalue()


WRITERS = (delimited_file, delimited_file, delimited_file, delimited_file, json_file, columnar_file)
