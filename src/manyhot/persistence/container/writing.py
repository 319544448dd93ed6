"""Document and arrays to a bundle file: a crash at any moment leaves the old file or the new one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from manyhot.errors import BundleError, InputError
from manyhot.files import atomic_write, write_all
from manyhot.persistence.container import strict_json
from manyhot.persistence.container.header import (
    ARRAY_NAME,
    CHECKSUM_KEY,
    DOCUMENT_KEY,
    DTYPES,
    FORMAT,
    Entry,
    audit,
    part_checksum,
)
from manyhot.persistence.container.limits import DEFAULT, Limits
from manyhot.persistence.container.opening import decode_path
from manyhot.version import __version__

_CODES = {dtype: code for code, dtype in DTYPES.items()}


def write(
    path: str | os.PathLike[str],
    document: dict[str, Any],
    arrays: Mapping[str, np.ndarray],
    limits: Limits = DEFAULT,
) -> None:
    """Write a bundle of a JSON document and arrays "part/name"; the same input gives the same bytes."""
    plain = {name: _as_array(name, array) for name, array in arrays.items()}
    head, ordered = _render_header(document, plain, limits)
    with atomic_write(_target(path)) as descriptor:
        write_all(descriptor, memoryview(head))
        for array in ordered:
            # made contiguous one at a time: at most one copy is alive
            write_all(descriptor, _to_bytes(array).data)


def _target(path: str | os.PathLike[str]) -> Path:
    text = decode_path(path)
    if not text or "\0" in text:
        raise InputError(f"got {text!r}, expected the name of a file", argument="path")
    return Path(os.path.realpath(text))


def _as_array(name: Any, array: Any) -> np.ndarray:
    if not isinstance(name, str) or not ARRAY_NAME.fullmatch(name):
        raise InputError(
            f"got the array name {name!r}, expected part/name: the part of a-z, 0-9 and _, "
            "the name of ASCII letters, digits, '.', '_', '-' and '/'",
            argument="arrays",
        )
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        raise InputError(f"{name!r} is a {type(array).__name__}, expected a numpy.ndarray", argument="arrays")
    if array.dtype.newbyteorder("<") not in _CODES:
        known = ", ".join(dtype.name for dtype in DTYPES.values())
        raise InputError(f"{name!r} has dtype {array.dtype}, expected one of {known}", argument="arrays")
    return np.asarray(array)


def _to_bytes(array: np.ndarray) -> np.ndarray:
    """Return the bytes of an array as in the file: C order, little endian; uint8 (nbytes,)."""
    # asarray, because ascontiguousarray would give a 0-d array an axis
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C").reshape(-1).view(np.uint8)


def _render_header(
    document: dict[str, Any], arrays: dict[str, np.ndarray], limits: Limits
) -> tuple[bytes, list[np.ndarray]]:
    """Return the bytes before the arrays, and the arrays in the order of the file."""
    if not isinstance(document, dict):
        raise InputError(f"got a {type(document).__name__}, expected a dict", argument="document")
    strict_json.check_json_safe(document, "document")
    entries: dict[str, dict[str, Any]] = {}
    parts: dict[str, list[tuple[Entry, str]]] = {}
    ordered, start = [], 0
    # wide elements first: without gaps, this aligns every array for a reader that maps the file
    for name, array in sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0])):
        entry = Entry(name, _CODES[array.dtype.newbyteorder("<")], array.shape, start, start + array.nbytes)
        start = entry.stop
        parts.setdefault(entry.part, []).append((entry, hashlib.sha256(_to_bytes(array).data).hexdigest()))
        entries[name] = {"dtype": entry.code, "shape": list(entry.shape), "data_offsets": [entry.start, entry.stop]}
        ordered.append(array)
    part_entries = {
        part: {"sha256": part_checksum(part_arrays), "bytes": sum(entry.stop - entry.start for entry, _ in part_arrays)}
        for part, part_arrays in sorted(parts.items())
    }
    sealed = {"format": FORMAT, "manyhot": __version__, "parts": part_entries, "document": document}
    text = strict_json.render(sealed)
    metadata = {DOCUMENT_KEY: text, CHECKSUM_KEY: hashlib.sha256(text.encode("utf-8")).hexdigest()}
    raw = strict_json.render({"__metadata__": metadata, **entries}).encode("utf-8")
    raw += b" " * (-len(raw) % 8)
    _check_readable(raw, start, limits)
    return len(raw).to_bytes(8, "little") + raw, ordered


def _check_readable(raw: bytes, n_data_bytes: int, limits: Limits) -> None:
    """Run the reader's own audit, so that no file is written which it would refuse."""
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
