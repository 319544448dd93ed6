"""Bundles to attack, and a second implementation of their format to attack them with."""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from manyhot.errors import BundleError
from manyhot.persistence.container import read

DOCUMENT = {"labels": ["sad", "quiet", "été 😀", 'a"b\\\n'], "rate": 0.1, "seed": 2**64 - 1, "none": None, "yes": True}


def some_arrays() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {
        "network/0": generator.normal(size=(3, 4, 2)).astype(np.float32),
        "network/1": np.array(0.5),
        "encoder/medians": generator.normal(size=7),
        "encoder/flags": np.array([True, False, True]),
        "evidence/scores": generator.random((5, 2)).astype(np.float16),
        "evidence/ids": np.zeros((0, 3), dtype=np.int64),
    }


def taken_apart(file: Path) -> tuple[dict, dict, bytes]:
    """Header, sealed JSON and data, by an implementation of its own."""
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    return header, json.loads(header["__metadata__"]["manyhot"]), content[8 + length :]


def put_together(file: Path, header: dict, sealed: dict | str, data: bytes) -> None:
    """The reverse, with the document's checksum made right."""
    text = sealed if isinstance(sealed, str) else json.dumps(sealed)
    checksum = hashlib.sha256(text.encode()).hexdigest()
    header = {**header, "__metadata__": {"manyhot": text, "manyhot_sha256": checksum}}
    raw = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(raw)) + raw + data)


def assert_same(got: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert set(got) == set(expected)
    for name, array in expected.items():
        assert (got[name].dtype, got[name].shape) == (array.dtype.newbyteorder("="), array.shape)
        assert got[name].tobytes() == array.astype(array.dtype.newbyteorder("=")).tobytes()


def assert_refused(file: Path, *words: str) -> None:
    with pytest.raises(BundleError) as caught:
        read(file)
    assert caught.value.file == str(file)
    for word in words:
        assert word in str(caught.value)
