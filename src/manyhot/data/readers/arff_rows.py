"""The rows of an ARFF file: dense ones as cells, sparse ones as places and values."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

import numpy as np
import polars as pl

from manyhot.data.readers.arff_header import QUOTED, Header, unquote
from manyhot.data.readers.csv import Dialect, parse_cells
from manyhot.data.readers.source import Source
from manyhot.errors import InputError

_COMMENT = re.compile(rb"^[ \t]*%[^\n]*\n?", re.MULTILINE)
_BLANK = re.compile(rb"^[ \t\r]*\n", re.MULTILINE)
_PLAIN_SPARSE = np.zeros(256, dtype=bool)
_PLAIN_SPARSE[list(b"0123456789+-.eE{},? \t\r\n")] = True
_CELL = re.compile(rf"[ \t]*({QUOTED}|[^,]*?)[ \t]*(?:,|$)", re.DOTALL)
_ENTRY = re.compile(rf"[ \t]*(\d+)[ \t]+({QUOTED}|[^,\s]+)[ \t]*(?:,|$)", re.DOTALL)
_BLANK_BEFORE_QUOTE = re.compile(rb",[ \t]+['\"]|['\"][ \t]+,")


@dataclass(frozen=True)
class SparseEntries:
    """The stored values of sparse rows."""

    n_rows: int
    rows: np.ndarray  # Row of each value, int64 (k,), ascending
    columns: np.ndarray  # Attribute of each value, int64 (k,)
    numbers: np.ndarray  # The values, float64 (k,); NaN where unknown, or where it is a word
    texts: np.ndarray | None  # The values as text (k,); None when all of them are numbers


def data_section(content: bytes, header: Header) -> bytes:
    """The rows, without comments and blank lines."""
    body = content[header.body_offset :]
    if b"%" in body:
        body = _COMMENT.sub(b"", body)
    return _BLANK.sub(b"", body).strip(b"\r\n") + b"\n"


def parse_dense_rows(body: bytes, header: Header, source: Source) -> pl.DataFrame:
    """Dense rows as text cells, (n, f), under the attributes' names; `?` stays what it is."""
    has_double, has_single = b'"' in body, b"'" in body
    if b"\\" in body or (has_double and has_single) or _BLANK_BEFORE_QUOTE.search(body):
        return _parse_quoted_rows(body, header, source)
    frame = parse_cells(body, len(header.attributes), Dialect(",", "'" if has_single else '"'), source)
    frame.columns = header.names
    return frame


def parse_sparse_rows(body: bytes, header: Header, source: Source) -> SparseEntries:
    """Sparse rows `{i v, i v}` as places and values."""
    entries = _parse_plain_entries(body, source) or _parse_quoted_entries(body, source)
    n_columns = len(header.attributes)
    invalid = np.flatnonzero((entries.columns < 0) | (entries.columns >= n_columns))
    if invalid.size:
        raise InputError(
            f"names attribute {entries.columns[invalid[0]]}, expected 0 to {n_columns - 1}",
            file=source.path,
            row=int(entries.rows[invalid[0]]) + 1,
        )
    keys = entries.rows * n_columns + entries.columns
    if np.any(np.diff(keys) <= 0):
        order = np.argsort(keys, kind="stable")
        duplicates = np.flatnonzero(np.diff(keys[order]) == 0)
        if duplicates.size:
            index = order[duplicates[0]]
            raise InputError(
                "an attribute stands more than once in this row",
                file=source.path,
                row=int(entries.rows[index]) + 1,
                column=header.names[entries.columns[index]],
            )
    return entries


def _parse_plain_entries(body: bytes, source: Source) -> SparseEntries | None:
    """The fast way: None when there is anything but numbers, `?`, braces and commas, or when something is odd."""
    data = np.frombuffer(body, np.uint8)
    if not _PLAIN_SPARSE[data].all():
        return None
    opens, closes = np.flatnonzero(data == ord("{")), np.flatnonzero(data == ord("}"))
    ends = np.flatnonzero(data == ord("\n"))
    if not len(opens) == len(closes) == len(ends) or np.any(closes < opens) or np.any(ends < closes):
        return None
    if np.any(opens[1:] < ends[:-1]) or np.any(np.diff(ends, prepend=-1) < 3):
        return None
    is_comma = np.concatenate([[0], np.cumsum(data == ord(","))])
    n_commas = is_comma[closes] - is_comma[opens]
    if n_commas.sum() != is_comma[-1]:
        return None
    is_solid = np.concatenate([[0], np.cumsum((data > 32) & (data != ord(",")))])
    counts = np.where(is_solid[closes] - is_solid[opens + 1] > 0, n_commas + 1, 0)
    text = body.translate(bytes.maketrans(b"{},\r\n", b"     ")).replace(b"?", b"nan")
    flat = _parse_numbers(text)
    if flat is None or len(flat) != 2 * counts.sum():
        return None
    columns = flat[0::2]
    if np.any(columns != np.floor(columns)) or np.isnan(columns).any():
        return None
    rows = np.repeat(np.arange(len(ends)), counts)
    return SparseEntries(len(ends), rows, columns.astype(np.int64), flat[1::2].copy(), None)


def _parse_numbers(text: bytes) -> np.ndarray | None:
    """Numbers between blanks, float64; None when something else stands there."""
    if not text.strip():
        return np.zeros(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(text.decode("ascii"), dtype=np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            return None


def _parse_quoted_entries(body: bytes, source: Source) -> SparseEntries:
    rows, columns, values = [], [], []
    lines = [line.strip() for line in body.decode("utf-8").split("\n") if line.strip()]
    for i, line in enumerate(lines):
        if not line.startswith("{") or not line.endswith("}"):
            raise InputError(
                f"is {line[:60]!r}, expected a sparse row {{i value, i value}} as the rows before",
                file=source.path,
                row=i + 1,
            )
        inner, position = line[1:-1].strip(), 0
        while position < len(inner):
            match = _ENTRY.match(inner, position)
            if match is None:
                raise InputError(
                    f"cannot be understood from {inner[position : position + 40]!r} on, expected pairs of a whole "
                    "number "
                    "and a value, with commas between them",
                    file=source.path,
                    row=i + 1,
                )
            rows.append(i)
            columns.append(int(match.group(1)))
            values.append(match.group(2))
            position = match.end()
    texts = [unquote(value) if value != "?" else "?" for value in values]
    numbers = pl.Series(texts, dtype=pl.String).cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    return SparseEntries(
        len(lines),
        np.asarray(rows, dtype=np.int64),
        np.asarray(columns, dtype=np.int64),
        numbers,
        np.asarray(texts, dtype=object),
    )


def _parse_quoted_rows(body: bytes, header: Header, source: Source) -> pl.DataFrame:
    width = len(header.attributes)
    table = []
    for i, line in enumerate(body.decode("utf-8").splitlines()):
        cells, position, line = [], 0, line.strip()
        while position <= len(line):
            match = _CELL.match(line, position)
            if match is None:
                raise InputError(
                    f"cannot be understood from {line[position : position + 40]!r} on; is a quote left open?",
                    file=source.path,
                    row=i + 1,
                )
            cells.append(unquote(match.group(1)))
            position = match.end()
            if line[position - 1 : position] != "," or match.end() == match.start():
                break
        if len(cells) != width:
            raise InputError(
                f"has {len(cells)} values, expected {width}, one for each @attribute", file=source.path, row=i + 1
            )
        table.append(cells)
    return pl.DataFrame(table, schema=dict.fromkeys(header.names, pl.String), orient="row")
