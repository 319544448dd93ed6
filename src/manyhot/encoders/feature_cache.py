"""Rows of features that were computed once, by what they belong to: in memory, and on disk for the next process.

A text or an image is known by a hash of its content, so that neither its place nor its neighbours matter, and nothing
of it can be read back. Files are only ever added, each written whole or not at all, and never hold anything but
numbers. What computes the features is not known here. Start reading at `FeatureCache`.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.errors import OutputError
from manyhot.files import put, replacing

MIN_ROWS = 32
"""Fewer new rows than this are not worth a file."""
MEMORY_BYTES = 2**28
"""Rows kept in memory where they are not on disk."""


class FeatureCache:
    """Features of texts or images, float32 rows of one width.

    Args:
        folder: Where files are; None keeps rows in memory alone.
        width: Numbers in a row.
    """

    def __init__(self, folder: Path | None, width: int) -> None:
        self.folder = folder
        self._type = np.dtype([("key", "V16"), ("row", "<f4", (width,))])
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "_type": self._type}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def find(self, keys: Sequence[bytes]) -> list[np.ndarray | None]:
        """The row of each key (see `key_of`), None where it is not known."""
        self._look()
        return [self._row(key) for key in keys]

    def add(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Keep float32 (n, width) rows of n keys; what cannot be written stays in memory, where there is room."""
        piece = np.zeros(len(keys), dtype=self._type)
        piece["key"], piece["row"] = keys, rows
        if self.folder is not None and len(keys) >= MIN_ROWS:
            with suppress(OutputError, OSError):
                return self._take(self._written(piece, keys))
        if self._n_bytes + piece.nbytes <= MEMORY_BYTES:
            self._n_bytes += piece.nbytes
            self._take(piece)

    def _row(self, key: bytes) -> np.ndarray | None:
        if key not in self._places:
            return None
        piece, place = self._places[key]
        row: np.ndarray = self._pieces[piece]["row"][place]
        return row if np.isfinite(row).all() else None

    def _forget(self) -> None:
        self._pieces: list[np.ndarray] = []
        self._places: dict[bytes, tuple[int, int]] = {}
        self._seen: set[str] = set()
        self._n_bytes = 0

    def _look(self) -> None:
        """Take in the files that have come up since; a damaged one is passed over."""
        if self.folder is None or not self.folder.is_dir():
            return
        for path in sorted(self.folder.glob("*.npy")):
            if path.name not in self._seen:
                self._seen.add(path.name)
                with suppress(ValueError, OSError, EOFError):
                    self._take(self._opened(path))

    def _opened(self, path: Path) -> np.ndarray:
        piece = np.load(path, mmap_mode="r", allow_pickle=False)
        if piece.dtype != self._type or piece.ndim != 1:
            raise ValueError("not the rows of this function")
        return piece

    def _written(self, piece: np.ndarray, keys: Sequence[bytes]) -> np.ndarray:
        assert self.folder is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{hashlib.blake2b(b''.join(keys), digest_size=16).hexdigest()}.npy"
        content = io.BytesIO()
        np.save(content, piece, allow_pickle=False)
        with replacing(path) as descriptor:
            put(descriptor, content.getbuffer())
        self._seen.add(path.name)
        return self._opened(path)

    def _take(self, piece: np.ndarray) -> None:
        number = len(self._pieces)
        self._pieces.append(piece)
        for place, key in enumerate(piece["key"].tolist()):
            self._places.setdefault(key, (number, place))


def key_of(content: str | np.ndarray) -> bytes:
    """What a text, or the numbers of one image, are known by, 16 bytes."""
    given = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else np.ascontiguousarray(content).data
    return hashlib.blake2b(given, digest_size=16).digest()
