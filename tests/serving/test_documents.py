"""The calls that the page on the service shows work."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.serving.conftest import photo, songs

TEXT = (Path(__file__).parents[2] / "docs/serve.md").read_text()
CALLS = [
    call.strip()
    for block in re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)
    for call in re.split(r"^(?=curl)", block, flags=re.MULTILINE)
    if call.strip()
]


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_calls_of_the_page_are_answered(running, tmp_path, call):
    songs(5, seed=3).write_csv(tmp_path / "new.csv")
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(photo(True, 7))
    command = call.replace("127.0.0.1:8000", f"127.0.0.1:{running.port}").replace(
        "curl -s", "curl -sS --fail-with-body"
    )
    environment = {**os.environ, "MANYHOT_TOKEN": "a-token-of-some-length"}
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout


def test_there_are_calls():
    assert len(CALLS) >= 7
