"""The header of a bundle, and the audit that decides whether to believe it."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from manyhot.errors import BundleError
from manyhot.persistence.container import strict_json
from manyhot.persistence.container.limits import Limits
from manyhot.version import __version__

FORMAT = 3  # of files that are written
OLDEST_FORMAT = 2  # that is read
DOCUMENT_KEY = "manyhot"
CHECKSUM_KEY = "manyhot_sha256"
DTYPES = {
    "BOOL": np.dtype("?"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "I16": np.dtype("<i2"),
    "U16": np.dtype("<u2"),
    "F16": np.dtype("<f2"),
    "I32": np.dtype("<i4"),
    "U32": np.dtype("<u4"),
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
    "U64": np.dtype("<u8"),
    "F64": np.dtype("<f8"),
}
ARRAY_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}){1,8}", re.ASCII)
_HIGHEST_SIZE = 2**48  # elements, and the longest axis; far below where NumPy's own sums overflow
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_VERSION = re.compile(r"[0-9A-Za-z.+!_-]{1,64}", re.ASCII)
ALTERED = "it was altered or damaged after it was written; take a fresh copy or save it again"


@dataclass(frozen=True)
class Entry:
    """Where one array lies: [start, stop) counts bytes from the end of the header."""

    name: str
    code: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @property
    def part(self) -> str:
        """The name up to the first slash."""
        return self.name.partition("/")[0]

    @property
    def dtype(self) -> np.dtype:
        """The little-endian NumPy dtype."""
        return DTYPES[self.code]


@dataclass(frozen=True)
class Header:
    """A header that passed the audit; `entries` are in the order of the file."""

    format: int
    version: str
    parts: dict[str, dict[str, Any]]
    document: dict[str, Any]
    entries: tuple[Entry, ...]


def audit(raw: bytes, n_data_bytes: int, limits: Limits) -> Header:
    """Check the header: the document matches its checksum, and the arrays tile the data exactly."""
    top = strict_json.parse(raw, "the header", limits)
    if not isinstance(top, dict):
        raise BundleError("the header is not a JSON object; this is not a bundle")
    sealed = _read_sealed(top.pop("__metadata__", None), limits)
    if len(top) > limits.max_arrays:
        raise BundleError(f"it lists {len(top):,} arrays, at most {limits.max_arrays:,} are allowed")
    found = [_read_entry(name, description, limits) for name, description in top.items()]
    entries = tuple(sorted(found, key=lambda entry: (entry.start, entry.stop)))
    _check_tiling(entries, n_data_bytes)
    _check_parts(sealed["parts"], entries)
    return Header(sealed["format"], sealed["manyhot"], sealed["parts"], sealed["document"], entries)


def part_checksum(checksums: Iterable[tuple[Entry, str]]) -> str:
    """Return the SHA-256 of a part: over names, dtypes, shapes and SHA-256s of its arrays, sorted by name."""
    total = hashlib.sha256()
    for entry, checksum in sorted(checksums, key=lambda pair: pair[0].name):
        shape = ",".join(map(str, entry.shape))
        total.update(f"{entry.name}\n{entry.code}\n{shape}\n{checksum}\n".encode())
    return total.hexdigest()


def _read_sealed(metadata: Any, limits: Limits) -> dict[str, Any]:
    """Read the inner JSON: first its checksum and format number, then the rest."""
    if not isinstance(metadata, dict) or not isinstance(text := metadata.get(DOCUMENT_KEY), str):
        raise BundleError("this is a safetensors file, but not one that manyhot wrote")
    raw = text.encode("utf-8")
    checksum = metadata.get(CHECKSUM_KEY)
    if checksum is not None and checksum != hashlib.sha256(raw).hexdigest():
        raise BundleError(f"the document does not match its checksum: {ALTERED}")
    sealed = strict_json.parse(raw, "the document", limits)
    if not isinstance(sealed, dict):
        raise BundleError("the document is not a JSON object; this is not a bundle")
    # the format number comes before every other rule: a newer format may have other rules
    _check_format(sealed.get("format"), sealed.get("manyhot"))
    _check_keys(metadata, {DOCUMENT_KEY, CHECKSUM_KEY}, "__metadata__")
    _check_keys(sealed, {"format", "manyhot", "parts", "document"}, "the sealed JSON")
    if not isinstance(sealed["manyhot"], str) or not _VERSION.fullmatch(sealed["manyhot"]):
        raise BundleError("the version that wrote it is not a version; save it again with manyhot")
    if not isinstance(sealed["document"], dict) or not isinstance(sealed["parts"], dict):
        raise BundleError("'document' and 'parts' are not both JSON objects; save it again with manyhot")
    return sealed


def _check_format(number: Any, version: Any) -> None:
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise BundleError("its format number is no whole number above 0; this is not a bundle that manyhot wrote")
    is_other = isinstance(version, str) and _VERSION.fullmatch(version) and version != __version__
    by = f" {version}" if is_other else ""  # before a release, builds of one version may differ in format
    formats = f"formats {OLDEST_FORMAT} to {FORMAT}"
    if number > FORMAT:
        raise BundleError(
            f"was written by a newer manyhot{by} (format {number}, this one reads {formats}), "
            "update with: pip install -U manyhot (in a clone: git pull, then pip install .)"
        )
    if number < OLDEST_FORMAT:
        raise BundleError(
            f"was written by an older manyhot{by} in format {number}, this one reads {formats}; "
            f"train again, or load it with {f'manyhot{by}' if by else 'that version'}"
        )


def _check_keys(found: Mapping[str, Any], expected: set[str], where: str) -> None:
    if set(found) != expected:
        missing = sorted(expected - set(found))
        surplus = [key[:60] for key in sorted(set(found) - expected)[:5]]
        raise BundleError(f"{where} lacks {missing} and has the unknown {surplus}; save it again with manyhot")


def _is_count(value: Any, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= high


def _read_entry(name: str, description: Any, limits: Limits) -> Entry:
    if not ARRAY_NAME.fullmatch(name):
        raise BundleError(f"the array name {name[:80]!r} is not of the form part/name")
    if not isinstance(description, dict):
        raise BundleError(f"array {name!r} is not described by a JSON object")
    _check_keys(description, {"dtype", "shape", "data_offsets"}, f"array {name!r}")
    code, shape, offsets = description["dtype"], description["shape"], description["data_offsets"]
    if not isinstance(code, str) or code not in DTYPES:
        raise BundleError(f"array {name!r} has an unknown dtype, expected one of {', '.join(DTYPES)}")
    if not isinstance(shape, list) or not all(_is_count(size, _HIGHEST_SIZE) for size in shape):
        raise BundleError(f"array {name!r} has a shape that is not a list of sizes from 0 to 2**48")
    if len(shape) > limits.max_rank:
        raise BundleError(f"array {name!r} has {len(shape)} axes, at most {limits.max_rank} are allowed")
    if math.prod(max(size, 1) for size in shape) > _HIGHEST_SIZE:
        raise BundleError(f"array {name!r} claims more than 2**48 elements")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_is_count(o, 2**63) for o in offsets):
        raise BundleError(f"array {name!r} has data_offsets that are not two byte positions")
    start, stop = offsets
    n_bytes = math.prod(shape) * DTYPES[code].itemsize
    if stop - start != n_bytes:
        raise BundleError(f"array {name!r} needs {n_bytes:,} bytes but has {stop - start:,}: {ALTERED}")
    return Entry(name, code, tuple(shape), start, stop)


def _check_tiling(entries: tuple[Entry, ...], n_data_bytes: int) -> None:
    expected = 0
    for entry in entries:
        if entry.start != expected:
            fault = "overlaps the array before it" if entry.start < expected else "leaves a gap before it"
            raise BundleError(f"array {entry.name!r} {fault}: {ALTERED}")
        expected = entry.stop
    if expected > n_data_bytes:
        raise BundleError(f"it is truncated: {expected - n_data_bytes:,} bytes are missing; take a fresh copy")
    if expected < n_data_bytes:
        raise BundleError(f"{n_data_bytes - expected:,} bytes follow its last array: {ALTERED}")


def _check_parts(parts: dict[str, Any], entries: tuple[Entry, ...]) -> None:
    sizes: dict[str, int] = {}
    for entry in entries:
        sizes[entry.part] = sizes.get(entry.part, 0) + entry.stop - entry.start
    if set(parts) != set(sizes):
        odd = [name[:60] for name in sorted(set(parts) ^ set(sizes))[:5]]
        raise BundleError(f"its list of parts and its arrays differ in {odd}: {ALTERED}")
    for name, description in parts.items():
        if not isinstance(description, dict):
            raise BundleError(f"part {name!r} is not described by a JSON object")
        _check_keys(description, {"sha256", "bytes"}, f"part {name!r}")
        if not isinstance(description["sha256"], str) or not _SHA256.fullmatch(description["sha256"]):
            raise BundleError(f"part {name!r} has no SHA-256 of 64 lower-case hexadecimal digits")
        if not _is_count(description["bytes"], 2**63) or description["bytes"] != sizes[name]:
            raise BundleError(f"part {name!r} has {sizes[name]:,} bytes, not as many as its list says: {ALTERED}")
