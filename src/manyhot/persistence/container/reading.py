"""Bundle file to document and arrays: described, audited, and only then built."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any, BinaryIO, cast

import numpy as np

from manyhot.errors import BundleError
from manyhot.persistence.container.header import ALTERED, Entry, Header, audit, part_checksum
from manyhot.persistence.container.limits import DEFAULT, Limits
from manyhot.persistence.container.opening import identify, open_regular

_CHUNK_BYTES = 2**24


@dataclass(frozen=True)
class Contents:
    """What a bundle holds."""

    document: dict[str, Any]  # the JSON document as it was given to `write`; still to be checked by who reads it
    arrays: dict[str, np.ndarray]  # name -> array, read-only, in native byte order
    version: str  # the manyhot that wrote it


def read(path: str | os.PathLike[str], limits: Limits = DEFAULT, *, skip: Collection[str] = ()) -> Contents:
    """Read a bundle, believing nothing in it; parts in `skip` are neither read nor checked."""
    with open_regular(path, limits) as (file, n_bytes):
        header = _read_header(file, n_bytes, limits)
        arrays: dict[str, np.ndarray] = {}
        checksums: dict[str, list[tuple[Entry, str]]] = {}
        position = file.tell()
        for entry in header.entries:
            if entry.part in skip:
                continue
            file.seek(position + entry.start)
            arrays[entry.name], checksum = _read_array(file, entry)
            checksums.setdefault(entry.part, []).append((entry, checksum))
        for part, part_arrays in checksums.items():
            if part_checksum(part_arrays) != header.parts[part]["sha256"]:
                raise BundleError(f"part {part!r} does not match its checksum: {ALTERED}")
        return Contents(header.document, dict(sorted(arrays.items())), header.version)


def describe(path: str | os.PathLike[str], limits: Limits = DEFAULT) -> dict[str, Any]:
    """Return format, version, document, parts and arrays (dtype, shape) from the header alone, arrays unchecked."""
    with open_regular(path, limits) as (file, n_bytes):
        header = _read_header(file, n_bytes, limits)
    arrays = {entry.name: {"dtype": entry.dtype.name, "shape": list(entry.shape)} for entry in header.entries}
    return {
        "format": header.format,
        "manyhot": header.version,
        "document": header.document,
        "parts": header.parts,
        "arrays": dict(sorted(arrays.items())),
    }


def _read_header(file: BinaryIO, n_bytes: int, limits: Limits) -> Header:
    head = file.read(64) or b""
    length = int.from_bytes(head[:8], "little")
    if 0 < n_bytes < 9:
        raise BundleError(f"has only {n_bytes} bytes: it is truncated, or no bundle; take a fresh copy")
    if head[8:9] != b"{":
        raise BundleError(f"is not a manyhot bundle: it looks like {identify(head)}")
    if length > limits.max_header_bytes:
        raise BundleError(f"claims a header of {length:,} bytes, at most {limits.max_header_bytes:,} are allowed")
    if 8 + length > n_bytes:
        raise BundleError(f"is truncated or no bundle: its header needs {8 + length:,} bytes, it has {n_bytes:,}")
    file.seek(8)
    raw = bytearray(length)
    _fill(file, memoryview(raw))
    return audit(bytes(raw), n_bytes - 8 - length, limits)


def _read_array(file: BinaryIO, entry: Entry) -> tuple[np.ndarray, str]:
    array = np.empty(entry.shape, dtype=entry.dtype)
    content = array.reshape(-1).view(np.uint8)
    _fill(file, content.data)
    checksum = hashlib.sha256(content.data).hexdigest()
    if entry.code == "BOOL" and content.max(initial=0) > 1:
        raise BundleError(f"array {entry.name!r} is boolean but holds bytes other than 0 and 1: {ALTERED}")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    array.flags.writeable = False
    return array, checksum


def _fill(file: BinaryIO, target: memoryview) -> None:
    done = 0
    while done < len(target):
        n_read = cast(BufferedIOBase, file).readinto(target[done : done + _CHUNK_BYTES])
        if not n_read:
            raise BundleError("became shorter while it was read; try again once nobody writes to it")
        done += n_read
