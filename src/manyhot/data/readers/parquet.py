"""Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterator

import polars as pl

from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import PARQUET, Source, broken, what_is
from manyhot.data.readers.table import Table
from manyhot.errors import InputError


def read_parquet(source: Source, options: ReadOptions) -> Table:
    """A Parquet file, plain or in gzip.

    Raises:
        InputError: It is something else, or damaged.
    """
    _check(source)
    try:
        return Table(pl.read_parquet(io.BytesIO(source.content())))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise broken(source, "Parquet", error) from None


def chunks_of_parquet(source: Source, options: ReadOptions, rows: int) -> Iterator[Table]:
    """As `read_parquet`, `rows` rows at a time; a plain file is never held as a whole."""
    _check(source)
    content = source.path if not source.compression else io.BytesIO(source.content())
    try:
        lazy = pl.scan_parquet(content)
        n_rows = int(lazy.select(pl.len()).collect().item())
        for start in range(0, n_rows, rows):
            yield Table(lazy.slice(start, rows).collect(), first_row=start)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise broken(source, "Parquet", error) from None


def _check(source: Source) -> None:
    source.refuse_zst("Parquet")
    head = source.head()
    if what_is(head) != PARQUET:
        raise InputError(f"is not Parquet but {what_is(head) or 'plain text'}; rename it", file=source.path)
