"""Bundles damaged in every way that is cheap to think of, half of them with checksums made right again."""

import copy
import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ODD_VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    2**31,
    2**63,
    10**30,
    -0.5,
    1e308,
    "",
    "x" * 5000,
    "__import__('os').system('id')",
    "../../etc/passwd",
    "\u202e\x00",
    [],
    {},
    [[[[[[]]]]]],
    ["a"] * 100,
    {"manyhot": {"format": 2}},
    {"class_name": "Lambda", "config": {"code": "exec"}},
]
ODD_DTYPES = ["F64", "F32", "F16", "BF16", "I64", "U8", "BOOL", "O", "F128", ""]


def parts_of(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and data of a bundle."""
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header: dict[str, Any], data: bytes, is_sealed: bool = True) -> bytes:
    """Header and data as a file, with the checksums of document and parts made right where that is possible."""
    header = copy.deepcopy(header)
    if is_sealed:
        seal(header, data)
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    return struct.pack("<Q", len(raw)) + raw + data


def seal(header: dict[str, Any], data: bytes) -> None:
    """Recompute what can be recomputed; what is too broken for that stays as it is."""
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("manyhot"), str):
        return
    text = metadata["manyhot"]
    try:
        sealed = json.loads(text)
    except json.JSONDecodeError:
        sealed = None
    if isinstance(sealed, dict) and isinstance(sealed.get("parts"), dict):
        for part in list(sealed["parts"]):
            total, size = hashlib.sha256(), 0
            for name in sorted(name for name in header if name.startswith(f"{part}/")):
                try:
                    start, stop = header[name]["data_offsets"]
                    content = data[start:stop]
                    shape = ",".join(map(str, header[name]["shape"]))
                    code = header[name]["dtype"]
                except (KeyError, TypeError, ValueError):
                    continue
                size += len(content)
                total.update(f"{name}\n{code}\n{shape}\n{hashlib.sha256(content).hexdigest()}\n".encode())
            sealed["parts"][part] = {"sha256": total.hexdigest(), "bytes": size}
        text = metadata["manyhot"] = json.dumps(sealed)
    metadata["manyhot_sha256"] = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The path of every value inside a JSON value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in children:
        yield (*path, key)
        yield from places(inner, (*path, key))


def changed(value: Any, path: tuple, generator: np.random.Generator) -> None:
    """Replace, drop or double what stands at a path."""
    for key in path[:-1]:
        value = value[key]
    key = path[-1]
    kind = generator.integers(4)
    if kind == 0 and isinstance(value, dict):
        del value[key]
    elif kind == 1 and isinstance(value, list):
        value.append(copy.deepcopy(value[key]))
    elif kind == 2 and isinstance(value[key], (int, float)) and not isinstance(value[key], bool):
        value[key] = [value[key] + 1, -value[key], value[key] * 1000, float(value[key])][generator.integers(4)]
    else:
        value[key] = copy.deepcopy(ODD_VALUES[generator.integers(len(ODD_VALUES))])


def in_document(content: bytes, generator: np.random.Generator) -> bytes:
    """Change one to three places of the sealed JSON, then make the checksums right."""
    header, data = parts_of(content)
    sealed = json.loads(header["__metadata__"]["manyhot"])
    for _ in range(generator.integers(1, 4)):
        listed = [path for path in places(sealed) if path[:2] != ("document", "report")]
        if generator.random() < 0.15:
            listed = list(places(sealed))
        changed(sealed, listed[generator.integers(len(listed))], generator)
    header["__metadata__"]["manyhot"] = json.dumps(sealed)
    return joined(header, data)


def in_header(content: bytes, generator: np.random.Generator) -> bytes:
    """Change an array's name, type, shape or place, then make the checksums right."""
    header, data = parts_of(content)
    names = [name for name in header if name != "__metadata__"]
    name = names[generator.integers(len(names))]
    kind = generator.integers(6)
    if kind == 0:
        header[name]["dtype"] = ODD_DTYPES[generator.integers(len(ODD_DTYPES))]
    elif kind == 1:
        shape = header[name]["shape"]
        header[name]["shape"] = [[*shape, 1], shape[::-1], [2**40], [-1], [*shape, 2**62, 4], "3"][
            generator.integers(6)
        ]
    elif kind == 2:
        start, stop = header[name]["data_offsets"]
        pairs = [[start, stop + 8], [start - 8, stop], [stop, start], [0, 2**60], [start, start], "x"]
        header[name]["data_offsets"] = pairs[generator.integers(len(pairs))]
    elif kind == 3:
        header[["network/0", "evil", "a/../b", "encoder/center ", "x/" * 40][generator.integers(5)]] = header.pop(name)
    elif kind == 4:
        del header[name]
    else:
        other = names[generator.integers(len(names))]
        header[name], header[other] = header[other], header[name]
    return joined(header, data)


def in_data(content: bytes, generator: np.random.Generator) -> bytes:
    """Overwrite some bytes of an array with NaN, infinity or noise, then make the checksums right."""
    header, data = parts_of(content)
    names = [name for name in header if name != "__metadata__" and header[name]["data_offsets"][1]]
    start, stop = header[names[generator.integers(len(names))]]["data_offsets"]
    patch = [b"\x00\x00\xc0\x7f", b"\x00\x00\x80\xff", b"\xff" * 8, generator.bytes(16)][generator.integers(4)]
    place = start + int(generator.integers(max(1, stop - start - len(patch) + 1)))
    return joined(header, (data[:place] + patch + data[place + len(patch) :])[: len(data)])


def in_bytes(content: bytes, generator: np.random.Generator) -> bytes:
    """Cut, flip, insert or repeat bytes anywhere; nothing is made right again."""
    kind, place = generator.integers(5), int(generator.integers(len(content)))
    if kind == 0:
        return content[:place]
    if kind == 1:
        return content[:place] + bytes([content[place] ^ (1 << int(generator.integers(8)))]) + content[place + 1 :]
    if kind == 2:
        return content[:place] + generator.bytes(int(generator.integers(1, 40))) + content[place:]
    if kind == 3:
        return struct.pack("<Q", [0, 1, 2**20, 2**40, 2**63, 2**64 - 1][generator.integers(6)]) + content[8:]
    end = min(len(content), place + int(generator.integers(1, 200)))
    return content[:place] + content[end:]


def in_text(content: bytes, generator: np.random.Generator) -> bytes:
    """Break the JSON as text: doubled keys, deep nesting, NaN, bad escapes; nothing is made right again."""
    (length,) = struct.unpack("<Q", content[:8])
    raw, data = content[8 : 8 + length], content[8 + length :]
    kind = generator.integers(5)
    if kind == 0:
        raw = raw.replace(b'"dtype":', b'"dtype": "F32", "dtype":', 1)
    elif kind == 1:
        raw = b"[" * 100_000 + raw
    elif kind == 2:
        raw = raw.replace(b"[", b"[NaN,", 1)
    elif kind == 3:
        raw = raw.replace(b"network", b"\xff\xfe", 1)
    else:
        place = int(generator.integers(len(raw)))
        raw = raw[:place] + [b"\\ud800", b"1e999", b"{", b'"', b"\x00", b"-"][generator.integers(6)] + raw[place + 1 :]
    return struct.pack("<Q", len(raw)) + raw + data


MADE_RIGHT = (in_document, in_document, in_header, in_data)
LEFT_WRONG = (in_bytes, in_text)


def mutants(seed_file: Path, n: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """n damaged copies of a bundle; every other one has its checksums made right again."""
    content = seed_file.read_bytes()
    generator = np.random.default_rng(seed)
    for k in range(n):
        kinds = MADE_RIGHT if k % 2 else LEFT_WRONG
        mutate = kinds[generator.integers(len(kinds))]
        yield mutate.__name__, mutate(content, generator)
