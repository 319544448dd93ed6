"""Opening a file that may be anything, and saying what it looks like if it is no bundle."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from manyhot import validation
from manyhot.errors import BundleError, InputError
from manyhot.persistence.container.limits import Limits

SUFFIX = ".manyhot"
_MAGIC_BYTES = [
    (b"PK\x03\x04", "a zip archive (a Keras .keras file, a PyTorch checkpoint or an .npz)"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras .h5 weights)"),
    (b"\x93NUMPY", "a NumPy .npy file"),
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"BZh", "bzip2-compressed data"),
    (b"\xfd7zXZ\x00", "xz-compressed data"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data"),
    (b"PAR1", "a Parquet table"),
    (b"ARROW1", "an Arrow table"),
    (b"GGUF", "a GGUF model"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    *((bytes([0x80, protocol]), "a pickle, which can run code when it is loaded") for protocol in range(1, 6)),
    (b"x\x9c", "zlib-compressed data (a joblib pickle?)"),
    (b"\x08", "a protocol buffer (an ONNX model?)"),
]


def begins_as_bundle(path: Path) -> bool:
    """Return whether a file begins as a bundle does, whatever became of the rest."""
    with path.open("rb") as file:
        return b'{"manyhot":' in file.read(64)


@contextmanager
def open_regular(path: str | os.PathLike[str], limits: Limits) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular file, unbuffered, and its size; faults of the file become a `BundleError` that names it."""
    file = Path(decode_path(path))
    try:
        with open(_descriptor(file), "rb", buffering=0) as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BundleError("is not a regular file (a pipe, socket or device?), expected a bundle")
            if status.st_size > limits.max_file_bytes:
                raise BundleError(
                    f"has {status.st_size:,} bytes, at most {limits.max_file_bytes:,} are allowed; "
                    "if you trust it, raise Limits.max_file_bytes"
                )
            yield opened, status.st_size
    except BundleError as error:
        raise (error if error.file else BundleError(error.message, file=file)) from None
    except MemoryError:
        raise BundleError("needs more memory than this machine has free", file=file) from None
    except RecursionError:
        raise BundleError("is nested too deeply to be a bundle", file=file) from None
    except OSError as error:
        raise BundleError(f"cannot be read: {error.strerror or error}", file=file) from None


def decode_path(path: str | os.PathLike[str]) -> str:
    """Return a path as text; raise `InputError` for anything else."""
    try:
        return os.fsdecode(path)
    except TypeError:
        raise InputError(f"got a {type(path).__name__}, expected a path", argument="path") from None


def identify(head: bytes) -> str:
    """Say what the first 64 bytes of a file look like, for an error message."""
    if not head:
        return "an empty file"
    for magic, name in _MAGIC_BYTES:
        if head.startswith(magic):
            return name
    # a character of several bytes may be cut off at the end of `head`
    readable = head.decode("utf-8", errors="ignore")
    if len(readable.encode("utf-8")) >= len(head) - 3 and all(c.isprintable() or c in "\t\r\n" for c in readable):
        return "a text file"
    return "binary data of an unknown kind"


def _descriptor(file: Path) -> int:
    if "\0" in str(file):
        raise BundleError("no such file: a file name cannot hold a NUL character", file=repr(str(file)))
    # O_NONBLOCK: opening a pipe must not wait for somebody to write into it
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        if file.is_dir():
            raise BundleError(f"is a folder, expected a {SUFFIX} file{_neighbours(file, '')}")
        return os.open(file, flags)
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(f"no such file{_neighbours(file.parent, file.name)}") from None


def _neighbours(folder: Path, name: str) -> str:
    """Return a hint at the bundles that do lie there, or nothing."""
    try:
        bundles = sorted(entry for entry in islice(os.listdir(folder), 10_000) if entry.endswith(SUFFIX))
    except OSError:
        return ""
    hint = validation.did_you_mean(name, bundles)
    if not hint and bundles:
        hint = f"; this folder holds {', '.join(map(repr, bundles[:3]))}{' and more' * (len(bundles) > 3)}"
    return hint
