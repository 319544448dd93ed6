"""CSV and TSV: every cell is read as text, and rows of another length than the header are refused with their number."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from manyhot.data.readers.encodings import BLOCK_BYTES, UTF8_MARK
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source
from manyhot.data.readers.table import Table

_DELIMITERS = ("\t", ";", ",", "|")
_SNIFFED_ROWS = 20
_SNIFFED_BYTES = 65536
SEPARATOR_LINE = re.compile(rb'"?sep=([\t -!#-~])"?[ \t]*(?:\r?\n|\Z)', re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """How the cells of a row are told apart."""

    delimiter: str
    quote: str = '"'


def read_delimited(source: Source, options: ReadOptions) -> Table:
    """A CSV or TSV file as a table of text."""
    content, notes = source.decoded_text("CSV")
    separator, content = _split_separator_line(content)
    dialect = separator or detect_dialect(content, source)
    names, content = _header(content, dialect, source, options)  # what comes before the rows is not held any longer
    return replace(_table(content, names, dialect, source, options), notes=notes)


def read_delimited_chunks(source: Source, options: ReadOptions, rows: int) -> Iterator[Table]:
    """As `read_delimited`, `rows` rows at a time; a plain or gzip file is never held as a whole."""
    lines, decoder = source.lines(), source.decoder()
    first_line = next(lines, b"").removeprefix(UTF8_MARK)
    dialect, rest = _split_separator_line(first_line)
    if dialect is not None:
        decoder.decode(first_line)
    block, names = b"", None
    first_row = 0
    for block in _row_blocks(itertools.chain([rest] if rest else [], lines), rows, rows + options.header):
        if names is None:
            source.refuse_binary(block[:4096], "CSV")
        block = decoder.decode(block)
        if dialect is None:
            dialect = detect_dialect(block, source)
        if names is None:
            names, block = _header(block, dialect, source, options)
            if not block.strip():
                continue
        table = replace(_table(block, names, dialect, source, options, first_row), notes=decoder.notes)
        first_row += table.frame.height
        yield table


def detect_dialect(content: bytes, source: Source) -> Dialect:
    """The delimiter: a tab for `.tsv`, otherwise the one that splits the first rows evenly, tabs and `;` first."""
    if source.suffix in (".tsv", ".tab"):
        return Dialect("\t")
    delimiter = find_even_delimiter(content, is_cut=len(content) > _SNIFFED_BYTES)
    if delimiter is not None:
        return Dialect(delimiter)
    widths = {d: len(next(iter(_first_rows(content, d)), [])) for d in (",", ";", "\t", "|")}
    return Dialect(max(widths, key=lambda d: widths[d]))


def find_even_delimiter(content: bytes, is_cut: bool) -> str | None:
    """The delimiter that splits the first rows of a text into equally many cells, two or more; None for none."""
    for delimiter in _DELIMITERS:
        rows = _first_rows(content, delimiter)
        if is_cut and 1 < len(rows) <= _SNIFFED_ROWS:
            rows.pop()
        widths = {len(row) for row in rows[:_SNIFFED_ROWS]}
        if len(widths) == 1 and widths != {1}:
            return delimiter
    return None


def _first_rows(content: bytes, delimiter: str) -> list[list[str]]:
    """The first rows that are not blank, one more than are looked at."""
    head = io.StringIO(content[:_SNIFFED_BYTES].decode("utf-8", errors="replace"), newline="")
    rows = (row for row in csv.reader(head, delimiter=delimiter) if any(map(str.strip, row)))
    return list(itertools.islice(rows, _SNIFFED_ROWS + 1))


def _split_separator_line(content: bytes) -> tuple[Dialect | None, bytes]:
    """Excel's first line `sep=;`, which names the delimiter and holds no cells, apart from what follows it."""
    match = SEPARATOR_LINE.match(content)
    return (Dialect(match[1].decode()), content[match.end() :]) if match else (None, content)


def parse_cells(content: bytes, width: int, dialect: Dialect, source: Source, first_row: int = 0) -> pl.DataFrame:
    """Rows without header as text cells, (n, width), columns named `0`, `1`, ..."""
    names = [str(j) for j in range(width)]
    blank = _find_blank_rows(content, width, dialect)
    if blank is None:
        return _parse_quoted_cells(content, names, dialect, source, first_row)
    if blank:
        edges = [0, *itertools.chain.from_iterable(blank), len(content)]
        content = b"".join(content[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))
    try:
        return pl.read_csv(
            content,
            separator=dialect.delimiter,
            quote_char=dialect.quote,
            has_header=False,
            schema=dict.fromkeys(names, pl.String),
        )
    except pl.exceptions.NoDataError:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    except pl.exceptions.ComputeError:
        return _parse_quoted_cells(content, names, dialect, source, first_row)


def refuse_twins(names: list[str], source: Source) -> None:
    """Raise `InputError` when a column name stands twice."""
    duplicates = [name for name, count in Counter(names).items() if count > 1]
    if duplicates:
        raise source.error(f"column names must be unique, found more than once: {', '.join(duplicates)}")


def column_names(cells: Sequence[str], width: int, source: Source, options: ReadOptions) -> list[str]:
    """The names of so many columns, by the cells of the first row or by those that a person gives."""
    if options.header:
        names = [name or f"column_{j + 1}" for j, name in enumerate(cells)]
        if cells and not cells[0] and "index" not in cells:
            names[0] = "index"
    else:
        names = list(options.column_names or (f"column_{j + 1}" for j in range(len(cells))))
    if len(names) != width:
        raise source.error(
            f"the first row has {width} cells but {len(names)} column names are given", argument="column_names"
        )
    refuse_twins(names, source)
    return names


def _table(
    body: bytes, names: list[str], dialect: Dialect, source: Source, options: ReadOptions, first_row: int = 0
) -> Table:
    frame = parse_cells(body, len(names), dialect, source, first_row)
    frame.columns = names
    return Table(frame, blank_is_empty=True, first_row=first_row, decimal="," if dialect.delimiter == ";" else None)


def _header(content: bytes, dialect: Dialect, source: Source, options: ReadOptions) -> tuple[list[str], bytes]:
    """The column names, and the bytes of the rows after them."""
    stop = _find_header_end(content, dialect)
    first = content[:stop].decode("utf-8")
    try:
        row = next(csv.reader(io.StringIO(first), delimiter=dialect.delimiter, quotechar=dialect.quote), [])
    except csv.Error as error:
        raise source.error(f"its first line cannot be read as column names ({error})") from None
    names = column_names([name.strip() for name in row], len(row), source, options)
    if not options.header:
        return names, content
    body = content[stop:]
    if not body or body.isspace():
        raise source.error("has column names but no rows")
    return names, body


def _find_header_end(content: bytes, dialect: Dialect) -> int:
    quote, stop = dialect.quote.encode(), 0
    while True:
        newline = content.find(b"\n", stop)
        if newline < 0:
            return len(content)
        stop = newline + 1
        if content.count(quote, 0, stop) % 2 == 0:
            return stop


def _row_blocks(lines: Iterator[bytes], rows: int, first: int) -> Iterator[bytes]:
    """Whole rows: `first` of them, then always `rows`; a row may span lines inside quotes."""
    block: list[bytes] = []
    n_rows, n_wanted, is_open = 0, first, False
    for line in lines:
        block.append(line)
        is_open ^= line.count(b'"') % 2 == 1
        n_rows += not is_open and not line.isspace()
        if n_rows == n_wanted and not is_open:
            yield b"".join(block)
            block, n_rows, n_wanted = [], 0, rows
    if b"".join(block).strip():
        yield b"".join(block)


def _find_blank_rows(content: bytes, width: int, dialect: Dialect) -> list[tuple[int, int]] | None:
    """Where blank rows begin and end; None where other rows differ in length, or quotes are left open."""
    # counts the delimiters outside quotes between two line breaks outside quotes, a block at a time
    delimiter, quote = ord(dialect.delimiter), ord(dialect.quote)
    n_open = carried = 0
    last_stop = -1
    blank: list[tuple[int, int]] = []
    for start in range(0, len(content), BLOCK_BYTES):
        data = np.frombuffer(content, np.uint8, min(BLOCK_BYTES, len(content) - start), start)
        marks = np.flatnonzero((data == delimiter) | (data == quote) | (data == 10))
        kind = data[marks]
        depth = n_open + np.cumsum(kind == quote)
        n_open = int(depth[-1]) if len(depth) else n_open
        outside = depth % 2 == 0
        n_delimiters = np.concatenate([[0], np.cumsum((kind == delimiter) & outside)])
        breaks = np.flatnonzero((kind == 10) & outside)
        if not len(breaks):
            carried += int(n_delimiters[-1])
            continue
        counts = np.diff(n_delimiters[breaks], prepend=-carried)
        stops = marks[breaks] + start
        lengths = np.diff(stops, prepend=last_stop)
        carried, last_stop = int(n_delimiters[-1] - n_delimiters[breaks[-1]]), int(stops[-1])
        for k in np.flatnonzero((lengths <= 2) | (counts != width - 1)):
            row = (int(stops[k] - lengths[k]) + 1, int(stops[k]) + 1)
            if lengths[k] <= 2 and not content[row[0] : row[1]].strip():
                blank.append(row)
            elif counts[k] != width - 1:
                return None
    is_odd = n_open % 2 == 1 or (carried != width - 1 and bool(content[last_stop + 1 :].strip()))
    return None if is_odd else blank


def _parse_quoted_cells(
    content: bytes, names: list[str], dialect: Dialect, source: Source, first_row: int
) -> pl.DataFrame:
    """Quotes inside unquoted cells deceive the fast count; this reading of the rows decides."""
    csv.field_size_limit(max(csv.field_size_limit(), 1 << 30))
    lines = io.StringIO(content.decode("utf-8"), newline="")
    table: list[list[str | None]] = []
    try:
        for row in csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True):
            if row and len(row) != len(names):
                raise source.error(
                    f"has {len(row)} cells, expected {len(names)} as in the other rows; "
                    f"quote cells that hold {dialect.delimiter!r}, and leave missing ones empty",
                    row=len(table) + 1 + first_row,
                )
            if row:
                table.append([cell or None for cell in row])
    except csv.Error:
        message = f"a quote ({dialect.quote}) does not close where its cell ends"
        raise source.error(message, row=len(table) + 1 + first_row) from None
    return pl.DataFrame(table, schema=dict.fromkeys(names, pl.String), orient="row")
