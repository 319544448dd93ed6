"""Reading: a file of any known format -> `Samples`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from manyhot import validation
from manyhot.data.readers.formats import FORMATS, detect_format
from manyhot.data.readers.image_folder import resolve_path
from manyhot.data.readers.memory import is_larger_than_memory, refuse_larger_than_memory
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.sampling import (
    CHUNK_ROWS,
    IMAGE_CHUNK_ROWS,
    ChunkSchema,
    can_stream,
    choose_chunk_rows,
    infer_schema,
    table_chunks,
)
from manyhot.data.readers.source import InMemorySource, Source
from manyhot.data.readers.table import Table, build_samples
from manyhot.data.samples import Samples


def read(path: str | Path, options: ReadOptions | None = None, needed_by: str | None = None) -> Samples:
    """A file -> its rows, with targets, features, kinds of columns and ids.

    Args:
        path: A file in one of the formats of `FORMATS`, plain or packed (`.gz`, `.zst`, `.zip`); or a folder of images
            with one file of labels in it or beside it.
        options: Where the labels are, and what else the file does not say itself.
        needed_by: What needs all rows at once, as the beginning of a sentence; a file that can never be held in the
            memory that there is is refused then.

    Returns:
        Samples of n rows: a frame or a CSR matrix, and targets (n, l) where there are labels.

    Raises:
        InputError: No such file, or something in it that cannot be used, with file, row and column.

    Example:
        >>> samples = read("songs.csv", ReadOptions(labels="mood_*"))  # doctest: +SKIP
        >>> samples.labels.names  # doctest: +SKIP
        ('mood_sad', 'mood_quiet')
    """
    source, options = resolve_path(path, options or ReadOptions())
    if needed_by is not None:
        refuse_larger_than_memory(source, needed_by)
    return detect_format(source, options).read(source, options)


def read_chunks(path: str | Path, options: ReadOptions | None = None, rows: int | None = None) -> Iterator[Samples]:
    """As `read`, a piece at a time, so that predicting for a large file does not need all of it in memory."""
    source, options = resolve_path(path, options or ReadOptions())
    file_format = detect_format(source, options)
    if rows is None:
        rows = choose_chunk_rows(source, options) if can_stream(source, options) else CHUNK_ROWS[1]
    rows = validation.integer(low=1, rows=rows)
    if file_format.chunks is None:
        samples = file_format.read(source, options)
        max_rows = IMAGE_CHUNK_ROWS if "image" in samples.column_types.values() else rows
        yield from _slice_samples(samples, min(rows, max_rows))
        return
    yield from read_table_chunks(file_format.chunks(source, options, rows), source, options)


def read_table_chunks(tables: Iterable[Table], source: Source, options: ReadOptions) -> Iterator[Samples]:
    """The tables of one file as samples, all with the columns and kinds of the first."""
    schema: ChunkSchema | None = None
    for table in tables:
        if schema is None:
            first = build_samples(table, source, options)
            schema = infer_schema(first, table, options, is_model=bool(options.column_types))
        yield schema.read(table, source)


def read_bytes(content: bytes, format_name: str, options: ReadOptions, rows: int) -> Iterator[Samples]:
    """As `read_chunks`, of bytes that are no file."""
    file_format = next(one for one in FORMATS if one.name == format_name)
    source = InMemorySource(
        Path(f"received{file_format.suffixes[0]}"), "received", file_format.suffixes[0], "", data=content
    )
    assert file_format.chunks is not None
    yield from read_table_chunks(file_format.chunks(source, options, rows), source, options)


def needs_streaming(path: str | Path, options: ReadOptions | None = None) -> bool:
    """Whether a file needs more memory than there is when it is read as a whole, and can be read in pieces."""
    source, options = resolve_path(path, options or ReadOptions())
    return can_stream(source, options) and is_larger_than_memory(source)


def first_rows(path: str | Path, options: ReadOptions | None, rows: int) -> Samples | None:
    """The first rows of a file that can be read in pieces; None for another."""
    source, resolved_options = resolve_path(path, options or ReadOptions())
    return next(read_chunks(path, options, rows), None) if can_stream(source, resolved_options) else None


def count_rows(path: str | Path, options: ReadOptions | None, max_rows: int) -> int:
    """How many rows a file has that can be read in pieces, counted no further than that; 0 for another."""
    source, options = resolve_path(path, options or ReadOptions())
    n_rows = 0
    for table in table_chunks(source, options) if can_stream(source, options) else ():
        n_rows += table.frame.height
        if n_rows >= max_rows:
            break
    return n_rows


def _slice_samples(samples: Samples, rows: int) -> Iterator[Samples]:
    for start in range(0, samples.n_samples, rows):
        yield samples.slice(start, start + rows)
