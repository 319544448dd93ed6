"""An output that is an input, or that is somebody else's file, is refused before anything is read or trained."""

import os
import shutil
import struct

import numpy as np
import polars as pl
import pytest
from PIL import Image

from manyhot import MultiLabelClassifier
from manyhot.cli.jobs.prediction_writer import open_writer
from manyhot.errors import OutputError
from tests.cli.conftest import SMALL, songs
from tests.fixtures.image_files import moods
from tests.fixtures.scenes import LABELS, scenes

ROWS = ["--labels", "mood_*"]
MOODS = ["--labels", "sad,fast"]


def put(folder, name, content="something\n"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def assert_refused(done, flag, output, *words):
    assert done.code == 2, (done.code, done.err)
    assert "Traceback" not in done.err
    assert done.err.count("\n") == 1
    for word in (flag, str(output), "choose another name", *words):
        assert word in done.err, done.err
    assert done.out == ""


@pytest.fixture
def here(tmp_path, bundle, monkeypatch):
    """A folder with rows and a model under names that every command could write to."""
    for name in ("rows.csv", "rows.svg", "rows.html"):
        songs().write_csv(tmp_path / name)
    for name in ("model.csv", "model.svg", "model.html", "model.onnx"):
        shutil.copy(bundle, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


CSV = ["--format", "csv"]
COMMANDS = [
    (["train", "rows.csv", *ROWS, "-o"], "--output", "rows.csv", "the rows"),
    (["train", "rows.csv", *ROWS, "--extreme", "-o"], "--output", "rows.csv", "the rows"),
    (["train", "rows.csv", *ROWS, "--stream", "-o"], "--output", "rows.csv", "the rows"),
    (["predict", "model.csv", "rows.csv", "-o"], "--output", "rows.csv", "the rows"),
    (["predict", "model.csv", "rows.csv", "-o"], "--output", "model.csv", "the model"),
    (["report", "model.csv", "rows.html", *CSV, "-o"], "--output", "rows.html", "the rows"),
    (["report", "model.html", "-o"], "--output", "model.html", "the model"),
    (["label-errors", "model.csv", "-o"], "--output", "model.csv", "the model"),
    (["next", "model.csv", "rows.csv", "-o"], "--output", "rows.csv", "the rows"),
    (["guarantee", "model.csv", "rows.csv", "--miss-rate", 0.2, "-o"], "--output", "rows.csv", "the rows"),
    (["inspect", "model.svg", "--plot"], "--plot", "model.svg", "the model"),
    (["export", "model.onnx", "-o"], "--output", "model.onnx", "the model"),
    (["check", "rows.svg", *CSV, *ROWS, "--plot"], "--plot", "rows.svg", "the rows"),
    (["cv", "rows.svg", *CSV, *ROWS, "--plot"], "--plot", "rows.svg", "the rows"),
    (["tune", "rows.csv", *ROWS, "-o"], "--output", "rows.csv", "the rows"),
    (["tune", "rows.csv", *ROWS, "--journal"], "--journal", "rows.csv", "the rows"),
    (["tune", "rows.svg", *CSV, *ROWS, "--plot"], "--plot", "rows.svg", "the rows"),
    (["compare-heads", "rows.svg", *CSV, *ROWS, "--plot"], "--plot", "rows.svg", "the rows"),
]


@pytest.mark.parametrize(("words", "flag", "name", "what"), COMMANDS)
def test_no_command_writes_over_what_it_reads(manyhot, here, words, flag, name, what):
    before = contents(here)
    assert_refused(manyhot(*words, name), flag, name, f"would overwrite {what}")
    assert contents(here) == before


@pytest.mark.parametrize("kind", ["path", "absolute", "symbolic link", "hard link", "link to the folder"])
def test_by_whatever_name(manyhot, here, kind):
    rows, other = here / "rows.csv", here / "other.csv"
    if kind == "symbolic link":
        other.symlink_to(rows)
    elif kind == "hard link":
        os.link(rows, other)
    elif kind == "link to the folder":
        (here / "linked").symlink_to(here)
        other = here / "linked" / "rows.csv"
    else:
        other = rows if kind == "absolute" else f"../{here.name}/rows.csv"
    before = contents(here)
    for words in (["train", "rows.csv", *ROWS], ["predict", "model.csv", "rows.csv"]):
        assert_refused(manyhot(*words, "-o", other), "--output", other, "would overwrite the rows (rows.csv)")
    assert contents(here) == before


def test_an_earlier_output_is_written_anew(manyhot, here):
    shutil.copy("model.csv", "earlier.manyhot")
    flags = ["--n-members", 2, "--epochs", 2, "--hidden-layer-sizes", 8, "--quiet"]
    assert manyhot("train", "rows.csv", *ROWS, *flags, "-o", "earlier.manyhot").code == 0
    for _ in range(2):
        assert manyhot("predict", "earlier.manyhot", "rows.csv", "-o", "predictions.csv").code == 0
        assert manyhot("thresholds", "earlier.manyhot", "--set", "mood_sad=0.4", "-o", "earlier.manyhot").code == 0
    put(here, "empty.manyhot", "")
    assert manyhot("thresholds", "earlier.manyhot", "-o", "empty.manyhot").code == 0


@pytest.mark.parametrize("words", [words for words, *_ in COMMANDS if words[0] in ("train", "guarantee")])
def test_a_model_is_not_written_over_a_file_of_another_kind(manyhot, here, words):
    put(here, "thesis.txt")
    assert_refused(manyhot(*words, "thesis.txt"), "--output", "thesis.txt", "exists and is not a manyhot file")
    done = manyhot("thresholds", "model.csv", "--set", "mood_sad=0.4", "-o", "thesis.txt")
    assert_refused(done, "--output", "thesis.txt", "exists and is not a manyhot file")
    assert (here / "thesis.txt").read_text() == "something\n"


def test_files_that_lie_beside_the_rows(manyhot, tmp_path):
    arff = put(tmp_path, "flags.arff", "@relation x\n@attribute a numeric\n@attribute b {0,1}\n@data\n1,0\n2,1\n")
    xml = put(tmp_path, "flags.xml", '<labels xmlns="http://mulan.sourceforge.net/labels"><label name="b"/></labels>')
    images = put(tmp_path, "train-images-idx3-ubyte", b"\0\0\x08\x03" + struct.pack(">3I", 1, 2, 2) + bytes(4))
    labels = put(tmp_path, "train-labels-idx1-ubyte", b"\0\0\x08\x01" + struct.pack(">I", 1) + bytes(1))
    articles = put(tmp_path, "articles.xc", "1 2 1\n0 0:1\n")
    names, features = put(tmp_path, "labels.txt", "b\n"), put(tmp_path, "features.txt", "x\ny\n")
    named = put(tmp_path, "other.xml", xml.read_text())
    before = contents(tmp_path)
    for file, *flags, output in (
        (arff, xml),
        (arff, "--xml", named, named),
        (images, labels),
        (articles, names),
        (articles, features),
        (articles, "--extreme", features),
    ):
        done = manyhot("train", file, *flags, "-o", output)
        assert_refused(done, "--output", output, "would overwrite the names or values of the labels")
    assert contents(tmp_path) == before


def test_files_that_flags_and_settings_name(manyhot, tmp_path):
    rows = tmp_path / "photos.csv"
    moods(tmp_path, 4).write_csv(rows)
    legend, weights = put(tmp_path, "classes.json", '{"0": ["sky"]}'), put(tmp_path, "w.weights.h5")
    vectors, preset = put(tmp_path, "vectors/config.json", "{}"), put(tmp_path, "preset/deep/model.weights.h5")
    before = contents(tmp_path)
    for flags, output in (
        (["--legend", legend], legend),
        (["--image-params", f"backbone=mobilenetv2,weights={weights}"], weights),
        (["--text", "static", "--text-params", f"model={vectors.parent}"], vectors),
        (["--text", "pretrained", "--text-params", f"preset={tmp_path / 'preset'}"], preset),
    ):
        assert_refused(manyhot("train", rows, *MOODS, *flags, "-o", output), "--output", output, "would overwrite")
    page, picture = put(tmp_path, "page.html"), put(tmp_path, "w.svg")
    done = manyhot("cv", rows, *MOODS, "--against", f"image_params=weights={picture}", "--plot", picture)
    assert_refused(done, "--plot", picture, "the weights of the backbone")
    page.unlink(), picture.unlink()
    assert contents(tmp_path) == before


def test_a_legend_of_a_report(manyhot, here):
    legend = put(here, "legend.html", "{}")
    done = manyhot("report", "model.csv", "rows.csv", "--legend", legend, "-o", legend)
    assert_refused(done, "--output", legend, "would overwrite the legend")


@pytest.mark.parametrize("command", ["check", "cv", "compare-heads"])
def test_images_that_the_rows_name_are_not_drawn_over(manyhot, tmp_path, command):
    frame = moods(tmp_path, 4)
    frame.write_csv(tmp_path / "photos.csv")
    image = tmp_path / frame["photo"][2]
    before = contents(tmp_path)
    done = manyhot(command, tmp_path / "photos.csv", *MOODS, "--plot", image)
    assert_refused(done, "--plot", image, "would overwrite an image that the rows name")
    (tmp_path / "elsewhere").mkdir()
    frame.with_columns(pl.col("photo").str.strip_prefix("photos/")).write_csv(tmp_path / "elsewhere" / "names.csv")
    before = contents(tmp_path)
    flags = [*MOODS, "--images", tmp_path / "photos", "--plot", image]
    done = manyhot(command, tmp_path / "elsewhere/names.csv", *flags)
    assert_refused(done, "--plot", image, "would overwrite an image that the rows name")
    assert contents(tmp_path) == before


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photos called as pictures are, their table, and a model."""
    folder = tmp_path_factory.mktemp("photos")
    frame = moods(folder, 12)
    names = [f"seen/{k:05d}-{k}.png" for k in range(1, 12)] + ["seen/002-fast.png"]
    (folder / "seen").mkdir()
    for old, new in zip(frame["photo"], names, strict=True):
        (folder / old).rename(folder / new)
    X, Y = np.zeros((12, 12, 16, 3), np.uint8), frame.select("sad", "fast")
    settings = {"network": "cnn", "image_params": {"filters": [4]}, "n_members": 2, "n_folds": 2, "epochs": 1}
    model = MultiLabelClassifier(**settings, verbose=0).fit(pl.DataFrame([pl.Series("photo", X)]), Y)
    model.save(folder / "photos.manyhot")
    frame.with_columns(photo=pl.Series(names)).write_csv(folder / "photos.csv")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_pictures_of_answers_do_not_replace_the_images(manyhot, photos, command):
    before = contents(photos)
    flags = [] if command == "predict" else MOODS
    done = manyhot(command, photos / "photos.manyhot", photos / "photos.csv", *flags, "--plots", photos / "seen")
    assert_refused(done, "--plots", photos / "seen", "would overwrite an image that the rows name")
    if command == "predict":
        done = manyhot("predict", photos / "photos.manyhot", photos / "seen", "--plots", photos / "seen")
        assert_refused(done, "--plots", photos / "seen", "would overwrite an image that the rows name")
    assert contents(photos) == before


@pytest.mark.slow
def test_pictures_of_answers_go_to_a_folder_of_earlier_ones(manyhot, photos, tmp_path):
    for _ in range(2):
        done = manyhot("predict", photos / "photos.manyhot", photos / "photos.csv", "--plots", tmp_path, "--quiet")
        assert done.code == 0, done.err
    assert len(list(tmp_path.iterdir())) == 12


@pytest.mark.slow
def test_masks_do_not_replace_images_or_masks(manyhot, tmp_path):
    X, Y = scenes(6)
    settings = {"n_members": 2, "n_folds": 2, "epochs": 1, "image_params": {"filters": "8x8", "tile": 32}, "verbose": 0}
    MultiLabelClassifier(labels=LABELS, **settings).fit(X, Y).save(tmp_path / "m.manyhot")
    for k in range(6):
        (tmp_path / f"cells/{k}").mkdir(parents=True)
        Image.fromarray(X[k]).save(tmp_path / f"cells/{k}.png")
        for j, name in enumerate(LABELS):
            Image.fromarray(np.where(Y[k, ..., j], 255, 0).astype(np.uint8)).save(tmp_path / f"cells/{k}/{name}.png")
    masks = {name: [f"cells/{k}/{name}.png" for k in range(6)] for name in LABELS}
    table = pl.DataFrame({"image": [f"cells/{k}.png" for k in range(6)], **masks})
    table.write_csv(tmp_path / "table.csv")
    before = contents(tmp_path)
    done = manyhot("predict", tmp_path / "m.manyhot", tmp_path / "table.csv", "-o", tmp_path / "cells")
    assert_refused(done, "--output", tmp_path / "cells", "would overwrite an image that the rows name")
    table.write_csv(tmp_path / "cells" / "predictions.csv")
    done = manyhot("predict", tmp_path / "m.manyhot", tmp_path / "cells/predictions.csv", "-o", tmp_path / "cells")
    assert_refused(done, "--output", tmp_path / "cells/predictions.csv", "would overwrite the rows")
    (tmp_path / "cells/predictions.csv").unlink()
    assert contents(tmp_path) == before
    for _ in range(2):
        done = manyhot("predict", tmp_path / "m.manyhot", tmp_path / "table.csv", "-o", tmp_path / "answers", "--quiet")
        assert done.code == 0, done.err


def test_songs_replace_no_other_file(manyhot, tmp_path):
    for _ in range(2):  # the same files again are no other files
        assert manyhot("demo", "--files", tmp_path / "songs").code == 0
    (tmp_path / "songs" / "new-songs.csv").write_text("mine\n")
    before = contents(tmp_path)
    done = manyhot("demo", "--files", tmp_path / "songs")
    assert (done.code, done.out) == (2, "")
    assert "new-songs.csv exists and is another file; choose another folder" in done.err
    assert contents(tmp_path) == before


def test_the_tour_does_not_go_where_a_file_is(manyhot, tmp_path):
    done = manyhot("demo", "-o", put(tmp_path, "notes.txt"))
    assert done.code == 2
    assert "notes.txt is a file; give a folder" in done.err
    done = manyhot("demo", "-o", tmp_path / "notes.txt" / "deeper")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert (tmp_path / "notes.txt").read_text() == "something\n"


def test_a_parquet_file_that_cannot_be_written_to_its_end(tmp_path):
    resource = pytest.importorskip("resource")
    path, limits = tmp_path / "predictions.parquet", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        with (
            pytest.raises(OutputError, match="could not be written: the file is larger"),
            open_writer(path, ".parquet", "|") as write,
        ):
            write(pl.DataFrame({"score": np.random.default_rng(0).random(100_000)}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_file_that_a_model_was_trained_on_is_spared(manyhot, tmp_path):
    content = songs().write_csv().encode()
    rows, new = put(tmp_path, "rows.csv", content), put(tmp_path, "new.csv", songs(5, seed=1).write_csv())
    model = tmp_path / "m.manyhot"
    assert manyhot("train", rows, *ROWS, *SMALL, "--quiet", "-o", model).code == 0
    for command in (["predict", model, new], ["next", model, new], ["label-errors", model]):
        done = manyhot(*command, "-o", rows)
        assert_refused(done, "--output", rows, "would overwrite the file that the model was trained on")
    assert rows.read_bytes() == content
    rows.write_bytes(content + b"\n")  # another file of the same name
    assert manyhot("predict", model, new, "-o", rows, "--quiet").code == 0
