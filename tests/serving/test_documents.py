"""The calls that the page on the service shows work."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from manyhot import MultiLabelClassifier
from manyhot.cli.jobs.songs import write_songs
from manyhot.data.readers import ReadOptions, read
from tests.serving.conftest import SMALL, Running, photo

TEXT = (Path(__file__).parents[2] / "docs/serve.md").read_text()
CALLS = [
    call.strip()
    for block in re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)
    for call in re.split(r"^(?=curl)", block, flags=re.MULTILINE)
    if call.strip()
]


@pytest.fixture(scope="module")
def songs_folder(tmp_path_factory):
    """The songs that `manyhot demo --files` writes."""
    folder = tmp_path_factory.mktemp("songs")
    write_songs(folder)
    return folder


@pytest.fixture(scope="module")
def running(bundles, songs_folder):
    """A model of these songs, which answers where no name is said, and one of photos."""
    rows = read(songs_folder / "songs.csv", ReadOptions(labels="mood_*"))
    MultiLabelClassifier(**SMALL).fit(rows).save(songs_folder / "songs.manyhot")
    service = Running([songs_folder / "songs.manyhot", bundles["photos"]]).wait()
    yield service
    service.stop()


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_calls_of_the_page_are_answered(running, songs_folder, tmp_path, call):
    shutil.copy(songs_folder / "new-songs.csv", tmp_path)
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(photo(True, 7))
    command = call.replace("127.0.0.1:8000", f"127.0.0.1:{running.port}").replace(
        "curl -s", "curl -sS --fail-with-body"
    )
    environment = {**os.environ, "MANYHOT_TOKEN": "a-token-of-some-length"}
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout
    assert "ignored" not in done.stdout  # a column that the model does not have


def test_there_are_calls():
    assert len(CALLS) >= 7
