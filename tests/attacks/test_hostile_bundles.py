"""Files that are no bundles, or bundles that lie: a BundleError says what is wrong, soon and at no cost."""

import json
import os
import struct
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from manyhot.errors import BundleError, InputError
from manyhot.persistence.container import Limits, read, write
from tests.attacks.bundles import DOCUMENT, assert_refused, put_together, some_arrays, taken_apart


@pytest.fixture
def file(tmp_path) -> Path:
    write(tmp_path / "songs.manyhot", DOCUMENT, some_arrays())
    return tmp_path / "songs.manyhot"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"\x80\x04\x95\x00\x00\x00\x00\x00\x00", "pickle"),
        (b"PK\x03\x04" + bytes(30), "Keras"),
        (b"\x89HDF\r\n\x1a\n" + bytes(30), "HDF5"),
        (b"\x93NUMPY\x01\x00v\x00", "NumPy"),
        (b"name,sad,quiet\nx,1,0\n", "text"),
        ("été, mélodie, 😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀".encode(), "text"),
        (b"\xde\xad\xbe\xef" * 20, "unknown"),
        (b"\x00" * 100, "unknown"),
    ],
)
def test_other_files_are_named(tmp_path, content, word):
    path = tmp_path / "x.manyhot"
    path.write_bytes(content)
    assert_refused(path, word)


def test_missing_file_folder_pipe_and_device(tmp_path, file):
    assert_refused(tmp_path / "song.manyhot", "no such file", "did you mean 'songs.manyhot'")
    assert_refused(tmp_path / "zzz", "no such file", "'songs.manyhot'")
    assert_refused(file / "x", "no such file")
    assert_refused(tmp_path, "is a folder", "'songs.manyhot'")
    assert_refused(tmp_path / "no" / "x", "no such file")
    assert_refused(tmp_path / ("x" * 300), "cannot be read")
    os.mkfifo(tmp_path / "pipe")
    assert_refused(tmp_path / "pipe", "not a regular file")
    assert_refused(Path(os.devnull), "not a regular file")
    with pytest.raises(BundleError, match="NUL"):
        read("a\0b")
    with pytest.raises(InputError, match="expected a path"):
        read(3.5)


def test_plain_safetensors_is_told_apart(tmp_path):
    safetensors.numpy.save_file({"a": np.zeros(3)}, tmp_path / "x", metadata={"format": "np"})
    assert_refused(tmp_path / "x", "not one that manyhot wrote")


def test_every_truncation_is_refused(file):
    content = file.read_bytes()
    for length in range(len(content)):
        file.write_bytes(content[:length])
        assert_refused(file, *(["truncated"] if length > 8 else []))
    file.write_bytes(content + b"\0")
    assert_refused(file, "follow its last array")


def test_every_flipped_bit_is_noticed(file):
    content = file.read_bytes()
    generator = np.random.default_rng(1)
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(generator.integers(8))
        file.write_bytes(flipped)
        assert_refused(file)


def test_another_format_says_what_to_do(file):
    header, sealed, data = taken_apart(file)
    put_together(file, header, {"format": 4, "manyhot": "9.1", "other": []}, data)
    assert_refused(file, "newer manyhot 9.1", "format 4", "formats 2 to 3", "pip install -U manyhot")
    put_together(file, header, {"format": 1, "manyhot": "0.1.2", "other": []}, data)
    assert_refused(
        file, "older manyhot 0.1.2 in format 1", "formats 2 to 3", "train again", "load it with manyhot 0.1.2"
    )
    put_together(file, header, {"format": 1}, data)
    assert_refused(file, "older manyhot in format 1", "train again, or load it with that version")
    for number in (0, -1, True, 1.0, "1", None):
        put_together(file, header, {**sealed, "format": number}, data)
        assert_refused(file, "format number")


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("NaN", "not a number"), ("-Infinity", "not a number"), ("1e999", "finite"), ("1" * 5000, "64 bits"),
        ("1." + "0" * 5000, "finite"), ("[" * 100_000 + "]" * 100_000, "deep"), ("[" * 100_000, "deep"),
        ('{"a":' * 99 + "1" + "}" * 99, "deep"), ('{"a":1,"b":2,"a":3}', "'a' stands twice"), (r'"\ud800"', "UTF-8"),
        ("[" + "0," * 4_000_001 + "0]", "values"), ("[1,]", "not valid JSON"), ('"\x00"', "not valid JSON"),
        ("]" * 99, "JSON"), ('"' + r"\"" * 200_000, "JSON"), ("18446744073709551616", "64 bits"),
    ],
)  # fmt: skip
def test_json_that_is_refused(file, value, word):
    header, sealed, data = taken_apart(file)
    text = json.dumps({**sealed, "document": {"x": "HERE"}}).replace('"HERE"', value)
    put_together(file, header, text, data)
    began = time.perf_counter()
    assert_refused(file, word)
    assert time.perf_counter() - began < 2


def test_many_keys_and_one_twice_take_no_time(file):
    header, sealed, data = taken_apart(file)
    keys = ",".join(f'"{k}":0' for k in range(300_000))
    put_together(
        file, header, json.dumps({**sealed, "document": "HERE"}).replace('"HERE"', f'{{{keys},"299999":1}}'), data
    )
    began = time.perf_counter()
    assert_refused(file, "'299999' stands twice")
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ({"dtype": "OBJECT"}, "dtype"), ({"dtype": ["F32"]}, "dtype"), ({"dtype": "BF16"}, "dtype"),
        ({"dtype": "F64"}, "bytes"), ({"shape": [24, -1]}, "shape"), ({"shape": "24"}, "shape"),
        ({"shape": [24.0]}, "shape"), ({"shape": [True]}, "shape"), ({"shape": [1] * 9}, "axes"),
        ({"shape": [0, 2**48, 2**48]}, "elements"), ({"shape": [2**47]}, "bytes"),
        ({"data_offsets": [96, 0]}, "bytes"), ({"data_offsets": [-8, 88]}, "positions"),
        ({"data_offsets": [0]}, "positions"), ({"data_offsets": [2**40, 2**40 + 96]}, "gap"),
        ({"data_offsets": [1, 97]}, "overlaps"), ({"data_offsets": {}}, "positions"), ({"extra": 1}, "extra"),
    ],
)  # fmt: skip
def test_header_entry_that_is_refused(file, told, word):
    header, sealed, data = taken_apart(file)
    header["network/0"] |= told
    put_together(file, header, sealed, data)
    assert_refused(file, word)


def test_sealed_json_that_is_refused(file):
    header, sealed, data = taken_apart(file)
    one, other = sealed["parts"]["network"], sealed["parts"]["encoder"]
    for change, word in [
        ({"parts": {**sealed["parts"], "more": one}}, "more"),
        ({"parts": {"network": one}}, "encoder"),
        ({"parts": {**sealed["parts"], "network": {**one, "bytes": one["bytes"] + 1}}}, "bytes"),
        ({"parts": {**sealed["parts"], "network": {**one, "sha256": other["sha256"]}}}, "checksum"),
        ({"parts": {**sealed["parts"], "network": {**one, "sha256": one["sha256"].upper()}}}, "SHA-256"),
        ({"parts": {**sealed["parts"], "network": []}}, "network"),
        ({"parts": []}, "parts"),
        ({"document": []}, "document"),
        ({"manyhot": "1; rm"}, "version"),
        ({"extra": 1}, "extra"),
    ]:
        put_together(file, header, {**sealed, **change}, data)
        assert_refused(file, word)


def test_boolean_bytes_are_0_or_1(file):
    header, sealed, data = taken_apart(file)
    start = header["encoder/flags"]["data_offsets"][0]
    data = data[:start] + b"\x02" + data[start + 1 :]
    put_together(file, header, sealed, data)
    assert_refused(file, "other than 0 and 1")


def test_limits_hold_and_claims_cost_no_memory(file):
    n_bytes = file.stat().st_size
    for limits in (
        Limits(max_file_bytes=n_bytes - 1),
        Limits(max_header_bytes=100),
        Limits(max_arrays=5),
        Limits(max_rank=2),
    ):
        with pytest.raises(BundleError):
            read(file, limits)
    content = file.read_bytes()
    tracemalloc.start()
    for claimed in (2**26, 2**26 + 1, 2**63, 2**64 - 1):
        file.write_bytes(struct.pack("<Q", claimed) + content[8:])
        assert_refused(file, "header")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
