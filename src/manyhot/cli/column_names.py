"""The column names of a file, from its first bytes or its footer alone, for completion: fast, without any library.

The footer of Parquet is read here because importing polars for `read_parquet_schema` would double the time of a Tab
(0.3 s on one core).
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import struct
import zlib
from collections import Counter
from pathlib import Path
from typing import IO, Any

_HEAD_BYTES = 1 << 16
_MAX_FOOTER_BYTES = 1 << 24
_DELIMITERS = "\t;,|"
_PARQUET = b"PAR1"
# What damaged bytes lead to
_ERRORS = (
    *(OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError),
    *(csv.Error, struct.error, zlib.error),
)
# Types of Thrift's compact protocol
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12


def read_column_names(path: Path) -> list[str]:
    """The columns of a CSV, TSV, JSON Lines or Parquet file, also in gzip; none of any other file.

    Args:
        path: A file, which may be damaged or absent.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_packed = suffixes[-1:] == [".gz"]
    suffix = suffixes[-1 - is_packed] if len(suffixes) > is_packed else ""
    try:
        if not path.is_file():
            return []
        if suffix in (".parquet", ".pq"):
            return _parquet_names(path)
        if suffix not in (".csv", ".tsv", ".tab", ".txt", ".jsonl", ".ndjson"):
            return []
        with gzip.open(path, "rb") if is_packed else path.open("rb") as file:
            head = _decode(file.read(_HEAD_BYTES))
        return _json_names(head) if suffix in (".jsonl", ".ndjson") else _header_names(head, suffix)
    except _ERRORS:
        return []


def _decode(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head[: len(head) // 2 * 2].decode("utf-16", errors="replace")
    return head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace")


def _header_names(head: str, suffix: str) -> list[str]:
    if head[:4].lower() == "sep=":
        delimiter, head = head[4], head.partition("\n")[2]
    elif suffix in (".tsv", ".tab"):
        delimiter = "\t"
    else:
        counts = Counter(head.partition("\n")[0])
        delimiter = max(_DELIMITERS, key=lambda mark: counts[mark])
    names = next(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter), [])
    return [name.strip() for name in names if name.strip()]


def _json_names(head: str) -> list[str]:
    first = json.loads(head.lstrip().partition("\n")[0])
    return list(first) if isinstance(first, dict) else []


def _parquet_names(path: Path) -> list[str]:
    """The top level of the schema, which is a tree in depth-first order: field 2 of the footer."""
    with path.open("rb") as file:
        n_bytes = file.seek(-8, io.SEEK_END) + 8
        (length,), magic = struct.unpack("<I", file.read(4)), file.read(4)
        if magic != _PARQUET or length > min(n_bytes - 8, _MAX_FOOTER_BYTES):
            return []
        file.seek(-8 - length, io.SEEK_END)
        schema = _CompactReader(io.BytesIO(file.read(length))).struct()[2]
    names: list[str] = []
    n_nested = 0
    for element in schema[1:]:  # after the root; fields 4 and 5: name, number of children
        if n_nested:
            n_nested -= 1
        else:
            names.append(element[4].decode("utf-8"))
        n_nested += element.get(5, 0)
    return names


class _CompactReader:
    """Values in Thrift's compact protocol, structs as {number of the field: value}."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def struct(self) -> dict[int, Any]:
        """Fields up to the stop byte."""
        fields: dict[int, Any] = {}
        number = 0
        while header := self._byte():
            step, kind = header >> 4, header & 15
            number = number + step if step else self._signed()
            fields[number] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind)
        return fields

    def _value(self, kind: int) -> Any:
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._byte()
        if kind == _DOUBLE:
            return self.file.read(8)
        if kind == _BINARY:
            return self.file.read(self._unsigned())
        if kind in (_LIST, _SET):
            header = self._byte()
            size = header >> 4 if header >> 4 < 15 else self._unsigned()
            return [self._value(header & 15) for _ in range(size)]
        if kind == _MAP:
            size = self._unsigned()
            kinds = self._byte() if size else 0
            return [(self._value(kinds >> 4), self._value(kinds & 15)) for _ in range(size)]
        if kind == _STRUCT:
            return self.struct()
        return self._signed()  # i16, i32, i64

    def _byte(self) -> int:
        return self.file.read(1)[0]

    def _unsigned(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 128:
            value |= (byte & 127) << shift
            shift += 7
        return value | byte << shift

    def _signed(self) -> int:
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)
