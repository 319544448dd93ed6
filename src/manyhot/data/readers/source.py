"""Finding a file, unpacking it within the memory there is, and saying what is wrong when it is not what it says."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl

from manyhot.data.readers.encodings import (
    UTF8_MARK,
    TextDecoder,
    encoding_error,
    find_invalid_byte,
    is_utf16,
    utf16_to_utf8,
)
from manyhot.data.readers.unpacking import COMPRESSIONS, UNPACK_ERRORS, ZIP_ERRORS, open_packed, read_bounded
from manyhot.errors import InputError, ManyhotError
from manyhot.validation import existing_path, join_names

_HEAD_BYTES = 4096
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow IPC"),
    (b"PK\x03\x04", "a zip archive (XLSX, NPZ and ZIP files are)"),
    (b"%PDF", "a PDF"),
    (b"\x89HDF", "HDF5"),
    (b"SQLite format 3", "an SQLite database"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)
PARQUET, ARROW, ZIP = "Parquet", "Arrow IPC", "a zip archive (XLSX, NPZ and ZIP files are)"
_PACKINGS = {".gz": "gzip", ".zst": "Zstandard"}
# PanicException, which is no Exception, is what polars raises of a fault of its own
_LIBRARY_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, RecursionError, MemoryError, OSError)
_NO_FILE = re.compile(r"(^|/)(__MACOSX/|\.[^/]*$|Thumbs\.db$|desktop\.ini$)|/$", re.IGNORECASE)
_NO_TABLE = re.compile(r"(^|/)(readme|licen[cs]e|changelog|citation)[^/]*$|\.(md|pdf|html?)$", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """A file that exists."""

    path: Path
    stem: str  # without the suffixes of format and compression
    suffix: str  # of its format in lower case, with the dot, or ""
    compression: str  # ".gz", ".zst", ".zip" or ""
    member: str = ""
    notes: tuple[str, ...] = ()

    def error(
        self, message: str, *, row: int | None = None, column: str | None = None, argument: str | None = None
    ) -> InputError:
        """What is wrong in this file, and where."""
        return InputError(message, file=self.path, row=row, column=column, argument=argument)

    def content(self) -> bytes:
        """All bytes, unpacked."""
        with self._opened() as file:
            content = read_bounded(file, self.path) if self.compression else file.read()
        if not content or content.isspace():
            raise self.error("is empty: there is nothing to read")
        return content

    def text(self, format_name: str) -> bytes:
        """All bytes of a text format in UTF-8, without a byte order mark."""
        content = self.content()
        self.refuse_binary(content[:_HEAD_BYTES], format_name)
        content = content.removeprefix(UTF8_MARK)
        position = find_invalid_byte(content)
        if position is not None:
            raise encoding_error(content, position, self.path)
        return content

    def decoded_text(self, format_name: str) -> tuple[bytes, tuple[str, ...]]:
        """As `text`, but UTF-16 and Windows-1252 are read too; and what the user should know of it."""
        content, decoder = self.content(), self.decoder()
        if is_utf16(content):
            content = utf16_to_utf8(content, self.path)
        self.refuse_binary(content[:_HEAD_BYTES], format_name)
        content = _mend_line_ends(decoder.decode(content.removeprefix(UTF8_MARK)))
        if content.isspace():
            raise self.error("is empty: there is nothing to read")
        return content, decoder.notes

    def text_head(self) -> bytes:
        """As `head`, of UTF-16 as UTF-8, and without a byte order mark."""
        head = self.head()
        if is_utf16(head):
            head = head[: len(head) // 2 * 2].decode("utf-16", errors="ignore").encode()
        return head.removeprefix(UTF8_MARK)

    def head(self) -> bytes:
        """The first 4096 bytes, unpacked."""
        with self._opened() as file:
            return file.read(_HEAD_BYTES)

    def lines(self) -> Iterator[bytes]:
        """The lines of a text, one after another, unpacked; the file is never held as a whole."""
        try:
            with self._opened() as file:
                head = self.head()
                if _has_old_line_ends(head):
                    yield from (line.encode("latin-1") for line in io.TextIOWrapper(file, encoding="latin-1"))
                elif is_utf16(head):
                    yield from (line.encode() for line in io.TextIOWrapper(file, encoding="utf-16", newline="\n"))
                else:
                    yield from file
        except UnicodeError:
            raise self.error("begins as UTF-16 text but is none; save it as UTF-8") from None

    def refuse_binary(self, head: bytes, format_name: str) -> None:
        """Raise when the first bytes are not those of a text."""
        content_type = identify_content(head)
        if content_type == "gzip":
            raise self.error(f"is gzip, not {format_name}: let its name end in .gz")
        if content_type is not None:
            raise self.error(
                f"is {content_type}, not {format_name} in UTF-8; convert it, or give the format it really has"
            )

    def decoder(self) -> TextDecoder:
        """What turns the file's lines into UTF-8, and notes from what."""
        return TextDecoder(self.path, is_utf16(self.head()))

    def refuse_other_content(self, content_type: str, format_name: str) -> None:
        """Raise when the first bytes are not those of a binary format."""
        found = identify_content(self.head())
        if found != content_type:
            raise self.error(f"is not {format_name} but {found or 'plain text'}; rename it")

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        """The unpacked bytes of the file."""
        try:
            with (
                open_packed(self.path, self.compression, self.member) if self.compression else self.path.open("rb")
            ) as file:
                yield file
        except UNPACK_ERRORS as error:
            raise self._unpack_error(_PACKINGS.get(self.compression, "a zip archive"), error) from None
        except OSError as error:
            raise self.error(f"cannot be read ({error.strerror or error})") from None

    def _unpack_error(self, packing: str, error: Exception) -> InputError:
        with self.path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if not head:
            return self.error("is empty: there is nothing to read")
        if identify_content(head) == packing:
            return self.error(f"is damaged or cut short ({error})")
        return self.error(
            f"is {identify_content(head) or 'plain text'}, not {packing} as its name says; "
            f"drop {self.compression} from its name"
        )


@dataclass(frozen=True)
class InMemorySource(Source):
    """Bytes that came some other way and are no file; `path` only gives them a name."""

    data: bytes = b""

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        """The bytes; `InputError` where there are none but blanks."""
        if not self.data or self.data.isspace():
            raise self.error("is empty: there is nothing to read")
        yield io.BytesIO(self.data)

    def lines(self) -> Iterator[bytes]:
        """The lines, one after another."""
        content = _mend_line_ends(self.content())
        yield from io.BytesIO(utf16_to_utf8(content, self.path) if is_utf16(content) else content)


def split_compression(name: str) -> tuple[str, str]:
    """The name of a file without the suffix that says how it is packed, and that suffix in lower case, or ""."""
    compression = next((suffix for suffix in COMPRESSIONS if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(compression)], compression


def locate(path: str | Path) -> Source:
    """A path -> a file that is there."""
    path = existing_path(path)
    if path.is_dir():
        raise InputError("is a folder, expected a file; name one file in it", file=path)
    if not path.stat().st_size:
        raise InputError("is empty: there is nothing to read", file=path)
    name, compression = split_compression(path.name)
    member, notes = _find_member(path) if compression == ".zip" else ("", ())
    name = member.rsplit("/", 1)[-1] if member else name
    suffix = Path(name).suffix
    stem = name[: len(name) - len(suffix)] if suffix else name
    return Source(path, stem, suffix.lower(), compression, member, notes)


def _has_old_line_ends(head: bytes) -> bool:
    """Whether lines end in a carriage return alone, as in Excel's "CSV (Macintosh)"."""
    return b"\r" in head and b"\n" not in head


def _mend_line_ends(content: bytes) -> bytes:
    """A text whose lines end in a line feed, if they ended in a carriage return alone."""
    return content.replace(b"\r", b"\n") if _has_old_line_ends(content[:_HEAD_BYTES]) else content


def identify_content(head: bytes) -> str | None:
    """What the first bytes of a file say it is; None for what may be text in UTF-8."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    return "binary data" if b"\0" in head else None


def locate_error(error: InputError, source: Source, rows: np.ndarray | None = None) -> InputError:
    """The same error with its file, and its row by the numbers of the rows, int64 (n,); None for 1 to n."""
    row = error.row if error.row is None or rows is None else int(rows[error.row - 1])
    return source.error(error.message, row=row, column=error.column, argument=error.argument)


def read_error(source: Source, format_name: str, error: BaseException) -> InputError:
    """What to say when a library cannot read a file for a reason of its own."""
    return source.error(f"cannot be read as {format_name} ({_first_line(error)})")


@contextmanager
def library_errors(source: Source, format_name: str) -> Iterator[None]:
    """Raise `InputError` for whatever a library raises of a file: errors and panics of polars, nesting without end."""
    try:
        yield
    except ManyhotError:
        raise
    except _LIBRARY_ERRORS as error:
        raise read_error(source, format_name, error) from None


def _first_line(error: BaseException) -> str:
    return re.split(r"[\r\n]", str(error) or type(error).__name__, maxsplit=1)[0][:200]


def _find_member(path: Path) -> tuple[str, tuple[str, ...]]:
    """The name of the one table in an archive, and a note on what else is there."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.filename for entry in archive.infolist() if not _NO_FILE.search(entry.filename)]
    except (*ZIP_ERRORS, OSError) as error:
        raise InputError(f"is no zip archive, or a damaged one ({error})", file=path) from None
    tables = [name for name in names if not _NO_TABLE.search(name)] or names
    if len(tables) != 1:
        listed = join_names([repr(name) for name in tables], 5)
        found = f"{len(tables)} files: {listed}" if tables else "no file"
        raise InputError(f"holds {found}; expected one table in a zip archive: unpack it and name one file", file=path)
    others = [name for name in names if name != tables[0]]
    return tables[0], (f"read {tables[0]!r} from the archive; not read: {', '.join(others)}",) if others else ()
