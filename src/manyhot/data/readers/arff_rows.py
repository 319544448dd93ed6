"""The rows of an ARFF file: dense ones as cells, sparse ones as places and values."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import polars as pl

from manyhot.data.readers.arff_header import QUOTED, Header, unquote
from manyhot.data.readers.csv import Dialect, parse_cells
from manyhot.data.readers.source import Source
from manyhot.data.readers.sparse import find_twin
from manyhot.errors import InputError

_COMMENT = re.compile(rb"^[ \t]*%[^\n]*\n?", re.MULTILINE)
_BLANK = re.compile(rb"^[ \t\r]*\n", re.MULTILINE)
_CELL = re.compile(rf"[ \t]*({QUOTED}|[^,]*?)[ \t]*,", re.DOTALL)
_ENTRY = rf"[ \t]*([+-]?[0-9]+)[ \t]+({QUOTED}|[^,\s]+)[ \t]*(?:,|$)"
_BLANK_BEFORE_QUOTE = re.compile(rb",[ \t]+['\"]|['\"][ \t]+,")


@dataclass(frozen=True)
class SparseEntries:
    """The stored values of sparse rows."""

    n_rows: int
    rows: np.ndarray  # row of each value, int64 (k,), ascending
    columns: np.ndarray  # attribute of each value, int64 (k,)
    texts: pl.Series  # values as text (k,)


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
    lines = pl.Series(body.decode("utf-8").split("\n"), dtype=pl.String).str.strip_chars()
    lines = lines.filter(lines != "")
    inner = lines.str.extract(r"(?s)^\{\s*(.*?)\s*\}$")
    entries = inner.str.extract_all(_ENTRY)
    n_read = entries.list.eval(pl.element().str.len_bytes()).list.sum()
    odd = (n_read != inner.str.len_bytes()).fill_null(True).arg_true()
    if len(odd):
        raise _odd_row_error(lines[int(odd[0])], inner[int(odd[0])], int(odd[0]), source)
    rows = np.repeat(np.arange(len(lines)), entries.list.len().to_numpy())
    places, texts = entries.explode().drop_nulls().str.extract_groups(_ENTRY).struct.unnest().get_columns()
    quoted = texts.str.contains("^['\"]").arg_true()
    if len(quoted):
        texts = texts.scatter(quoted, [unquote(text) for text in texts.gather(quoted)])
    columns = places.cast(pl.Int64).to_numpy()
    n_columns = len(header.attributes)
    invalid = np.flatnonzero((columns < 0) | (columns >= n_columns))
    if invalid.size:
        raise source.error(
            f"names attribute {columns[invalid[0]]}, expected 0 to {n_columns - 1}", row=int(rows[invalid[0]]) + 1
        )
    twin = find_twin(rows, columns)
    if twin is not None:
        raise source.error(
            "an attribute stands more than once in this row",
            row=int(rows[twin]) + 1,
            column=header.names[columns[twin]],
        )
    return SparseEntries(len(lines), rows, columns, texts)


def _odd_row_error(line: str, inner: str | None, row: int, source: Source) -> InputError:
    """What to say of the first row that is not made as sparse rows are."""
    if inner is None:
        message = f"is {line[:60]!r}, expected a sparse row {{i value, i value}} as the rows before"
        return source.error(message, row=row + 1)
    position = 0
    while match := re.compile(_ENTRY, re.DOTALL).match(inner, position):
        position = match.end()
    return source.error(
        f"cannot be understood from {inner[position : position + 40]!r} on, expected pairs of a whole number and a "
        "value, with commas between them",
        row=row + 1,
    )


def _parse_quoted_rows(body: bytes, header: Header, source: Source) -> pl.DataFrame:
    width = len(header.attributes)
    table = []
    for i, line in enumerate(body.decode("utf-8").splitlines()):
        cells = [unquote(cell) for cell in _CELL.findall(line.strip() + ",")]
        if len(cells) != width:
            raise source.error(f"has {len(cells)} values, expected {width}, one for each @attribute", row=i + 1)
        table.append(cells)
    return pl.DataFrame(table, schema=dict.fromkeys(header.names, pl.String), orient="row")
