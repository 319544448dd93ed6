"""The rows of an ARFF file: dense ones as cells, sparse ones as places and values.

Rows of plain numbers, which is what large files hold, are parsed as one array; quotes, words and escapes go a slower
way, row by row. It knows the header but not which attributes are labels. Start reading at `dense_cells` and
`sparse_entries`.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

import numpy as np
import polars as pl

from manyhot.data.readers.arff_header import QUOTED, Header, unquoted
from manyhot.data.readers.csv import Dialect, cells_of
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
class Entries:
    """The stored values of sparse rows.

    Args:
        n_rows: Number of rows.
        rows: Row of each value, int64 (k,), ascending.
        columns: Attribute of each value, int64 (k,).
        numbers: The values, float64 (k,); NaN where unknown, or where it is a word.
        words: The values as text (k,); None when all of them are numbers.
    """

    n_rows: int
    rows: np.ndarray
    columns: np.ndarray
    numbers: np.ndarray
    words: np.ndarray | None


def body_of(content: bytes, header: Header) -> bytes:
    """The rows, without comments and blank lines."""
    body = content[header.body :]
    if b"%" in body:
        body = _COMMENT.sub(b"", body)
    return _BLANK.sub(b"", body).strip(b"\r\n") + b"\n"


def dense_cells(body: bytes, header: Header, source: Source) -> pl.DataFrame:
    """Dense rows as text cells, (n, f), under the attributes' names; `?` stays what it is.

    Raises:
        InputError: A row with another number of values, with its number.
    """
    has_double, has_single = b'"' in body, b"'" in body
    if b"\\" in body or (has_double and has_single) or _BLANK_BEFORE_QUOTE.search(body):
        return _slow_cells(body, header, source)
    frame = cells_of(body, len(header.attributes), Dialect(",", "'" if has_single else '"'), source)
    frame.columns = header.names
    return frame


def sparse_entries(body: bytes, header: Header, source: Source) -> Entries:
    """Sparse rows `{i v, i v}` as places and values.

    Raises:
        InputError: A row that is not of that form, an attribute that is not there or stands twice, with the row.
    """
    entries = _plain_entries(body, source) or _slow_entries(body, source)
    n_columns = len(header.attributes)
    wrong = np.flatnonzero((entries.columns < 0) | (entries.columns >= n_columns))
    if wrong.size:
        raise InputError(
            f"names attribute {entries.columns[wrong[0]]}, expected 0 to {n_columns - 1}",
            file=source.path,
            row=int(entries.rows[wrong[0]]) + 1,
        )
    places = entries.rows * n_columns + entries.columns
    if np.any(np.diff(places) <= 0):
        order = np.argsort(places, kind="stable")
        twice = np.flatnonzero(np.diff(places[order]) == 0)
        if twice.size:
            place = order[twice[0]]
            raise InputError(
                "an attribute stands more than once in this row",
                file=source.path,
                row=int(entries.rows[place]) + 1,
                column=header.names[entries.columns[place]],
            )
    return entries


def _plain_entries(body: bytes, source: Source) -> Entries | None:
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
    flat = _numbers(text)
    if flat is None or len(flat) != 2 * counts.sum():
        return None
    columns = flat[0::2]
    if np.any(columns != np.floor(columns)) or np.isnan(columns).any():
        return None
    rows = np.repeat(np.arange(len(ends)), counts)
    return Entries(len(ends), rows, columns.astype(np.int64), flat[1::2].copy(), None)


def _numbers(text: bytes) -> np.ndarray | None:
    """Numbers between blanks, float64; None when something else stands there."""
    if not text.strip():
        return np.zeros(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return np.fromstring(text.decode("ascii"), dtype=np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            return None


def _slow_entries(body: bytes, source: Source) -> Entries:
    rows, columns, words = [], [], []
    lines = [line.strip() for line in body.decode("utf-8").split("\n") if line.strip()]
    for i, line in enumerate(lines):
        if not line.startswith("{") or not line.endswith("}"):
            raise InputError(
                f"is {line[:60]!r}, expected a sparse row {{i value, i value}} as the rows before",
                file=source.path,
                row=i + 1,
            )
        inner, place = line[1:-1].strip(), 0
        while place < len(inner):
            match = _ENTRY.match(inner, place)
            if match is None:
                raise InputError(
                    f"cannot be understood from {inner[place : place + 40]!r} on, expected pairs of a whole number "
                    "and a value, with commas between them",
                    file=source.path,
                    row=i + 1,
                )
            rows.append(i)
            columns.append(int(match.group(1)))
            words.append(match.group(2))
            place = match.end()
    texts = [unquoted(word) if word != "?" else "?" for word in words]
    numbers = pl.Series(texts, dtype=pl.String).cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    return Entries(
        len(lines),
        np.asarray(rows, dtype=np.int64),
        np.asarray(columns, dtype=np.int64),
        numbers,
        np.asarray(texts, dtype=object),
    )


def _slow_cells(body: bytes, header: Header, source: Source) -> pl.DataFrame:
    width = len(header.attributes)
    table = []
    for i, line in enumerate(body.decode("utf-8").splitlines()):
        cells, place, line = [], 0, line.strip()
        while place <= len(line):
            match = _CELL.match(line, place)
            if match is None:
                raise InputError(
                    f"cannot be understood from {line[place : place + 40]!r} on; is a quote left open?",
                    file=source.path,
                    row=i + 1,
                )
            cells.append(unquoted(match.group(1)))
            place = match.end()
            if line[place - 1 : place] != "," or match.end() == match.start():
                break
        if len(cells) != width:
            raise InputError(
                f"has {len(cells)} values, expected {width}, one for each @attribute", file=source.path, row=i + 1
            )
        table.append(cells)
    return pl.DataFrame(table, schema=dict.fromkeys(header.names, pl.String), orient="row")
