"""Parquet, and Arrow IPC as a file (Feather) or as a stream."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import polars as pl

from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import ARROW, PARQUET, Source
from manyhot.data.readers.table import Table

_STREAM = b"\xff\xff\xff\xff"


def read_arrow(source: Source, options: ReadOptions) -> Table:
    """An Arrow IPC file or stream, plain or packed."""
    load = pl.read_ipc_stream if _is_stream(source) else pl.read_ipc
    return Table(load(io.BytesIO(source.content())))


def read_arrow_chunks(source: Source, options: ReadOptions, rows: int) -> Iterator[Table]:
    """As `read_arrow`, `rows` rows at a time; a plain file (not a stream) is never held as a whole."""
    if _is_stream(source) or source.compression:
        return _slice(lambda: read_arrow(source, options).frame.lazy(), rows)
    return _slice(lambda: pl.scan_ipc(source.path), rows)


def _is_stream(source: Source) -> bool:
    is_stream = source.head().startswith(_STREAM)
    if not is_stream:
        source.refuse_other_content(ARROW, ARROW)
    return is_stream


def read_parquet(source: Source, options: ReadOptions) -> Table:
    """A Parquet file, plain or packed."""
    source.refuse_other_content(PARQUET, PARQUET)
    return Table(pl.read_parquet(io.BytesIO(source.content())))


def read_parquet_chunks(source: Source, options: ReadOptions, rows: int) -> Iterator[Table]:
    """As `read_parquet`, `rows` rows at a time; a plain file is never held as a whole."""
    source.refuse_other_content(PARQUET, PARQUET)
    content = source.path if not source.compression else io.BytesIO(source.content())
    return _slice(lambda: pl.scan_parquet(content), rows)


def _slice(scan: Callable[[], pl.LazyFrame], rows: int) -> Iterator[Table]:
    lazy = scan()
    n_rows = int(lazy.select(pl.len()).collect().item())
    for start in range(0, n_rows, rows):
        yield Table(lazy.slice(start, rows).collect(), first_row=start)
