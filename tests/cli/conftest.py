"""Small tables on disk, and the command line in this process."""

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from manyhot.cli import main

SMALL = ["--n-members", "2", "--epochs", "2", "--hidden-layer-sizes", "8", "--n-folds", "4"]
NAMES = ["mood_sad", "mood_quiet", "mood_fast"]


@dataclass(frozen=True)
class Done:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as the one JSON document it must be."""
        return json.loads(self.out)


@pytest.fixture(scope="session")
def manyhot() -> Callable[..., Done]:
    """Runs `manyhot` with some words."""

    def run(*words: object) -> Done:
        out, err = io.StringIO(), io.StringIO()
        code = 0
        with redirect_stdout(out), redirect_stderr(err):
            try:
                main([str(word) for word in words])
            except SystemExit as stop:
                code = int(stop.code or 0)
        return Done(code, out.getvalue(), err.getvalue())

    return run


def songs(n_rows: int = 60, seed: int = 0) -> pl.DataFrame:
    """Rows with an id, two numbers, a category and three indicator columns."""
    generator = np.random.default_rng(seed)
    tempo, energy = generator.normal(120, 30, n_rows).round(3), generator.random(n_rows).round(4)
    kind = np.where(energy > 0.5, "rock", "folk")
    labels = np.stack([tempo < 115, energy < 0.4, tempo > 125], axis=1).astype(int)
    columns = {"song_id": [f"s{k}" for k in range(n_rows)], "tempo": tempo, "energy": energy, "kind": kind}
    return pl.DataFrame({**columns, **{name: labels[:, j] for j, name in enumerate(NAMES)}})


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The songs as CSV."""
    songs().write_csv(tmp_path / "songs.csv")
    return tmp_path / "songs.csv"


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory, manyhot: Callable[..., Done]) -> Path:
    """A trained model."""
    folder = tmp_path_factory.mktemp("bundle")
    songs().write_csv(folder / "songs.csv")
    done = manyhot(
        "train", folder / "songs.csv", "--labels", "mood_*", "-o", folder / "songs.manyhot", "--quiet", *SMALL
    )
    assert done.code == 0, done.err
    return folder / "songs.manyhot"
