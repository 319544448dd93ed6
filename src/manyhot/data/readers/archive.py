"""Zip archives that hold one table, and how much any packed file may unpack to."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from manyhot.data.readers.memory import unpacked_limit
from manyhot.errors import InputError
from manyhot.validation import join_names

_BLOCK = 1 << 24
_NO_FILE = re.compile(r"(^|/)(__MACOSX/|\.[^/]*$|Thumbs\.db$|desktop\.ini$)|/$", re.IGNORECASE)
_NO_TABLE = re.compile(r"(^|/)(readme|licen[cs]e|changelog|citation)[^/]*$|\.(md|pdf|html?)$", re.IGNORECASE)
_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def find_member(path: Path) -> tuple[str, tuple[str, ...]]:
    """The name of the one table in an archive, and a note on what else is there."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.filename for entry in archive.infolist() if not _NO_FILE.search(entry.filename)]
    except (*_ERRORS, OSError) as error:
        raise InputError(f"is no zip archive, or a damaged one ({error})", file=path) from None
    tables = [name for name in names if not _NO_TABLE.search(name)] or names
    if len(tables) != 1:
        listed = join_names([repr(name) for name in tables], 5)
        found = f"{len(tables)} files: {listed}" if tables else "no file"
        raise InputError(f"holds {found}; expected one table in a zip archive: unpack it and name one file", file=path)
    others = [name for name in names if name != tables[0]]
    return tables[0], (f"read {tables[0]!r} from the archive; not read: {', '.join(others)}",) if others else ()


@contextmanager
def open_member(path: Path, member: str) -> Iterator[IO[bytes]]:
    """A file in an archive, to be read from its start; it never gives more bytes than the archive says."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            yield file
    except _ERRORS as error:
        raise InputError(f"{member!r} in it cannot be unpacked ({error})", file=path) from None


def read_bounded(file: IO[bytes], path: Path) -> bytes:
    """All bytes of a packed file."""
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
