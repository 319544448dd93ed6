"""The blocks of docs/bulk.md for Ray Data and Dask run; what they write is what `manyhot predict` writes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from manyhot import MultiLabelClassifier
from tests.cli.conftest import NAMES, songs

ROOT = Path(__file__).parents[2]
RAY, DASK, SPARK = re.findall(r"```python\n(.*?)```", (ROOT / "docs/bulk.md").read_text(), flags=re.DOTALL)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, tables, and what `manyhot predict` makes of them."""
    folder = tmp_path_factory.mktemp("bulk")
    frame = songs(80).drop("song_id")
    features = frame.drop(NAMES)
    MultiLabelClassifier(n_members=2, epochs=2, verbose=0).fit(features, frame[NAMES]).save(folder / "songs.manyhot")
    for name in ("in", "by-ray", "by-dask"):
        (folder / name).mkdir()
    for k in range(3):
        rows = songs(30 + k, seed=k).drop(NAMES).rename({"song_id": "id"})
        rows.with_columns(id=pl.format("{}-{}", pl.lit(k), "id")).write_parquet(folder / f"in/{k}.parquet")
    run(folder, "-m", "manyhot", "predict", "songs.manyhot", "in", "-o", "out")
    return folder


def run(folder, *words):
    paths = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_same(found, expected):
    found, expected = found.sort("id"), expected.sort("id")
    assert found.columns == expected.columns
    assert found["id"].to_list() == expected["id"].to_list()
    assert found["labels"].to_list() == expected["labels"].to_list()
    columns = [f"p_{name}" for name in NAMES]
    assert abs(found[columns].to_numpy() - expected[columns].to_numpy()).max() < 1e-6


def read(folder):
    return pl.concat([pl.read_parquet(path) for path in folder.rglob("*.parquet")])


def test_dask(folder):
    (folder / "by_dask.py").write_text(DASK)
    assert run(folder, "by_dask.py").split()[-1] == "93"
    assert_same(read(folder / "by-dask"), read(folder / "out"))


@pytest.mark.exhaustive
def test_ray_data(folder):
    pytest.importorskip("ray.data")
    (folder / "by_ray.py").write_text(f"import ray\nray.init(num_cpus=2, include_dashboard=False)\n{RAY}")
    for attempt in range(3):  # Ray has time limits of its own, which a busy machine misses
        try:
            run(folder, "by_ray.py")
            break
        except AssertionError as error:
            if not re.search(r"(?i)raylet|timed out|gcs_server|node died", str(error)):
                raise
            if attempt == 2:
                pytest.skip(f"Ray did not get through on this machine in three tries: {str(error)[-300:]}")
    assert_same(read(folder / "by-ray"), read(folder / "out"))


def test_spark_is_said_to_be_untested():
    assert "mapInArrow" in SPARK
    compile(SPARK, "spark", "exec")
    assert "is not run by a test" in " ".join((ROOT / "docs/bulk.md").read_text().split())
