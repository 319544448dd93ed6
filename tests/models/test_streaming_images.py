"""Images that are never all in memory: trained piece by piece as in memory, bad ones left out."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from manyhot import MultiLabelClassifier
from manyhot.config.images import image_params
from manyhot.data.readers import ReadOptions, count_rows, read
from manyhot.errors import InputError
from manyhot.models.stream_survey import needs_stream
from tests.fixtures.image_files import moods

OPTIONS = ReadOptions(labels="sad,fast")
SMALL = {
    "n_members": 1,
    "epochs": 2,
    "hidden_layer_sizes": (8,),
    "verbose": 0,
    "image_params": {"filters": [4], "size": 8},
}
N = 120


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of photos; one of them is damaged in broken.csv."""
    folder = tmp_path_factory.mktemp("stream")
    table = moods(folder, N)
    table.write_csv(folder / "t.csv")
    (folder / "broken.png").write_bytes(b"\x89PNG and nothing else")
    names = ["broken.png" if k == 70 else name for k, name in enumerate(table["photo"])]
    table.with_columns(photo=pl.Series(names)).write_csv(folder / "broken.csv")
    return folder


@pytest.mark.slow
def test_one_window_is_training_in_memory(photos, monkeypatch):
    monkeypatch.setattr("manyhot.data.readers.sampling.IMAGE_CHUNK_ROWS", 50)
    in_memory = MultiLabelClassifier(**SMALL).fit(read(photos / "t.csv", OPTIONS))
    streamed = MultiLabelClassifier(**SMALL).fit_file(photos / "t.csv", OPTIONS, stream=True)
    samples = read(photos / "t.csv", OPTIONS)
    np.testing.assert_allclose(streamed.predict_proba(samples), in_memory.predict_proba(samples), atol=1e-5)
    assert streamed.thresholds_ == pytest.approx(in_memory.thresholds_, abs=1e-5)


@pytest.mark.slow
def test_many_windows_and_a_small_sample(photos, monkeypatch):
    monkeypatch.setattr("manyhot.models.stream_survey.IMAGE_SAMPLE_BYTES", 60 * 192)
    monkeypatch.setattr("manyhot.models.stream_survey.MIN_IMAGES", 10)
    monkeypatch.setattr("manyhot.data.readers.sampling.IMAGE_CHUNK_ROWS", 30)
    monkeypatch.setattr("manyhot.data.readers.sampling.CHUNK_ROWS", (16, 64))
    told = {"stream": True, "window_bytes": 5000}
    model = MultiLabelClassifier(**SMALL).fit_file(photos / "t.csv", OPTIONS, **told)
    notes = " ".join(model.report_.to_dict()["notes"])
    assert f"Trained from a stream of {N} rows" in notes
    assert "learned from a random sample" in notes
    with pytest.raises(InputError, match="damaged") as caught:
        MultiLabelClassifier(**SMALL).fit_file(photos / "broken.csv", OPTIONS, **told)
    assert (caught.value.file, caught.value.row) == (str(photos / "broken.csv"), 71)
    skipping = MultiLabelClassifier(**SMALL, on_bad_image="skip").fit_file(photos / "broken.csv", OPTIONS, **told)
    (note,) = (note for note in skipping.report_.to_dict()["notes"] if "left out" in note)
    assert note.startswith("1 row was left out")
    assert "row 71" in note


def test_more_images_than_memory_are_streamed_by_themselves(photos, monkeypatch):
    model = MultiLabelClassifier(**SMALL)
    assert not needs_stream(photos / "t.csv", OPTIONS, image_params(model.image_params))
    monkeypatch.setattr("manyhot.models.stream_survey.available_memory", lambda: N * 192 * 4 - 1)
    assert needs_stream(photos / "t.csv", OPTIONS, image_params(model.image_params))
    monkeypatch.setattr("manyhot.models.stream_survey.available_memory", lambda: N * 192 * 4)
    assert not needs_stream(photos / "t.csv", OPTIONS, image_params(model.image_params))
    assert count_rows(photos / "t.csv", OPTIONS, 10**6) == N
