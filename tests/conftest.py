"""What every test may use."""

import os
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
