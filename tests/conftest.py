"""What every test may use."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Callable[[str], Path]:
    """The folder of a real data set; skips where MANYHOT_DATA is unset, fails where it is set and the set missing."""

    def folder(name: str) -> Path:
        root = os.environ.get("MANYHOT_DATA")
        if not root:
            pytest.skip(f"the data set {name!r} is needed: set MANYHOT_DATA to the folder that holds it")
        path = Path(root) / name
        if not path.is_dir():
            pytest.fail(f"MANYHOT_DATA is set but {path} is missing")
        return path

    return folder


@pytest.fixture(params=["altair", "vl_convert", "both"])
def without_pictures(request, monkeypatch):
    """As if the extra `pictures` were not installed, or half of it."""
    for name in ("altair", "vl_convert") if request.param == "both" else (request.param,):
        monkeypatch.setitem(sys.modules, name, None)


CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; without one the test is skipped, but on the machine that decides it fails.

    One for each module, because while it runs its event loop is that of the thread, and no other may be run there.
    """
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        words = "Chromium is not on the PATH: apt-get install chromium (make test does so where it may)"
        if os.environ.get("CI") == "true" and os.environ.get("MANYHOT_DATA"):
            pytest.fail(words)
        pytest.skip(words)
    from playwright.sync_api import sync_playwright  # starts a process of its own

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()
