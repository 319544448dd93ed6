"""`manyhot predict --plots` and `manyhot evaluate --plots`."""

import json

import numpy as np
import polars as pl
import pytest

from manyhot import MultiLabelClassifier
from manyhot.cli.jobs.image_output import ImageOptions
from manyhot.data.labels import LabelSpace
from manyhot.data.samples import Samples
from manyhot.data.targets import Targets
from tests.fixtures.image_spots import SETTINGS, spots

N = 30


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "spots.manyhot"
    X, Y = spots(80)
    MultiLabelClassifier(labels=["first", "second"], epochs=4, **SETTINGS).fit(X, Y).save(path)
    return path


@pytest.fixture
def rows(monkeypatch, tmp_path):
    """A file of images, read without its pixels being written anywhere."""
    X, Y = spots(N, seed=1)
    names = np.array([f"img/{k}.png" for k in range(N)])
    inputs = pl.DataFrame([pl.Series("image", X)]), ["image"], {"image": "image"}
    samples = Samples(*inputs, Targets(Y == 0), LabelSpace(("first", "second")), ids=names)

    def pieces(file, options, n):
        for first in range(0, N, n or N):
            part = slice(first, min(first + (n or N), N))
            yield Samples(samples.features[part], ["image"], {"image": "image"}, ids=names[part])

    monkeypatch.setattr("manyhot.cli.jobs.prediction_writer.read_chunks", pieces)
    monkeypatch.setattr("manyhot.cli.jobs.score_file.read", lambda *_, **__: samples)
    pl.DataFrame({"row": range(N)}).write_parquet(tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


@pytest.mark.slow
def test_the_first_rows_are_drawn_and_all_are_answered(manyhot, model, rows, tmp_path, monkeypatch):
    monkeypatch.setattr("manyhot.cli.jobs.row_predictor.PLOT_CHUNK_ROWS", 4)
    folder = tmp_path / "seen"
    done = manyhot("predict", model, rows, "-o", tmp_path / "predictions.csv", "--plots", folder, "--max-plots", 6)
    assert done.code == 0, done.err
    assert sorted(path.name for path in folder.iterdir()) == [f"0000{k + 1}-img_{k}_png.png" for k in range(6)]
    assert f"plots of the first 6 of {N} rows are in {folder}; set --max-plots for more" in done.err
    assert len(pl.read_csv(tmp_path / "predictions.csv")) == N
    quiet = manyhot("predict", model, rows, "--quiet", "--plots", folder, "--max-plots", 1)
    assert quiet.err == ""
    assert len(quiet.out.splitlines()) == N + 1


@pytest.mark.slow
def test_reasons_are_told_and_drawn(manyhot, model, rows, tmp_path, monkeypatch):
    monkeypatch.setattr("manyhot.cli.jobs.row_predictor.PLOT_CHUNK_ROWS", 20)
    calls = []

    def draw(*arguments):
        calls.append((arguments[3], arguments[5], arguments[6]))
        return arguments[3]

    monkeypatch.setattr("manyhot.cli.jobs.image_output.plot_predictions", draw)
    words = ["--explain", "--plots", tmp_path / "seen", "--max-plots", 23, "--jsonl", "--quiet"]
    done = manyhot("predict", model, rows, *words)
    assert done.code == 0, done.err
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [len(ids) for ids, _, _ in calls] == [20, 3]
    assert [first for _, first, _ in calls] == [1, 21]
    reasons = [one for _, _, of in calls for one in of]
    assert len(records) == N
    for row, one in zip(records, reasons, strict=False):
        assert list(row["explanation"]) == list(one)
        for label, why in row["explanation"].items():
            assert np.shape(why["maps"]["image"]["grid"]) == (8, 8)
            assert np.sum(why["maps"]["image"]["grid"]) == pytest.approx(one[label].maps["image"].sum())
    text = manyhot("predict", model, rows, "--explain", "--quiet").out
    assert any(f"{sign}top left" in text for sign in "+-")


@pytest.mark.slow
def test_mistakes_are_drawn_label_by_label(manyhot, model, rows, tmp_path):
    folder = tmp_path / "wrong"
    done = manyhot("evaluate", model, rows, "--plots", folder, "--json")
    assert done.code == 0, done.err
    assert sorted(path.name for path in folder.iterdir()) == ["001-first.png", "002-second.png"]
    assert done.document["plots"] == {
        "first": str(folder / "001-first.png"),
        "second": str(folder / "002-second.png"),
    }
    assert f"plots of the worst errors of 2 of 2 labels are in {folder}" in done.err


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_pictures_are_for_images(manyhot, bundle, table, tmp_path, command):
    done = manyhot(command, bundle, table, "--plots", tmp_path / "seen")
    assert done.code == 2
    assert "--plots" in done.err
    assert "plots need images, and this model has no image column" in done.err
    assert done.out == ""
    assert not (tmp_path / "seen").exists()


@pytest.mark.slow
def test_wrong_folders_and_limits(manyhot, model, rows, tmp_path):
    (tmp_path / "file").touch()
    done = manyhot("predict", model, rows, "--plots", tmp_path / "file")
    assert done.code == 2
    assert "is a file; give a folder" in done.err
    done = manyhot("predict", model, rows, "--plots", tmp_path / "seen", "--max-plots", 0)
    assert done.code == 2
    assert "from 1 upwards" in done.err
    done = manyhot("predict", model, rows, "--max-plots", 3)
    assert done.code == 2
    assert "add --plots" in done.err


def test_the_note_counts_pictures_that_were_written(tmp_path):
    options = ImageOptions(tmp_path, 5, n_drawn=4, n_rows=4, n_files=3)
    assert options.note() == f"3 plots are in {tmp_path}; rows with an unusable image have none"
    assert "of the 4 rows" in ImageOptions(tmp_path, 5, n_drawn=4, n_rows=4, n_files=4).note()
    assert "the first 5 of 9 rows" in ImageOptions(tmp_path, 5, n_drawn=5, n_rows=9, n_files=5).note()
