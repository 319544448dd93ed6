"""Files on a hub, from its cache and without it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from manyhot import load
from manyhot.errors import BundleError, InputError
from manyhot.persistence.hub import download

MODEL = Path(__file__).parents[1] / "contract/frozen/saved/matrix/model.manyhot"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOAD = """
import sys
from manyhot import load
from manyhot.errors import ManyhotError
try:
    print(*load(sys.argv[1], revision=sys.argv[2] or None).labels_, sep="|")
except ManyhotError as error:
    print(f"{type(error).__name__}: {error}")
"""


def loaded(cache, address, revision=""):
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    words = [sys.executable, "-c", LOAD, address, revision]
    return subprocess.run(words, capture_output=True, text=True, env=environment, check=True).stdout.strip()


@pytest.mark.slow
def test_a_file_on_a_hub_is_loaded_as_one_on_the_disk(tmp_path):
    pytest.importorskip("huggingface_hub")
    folder = tmp_path / "models--somebody--songs"
    (folder / "snapshots" / COMMIT).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text(COMMIT)
    shutil.copy(MODEL, folder / "snapshots" / COMMIT / "songs.manyhot")
    (folder / "snapshots" / COMMIT / "other.manyhot").write_bytes(b"PK no bundle")
    expected = "|".join(map(str, np.asarray(load(MODEL).labels_).tolist()))
    assert loaded(tmp_path, "hf://somebody/songs/songs.manyhot") == expected
    assert loaded(tmp_path, "hf://somebody/songs/songs.manyhot", COMMIT) == expected
    for address, revision in (("hf://somebody/songs/no.manyhot", ""), ("hf://somebody/songs/songs.manyhot", "v9")):
        said = loaded(tmp_path, address, revision)
        assert said.startswith(f"BundleError: {address}: could not be fetched")
        assert "\n" not in said
    assert loaded(tmp_path, "hf://somebody/songs/other.manyhot").startswith("BundleError")


@pytest.mark.parametrize(
    "address", ["hf://a", "hf://a/b", "hf://a/b/", "hf://a/b/../../c", "hf:///b/c", "hf://a b/c/d", "hf://a/b/c?x=1"]
)
def test_other_addresses_are_refused(address):
    with pytest.raises(InputError, match="hf://OWNER/NAME/FILE"):
        load(address)


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"pip install 'manyhot\[hub\]'"):
        download("hf://somebody/songs/songs.manyhot")


def test_a_revision_belongs_to_a_hub():
    with pytest.raises(InputError, match="begins with hf://"):
        load(MODEL, revision="v1")
    assert issubclass(BundleError, InputError)
