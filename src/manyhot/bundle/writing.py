"""Document and arrays -> bundle file: either all of it or nothing.

It is for writing a file so that a crash, a full disk or a kill at any moment leaves the old
file or the new one. It must not know what the document means. Start at `write`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.bundle import strict_json
from manyhot.bundle.layout import ARRAY_NAME, CHECKSUM_KEY, DOCUMENT_KEY, DTYPES, FORMAT, Entry, audit, part_checksum
from manyhot.bundle.limits import DEFAULT, Limits
from manyhot.errors import BundleError, InputError, OutputError
from manyhot.version import __version__

_CHUNK_BYTES = 2**24
_CODES = {dtype: code for code, dtype in DTYPES.items()}
_ADVICE = {
    errno.ENOENT: "the folder does not exist; create it first",
    errno.ENOTDIR: "what should be its folder is a file",
    errno.EACCES: "you may not write there; choose another folder or change its permissions",
    errno.EPERM: "you may not write there; choose another folder or change its permissions",
    errno.EROFS: "this file system is read-only; choose another folder",
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "your disk quota is used up; free some space or choose another folder",
    errno.EFBIG: "the file is larger than this system lets you write",
    errno.ENAMETOOLONG: "the file name is too long",
}


def write(
    path: str | os.PathLike[str],
    document: dict[str, Any],
    arrays: Mapping[str, np.ndarray],
    limits: Limits = DEFAULT,
) -> None:
    """Write a bundle; the same input gives the same bytes.

    Args:
        path: The file; one that exists is replaced in one step and keeps its permissions.
        document: Anything JSON can say, without NaN.
        arrays: "part/name" -> array of bool, (u)int8 to 64 or float16 to 64, of any shape.
        limits: What a reader will accept; raise it on both sides for larger bundles.

    Raises:
        InputError: The document or an array cannot be stored faithfully, or is beyond the limits.
        OutputError: The system refused; the old file is untouched and nothing is left behind.
    """
    plain = {name: _plain(name, array) for name, array in sorted(_named(arrays))}
    head, ordered = _head(document, plain, limits)
    target = Path(os.path.realpath(_path(path)))
    with _replacing(target) as descriptor:
        _put(descriptor, memoryview(head))
        for array in ordered:
            # made contiguous one at a time: at most one copy is alive
            _put(descriptor, memoryview(_bytes(array)))


def _path(path: str | os.PathLike[str]) -> str:
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise InputError(f"got a {type(path).__name__}, expected a path", argument="path") from None
    if not text or "\0" in text:
        raise InputError(f"got {text!r}, expected the name of a file", argument="path")
    return text


def _named(arrays: Mapping[str, np.ndarray]) -> Iterable[tuple[str, np.ndarray]]:
    for name in arrays:
        if not isinstance(name, str) or not ARRAY_NAME.fullmatch(name):
            raise InputError(
                f"got the array name {name!r}, expected part/name: the part of a-z, 0-9 and _, "
                "the name of ASCII letters, digits, '.', '_', '-' and '/'",
                argument="arrays",
            )
    return arrays.items()


def _plain(name: str, array: Any) -> np.ndarray:
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        raise InputError(f"{name!r} is a {type(array).__name__}, expected a numpy.ndarray", argument="arrays")
    if array.dtype.newbyteorder("<") not in _CODES:
        known = ", ".join(dtype.name for dtype in DTYPES.values())
        raise InputError(f"{name!r} has dtype {array.dtype}, expected one of {known}", argument="arrays")
    return np.asarray(array)


def _bytes(array: np.ndarray) -> np.ndarray:
    """The array's bytes as it lies in the file: C order, little endian; uint8 (nbytes,)."""
    # asarray, because ascontiguousarray would give a 0-d array an axis
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C").reshape(-1).view(np.uint8)


def _head(document: dict[str, Any], arrays: dict[str, np.ndarray], limits: Limits) -> tuple[bytes, list[np.ndarray]]:
    """The bytes before the arrays, and the arrays in the order of the file."""
    if not isinstance(document, dict):
        raise InputError(f"got a {type(document).__name__}, expected a dict", argument="document")
    strict_json.refuse_unfaithful(document, "document")
    entries: dict[str, dict[str, Any]] = {}
    parts: dict[str, list[tuple[Entry, str]]] = {}
    ordered, start = [], 0
    # wide elements first: without gaps, this aligns every array for a reader that maps the file
    for name, array in sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0])):
        entry = Entry(name, _CODES[array.dtype.newbyteorder("<")], array.shape, start, start + array.nbytes)
        start = entry.stop
        parts.setdefault(entry.part, []).append((entry, hashlib.sha256(_bytes(array)).hexdigest()))
        entries[name] = {"dtype": entry.code, "shape": list(entry.shape), "data_offsets": [entry.start, entry.stop]}
        ordered.append(array)
    listed = {
        part: {"sha256": part_checksum(found), "bytes": sum(entry.stop - entry.start for entry, _ in found)}
        for part, found in sorted(parts.items())
    }
    sealed = {"format": FORMAT, "manyhot": __version__, "parts": listed, "document": document}
    text = strict_json.render(sealed)
    metadata = {DOCUMENT_KEY: text, CHECKSUM_KEY: hashlib.sha256(text.encode("utf-8")).hexdigest()}
    raw = strict_json.render({"__metadata__": metadata, **entries}).encode("utf-8")
    raw += b" " * (-len(raw) % 8)
    _check_readable(raw, start, limits)
    return len(raw).to_bytes(8, "little") + raw, ordered


def _check_readable(raw: bytes, n_data_bytes: int, limits: Limits) -> None:
    """The reader's own audit, so that no file is written which it would refuse."""
    if len(raw) > limits.max_header_bytes:
        raise InputError(
            f"the document makes a header of {len(raw):,} bytes, at most {limits.max_header_bytes:,} are allowed; "
            "long lists belong in `arrays`",
            argument="document",
        )
    if 8 + len(raw) + n_data_bytes > limits.max_file_bytes:
        raise InputError(
            f"the arrays have {n_data_bytes:,} bytes, the file may have {limits.max_file_bytes:,}", argument="arrays"
        )
    try:
        audit(raw, n_data_bytes, limits)
    except BundleError as error:
        raise InputError(f"cannot be stored: {error.message}", argument="document") from None


@contextmanager
def _replacing(target: Path) -> Iterator[int]:
    """A descriptor to write to; what was written takes the target's place only when all went well."""
    folder = temporary = None
    replaced = False
    try:
        old = _old_status(target)
        folder = _folder(target.parent)
        temporary = target.parent / f".{target.stem[:40]}.{secrets.token_hex(8)}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(temporary, flags, 0o666)  # less the umask, as for any new file
        try:
            yield descriptor
            if old is not None:
                _keep_permissions(descriptor, old)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, target)
        replaced = True
        if folder is not None:
            _flush_folder(folder)
    except OutputError:
        raise
    except OSError as error:
        reason = _ADVICE.get(error.errno or 0, error.strerror or str(error))
        fault = "was written, but may not survive a power failure" if replaced else "could not be written"
        raise OutputError(f"{target} {fault}: {reason}") from error
    finally:
        if temporary is not None and not replaced:
            with suppress(OSError):
                os.unlink(temporary)
        if folder is not None:
            os.close(folder)


def _old_status(target: Path) -> os.stat_result | None:
    try:
        old = os.stat(target)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(old.st_mode):
        raise OutputError(f"{target} could not be written: it is a folder; give the name of a file in it")
    if not stat.S_ISREG(old.st_mode):
        raise OutputError(f"{target} could not be written: it is not a regular file")
    if not os.access(target, os.W_OK):
        raise OutputError(f"{target} could not be written: it is write-protected; choose another name")
    return old


def _folder(folder: Path) -> int | None:
    """A descriptor to flush the folder by, where the system has such a thing and we may."""
    if os.name == "nt":
        return None
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return None


def _flush_folder(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        # some network file systems cannot flush folders and say so like this
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def _keep_permissions(descriptor: int, old: os.stat_result) -> None:
    if os.name == "nt":
        return
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        with suppress(PermissionError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & 0o777)


def _put(descriptor: int, content: memoryview) -> None:
    done = 0
    while done < len(content):
        done += os.write(descriptor, content[done : done + _CHUNK_BYTES])
