"""Packed files as streams of bytes, refused once they unpack to many times their own size or to more than memory."""

from __future__ import annotations

import gzip
import io
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from manyhot.data.readers.memory import unpacked_limit
from manyhot.errors import InputError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSIONS = (".gz", ".zst", ".zip")
MAX_RATIO = 100  # How many times its own size a packed file may unpack to,
RATIO_FLOOR = 1 << 26  # once it unpacks to more than 64 MiB
UNPACK_ERRORS = (gzip.BadGzipFile, zstd.ZstdError, EOFError, zlib.error)
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError)
_BLOCK = 1 << 16


def ratio_limit(n_packed: int) -> int:
    """Bytes that a file of so many may unpack to."""
    return max(RATIO_FLOOR, MAX_RATIO * n_packed)


def ratio_error(path: Path, n_packed: int) -> InputError:
    """What to say of a file that unpacks to more than that."""
    return InputError(
        f"unpacks to more than {MAX_RATIO} times its {n_packed:,} bytes, as files made to exhaust memory do; if it is "
        "what it should be, unpack it first",
        file=path,
    )


@contextmanager
def open_packed(path: Path, compression: str, member: str) -> Iterator[IO[bytes]]:
    """The unpacked bytes of a file in gzip, in Zstandard or in a zip archive, one piece after another."""
    with open(path, "rb") as raw:
        if compression == ".zip":
            with _open_member(raw, path, member) as file, _bounded(file, raw, path) as bounded:
                yield bounded
            return
        unpack = gzip.open if compression == ".gz" else zstd.open
        with unpack(raw, "rb") as packed, _bounded(cast(IO[bytes], packed), raw, path) as bounded:
            yield bounded


def read_bounded(file: IO[bytes], path: Path) -> bytes:
    """All bytes of a packed file, no more than memory holds."""
    limit, n_bytes, blocks = unpacked_limit(), 0, []
    while block := file.read(_BLOCK):
        n_bytes += len(block)
        if n_bytes > limit:
            raise InputError(
                f"unpacks to more than {limit / 2**30:.1f} GiB, which is more than can be held; unpack it, and take a "
                "part of the rows",
                file=path,
            )
        blocks.append(block)
    return b"".join(blocks)


@contextmanager
def _open_member(raw: IO[bytes], path: Path, member: str) -> Iterator[IO[bytes]]:
    """A file in an archive, to be read from its start; it never gives more bytes than the archive says."""
    try:
        with zipfile.ZipFile(raw) as archive, archive.open(member) as file:
            n_packed = path.stat().st_size
            if archive.getinfo(member).file_size > ratio_limit(n_packed):
                raise ratio_error(path, n_packed)
            yield file
    except InputError:
        raise
    except ZIP_ERRORS as error:
        raise InputError(f"{member!r} in it cannot be unpacked ({error})", file=path) from None


@contextmanager
def _bounded(file: IO[bytes], raw: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    with io.BufferedReader(_BoundedFile(file, raw, path), _BLOCK) as bounded:
        yield bounded


class _BoundedFile(io.RawIOBase):
    """Unpacked bytes; `InputError` once there are too many for what was read of the packed file."""

    def __init__(self, file: IO[bytes], raw: IO[bytes], path: Path) -> None:
        super().__init__()
        self._file, self._raw, self._path = file, raw, path
        self._n_bytes = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, or a part of it."""
        block = self._file.read(len(buffer))
        buffer[: len(block)] = block
        self._n_bytes += len(block)
        if self._n_bytes > RATIO_FLOOR and self._n_bytes > ratio_limit(self._raw.tell()):
            raise ratio_error(self._path, self._path.stat().st_size)
        return len(block)
