"""Disks that are full, broken, forbidden or read-only: the old file stays, one line says why, the exit code is 2."""

import errno
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.attacks.writing_commands import COMMANDS, QUICK, outputs_by_name, prepare, run
from tests.fixtures.file_calls import FileCalls

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="files of descriptors are read from /proc")
ERRORS = ("ENOSPC", "EIO", "EACCES")
N_FAULTS, FEW = 50, 5  # of each kind
NOBODY = 65534
PAGE = 4096


@pytest.fixture(scope="module")
def folder():
    """A folder that every user may read."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def outputs(folder):
    numbers = count()
    return outputs_by_name(prepare(folder / "inputs"), lambda: folder / f"first {next(numbers)}")


def is_needless(call):
    """Whether a command can do without: its lock, a folder that is there, and a descriptor to flush the folder by."""
    return call.operation == "mkdir" or (call.operation == "open" and (call.name == "." or call.name.endswith(".lock")))


def assert_refused(done, outputs, place, words=""):
    """One line and exit code 2; the old files are there, of several some may be new; nothing else is."""
    assert done.code == 2, (done.code, done.err)
    assert done.err.count("\n") == 1, done.err
    assert done.err.startswith("manyhot: ")
    assert "unexpected error" not in done.err
    assert re.search(words, done.err), done.err
    is_untouched = len(outputs.new) == 1 and "was written, but may not survive" not in done.err
    assert outputs.assert_whole(place, is_old=True, is_untouched=is_untouched) == []
    assert not list(place.rglob(".*"))


def assert_survived(outputs, place, name, call, is_lasting):
    """A command that meets an error at a call fails as it should, or does without that call."""
    number = getattr(errno, name)

    def fail():
        raise OSError(number, os.strerror(number))

    outputs.lay_old(place)
    with FileCalls(place, fail, call, is_lasting) as watched:
        done = run(outputs.words(place))
    if done.code == 0:
        assert is_needless(watched.calls[call - 1]), watched.calls[call - 1]
        assert outputs.is_done(place)
        assert outputs.assert_whole(place, is_old=False) == []
    else:
        assert_refused(done, outputs, place)
    return done.code


def fail_at_calls(error, names, outputs, folder, n, generator):
    """The exit codes of commands with an error, at all kinds of calls."""
    codes, calls = Counter(), {}
    for k in range(n):
        name = names[k % len(names)]
        if name not in calls:
            calls[name] = outputs(name).calls(folder / f"calls of {name}")
        kinds = list(dict.fromkeys((call.operation, is_needless(call)) for call in calls[name]))
        kind = kinds[(k // len(names) + k) % len(kinds)]
        numbers = [j for j, call in enumerate(calls[name], 1) if (call.operation, is_needless(call)) == kind]
        place = folder / f"{error} {k}"
        codes[assert_survived(outputs(name), place, error, generator.choice(numbers), generator.random() < 0.5)] += 1
    print(f"{error}: exit codes {dict(codes)}")
    return codes


@pytest.mark.parametrize("error", ERRORS)
def test_errors_at_calls(error, outputs, tmp_path):
    names = ("thresholds", "report", "predict files", "label errors parquet", "songs")
    assert fail_at_calls(error, names, outputs, tmp_path, FEW, random.Random(0))[2] > 0


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("error", ERRORS)
def test_errors_at_calls_of_all_commands(error, outputs, tmp_path):
    codes = fail_at_calls(error, tuple(COMMANDS), outputs, tmp_path, N_FAULTS, random.Random(0))
    assert codes[2] > N_FAULTS / 2


@contextmanager
def disk(place, n_bytes):
    """A disk of its own size, where one may be mounted."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no disk may be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(place, room):
    """Fill a disk but for some pages."""
    status = os.statvfs(place)
    n_bytes = status.f_bavail * status.f_frsize - room
    if n_bytes > 0:
        (place / "filler").write_bytes(bytes(n_bytes))


def on_full_disks(names, outputs, folder, n, generator):
    """The exit codes of commands on disks that have room for a part of what they write."""
    codes = Counter()
    for k in range(n):
        found = outputs(names[k % len(names)])
        n_new = sum(map(len, found.new.values()))
        with disk(folder / f"disk {k}", 3 * n_new + 100 * PAGE) as place:
            found.lay_old(place / "out")
            fill(place, int(generator.choice([0, 0.3, 0.6, 0.9]) * n_new) // PAGE * PAGE)
            done = run(found.words(place / "out"))
            codes[done.code] += 1
            if done.code:
                assert_refused(done, found, place / "out", "the disk is full|are free; free some space")
            else:  # a file that is replaced makes room for the next
                assert len(found.new) > 1
                assert found.is_done(place / "out")
    print(f"full disks: exit codes {dict(codes)}")
    return codes


def test_full_disks(outputs, tmp_path):
    names = ("predict parquet", "report", "inspect", "label errors parquet")
    assert on_full_disks(names, outputs, tmp_path, len(names), random.Random(0)) == {2: len(names)}


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
def test_full_disks_of_all_commands(outputs, tmp_path):
    codes = on_full_disks(tuple(COMMANDS), outputs, tmp_path, N_FAULTS, random.Random(1))
    assert codes[2] > N_FAULTS / 2


@contextmanager
def read_only(place, by_mount):
    """The folder and those in it, as a read-only disk or without permission; root becomes nobody for that."""
    folders = [place, *(path for path in place.rglob("*") if path.is_dir())]
    if by_mount:
        subprocess.run(["mount", "-o", "remount,ro", str(place.parent)], check=True)
    else:
        for path in folders:
            path.chmod(0o555)
        if os.getuid() == 0:
            for path in place.rglob("*"):
                os.chown(path, NOBODY, NOBODY)  # the files are theirs; it is the folders that they may not write to
            os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        if by_mount:
            subprocess.run(["mount", "-o", "remount,rw", str(place.parent)], check=True)
        else:
            if os.getresuid()[2] == 0:
                os.setresuid(0, 0, 0)
            for path in folders:
                path.chmod(0o755)


def in_read_only_folders(names, outputs, folder, n, kinds):
    """Commands in folders that cannot be written to."""
    for k in range(n):
        found, kind = outputs(names[k % len(names)]), kinds[(k + k // len(names)) % len(kinds)]
        if kind == "mounted":
            with disk(folder / f"mounted {k}", 4 * sum(map(len, found.new.values())) + 100 * PAGE) as place:
                found.lay_old(place / "out")
                with read_only(place / "out", by_mount=True):
                    done = run(found.words(place / "out"))
                    assert_refused(done, found, place / "out")
        else:
            place = folder / f"forbidden {k}" / "out"
            found.lay_old(place)
            with read_only(place, by_mount=False):
                done = run(found.words(place))
            assert_refused(done, found, place)
        assert any(word in done.err for word in ("read-only", "Read-only", "you may not", "ermission")), done.err


@pytest.mark.parametrize("kind", ["mounted", "forbidden"])
def test_read_only_folders(kind, outputs, folder):
    names = ("thresholds", "train", "inspect", "predict files", "report")
    in_read_only_folders(names, outputs, folder, len(names), [kind])


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
def test_read_only_folders_of_all_commands(outputs, folder):
    in_read_only_folders(tuple(COMMANDS), outputs, folder, N_FAULTS, ["mounted", "forbidden"])


@pytest.mark.slow
@pytest.mark.parametrize("command", ["inspect", "predict csv", "check"])
def test_standard_output_on_a_full_disk(command, outputs):
    words = COMMANDS[command].in_folders(outputs(command).inputs, Path("/nowhere"))
    words = words[: words.index("-o" if "-o" in words else "--plot")]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "manyhot", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2, done.stderr
    *notes, line = done.stderr.splitlines()
    assert line.startswith("manyhot: standard output could not be written: the disk is full; ")
    assert all(note.startswith("note: ") for note in notes), notes


def test_every_command_is_tried():
    assert set(QUICK) <= set(COMMANDS)
    assert {command.words[0] for command in COMMANDS.values()} == {
        *("train", "predict", "thresholds", "guarantee", "report", "evaluate", "label-errors", "next"),
        *("inspect", "check", "cv", "compare-heads", "demo", "card", "decide", "tune", "export"),
    }
