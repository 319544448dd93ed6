"""Features of texts or images that were computed once, by a hash of the content: in memory, and on disk.

Files are only ever added, each written whole or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.errors import OutputError
from manyhot.files import atomic_write

MIN_ROWS = 32  # fewer new rows than this are not worth a file
MEMORY_BYTES = 2**28  # rows kept in memory where they are not on disk

OnProgress = Callable[[float], None]  # called with the share that is done


class FeatureCache:
    """Features of texts or images, float32 rows of one width; a folder of None keeps them in memory alone."""

    def __init__(self, folder: Path | None, width: int) -> None:
        self.folder, self.width = folder, width
        self._type = np.dtype([("key", "V16"), ("row", "<f4", (width,))])
        self._rows: dict[bytes, np.ndarray] = {}
        self._loaded_files: set[str] = set()
        self._n_bytes = 0

    def __reduce__(self) -> tuple[Any, ...]:  # a copy begins without rows
        return FeatureCache, (self.folder, self.width)

    def extract(
        self,
        keys: Sequence[bytes],
        compute: Callable[[list[int]], np.ndarray],
        batch_size: int,
        on_progress: OnProgress | None = None,
    ) -> np.ndarray:
        """Return the rows of n keys, float32 (n, width); `compute` makes those of keys at the positions it is given."""
        positions: dict[bytes, list[int]] = {}
        for position, key in enumerate(keys):
            positions.setdefault(key, []).append(position)
        result = np.empty((len(keys), self.width), dtype=np.float32)
        missing = []
        for key, row in zip(positions, self.find(list(positions)), strict=True):
            if row is None:
                missing.append(key)
            else:
                result[positions[key]] = row
        for start in range(0, len(missing), batch_size):
            batch = missing[start : start + batch_size]
            rows = compute([positions[key][0] for key in batch])
            self.add(batch, rows)
            for key, row in zip(batch, rows, strict=True):
                result[positions[key]] = row
            if on_progress is not None:
                on_progress((start + len(batch)) / len(missing))
        return result

    def find(self, keys: Sequence[bytes]) -> list[np.ndarray | None]:
        """Return the row of each key (see `content_key`), None where it is not known."""
        self._load_new_files()
        rows = [self._rows.get(key) for key in keys]
        return [row if row is not None and np.isfinite(row).all() else None for row in rows]

    def add(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Keep float32 (n, width) rows of n keys; what cannot be written stays in memory, where there is room."""
        block = np.zeros(len(keys), dtype=self._type)
        block["key"], block["row"] = keys, rows
        if self.folder is not None and len(keys) >= MIN_ROWS:
            with suppress(OutputError, OSError):
                return self._add_block(self._write_file(block, keys))
        if self._n_bytes + block.nbytes <= MEMORY_BYTES:
            self._n_bytes += block.nbytes
            self._add_block(block)

    def _load_new_files(self) -> None:
        """Load the files that have come up since; a damaged one is passed over."""
        if self.folder is None or not self.folder.is_dir():
            return
        for path in sorted(self.folder.glob("*.npy")):
            if path.name not in self._loaded_files:
                self._loaded_files.add(path.name)
                with suppress(ValueError, OSError, EOFError):
                    self._add_block(self._open_file(path))

    def _open_file(self, path: Path) -> np.ndarray:
        block = np.load(path, mmap_mode="r", allow_pickle=False)
        if block.dtype != self._type or block.ndim != 1:
            raise ValueError("not the rows of this function")
        return block

    def _write_file(self, block: np.ndarray, keys: Sequence[bytes]) -> np.ndarray:
        assert self.folder is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{hashlib.blake2b(b''.join(keys), digest_size=16).hexdigest()}.npy"
        with atomic_write(path) as descriptor, open(descriptor, "wb", closefd=False) as file:
            np.save(file, block, allow_pickle=False)
        self._loaded_files.add(path.name)
        return self._open_file(path)

    def _add_block(self, block: np.ndarray) -> None:
        for key, row in zip(block["key"].tolist(), block["row"], strict=True):
            self._rows.setdefault(key, row)


def content_key(content: str | np.ndarray) -> bytes:
    """Hash a text, or the numbers of one image, to 16 bytes."""
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else np.ascontiguousarray(content).data
    return hashlib.blake2b(data, digest_size=16).digest()
