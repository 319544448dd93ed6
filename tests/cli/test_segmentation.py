"""Labels of every pixel at the command line: masks of files in, masks and pictures out."""

import numpy as np
import polars as pl
import pytest
from PIL import Image

from manyhot import MultiLabelClassifier, load
from manyhot.errors import InputError
from tests.fixtures.scenes import LABELS, scenes

N = 24
TRAIN = ["--labels", ",".join(LABELS), "--n-members", 2, "--epochs", 8, "--batch-size", 4, "--learning-rate", 0.01]
TRAIN += ["--dropout", 0, "--image-params", "filters=16x24,tile=32", "--quiet"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images, a mask for each label, the table that names them, and a model trained on it."""
    folder = tmp_path_factory.mktemp("cells")
    X, Y = scenes(N)
    for k in range(N):
        Image.fromarray(X[k]).save(folder / f"scene {k}.png")
        for j, name in enumerate(LABELS):
            Image.fromarray(np.where(Y[k, ..., j], 255, 0).astype(np.uint8)).save(folder / f"{name}-{k}.png")
    named = {name: [f"{name}-{k}.png" for k in range(N)] for name in LABELS}
    pl.DataFrame({"picture": [f"scene {k}.png" for k in range(N)], **named}).write_csv(folder / "table.csv")
    return folder


@pytest.fixture(scope="module")
def model(folder, manyhot):
    done = manyhot("train", folder / "table.csv", "-o", folder / "m.manyhot", *TRAIN)
    assert done.code == 0, done.err
    return folder / "m.manyhot"


@pytest.mark.slow
def test_masks_and_pictures_of_the_first_images(manyhot, folder, model, tmp_path):
    seen = tmp_path / "seen"
    flags = ["-o", tmp_path / "answers", "--plots", seen, "--max-plots", 5]
    done = manyhot("predict", model, folder / "table.csv", *flags)
    assert done.code == 0, done.err
    assert f"plots of the first 5 of {N} rows are in {seen}" in done.err
    assert sorted(path.name for path in seen.iterdir()) == [f"0000{k + 1}-scene_{k}.png" for k in range(5)]
    answers = load(model).predict(scenes(N)[0])
    assert answers.any(axis=(1, 2)).any(axis=0).all()
    for k in range(N):
        for j, name in enumerate(LABELS):
            mask = np.asarray(Image.open(tmp_path / "answers" / f"scene {k}" / f"{name}.png"))
            np.testing.assert_array_equal(mask, 255 * answers[k, ..., j])
    assert len(pl.read_csv(tmp_path / "answers" / "predictions.csv")) == N


@pytest.mark.slow
def test_a_picture_is_large_enough_and_leaves_what_was_not_answered(folder, model, tmp_path):
    classifier, (X, _) = load(model), scenes(N)
    paths = classifier.plot_predictions(X, tmp_path, limit=3, ids=list("abc"))
    assert [path.name for path in paths] == ["00001-a.png", "00002-b.png", "00003-c.png"]
    sheet, answers = np.asarray(Image.open(paths[0])), classifier.predict(X[:1])[0].any(axis=-1)
    times = 256 // X.shape[2]
    large = X[0].repeat(times, 0).repeat(times, 1)
    picture = sheet[: large.shape[0]]
    is_free = ~answers.repeat(times, 0).repeat(times, 1)
    assert picture.shape[1] == large.shape[1] >= 240
    np.testing.assert_array_equal(picture[is_free], np.repeat(large[is_free][:, None], 3, axis=1))
    assert (picture[~is_free] != large[~is_free][:, None]).any(axis=1).all()


@pytest.mark.slow
def test_what_pictures_of_pixels_cannot_show_is_refused(manyhot, folder, model, tmp_path):
    done = manyhot("predict", model, folder / "table.csv", "-o", tmp_path / "o", "--explain")
    assert (done.code, "labels of pixels cannot be explained" in done.err) == (2, True)
    done = manyhot("evaluate", model, folder / "table.csv", "--plots", tmp_path / "sheets")
    assert (done.code, "predict --plots" in done.err) == (2, True)
    assert not (tmp_path / "sheets").exists()
    done = manyhot("predict", model, folder / "table.csv", "-o", tmp_path / "o", "--max-plots", 3)
    assert (done.code, "add --plots" in done.err) == (2, True)
    done = manyhot("predict", model, folder / "table.csv", "-o", tmp_path / "o.csv")
    assert (done.code, "give a folder for the masks" in done.err) == (2, True)
    classifier, (X, Y) = load(model), scenes(4)
    with pytest.raises(InputError, match=r"reasons are not given|cannot be explained"):
        classifier.plot_predictions(X, tmp_path, explain=True)
    with pytest.raises(InputError, match="this one gives every pixel its labels"):
        classifier.plot_errors(X, Y, tmp_path)
    assert isinstance(classifier, MultiLabelClassifier)
