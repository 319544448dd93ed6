"""A change of a file is not lost to another process that changes it too; what killed processes leave is removed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from manyhot import files
from manyhot.errors import OutputError
from manyhot.files import file_lock, write_file

ADD = """
import sys, time
from pathlib import Path
from manyhot.files import file_lock
path = Path(sys.argv[1])
for _ in range(5):
    with file_lock(path):
        number = int(path.read_text())
        time.sleep(0.002)
        path.write_text(str(number + 1))
"""


def test_every_change_under_a_lock_is_there(tmp_path):
    path = tmp_path / "number.txt"
    path.write_text("0")
    workers = [subprocess.Popen([sys.executable, "-c", ADD, str(path)]) for _ in range(3)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    assert path.read_text() == "15"
    assert [one.name for one in tmp_path.iterdir()] == ["number.txt"]


def test_an_error_inside_frees_the_lock(tmp_path):
    with pytest.raises(ValueError, match="inside"), file_lock(tmp_path / "a"):
        raise ValueError("inside")
    with file_lock(tmp_path / "a"):
        pass


def test_a_folder_that_is_not_there_is_no_reason_to_fail(tmp_path):
    with file_lock(tmp_path / "missing" / "a"):
        pass


def write_old(path, seconds):
    path.write_bytes(b"half")
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def test_leftovers_of_the_same_file_are_removed_a_day_later(tmp_path):
    day = files.LEFTOVER_SECONDS
    old = write_old(tmp_path / ".model.0123456789abcdef.tmp", day + 60)
    kept = [
        write_old(tmp_path / ".model.00112233445566aa.tmp", day - 60),  # another process may write it
        write_old(tmp_path / ".other.0123456789abcdef.tmp", day + 60),  # of another file
        write_old(tmp_path / ".model.notes.tmp", day + 60),  # a person's
    ]
    files._leftovers.cache_clear()
    write_file(tmp_path / "model.manyhot", b"new")
    assert not old.exists()
    assert all(path.exists() for path in kept)
    write_file(tmp_path / "other.csv", b"new")
    assert not kept[1].exists()


def test_locks_of_killed_processes_are_removed_a_day_later(tmp_path):
    lock = write_old(tmp_path / ".model.manyhot.lock", files.LEFTOVER_SECONDS - 60)
    write_file(tmp_path / "model.manyhot", b"new")
    assert lock.exists()  # another process may hold it
    write_old(lock, files.LEFTOVER_SECONDS + 60)
    write_file(tmp_path / "model.manyhot", b"new")
    assert not lock.exists()
    write_old(lock, files.LEFTOVER_SECONDS + 60)
    with file_lock(tmp_path / "model.manyhot"):
        write_file(tmp_path / "model.manyhot", b"new")
        assert lock.exists()  # however old it is
    assert not lock.exists()


def test_files_that_were_written_are_noted(tmp_path, monkeypatch):
    with files.noted_writes() as noted:
        write_file(tmp_path / "a", b"a")
        with pytest.raises(OutputError):
            write_file(tmp_path / "missing" / "b", b"b")
        assert noted == [tmp_path / "a"]
        real = os.replace

        def interrupted(*paths):
            real(*paths)
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_file(tmp_path / "c", b"c")
    assert noted == [tmp_path / "a", tmp_path / "c"]


def test_a_target_is_refused_before_the_work(tmp_path):
    files.check_target(tmp_path / "new.svg")
    (tmp_path / "file").write_bytes(b"")
    for target, word in (
        (tmp_path / "missing" / "new.svg", "does not exist; create it first"),
        (tmp_path / "file" / "new.svg", "is a file"),
        (tmp_path, "it is a folder"),
    ):
        with pytest.raises(OutputError, match=word):
            files.check_target(target)


def test_scratch_folders_of_killed_processes_are_removed_a_day_later(tmp_path):
    script = (
        "import os, sys, time; from pathlib import Path; from manyhot.files import scratch_folder\n"
        "with scratch_folder(Path(sys.argv[1]), '.manyhot-') as folder:\n"
        "    (folder / 'rows').write_bytes(b'rows'); print(folder, flush=True); time.sleep(60)"
    )
    folders, processes = [], []
    for _ in range(2):
        processes.append(subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True))
        folders.append(Path(processes[-1].stdout.readline().strip()))
    try:
        processes[0].kill()
        processes[0].wait()
        with files.scratch_folder(tmp_path, ".manyhot-") as third:
            assert third.stat().st_mode & 0o777 == 0o700
            assert folders[0].exists()  # not a day old
        for folder in folders:
            then = time.time() - files.LEFTOVER_SECONDS - 60
            os.utime(folder, (then, then))
        with files.scratch_folder(tmp_path, ".manyhot-"):
            assert not folders[0].exists()
            assert folders[1].exists()  # its process works on
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert not third.exists()
