"""The container: what goes in comes out bit for bit, or a BundleError says why; a file is whole or as it was."""

import errno
import hashlib
import os
import stat
import struct
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as hnp

from manyhot.errors import InputError, OutputError
from manyhot.persistence.container import FORMAT, Limits, describe, read, write
from manyhot.persistence.container.header import DTYPES
from manyhot.version import __version__
from tests.attacks.bundles import DOCUMENT, assert_refused, assert_same, some_arrays, taken_apart


@pytest.fixture
def file(tmp_path) -> Path:
    write(tmp_path / "songs.manyhot", DOCUMENT, some_arrays())
    return tmp_path / "songs.manyhot"


# --- what goes in comes out


def test_round_trip(file):
    contents = read(file)
    assert contents.document == DOCUMENT
    assert (contents.version, describe(file)["format"]) == (__version__, FORMAT)
    assert_same(contents.arrays, some_arrays())
    assert not any(array.flags.writeable for array in contents.arrays.values())


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), inner, max_size=4)
    ),
    max_leaves=12,
)
ANY_ARRAY = st.tuples(st.sampled_from(list(DTYPES.values())), st.sampled_from("<>")).flatmap(
    lambda pair: hnp.arrays(
        pair[0].newbyteorder(pair[1]), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
    )
)


@pytest.mark.slow
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    document=st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), JSON, max_size=4),
    arrays=st.dictionaries(
        st.from_regex(r"[a-c]/[A-Za-z0-9_][A-Za-z0-9_.-]{0,5}", fullmatch=True), ANY_ARRAY, max_size=5
    ),
)
def test_any_document_and_any_array_round_trip(tmp_path, document, arrays):
    path = tmp_path / "any.manyhot"
    arrays = {name: array.T if array.ndim > 1 else array for name, array in arrays.items()}
    write(path, document, arrays)
    contents = read(path)
    assert contents.document == document
    assert repr(contents.document) == repr(document)
    assert_same(contents.arrays, arrays)
    assert_same(safetensors.numpy.load_file(path), arrays)
    told = describe(path)
    assert told["document"] == document
    assert {name: tuple(a["shape"]) for name, a in told["arrays"].items()} == {n: a.shape for n, a in arrays.items()}


def test_same_input_same_bytes_whatever_the_order(file, tmp_path):
    write(tmp_path / "again.manyhot", DOCUMENT, dict(reversed(some_arrays().items())))
    assert (tmp_path / "again.manyhot").read_bytes() == file.read_bytes()


def test_arrays_lie_aligned(file):
    header, _, _ = taken_apart(file)
    (length,) = struct.unpack("<Q", file.read_bytes()[:8])
    assert (8 + length) % 8 == 0
    for name, array in some_arrays().items():
        assert header[name]["data_offsets"][0] % array.itemsize == 0


def test_checksums_are_what_the_format_says(file):
    header, sealed, data = taken_apart(file)
    assert (
        header["__metadata__"]["manyhot_sha256"]
        == hashlib.sha256(header["__metadata__"]["manyhot"].encode()).hexdigest()
    )
    assert set(sealed["parts"]) == {"network", "encoder", "evidence"}
    for part, told in sealed["parts"].items():
        total, n_bytes = hashlib.sha256(), 0
        for name in sorted(name for name in header if name.startswith(f"{part}/")):
            start, stop = header[name]["data_offsets"]
            shape = ",".join(str(size) for size in header[name]["shape"])
            inner = hashlib.sha256(data[start:stop]).hexdigest()
            total.update(f"{name}\n{header[name]['dtype']}\n{shape}\n{inner}\n".encode())
            n_bytes += stop - start
        assert told == {"sha256": total.hexdigest(), "bytes": n_bytes}


def test_skipped_part_is_neither_read_nor_checked(file):
    header, _, _ = taken_apart(file)
    content = bytearray(file.read_bytes())
    place = len(content) - len(taken_apart(file)[2]) + header["evidence/scores"]["data_offsets"][0]
    content[place] ^= 1
    file.write_bytes(content)
    assert_refused(file, "'evidence'", "checksum")
    kept = read(file, skip=("evidence",)).arrays
    assert_same(kept, {name: array for name, array in some_arrays().items() if not name.startswith("evidence")})


def test_describe_does_not_touch_the_arrays(tmp_path):
    write(tmp_path / "big.manyhot", {"a": 1}, {"network/0": np.zeros(4_000_000)})
    tracemalloc.start()
    told = describe(tmp_path / "big.manyhot")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told["parts"]["network"]["bytes"] == 32_000_000
    assert peak < 1_000_000


# --- what does not go in


@pytest.mark.parametrize(
    "document",
    [
        {"a": float("nan")}, {"a": [float("inf")]}, {1: "a"}, {"a": {None: 1}}, {"a": object()}, {"a": b"x"},
        {"a": {1}}, {"a": np.float32(1)}, {"a": np.zeros(2)}, {"a": 2**64}, {"a": -(2**63) - 1}, {"a": "\ud800"},
        {"\udfff": 1}, [], None,
    ],
)  # fmt: skip
def test_document_that_json_cannot_say(tmp_path, document):
    with pytest.raises(InputError, match="document"):
        write(tmp_path / "x.manyhot", document, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["network", "/0", "network/", "a/../b", "a/.b", "A/b", "a/b c", "a//b", "__metadata__", "a/b\n", 3]
)
def test_array_name_that_is_none(tmp_path, name):
    with pytest.raises(InputError, match="array name"):
        write(tmp_path / "x.manyhot", {}, {name: np.zeros(2)})


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a"]),
        np.array([None]),
        np.zeros(2, complex),
        np.zeros(2, "M8[s]"),
        [1.0],
        np.ma.zeros(2),
        np.zeros(2, "i4,f4"),
    ],
)
def test_array_that_cannot_be_stored(tmp_path, array):
    with pytest.raises(InputError, match="a/b"):
        write(tmp_path / "x.manyhot", {}, {"a/b": array})


def test_nothing_is_written_that_would_not_be_read(tmp_path):
    deep: dict = {}
    for _ in range(100):
        deep = {"a": deep}
    for document, arrays, limits in [
        (deep, {}, Limits()),
        ({"a": ["x"] * 50}, {}, Limits(max_values=20)),
        ({"a": "x" * 500}, {}, Limits(max_header_bytes=400)),
        ({}, {"a/b": np.zeros(500)}, Limits(max_file_bytes=1000)),
        ({}, {"a/b": np.zeros((1,) * 9)}, Limits()),
        ({}, {f"a/{k}": np.zeros(1) for k in range(5)}, Limits(max_arrays=4)),
    ]:
        with pytest.raises(InputError):
            write(tmp_path / "x.manyhot", document, arrays, limits)
    assert list(tmp_path.iterdir()) == []


# --- a file is whole or as it was


def test_missing_folder_folder_as_target_and_file_as_folder(tmp_path, file):
    for path, word in [
        (tmp_path / "no" / "x.manyhot", "does not exist"),
        (tmp_path, "is a folder"),
        (file / "x.manyhot", "is a file"),
        (tmp_path / ("x" * 300), "too long"),
    ]:
        with pytest.raises(OutputError, match=word) as caught:
            write(path, {}, {})
        assert str(path) in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["songs.manyhot"]


@pytest.mark.parametrize(
    ("call", "n_before"), [("write", 0), ("write", 1), ("write", 2), ("write", 4), ("fsync", 0), ("replace", 0)]
)
def test_disk_full_at_any_call_leaves_the_old_file(file, monkeypatch, call, n_before):
    before, calls, real = file.read_bytes(), [0], getattr(os, call)

    def full(*args):
        calls[0] += 1
        if calls[0] > n_before:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args)

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OutputError, match="disk is full") as caught:
        write(file, {"new": 1}, some_arrays())
    assert str(file) in str(caught.value)
    assert file.read_bytes() == before
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_short_writes_are_continued(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: real(descriptor, content[:37]))
    write(tmp_path / "x.manyhot", DOCUMENT, some_arrays())
    assert_same(read(tmp_path / "x.manyhot").arrays, some_arrays())


def test_interrupt_leaves_the_old_file_and_no_temporary(file, monkeypatch):
    before = file.read_bytes()

    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(file, {}, {})
    assert file.read_bytes() == before
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_permissions(tmp_path):
    path, old_mask = tmp_path / "x.manyhot", os.umask(0o027)
    try:
        write(path, {}, {})
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o604)
        write(path, {"a": 1}, {})
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
    finally:
        os.umask(old_mask)


def test_link_stays_a_link(file, tmp_path):
    link = tmp_path / "latest.manyhot"
    link.symlink_to(file.name)
    write(link, {"a": 1}, {})
    assert link.is_symlink()
    assert read(file).document == {"a": 1}


KILLED = """
    import os, random, resource, signal, sys, time
    import numpy as np
    from manyhot.persistence.container import read, write
    from manyhot.errors import OutputError

    path = sys.argv[1]
    versions = [({"v": v}, {"network/0": np.full(300_000, float(v)), "network/1": np.full(3, v)}) for v in (0, 1)]

    def check():
        contents = read(path)
        assert (contents.arrays["network/0"] == contents.document["v"]).all()
        return contents.document["v"]

    def forked(job):
        pid = os.fork()
        if pid == 0:
            job()
            os._exit(0)
        return pid

    def die_at(call, n):
        real, calls = getattr(os, call), [0]
        def dying(*args):
            calls[0] += 1
            if calls[0] == n and call == "write":
                real(args[0], args[1][: len(args[1]) // 2])
            if calls[0] == n:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args)
        setattr(os, call, dying)
        write(path, *versions[1])

    seen = []
    opens, writes = [("open", 1), ("open", 2)], [("write", 1), ("write", 2), ("write", 3)]
    for call, n in [*opens, *writes, ("fsync", 1), ("replace", 1), ("fsync", 2)]:
        write(path, *versions[0])
        status = os.waitpid(forked(lambda: die_at(call, n)), 0)[1]
        assert os.WTERMSIG(status) == signal.SIGKILL, (call, n)
        seen.append(check())
    assert seen == [0] * 7 + [1], seen

    def for_ever():
        while True:
            for version in versions:
                write(path, *version)

    random.seed(0)
    for _ in range(15):
        pid = forked(for_ever)
        time.sleep(random.uniform(0.002, 0.06))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        check()

    write(path, *versions[0])
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            write(path, *versions[1])
        except OutputError as error:
            os._exit(3 if path in str(error) else 4)
    n_files = len(os.listdir(os.path.dirname(path)))
    assert os.waitstatus_to_exitcode(os.waitpid(forked(limited), 0)[1]) == 3
    assert check() == 0 and len(os.listdir(os.path.dirname(path))) == n_files
    print("whole")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_killed_at_any_moment_leaves_the_old_or_the_new_file(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(textwrap.dedent(KILLED))
    done = subprocess.run(
        [sys.executable, script, tmp_path / "x.manyhot"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "whole\n", done.stderr
