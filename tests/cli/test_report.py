"""`manyhot report`: from what training kept and from a file, with what it shows of rows, and what it refuses."""

import hashlib
import shlex
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from manyhot import MultiLabelClassifier, load
from manyhot.cli.jobs.report import check_output
from manyhot.data.labels import LabelSpace
from manyhot.data.samples import Samples
from manyhot.data.targets import Targets
from manyhot.errors import InputError, OutputError
from tests.cli.conftest import songs
from tests.fixtures.image_spots import SETTINGS, spots


def test_a_page_of_what_training_kept(manyhot, bundle, tmp_path):
    done = manyhot("report", bundle, "-o", tmp_path / "report.html", "--json")
    assert done.code == 0, done.err
    page = done.document
    model = load(bundle).model_
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert "counts" not in page
    assert page["report"] == model.report
    assert page["training"]["n_members"] == model.n_members
    assert page["config"] == model.report["config"]
    assert f"{model.n_members} networks" in (tmp_path / "report.html").read_text()
    assert page["file"] is None
    figures = {figure["name"]: figure["decision"]["value"] for figure in page["metrics"]}
    assert figures["f1_micro"] == model.report["metrics"]["decision"]["f1_micro"]["value"]
    assert not page["rows"]["has_contents"]
    assert manyhot("report", bundle, "-o", tmp_path / "report.html").out.startswith(str(tmp_path / "report.html"))


def test_without_a_name_the_page_is_called_as_the_model_and_replaces_only_a_report(manyhot, bundle, tmp_path):
    model, html = tmp_path / "my.songs.manyhot", tmp_path / "my.songs.html"
    model.write_bytes(bundle.read_bytes())
    done = manyhot("report", model)
    assert done.code == 0, done.err
    assert done.out.startswith(str(html))
    first = html.read_text()
    assert manyhot("report", model).code == 0  # an older report is replaced
    html.write_text("<!doctype html><p>a thesis")
    done = manyhot("report", model)
    assert done.code == 2
    assert "is not a manyhot report" in done.err
    assert html.read_text() == "<!doctype html><p>a thesis"
    assert manyhot("report", model, "-o", html).code == 2
    html.write_text("")
    assert manyhot("report", model).code == 0
    assert len(html.read_text()) == len(first)
    html.unlink()
    assert manyhot("report", model, "--json").code == 0
    assert not html.exists()


def test_a_page_says_where_it_comes_from(manyhot, bundle, tmp_path):
    songs(30, seed=4).write_csv(tmp_path / "new songs.csv")
    page = manyhot(
        "report", bundle, tmp_path / "new songs.csv", "-o", tmp_path / "r.html", "--json", "--quiet"
    ).document
    source = page["provenance"]
    for name, path in (("model_file", bundle), ("rows_file", tmp_path / "new songs.csv")):
        assert source[name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert source[name]["bytes"] == path.stat().st_size
        assert source[name]["sha256"] in (tmp_path / "r.html").read_text()
    assert shlex.split(source["command"]) == ["manyhot", "report", str(bundle), str(tmp_path / "new songs.csv")]
    written = datetime.strptime(source["created"], "%Y-%m-%d %H:%M UTC").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=5)
    rows = load(bundle).model_.evidence.rows
    assert source["training_rows"]["rows"] == len(rows.ids)
    again = manyhot("report", bundle, "--json", "--quiet").document["provenance"]
    assert again["rows_file"] is None
    assert again["training_rows"] == source["training_rows"]


def test_a_page_of_a_file_says_what_evaluate_says_and_shows_its_rows(manyhot, bundle, tmp_path):
    songs(50, seed=3).write_csv(tmp_path / "new.csv")
    done = manyhot("report", bundle, tmp_path / "new.csv", "-o", tmp_path / "report.html", "--json", "--quiet")
    assert done.code == 0, done.err
    page = done.document
    measured = manyhot("evaluate", bundle, tmp_path / "new.csv", "--json", "--quiet").document
    assert page["report"]["metrics"] == measured["metrics"]
    assert page["config"] == load(bundle).model_.report["config"]
    assert page["rows"]["has_contents"]
    shown = {row["id"]: dict(row["cells"]) for row in page["rows"]["named"]}
    rows = songs(50, seed=3).to_dicts()
    for row in rows:
        if row["song_id"] in shown:
            assert shown[row["song_id"]]["kind"] == row["kind"]
            assert float(shown[row["song_id"]]["tempo"]) == pytest.approx(row["tempo"], rel=1e-3)
    assert {"energy", "tempo", "kind"} <= set(page["data"]["checks_scope"].split()) | {"energy", "tempo", "kind"}
    thresholds = dict(zip(page["labels"]["label"], page["labels"]["threshold"], strict=True))
    assert thresholds == load(bundle).thresholds_


def test_a_page_of_the_rows_of_training_says_that_it_is_too_good(manyhot, bundle, tmp_path):
    songs().write_csv(tmp_path / "songs.csv")
    page = manyhot("report", bundle, tmp_path / "songs.csv", "--json", "--quiet").document
    assert page["summary"]["kind"] == "seen"
    assert page["summary"]["next_steps"][0]["kind"] == "new_rows"
    assert "60 of these 60 rows were used for training" in page["report"]["scores"]["remarks"][0]
    assert page["rows"]["label_errors"] == []


@pytest.mark.slow
def test_texts_are_shown_as_themselves(manyhot, tmp_path):
    words = ["refund my money now please", "the app crashes often", "love the new colours", "invoice is wrong again"]
    generator = np.random.default_rng(0)
    picked = generator.integers(0, 4, 90)
    frame = pl.DataFrame(
        {
            "message": [f"{words[k]} <b>{n}</b> in the year {generator.integers(1000)}" for n, k in enumerate(picked)],
            "label_billing": np.isin(picked, (0, 3)) ^ (generator.random(90) < 0.2),
            "label_app": np.isin(picked, (1, 2)) ^ (generator.random(90) < 0.2),
        }
    )
    frame[:60].write_csv(tmp_path / "old.csv")
    frame[60:].write_csv(tmp_path / "new.csv")
    words = (
        "--n-members",
        "2",
        "--epochs",
        "2",
        "--hidden-layer-sizes",
        "4",
        "--n-folds",
        "3",
        "--quiet",
        "--column-type",
        "message=text",
    )
    model = tmp_path / "tickets.manyhot"
    done = manyhot("train", tmp_path / "old.csv", "--labels", "label_*", "-o", model, *words)
    assert done.code == 0, done.err
    page = manyhot("report", model, tmp_path / "new.csv", "--json", "--quiet").document
    texts = {int(row["id"]): row["text"] for row in page["rows"]["named"]}
    assert texts
    assert all(text == frame["message"][59 + number] for number, text in texts.items())


@pytest.mark.slow
def test_images_are_shown_as_themselves(manyhot, tmp_path, monkeypatch):
    X, Y = spots(80)
    model = tmp_path / "spots.manyhot"
    MultiLabelClassifier(labels=["first", "second"], epochs=2, **SETTINGS).fit(X, Y).save(model)
    new, truth = spots(30, seed=1)
    ids = np.array([f"img/{k}.png" for k in range(30)])
    frame = pl.DataFrame([pl.Series("image", new)])
    samples = Samples(frame, ["image"], {"image": "image"}, Targets(truth == 0), LabelSpace(("first", "second")), ids)
    monkeypatch.setattr("manyhot.cli.jobs.score_file.read", lambda *_, **__: samples)
    (tmp_path / "rows.parquet").touch()
    done = manyhot("report", model, tmp_path / "rows.parquet", "-o", tmp_path / "r.html", "--json", "--quiet")
    assert done.code == 0, done.err
    assert done.document["rows"]["has_contents"]
    assert not any("image" in row for row in done.document["rows"]["named"])  # only in the page


def test_what_cannot_be_done_is_refused_before_the_work(manyhot, bundle, tmp_path):
    with pytest.raises(InputError, match=r"ends in \.html"):
        check_output(tmp_path / "report.pdf")
    with pytest.raises(OutputError, match="does not exist"):
        check_output(tmp_path / "nowhere" / "report.html")
    classifier = load(bundle)
    classifier.save(tmp_path / "bare.manyhot", evidence=False)
    done = manyhot("report", tmp_path / "bare.manyhot", "-o", tmp_path / "r.html")
    assert done.code == 2
    assert "name a file of labelled rows" in done.err
    songs(20, seed=5).write_csv(tmp_path / "new.csv")
    done = manyhot("report", tmp_path / "bare.manyhot", tmp_path / "new.csv", "--json", "--quiet")
    assert done.document["training"] is None


def test_a_report_writes_its_page(bundle, tmp_path):
    report = load(bundle).report_
    page = report.to_html(tmp_path / "report.html")
    assert page["model"] is None
    assert (tmp_path / "report.html").stat().st_size > 50_000
