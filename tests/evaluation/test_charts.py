"""Pictures are written whole, in three formats, without any network."""

import socket

import numpy as np
import pytest

from manyhot import check_data, cross_validate
from manyhot.backend import keras
from manyhot.data.targets import Targets
from manyhot.errors import InputError, OutputError
from manyhot.evaluation.charts import check_plot_path, plot_cv_scores, plot_labels, plot_reliability, save_chart
from manyhot.evaluation.metrics import calibration


@pytest.fixture(scope="module")
def result():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 4))
    Y = X[:, :2] > 0
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, activation="sigmoid")])
    return cross_validate(model, X, Y, n_splits=3, n_repeats=2, epochs=2, batch_size=16, verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "start"), [(".svg", b"<svg"), (".png", b"\x89PNG"), (".html", b"<!DOCTYPE html")])
def test_a_picture_in_every_format(result, suffix, start, tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("a picture asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    path = tmp_path / f"spread{suffix}"
    result.plot(path)
    content = path.read_bytes()
    assert content.lstrip()[: len(start)] == start
    assert [child.name for child in tmp_path.iterdir()] == [path.name]
    if suffix == ".html":
        assert b"<script src=" not in content
        assert b"<link" not in content


@pytest.mark.slow
def test_every_fold_is_drawn(result):
    chart = plot_cv_scores({"": result.to_dict()}).to_dict()
    ticks, means = chart["layer"][0], chart["layer"][1]
    drawn = {row["metric"] for row in means["data"]["values"]}
    assert len(ticks["data"]["values"]) == 6 * len(drawn)
    assert "coverage error" not in drawn
    assert {"f1 micro", "subset accuracy", "lrap"} <= drawn


def test_labels_of_a_file_are_drawn(tmp_path):
    Y = np.random.default_rng(0).random((80, 4)) < 0.4
    facts = check_data(None, Y).to_dict()["facts"]
    save_chart(plot_labels(facts), tmp_path / "labels.svg")
    picture = (tmp_path / "labels.svg").read_text()
    for words in ("label_3", "Labels that occur together", "How many labels a row carries"):
        assert words in picture


def test_scores_beside_frequencies_are_drawn(tmp_path):
    generator = np.random.default_rng(0)
    scores = generator.random((300, 2))
    targets = Targets(generator.random(scores.shape) < scores)
    panels = {}
    for name, label in (("all labels", None), ("rain", 0), ("wind", 1)):
        settings = {"before": scores**3, "after": scores}
        panels[name] = {
            setting: calibration.reliability(targets, values, bins=10, label=label).to_rows()
            for setting, values in settings.items()
        }
    chart = plot_reliability(panels)
    drawn = chart.to_dict()
    rows = drawn["data"]["values"]
    assert len(rows) == 3 * 2 * 10
    assert all(row["low"] <= row["share"] <= row["high"] for row in rows)
    assert drawn["facet"]["sort"] == ["all labels", "rain", "wind"]
    save_chart(chart, tmp_path / "reliability.svg")
    picture = (tmp_path / "reliability.svg").read_text()
    for words in ("rain", "before", "after", "Scores beside frequencies", "share that carry the label"):
        assert words in picture
    alone = plot_reliability({"all labels": {"scores": panels["rain"]["after"]}}).to_dict()
    assert {row["setting"] for row in alone["data"]["values"]} == {"scores"}


def test_wrong_names_are_refused_before_the_work(tmp_path):
    assert check_plot_path(None) is None
    with pytest.raises(InputError, match=r"\.svg, \.png, \.html"):
        check_plot_path(tmp_path / "x.gif")
    with pytest.raises(OutputError, match="does not exist"):
        check_plot_path(tmp_path / "nowhere" / "x.svg")
