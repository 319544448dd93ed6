"""A change of a file is not lost to another process that changes it too."""

import subprocess
import sys

import pytest

from manyhot.files import file_lock

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
