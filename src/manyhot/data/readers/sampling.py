"""Files in pieces: what all pieces share, how many rows there are, and a random sample of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from manyhot.data.readers.column_types import cast_column, infer_column_types
from manyhot.data.readers.formats import detect_format
from manyhot.data.readers.image_folder import resolve_path
from manyhot.data.readers.options import ReadOptions
from manyhot.data.readers.source import Source, library_errors
from manyhot.data.readers.table import Table, build_samples
from manyhot.data.samples import ColumnKind, Samples
from manyhot.errors import InputError

SAMPLE_ROWS = 200_000
SAMPLE_BYTES = 2**27  # Rows and bytes of the sample at most, whichever are fewer
CHUNK_BYTES = 2**25  # Cells of a piece as they were read, at most
CHUNK_ROWS = (64, 65536)
IMAGE_CHUNK_ROWS = 1024  # Rows of a piece with images, which take more room once they are decoded, at most
PROBED_ROWS = 500
WHOLE = ("json", "excel")  # Formats whose pieces are cut from the whole file

ProgressCallback = Callable[[int], None]  # Called with the number of rows so far


@dataclass(frozen=True)
class ChunkSchema:
    """How every piece of a file is read."""

    columns: tuple[str, ...]
    options: ReadOptions

    def read(self, table: Table, source: Source) -> Samples:
        """The rows of a table that has exactly these columns; one that it lacks is missing in every row."""
        present = set(table.frame.columns)
        frame = table.frame.select(
            pl.col(name) if name in present else pl.lit(None).alias(name) for name in self.columns
        )
        return build_samples(replace(table, frame=frame), source, self.options)


def infer_schema(
    samples: Samples, table: Table, options: ReadOptions, is_model: bool = False, is_whole: bool = False
) -> ChunkSchema:
    """The columns, kinds and labels of a file by its first piece, or by a sample of its rows."""
    # where the options are a model's, all columns without a kind in them are left out; 0 and 1 are numeric, unless
    # these are all rows, as others may hold more
    ids = [name for name, kind in samples.column_types.items() if kind == "id"]
    preferred = [name for name in ids if name in options.column_types]
    id_column = options.id_column or next(iter([*preferred, *ids]), None)
    column_types: dict[str, ColumnKind] = {}
    for name, kind in samples.column_types.items():
        is_given = name in options.column_types
        if name == id_column:
            column_types[name] = "id"
        elif is_given if is_model else kind not in ("ignored", "id"):
            may_hold_more = kind == "boolean" and not is_given and not is_whole
            is_number = may_hold_more and cast_column(table.frame[name]).dtype == pl.Float64
            column_types[name] = "numeric" if is_number else kind
    columns = tuple(name for name in table.frame.columns if name in column_types or name not in samples.column_types)
    return ChunkSchema(
        columns,
        replace(
            options,
            column_types=column_types,
            id_column=id_column,
            known_labels=options.known_labels or (None if samples.labels is None else samples.labels.names),
            number_formats=samples.number_formats,
        ),
    )


@dataclass(frozen=True)
class StreamableFile:
    """A file that can be read piece by piece, all pieces alike."""

    source: Source
    n_rows: int
    schema: ChunkSchema
    chunk_rows: int
    stamp: tuple[int, int]

    def chunks(self, progress: ProgressCallback | None = None) -> Iterator[Samples]:
        """All rows in the file's order, a piece at a time, with their targets."""
        n_rows = 0
        _check_unchanged(self.source, self.stamp)
        for table in table_chunks(self.source, self.schema.options, self.chunk_rows):
            yield self.schema.read(table, self.source)
            n_rows += table.frame.height
            if progress is not None:
                progress(n_rows)
        _check_unchanged(self.source, self.stamp)
        if n_rows != self.n_rows:
            raise _changed_error(self.source)


class Survey(NamedTuple):
    """What a first look found."""

    file: StreamableFile
    samples: Samples
    rows: np.ndarray  # int64 (s,), the number of each in the file, from 0, rising

    def take(self, mask: np.ndarray) -> Survey:
        """Without the numbers of some rows, bool (s,); the samples stay as they are."""
        return self._replace(rows=self.rows[mask])

    @property
    def is_whole(self) -> bool:
        """Whether the sample is every row."""
        return len(self.rows) == self.file.n_rows


def sample_file(
    path: str | Path,
    options: ReadOptions | None = None,
    seed: int = 0,
    max_rows: int = SAMPLE_ROWS,
    max_bytes: int = SAMPLE_BYTES,
    progress: ProgressCallback | None = None,
) -> Survey:
    """Count the rows of a file, draw some of them at random, and learn kinds and labels from these."""
    source, options = resolve_path(path, options or ReadOptions())
    chunk_rows, stamp = choose_chunk_rows(source, options), _file_stamp(source)
    reservoir = Reservoir(seed, max_rows, max_bytes)
    numbers: list[np.ndarray] = []
    n_rows = 0
    table: Table | None = None
    for table in table_chunks(source, options, chunk_rows):
        reservoir.add(table.frame, n_rows)
        if options.images is not None:
            first = table.first_row + 1
            numbers.append(np.arange(first, first + table.frame.height) if table.rows is None else table.rows)
        n_rows += table.frame.height
        if progress is not None:
            progress(n_rows)
    _check_unchanged(source, stamp)
    if table is None:
        raise source.error("has no rows")
    with library_errors(source, "one table"):  # a column may hold lists here and text there
        frame, rows = reservoir.sample()
    row_numbers = np.concatenate(numbers)[rows] if numbers else rows + 1
    sampled = replace(table, frame=frame, first_row=0, rows=row_numbers)
    if options.known_labels is None and options.label_order is None:
        options = replace(options, unknown_labels="report")
    initial = build_samples(sampled, source, options)
    schema = infer_schema(initial, sampled, options, is_whole=len(rows) == n_rows)
    samples = replace(schema.read(sampled, source), notes=initial.notes)
    return Survey(StreamableFile(source, n_rows, schema, chunk_rows, stamp), samples, rows)


class Reservoir:
    """Rows drawn evenly from a stream of unknown length, whatever the pieces it comes in."""

    def __init__(self, seed: int, max_rows: int, max_bytes: int) -> None:
        self._seed, self._max_rows, self._max_bytes = seed, max_rows, max_bytes
        self._limit = np.uint64(2**64 - 1)
        self._parts: list[tuple[bytes, np.ndarray]] = []

    def add(self, frame: pl.DataFrame, first_row: int) -> None:
        """Consider the next rows, the first of which has that number."""
        rows = np.arange(first_row, first_row + frame.height)
        is_chosen = self._random_keys(rows) <= self._limit
        if is_chosen.any():
            self._parts.append(_serialize(frame.filter(pl.Series(is_chosen)), rows[is_chosen]))
        if self._n_selected() > 2 * self._capacity():
            self._trim()

    def sample(self) -> tuple[pl.DataFrame, np.ndarray]:
        """The rows in their order, and their numbers, int64."""
        self._trim()
        frames = [pl.read_ipc(io.BytesIO(packed)) for packed, _ in self._parts]
        rows = np.concatenate([rows for _, rows in self._parts])
        self._parts = []
        return pl.concat(frames, how="diagonal_relaxed"), rows

    def _capacity(self) -> int:
        n_bytes = sum(len(packed) for packed, _ in self._parts)
        return max(1, min(self._max_rows, int(self._max_bytes * self._n_selected() / max(n_bytes, 1))))

    def _n_selected(self) -> int:
        return sum(len(rows) for _, rows in self._parts)

    def _trim(self) -> None:
        capacity = self._capacity()
        if self._n_selected() <= capacity:
            return
        all_keys = [self._random_keys(rows) for _, rows in self._parts]
        self._limit = np.partition(np.concatenate(all_keys), capacity - 1)[capacity - 1]
        for k, ((packed, rows), keys) in enumerate(zip(self._parts, all_keys, strict=True)):
            mask = keys <= self._limit
            frame = pl.read_ipc(io.BytesIO(packed))
            self._parts[k] = _serialize(frame.filter(pl.Series(mask)), rows[mask])
        self._parts = [part for part in self._parts if len(part[1])]

    def _random_keys(self, rows: np.ndarray) -> np.ndarray:
        """A number for each row, uint64, that looks random and depends on seed and row alone (splitmix64)."""
        start = np.random.SeedSequence([self._seed, 4]).generate_state(1, np.uint64)[0]
        mixed = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + start
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def _serialize(frame: pl.DataFrame, rows: np.ndarray) -> tuple[bytes, np.ndarray]:
    """A frame as bytes; some of its rows would keep the texts of all the others in memory."""
    buffer = io.BytesIO()
    frame.write_ipc(buffer, compat_level=pl.CompatLevel.oldest())
    return buffer.getvalue(), rows


def can_stream(source: Source, options: ReadOptions) -> bool:
    """Whether a file can be read in pieces without holding all of it."""
    return _obstacle(source, options) is None


def _obstacle(source: Source, options: ReadOptions) -> str | None:
    """Why a file cannot be read in pieces without holding all of it; None where it can."""
    file_format = detect_format(source, options)
    if file_format.chunks is None or file_format.name in WHOLE:
        return (
            f"{file_format.name} cannot be read in pieces, so it cannot be streamed; CSV, TSV, JSONL, Parquet and "
            "Arrow can"
        )
    if source.compression and file_format.name in ("parquet", "arrow"):
        return (
            f"{file_format.name} in {source.compression} is unpacked as a whole, so it cannot be streamed; unpack it "
            "first"
        )
    return None


def table_chunks(source: Source, options: ReadOptions, rows: int | None = None) -> Iterator[Table]:
    """The rows of a file that can be read in pieces, so many at a time, or as many as take little memory."""
    obstacle, chunks = _obstacle(source, options), detect_format(source, options).chunks
    if obstacle is not None or chunks is None:
        raise source.error(obstacle or "cannot be read in pieces")
    return chunks(source, options, choose_chunk_rows(source, options) if rows is None else rows)


def choose_chunk_rows(source: Source, options: ReadOptions) -> int:
    """Rows of a piece that takes little memory, as the first rows are."""
    table = next(table_chunks(source, options, PROBED_ROWS), None)
    if table is None:
        raise source.error("has no rows")
    frame = table.frame
    low, high = CHUNK_ROWS
    column_types = {**(infer_column_types(frame) if frame.height else {}), **options.column_types}
    if "image" in column_types.values():
        high = IMAGE_CHUNK_ROWS
    return min(max(int(CHUNK_BYTES * frame.height / max(frame.estimated_size(), 1)), low), high)


def _file_stamp(source: Source) -> tuple[int, int]:
    status = source.path.stat()
    return status.st_size, status.st_mtime_ns


def _check_unchanged(source: Source, stamp: tuple[int, int]) -> None:
    if not source.path.exists() or _file_stamp(source) != stamp:
        raise _changed_error(source)


def _changed_error(source: Source) -> InputError:
    return source.error("changed while it was read; start again when nothing writes to it any more")
