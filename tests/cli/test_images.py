"""Images from the shell: trained from a table and a folder, answered from a folder, bad ones named or skipped."""

import json
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path

import polars as pl
import pytest

from manyhot import load
from tests.fixtures.image_files import as_file, moods, noise, png_header

FLAGS = [
    "--n-members",
    "2",
    "--epochs",
    "2",
    "--hidden-layer-sizes",
    "8",
    "--n-folds",
    "4",
    "--image-params",
    "filters=4",
]
N = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, the table of their names without suffix, and one of paths."""
    folder = tmp_path_factory.mktemp("images")
    table = moods(folder, N)
    table.write_csv(folder / "paths.csv")
    named = table.with_columns(photo=pl.Series([Path(p).stem for p in table["photo"]]))
    more = pl.DataFrame({"photo": ["elsewhere"], "sad": [1], "fast": [0]}, schema=named.schema)
    (folder / "labels").mkdir()
    pl.concat([named, more]).write_csv(folder / "labels/labels.txt", separator="\t")
    return folder


@pytest.fixture(scope="module")
def model(manyhot: Callable, folder: Path) -> Path:
    """Trained on the names."""
    words = ["train", folder / "labels/labels.txt", "--labels", "sad,fast", "--images", folder / "photos"]
    done = manyhot(*words, "-o", folder / "m.manyhot", *FLAGS)
    assert done.code == 0, done.err
    assert "1 row is left out, without an image" in done.err
    return folder / "m.manyhot"


def predict_rows(manyhot: Callable, *words: object) -> list[dict]:
    done = manyhot("predict", *words, "--jsonl")
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.mark.slow
def test_a_table_of_names_and_a_folder_answer_alike(manyhot, folder, model):
    by_table = predict_rows(manyhot, model, folder / "labels/labels.txt", "--images", folder / "photos")
    by_folder = predict_rows(manyhot, model, folder / "photos")
    assert len(by_table) == N
    assert sorted(row["id"] for row in by_table)[0] == "a/im000.png"
    for one, other in zip(*(sorted(rows, key=itemgetter("id")) for rows in (by_table, by_folder)), strict=True):
        assert (one["id"], one["labels"]) == (other["id"], other["labels"])
        assert one["p_sad"] == pytest.approx(other["p_sad"], abs=1e-6)


@pytest.mark.slow
def test_evaluation_and_inspection(manyhot, folder, model):
    done = manyhot("evaluate", model, folder / "labels/labels.txt", "--images", folder / "photos")
    assert done.out.startswith(f"Warning: {N} of {N} rows were used to train")
    assert f"\n{N} rows, 2 labels" in done.out
    assert manyhot("inspect", model, "--json").document["columns"] == {"image": 1}


@pytest.mark.slow
def test_bad_images_are_named_or_skipped(manyhot, folder, model, tmp_path):
    photos = tmp_path / "new"
    photos.mkdir()
    for k in range(5):
        (photos / f"{k}.png").write_bytes(as_file(noise(seed=k)))
    (photos / "1.png").write_bytes(b"no image at all, only text")
    (photos / "3.png").write_bytes(png_header(50_000, 50_000))
    done = manyhot("predict", model, photos)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert f"{photos}, row 2, column 'photo': '{photos / '1.png'}' is text" in done.err
    output = tmp_path / "predictions.csv"
    done = manyhot("predict", model, photos, "--on-bad-image", "skip", "-o", output)
    assert done.code == 0
    assert "2 rows were not predicted" in done.err
    assert "megapixels" in done.err
    answers = pl.read_csv(output)
    assert answers["id"].to_list() == [f"{k}.png" for k in range(5)]
    assert answers["p_sad"].is_null().to_list() == [False, True, False, True, False]
    assert answers["labels"][[1, 3]].null_count() == 2
    for row in (1, 3):
        (photos / f"{row}.png").unlink()
    good = predict_rows(manyhot, model, photos)
    assert [row["p_sad"] for row in good] == pytest.approx(answers["p_sad"].drop_nulls().to_list(), abs=1e-6)


@pytest.mark.slow
def test_training_leaves_out_what_cannot_be_used(manyhot, folder, tmp_path):
    table = moods(tmp_path, N)
    table.with_columns(x=pl.int_range(N).cast(pl.Float64)).write_csv(tmp_path / "t.csv")
    (tmp_path / table["photo"][4]).unlink()
    (tmp_path / table["photo"][9]).write_bytes(b"")
    words = ["train", tmp_path / "t.csv", "--labels", "sad,fast", "-o", tmp_path / "m.manyhot", *FLAGS]
    done = manyhot(*words)
    assert done.code == 2
    assert "row 5, column 'photo': 'photos/a/im004.png' does not exist" in done.err
    done = manyhot("check", tmp_path / "t.csv", "--labels", "sad,fast")
    assert done.code == 0
    done = manyhot(*words, "--on-bad-image", "skip", "--json")
    assert done.code == 0, done.err
    (note,) = (note for note in done.document["report"]["notes"] if "left out" in note)
    assert note.startswith("2 rows were left out")
    assert "row 5" in note
    assert "row 10" in note
    assert len(load(tmp_path / "m.manyhot").model_.evidence.ids) == N - 2
    command = ["evaluate", tmp_path / "m.manyhot", tmp_path / "t.csv"]
    assert manyhot(*command).code == 2
    assert "2 rows were left out" in manyhot(*command, "--on-bad-image", "skip").err


def test_settings_of_a_backbone_are_checked(manyhot, folder, tmp_path):
    words = ["train", folder / "paths.csv", "--labels", "sad,fast", "-o", tmp_path / "m.manyhot", *FLAGS[:-1]]
    for flag, message in (
        ("backbone=mobilnetv2", "did you mean 'mobilenetv2'"),
        ("backbone=mobilenetv2,filters=4", "has no effect on a backbone"),
        (f"backbone=mobilenetv2,weights={tmp_path / 'none.h5'}", "expected 'imagenet', 'none', or a file"),
    ):
        done = manyhot(*words, flag)
        assert (done.code, message in done.err) == (2, True), done.err
    assert not (tmp_path / "m.manyhot").exists()
