"""Encoded rows on disk, and the ranges of them that make up a window."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from manyhot.data.targets import Targets
from manyhot.errors import InputError, OutputError
from manyhot.files import describe_os_error

SHARDS = 32  # Shards of a window: runs of neighbouring rows, from all over the file


class Encoded(NamedTuple):
    """Some encoded rows."""

    blocks: dict[str, Any]  # Named features, float (n, f) or CSR
    targets: Targets  # Their targets (n, l)


class ColumnFile:
    """Rows of one shape and type, one after another in a file."""

    def __init__(self, file: IO[bytes], folder: Path) -> None:
        self.file, self.folder = file, folder
        self.shape: tuple[int, ...] = ()
        self.dtype = np.dtype(np.uint8)
        self.n_rows = 0
        self._map: np.ndarray | None = None

    def append(self, rows: np.ndarray) -> None:
        """More rows; the first ones settle shape and type."""
        if not self.n_rows:
            self.shape, self.dtype = rows.shape[1:], rows.dtype
        try:
            self.file.write(np.ascontiguousarray(rows, dtype=self.dtype).data.cast("B") if rows.size else b"")
        except OSError as error:
            raise _disk_error(self.folder, error) from None
        self.n_rows += len(rows)
        self._map = None

    def rows(self, low: int, high: int) -> np.ndarray:
        """A copy of the rows from low to one before high, (high - low, ...)."""
        if self._map is None:
            try:
                if self.file.writable():
                    self.file.flush()
            except OSError as error:
                raise _disk_error(self.folder, error) from None
            shape = (self.n_rows, *self.shape)
            is_empty = not self.n_rows or 0 in self.shape
            self._map = (
                np.zeros(shape, self.dtype) if is_empty else np.memmap(self.file, self.dtype, mode="r", shape=shape)
            )
        return np.array(self._map[low:high])


class ColumnIndex(NamedTuple):
    """What the rows of a file are."""

    file: str
    shape: tuple[int, ...]
    dtype: str
    n_rows: int


class Shards(ExitStack):
    """Encoded rows on disk, to be appended to and then read by ranges.

    A context manager. In files without names it leaves nothing behind, whatever ends the process; in named ones, which
    other processes can read, what is in the folder stays.
    """

    def __init__(self, folder: Path, is_named: bool = False) -> None:
        super().__init__()
        self.folder, self.is_named = folder, is_named
        self.n_rows = 0
        self._columns: dict[str, ColumnFile] = {}
        self._widths: dict[str, int] = {}
        self.callback(self._columns.clear)
        self.has_unknown = False  # whether some target is
        try:
            self._column("values")
        except OutputError as error:
            raise InputError(str(error)) from None

    def append(self, rows: Encoded) -> None:
        """Write more rows behind those that are there."""
        for name, block in rows.blocks.items():
            if sp.issparse(block):
                self._append_sparse(name, block)
            else:
                self._column(f"dense {name}").append(block)
        self._column("values").append(rows.targets.values)
        if rows.targets.known is not None and not self.has_unknown:
            self.has_unknown = True
            for low in range(0, self.n_rows, 65536):
                n = min(65536, self.n_rows - low)
                self._column("known").append(np.ones((n, *rows.targets.values.shape[1:]), dtype=bool))
        if self.has_unknown:
            self._column("known").append(rows.targets.known_mask())
        self.n_rows += rows.targets.n_samples

    def read(self, low: int, high: int) -> Encoded:
        """The rows from low to one before high."""
        blocks: dict[str, Any] = {}
        for name, column in self._columns.items():
            kind, _, block = name.partition(" ")
            if kind == "dense":
                blocks[block] = column.rows(low, high)
            elif kind == "ends":
                blocks[block] = self._read_sparse(block, low, high)
        known = self._columns["known"].rows(low, high) if self.has_unknown else None
        return Encoded(blocks, Targets(self._columns["values"].rows(low, high), known))

    def n_entries(self, name: str, low: int, high: int) -> int:
        """Non-zeros of a sparse block between two rows."""
        start, end = self._span(name, low, high)
        return end - start

    def entry_counts(self, name: str) -> np.ndarray:
        """Non-zeros of each row of a sparse block, int64 (n,)."""
        return np.diff(self._columns[f"ends {name}"].rows(0, self.n_rows), prepend=0)

    def _append_sparse(self, name: str, block: sp.csr_matrix) -> None:
        ends = self._column(f"ends {name}")
        before = int(ends.rows(self.n_rows - 1, self.n_rows)[0]) if self.n_rows else 0
        self._widths[name] = block.shape[1]
        self._column(f"columns {name}").append(block.indices.astype(np.int32))
        self._column(f"numbers {name}").append(block.data)
        ends.append(before + block.indptr[1:].astype(np.int64))

    def _read_sparse(self, name: str, low: int, high: int) -> sp.csr_matrix:
        start, end = self._span(name, low, high)
        ends = self._columns[f"ends {name}"].rows(low, high) - start
        indptr = np.concatenate([np.zeros(1, np.int64), ends])
        columns, numbers = (self._columns[f"{part} {name}"].rows(start, end) for part in ("columns", "numbers"))
        return sp.csr_matrix((numbers, columns, indptr), shape=(high - low, self._widths[name]))

    def _span(self, name: str, low: int, high: int) -> tuple[int, int]:
        ends = self._columns[f"ends {name}"]
        start = int(ends.rows(low - 1, low)[0]) if low else 0
        return start, int(ends.rows(high - 1, high)[0]) if high else 0

    def _column(self, name: str) -> ColumnFile:
        if name not in self._columns:
            path = self.folder / f"column-{len(self._columns)}"
            try:
                file = path.open("w+b") if self.is_named else _open_unnamed(self.folder)
            except OSError as error:
                raise _disk_error(self.folder, error) from None
            self._columns[name] = ColumnFile(self.enter_context(_closed(file)), self.folder)
        return self._columns[name]

    def index(self) -> dict[str, Any]:
        """What a reader of the named files has to know, as JSON."""
        try:
            for column in self._columns.values():
                column.file.flush()
                os.fsync(column.file.fileno())
        except OSError as error:
            raise _disk_error(self.folder, error) from None
        columns = {
            name: ColumnIndex(Path(column.file.name).name, column.shape, column.dtype.str, column.n_rows)
            for name, column in self._columns.items()
        }
        return {"n_rows": self.n_rows, "has_unknown": self.has_unknown, "widths": self._widths, "columns": columns}

    @classmethod
    def reopen(cls, folder: Path, index: Mapping[str, Any]) -> Shards:
        """The rows of named files that another process wrote."""
        shards = cls.__new__(cls)
        ExitStack.__init__(shards)
        shards.folder, shards.is_named = folder, True
        shards.n_rows, shards.has_unknown, shards._widths = index["n_rows"], index["has_unknown"], dict(index["widths"])
        shards._columns = {}
        for name, described in index["columns"].items():
            file, shape, dtype, n_rows = described
            column = ColumnFile(shards.enter_context((folder / file).open("rb")), folder)
            column.shape, column.dtype, column.n_rows = tuple(shape), np.dtype(dtype), n_rows
            shards._columns[name] = column
        return shards

    def __reduce__(self) -> tuple[Any, ...]:
        assert self.is_named, "rows in files without names stay in their process"
        return type(self).reopen, (self.folder, self.index())


@dataclass(frozen=True)
class WindowAssignment:
    """How rows are dealt out to the windows of each pass: whole shards, in another order every time."""

    n_rows: int
    n_windows: int
    seed: int

    def edges(self) -> np.ndarray:
        """First row of each shard, and the number of all rows, int64 (shards + 1,); a single window is one shard."""
        n_shards = 1 if self.n_windows == 1 else self.n_windows * SHARDS
        return np.arange(n_shards + 1, dtype=np.int64) * self.n_rows // n_shards

    def ranges(self, number: int, window: int) -> list[tuple[int, int]]:
        """The shards of a window of a pass, as (first row, one past the last)."""
        edges = self.edges()
        n = len(edges) - 1
        order = np.random.default_rng([self.seed, 3, number]).permutation(n)
        shards = np.sort(order[window * n // self.n_windows : (window + 1) * n // self.n_windows])
        return [(int(edges[k]), int(edges[k + 1])) for k in shards]

    def sizes(self) -> tuple[int, int]:
        """Rows of the smallest and of the largest window that can come up."""
        return self.min_and_max(np.diff(self.edges()))

    def min_and_max(self, shard_counts: np.ndarray) -> tuple[int, int]:
        """The least and the most that the shards of a window can add up to, of a count (shards,) of each."""
        counts = np.sort(shard_counts)
        k = len(counts) // self.n_windows
        return int(counts[:k].sum()), int(counts[-k:].sum())


def concatenate(parts: list[Encoded]) -> Encoded:
    """The rows of several, one after another."""
    if len(parts) == 1:
        return parts[0]
    blocks = {
        name: sp.vstack([part.blocks[name] for part in parts], format="csr")
        if sp.issparse(block)
        else np.concatenate([part.blocks[name] for part in parts])
        for name, block in parts[0].blocks.items()
    }
    return Encoded(blocks, Targets.concatenate([part.targets for part in parts]))


def row_bytes(blocks: Mapping[str, Any], targets: Targets) -> float:
    """Bytes of a row on disk, of some rows on average."""
    n = max(targets.n_samples, 1)
    sizes = [8 * block.nnz + 8 * n if sp.issparse(block) else block.nbytes for block in blocks.values()]
    return (sum(sizes) + targets.values.size * (1 if targets.known is None else 2)) / n


def check_disk_space(folder: Path, n_bytes: float) -> None:
    """Raise `InputError` when a folder has less room than that, or is not there."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise InputError(f"cannot be used ({error.strerror or error}); name another folder", file=folder) from None
    if free < n_bytes:
        raise InputError(
            f"about {_describe_size(n_bytes)} are needed here while training, and {_describe_size(free)} are free; "
            "free some space, or name another folder (stream_folder, --stream-folder)",
            file=folder,
        )


def _describe_size(n_bytes: float) -> str:
    return f"{n_bytes / 2**20:.1f} MiB" if n_bytes < 2**26 else f"{n_bytes / 2**30:.1f} GiB"


def _open_unnamed(folder: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=folder)


def _disk_error(folder: Path, error: OSError) -> OutputError:
    return OutputError(f"{folder} could not be written to: {describe_os_error(error)} (stream_folder, --stream-folder)")


@contextmanager
def _closed(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Close a file in the end; rows that a full disk did not take were missed before, and are not missed again."""
    try:
        yield file
    finally:
        with suppress(OSError):
            file.close()
