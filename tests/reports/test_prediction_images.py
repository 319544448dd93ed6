"""Pictures of a fitted classifier: which rows and labels get one, and what is refused."""

import copy

import numpy as np
import polars as pl
import pytest
from PIL import Image

from manyhot import MultiLabelClassifier
from manyhot.data.targets import Targets
from manyhot.errors import InputError, OutputError
from manyhot.explanation.explain import explain_rows
from manyhot.reports import prediction_images
from manyhot.reports.image_sheets import ErrorSheet, PredictionSheet
from tests.fixtures.image_spots import SETTINGS, spots


@pytest.fixture(scope="module")
def trained():
    X, Y = spots(120)
    return MultiLabelClassifier(labels=["Bäume", "a/b"], epochs=4, **SETTINGS).fit(X, Y), X, Y


@pytest.fixture
def sheets(monkeypatch):
    """What is handed to the gallery."""
    seen = []

    class Sheet:
        def save(self, path):
            path.write_bytes(b"")

    def record(sheet):
        seen.append(sheet)
        return Sheet()

    monkeypatch.setattr(prediction_images.image_sheets, "draw_prediction", record)
    monkeypatch.setattr(prediction_images.image_sheets, "draw_errors", record)
    return seen


@pytest.mark.slow
def test_each_row_has_its_picture(trained, tmp_path):
    clf, X, _ = trained
    paths = clf.plot_predictions(X[:3], tmp_path / "new", explain=True, ids=["a", "../b", "3"])
    assert [path.name for path in paths] == ["00001-a.png", "00002-b.png", "00003.png"]
    assert sorted(tmp_path.joinpath("new").iterdir()) == paths
    sizes = [Image.open(path).size for path in paths]
    assert all(width > 1000 and height > 1000 for width, height in sizes)
    again = clf.plot_predictions(X[:3], tmp_path / "again", explain=True, ids=["a", "../b", "3"])
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]


@pytest.mark.slow
def test_pictures_hold_the_answers(trained, tmp_path, sheets):
    clf, X, _ = trained
    clf.plot_predictions(X, tmp_path, limit=7)
    assert len(sheets) == 7
    scores, answers = clf.predict_proba(X), clf.predict(X)
    for k, sheet in enumerate(sheets):
        assert isinstance(sheet, PredictionSheet)
        assert sheet.title == str(k + 1)
        np.testing.assert_array_equal(sheet.images[0], np.repeat(X[k][..., None], 3, axis=2))
        np.testing.assert_allclose(sheet.scores, scores[k], atol=1e-6)
        np.testing.assert_array_equal(sheet.predictions, answers[k])
        np.testing.assert_array_equal(sheet.thresholds, list(clf.thresholds_.values()))
        assert not sheet.maps


@pytest.mark.slow
def test_maps_are_those_of_the_explanations(trained, tmp_path, sheets):
    clf, X, _ = trained
    clf.plot_predictions(X[:4], tmp_path, explain=True)
    for sheet, explanations in zip(sheets, clf.explain(X[:4]), strict=True):
        assert [clf.labels_[j] for j in sheet.maps] == list(explanations)
        for j, [(image, pixels)] in sheet.maps.items():
            np.testing.assert_allclose(pixels, explanations[clf.labels_[j]].maps["image"], atol=1e-9)
            assert image.shape == (12, 15, 3)


def test_each_label_has_a_sheet_of_its_worst_mistakes(trained, tmp_path, sheets):
    clf, X, Y = trained
    wrong = Y.astype(float)
    wrong[:40, 0] = 1 - wrong[:40, 0]
    wrong[40:50] = np.nan
    paths = clf.plot_errors(X, wrong, tmp_path)
    answers, scores = clf.predict(X), clf.predict_proba(X)
    assert paths["Bäume"].name == "001-Bäume.png"
    sheet = sheets[0]
    assert isinstance(sheet, ErrorSheet)
    known = ~np.isnan(wrong[:, 0])
    assert sheet.n_known == known.sum() == 110
    assert sheet.n_false_positives == ((answers[:, 0] == 1) & (wrong[:, 0] == 0)).sum()
    assert sheet.n_false_negatives == ((answers[:, 0] == 0) & (wrong[:, 0] == 1)).sum()
    assert sheet.threshold == clf.thresholds_["Bäume"]
    assert [one.score for one in sheet.false_positives] == sorted(
        [one.score for one in sheet.false_positives], reverse=True
    )
    assert [one.score for one in sheet.false_negatives] == sorted(one.score for one in sheet.false_negatives)
    for one in (*sheet.false_positives, *sheet.false_negatives):
        row = int(one.title) - 1
        assert one.score == pytest.approx(scores[row, 0])
        np.testing.assert_array_equal(one.image[..., 0], X[row])


def test_rows_without_scores_are_left_out(trained, tmp_path, sheets):
    clf, X, _ = trained
    model, features = clf.model_, clf._features(X[:4])
    scores = clf.predict_proba(X[:4])
    scores[1] = np.nan
    reasons = list(explain_rows(model, features, scores))
    assert [bool(reason) for reason in reasons] == [True, False, True, True]
    paths = prediction_images.plot_predictions(model, features, scores, ["a", "b", "c", "d"], tmp_path, 5, reasons)
    assert [path.name for path in paths] == ["00005-a.png", "00007-c.png", "00008-d.png"]
    for k, sheet in zip([0, 2, 3], sheets, strict=True):
        np.testing.assert_array_equal(sheet.images[0][..., 0], X[k])
        np.testing.assert_array_equal(next(iter(sheet.maps.values()))[0][0][..., 0], X[k])
    sheets.clear()
    prediction_images.plot_errors(
        model, features, Targets(clf.predict(X[:4]) == 0), scores, ["a", "b", "c", "d"], tmp_path
    )
    assert sheets[0].n_known == 3
    assert "b" not in {one.title for one in (*sheets[0].false_positives, *sheets[0].false_negatives)}


def test_sheets_need_no_extra(trained, tmp_path, without_pictures):
    clf, X, Y = trained
    paths = [*clf.plot_predictions(X[:2], tmp_path, explain=True), *clf.plot_errors(X, 1 - Y, tmp_path).values()]
    assert len(paths) == 4
    assert all(Image.open(path).format == "PNG" for path in paths)


def test_labels_without_mistakes_have_no_sheet(trained, tmp_path):
    clf, X, _ = trained
    assert clf.plot_errors(X, clf.predict(X), tmp_path) == {}
    paths = clf.plot_errors(X, 1 - clf.predict(X), tmp_path)
    assert [path.name for path in paths.values()] == ["001-Bäume.png", "002-a_b.png"]
    assert all(Image.open(path).size[0] > 1000 for path in paths.values())


@pytest.mark.slow
def test_what_is_asked_wrongly_is_answered(trained, tmp_path):
    clf, X, Y = trained
    with pytest.raises(InputError, match="1 upwards"):
        clf.plot_predictions(X, tmp_path, limit=0)
    with pytest.raises(InputError, match="2 ids for 5 rows"):
        clf.plot_predictions(X[:5], tmp_path, ids=["a", "b"])
    with pytest.raises(InputError, match="rows but y has"):
        clf.plot_errors(X, Y[:5], tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file"):
        clf.plot_predictions(X, tmp_path / "file")
    numbers = np.random.default_rng(0).normal(size=(40, 3))
    table = MultiLabelClassifier(n_members=1, epochs=1, verbose=0).fit(numbers, (numbers[:, :2] > 0).astype(int))
    with pytest.raises(InputError, match="plots need images"):
        table.plot_predictions(numbers, tmp_path / "none")
    with pytest.raises(InputError, match="plots need images"):
        table.plot_errors(numbers, numbers[:, :2] > 0, tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_rows_that_are_left_out_have_no_picture(trained, tmp_path, sheets):
    clf, X, Y = trained
    paths = []
    for k in range(4):
        paths.append(str(tmp_path / f"{k}.png"))
        Image.fromarray(X[k].squeeze()).save(paths[-1])
    (tmp_path / "1.png").write_text("no image")
    frame = pl.DataFrame({clf.model_.encoder.image_columns[0]: paths})
    with pytest.raises(InputError, match=r"cannot be|no image"):
        clf.plot_predictions(frame, tmp_path / "seen")
    clf = copy.copy(clf).set_params(on_bad_image="skip")
    names = [path.name for path in clf.plot_predictions(frame, tmp_path / "seen")]
    assert names == ["00001.png", "00003.png", "00004.png"]
    sheets.clear()
    clf.plot_errors(frame, 1 - Y[:4], tmp_path / "seen")
    assert {
        one.title for sheet in sheets for kind in (sheet.false_positives, sheet.false_negatives) for one in kind
    } <= {"1", "3", "4"}
    assert sheets
