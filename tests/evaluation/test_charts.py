"""Pictures are written whole, in three formats, without any network."""

import re
import socket

import numpy as np
import pytest

from manyhot import check_data, cross_validate
from manyhot.backend import keras
from manyhot.data.targets import Targets
from manyhot.errors import InputError, OutputError
from manyhot.evaluation.chart_theme import COLOURS, TOKENS
from manyhot.evaluation.charts import (
    Chart,
    check_plot_path,
    plot_cv_scores,
    plot_heads,
    plot_labels,
    plot_reliability,
    save_chart,
)
from manyhot.evaluation.metrics import METRICS, calibration
from tests.contract.test_packaging import ROOT

LONG_NAME = "a label's name with <b>, & and more than forty characters"


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
    panels = plot_cv_scores({"": result.to_dict()}).to_dict()["vconcat"]
    drawn: dict[str, set[str]] = {}
    for panel in panels:
        ticks, means = panel["layer"][1], panel["layer"][2]
        drawn[panel["title"]] = {row["metric"] for row in means["data"]["values"]}
        assert len(ticks["data"]["values"]) == 6 * len(drawn[panel["title"]])
    assert {"Micro F1", "Exact match (subset accuracy)"} <= drawn["Higher is better"]
    assert drawn["Lower is better"] == {METRICS[name].title for name in ("hamming_loss", "ranking_loss", "one_error")}


def cv_document(names):
    row = {"mean": 0.5, "low": 0.4, "high": 0.6, "baseline": None, "folds": [0.4, None, 0.6]}
    return {"n_fits": 3, "labels": [{}] * 9, "metrics": {"decision": dict.fromkeys(names, row)}}


def test_each_panel_of_metrics_has_one_direction_of_better():
    both = plot_cv_scores({"": cv_document(METRICS)}).to_dict()
    titles = {row.title.format(k=5): row.higher_is_better for row in METRICS.values()}
    for panel in both["vconcat"]:
        metrics = {row["metric"] for row in panel["layer"][2]["data"]["values"]}
        assert {titles[name] for name in metrics} == {panel["title"] == "Higher is better"}
    losses = plot_cv_scores({"": cv_document(["hamming_loss"])}).to_dict()
    assert [panel["title"] for panel in losses["vconcat"]] == ["Lower is better"]


def test_two_settings_have_a_row_and_a_colour_each():
    chart = plot_cv_scores({"this": cv_document(["f1_macro"]), "that": cv_document(["f1_macro"])}).to_dict()
    encoding = chart["vconcat"][0]["layer"][3]["encoding"]
    assert encoding["color"]["scale"] == {"domain": ["this", "that"], "range": [COLOURS["accent"], COLOURS["orange"]]}
    assert encoding["yOffset"]["sort"] == ["this", "that"]


def test_the_theme_has_the_colours_of_the_report():
    css = (ROOT / "src/manyhot/reports/html/assets/page.css").read_text()
    page = dict(re.findall(r"--([a-z]+): light-dark\((#[0-9a-f]{6}),", css))
    assert {name: page[name] for name in TOKENS} == TOKENS


def heads_document(n_labels):
    scores = np.random.default_rng(0).random(n_labels).tolist()
    names = [LONG_NAME, *(f"name {j}" for j in range(1, n_labels))]
    return {
        "labels": names,
        "heads": {"softmax, categorical cross-entropy": {"sample": scores}, "sigmoid": {"sample": scores}},
        "sample": {"row": 3, "true": [j in (0, n_labels - 1) for j in range(n_labels)]},
    }


def facts_of(n_labels):
    Y = np.random.default_rng(0).random((80, n_labels)) < 0.3
    return check_data(None, Y, labels=heads_document(n_labels)["labels"]).to_dict()["facts"]


def written_texts(svg):
    """(text, angle) of everything that is written."""
    found = re.findall(r"<text([^>]*)>(.*?)</text>", svg, flags=re.DOTALL)
    return [(re.sub("<[^>]*>", "", text), re.findall(r"rotate\((-?\d+)", attributes)) for attributes, text in found]


@pytest.mark.parametrize("n_labels", [2, 12, 120])
def test_no_number_is_rotated_and_no_name_runs_on(n_labels):
    cv = plot_cv_scores({"": cv_document(METRICS)})
    for chart in (plot_heads(heads_document(n_labels)), plot_labels(facts_of(n_labels)), cv):
        written = written_texts(chart.to_svg())
        assert len(written) > 10
        assert not [text for text, angle in written if angle and not re.search("[a-z]", text)]
        assert all(LONG_NAME not in text for text, _ in written)
        assert 'font-size="12px"' in chart.to_svg()


def test_numbers_as_labels_stand_upright():
    Y = np.random.default_rng(0).random((80, 12)) < 0.3
    facts = check_data(None, Y, labels=[str(j) for j in range(12)]).to_dict()["facts"]
    assert not [text for text, angle in written_texts(plot_labels(facts).to_svg()) if angle]


def test_of_many_labels_those_of_the_row_and_the_most_probable_are_drawn():
    document = heads_document(120)
    rows = plot_heads(document).to_dict()["data"]["values"]
    labels = list(dict.fromkeys(row["label"] for row in rows))
    scores = dict(zip(document["labels"], document["heads"]["sigmoid"]["sample"], strict=True))
    assert set(labels[:2]) == {LONG_NAME, "name 119"}
    assert len(labels) == 30
    assert min(scores[name] for name in labels[2:]) >= max(scores[name] for name in scores if name not in labels)


def test_labels_too_many_for_a_matrix_are_drawn_as_pairs():
    few, many = plot_labels(facts_of(12)).to_svg(), plot_labels(facts_of(120)).to_svg()
    assert "Labels that occur together" in few
    assert "Labels that occur together" not in many
    assert "the 20 most frequent pairs" in many
    assert "Labels that occur together" not in plot_labels(facts_of(1)).to_svg()


def test_a_notebook_shows_the_picture_itself(monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("a picture asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    charts = [plot_heads(heads_document(4)), plot_labels(facts_of(4))]
    bundles = [chart._repr_mimebundle_() for chart in charts]
    ids = []
    for chart, bundle in zip(charts, bundles, strict=True):
        assert bundle["text/plain"] == repr(chart)
        assert len(repr(chart)) <= 200
        assert bundle["image/svg+xml"].startswith("<svg")
        html = bundle["text/html"]
        addresses = set(re.findall(r"https?://[^\s\"']*", html))
        assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
        assert "<script" not in html
        assert not [colour for colour in COLOURS.values() if f'"{colour}"' in html]  # all come from the page
        ids.append(set(re.findall(r'id="([^"]+)"', html)))
        assert set(re.findall(r"url\(#([^)]+)\)", html)) <= ids[-1]
    assert not ids[0] & ids[1]


def test_a_chart_can_be_changed_with_altair(tmp_path):
    chart = plot_heads(heads_document(4))
    changed = Chart(chart.altair.properties(title="Changed"), "Changed")
    changed.save(tmp_path / "changed.svg")
    assert "Changed" in (tmp_path / "changed.svg").read_text()


def test_labels_of_a_file_are_drawn(tmp_path):
    Y = np.random.default_rng(0).random((80, 4)) < 0.4
    facts = check_data(None, Y).to_dict()["facts"]
    save_chart(plot_labels(facts), tmp_path / "labels.svg")
    picture = (tmp_path / "labels.svg").read_text()
    for words in ("label_3", "Labels that occur together", "Rows by number of labels"):
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
    for words in ("rain", "before", "after", "Calibration curves", "share of rows with the label"):
        assert words in picture
    alone = plot_reliability({"all labels": {"scores": panels["rain"]["after"]}}).to_dict()
    assert {row["setting"] for row in alone["data"]["values"]} == {"scores"}


def test_wrong_names_are_refused_before_the_work(tmp_path):
    assert check_plot_path(None) is None
    with pytest.raises(InputError, match=r"\.svg, \.png, \.html"):
        check_plot_path(tmp_path / "x.gif")
    with pytest.raises(OutputError, match="does not exist"):
        check_plot_path(tmp_path / "nowhere" / "x.svg")
