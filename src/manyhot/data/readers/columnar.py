"""Parquet, and Arrow IPC as a file (Feather) or as a stream."""

from __future__ import annotations

import io
from collections.abc import Iterator

import polars as pl

from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import ARROW, PARQUET, Source, identify_content, read_error
from manyhot.data.readers.table import Table
from manyhot.errors import InputError

_STREAM = b"\xff\xff\xff\xff"


def read_arrow(source: Source, options: ReadOptions) -> Table:
    """An Arrow IPC file or stream, plain or in gzip."""
    is_stream = _is_stream(source)
    try:
        content = io.BytesIO(source.content())
        return Table(pl.read_ipc_stream(content) if is_stream else pl.read_ipc(content))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise read_error(source, "Arrow IPC", error) from None


def read_arrow_chunks(source: Source, options: ReadOptions, rows: int) -> Iterator[Table]:
    """As `read_arrow`, `rows` rows at a time; a plain file (not a stream) is never held as a whole."""
    try:
        if _is_stream(source) or source.compression:
            lazy = read_arrow(source, options).frame.lazy()
        else:
            lazy = pl.scan_ipc(source.path)
        n_rows = int(lazy.select(pl.len()).collect().item())
        for start in range(0, n_rows, rows):
            yield Table(lazy.slice(start, rows).collect(), first_row=start)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise read_error(source, "Arrow IPC", error) from None


def _is_stream(source: Source) -> bool:
    source.refuse_zst("Arrow IPC")
    head = source.head()
    if identify_content(head) == ARROW:
        return False
    if head.startswith(_STREAM):
        return True
    raise InputError(f"is not Arrow IPC but {identify_content(head) or 'plain text'}; rename it", file=source.path)


def read_parquet(source: Source, options: ReadOptions) -> Table:
    """A Parquet file, plain or in gzip."""
    _check_parquet(source)
    try:
        return Table(pl.read_parquet(io.BytesIO(source.content())))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise read_error(source, "Parquet", error) from None


def read_parquet_chunks(source: Source, options: ReadOptions, rows: int) -> Iterator[Table]:
    """As `read_parquet`, `rows` rows at a time; a plain file is never held as a whole."""
    _check_parquet(source)
    content = source.path if not source.compression else io.BytesIO(source.content())
    try:
        lazy = pl.scan_parquet(content)
        n_rows = int(lazy.select(pl.len()).collect().item())
        for start in range(0, n_rows, rows):
            yield Table(lazy.slice(start, rows).collect(), first_row=start)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise read_error(source, "Parquet", error) from None


def _check_parquet(source: Source) -> None:
    source.refuse_zst("Parquet")
    head = source.head()
    if identify_content(head) != PARQUET:
        raise InputError(f"is not Parquet but {identify_content(head) or 'plain text'}; rename it", file=source.path)
