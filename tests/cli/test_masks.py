"""Masks: read from files, and written for each image and label; the command line from end to end."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from manyhot.cli import main
from manyhot.data.readers import ReadOptions, read
from manyhot.errors import InputError
from manyhot.evaluation.data_checks import check_data
from manyhot.reports.image_sheets.mask_overlay import outline, overlay
from tests.fixtures.scenes import LABELS, scenes

LEGEND = {"0": [], "1": ["square"], "3": ["square", "left"], "900": None}


def write(folder: Path, n: int = 10, kind: str = "I;16") -> tuple[np.ndarray, np.ndarray]:
    """Images, masks of both kinds, and tables that name them."""
    X, Y = scenes(n)
    (folder / "masks").mkdir(parents=True)
    rows = []
    for k, (image, truth) in enumerate(zip(X, Y, strict=True)):
        Image.fromarray(image).save(folder / f"im{k}.png")
        for j, name in enumerate(LABELS):
            Image.fromarray((truth[..., j] * (1 + 50 * k)).clip(0, 255).astype(np.uint8)).save(
                folder / "masks" / f"{k}_{name}.png"
            )
        numbers = truth[..., 0] + 2 * truth[..., 1].astype(np.uint16)
        numbers[0, :3] = 900
        Image.fromarray(numbers.astype(np.uint16)).save(folder / "masks" / f"{k}.png")
        rows.append(
            {"photo": f"im{k}.png"}
            | {f"mask_{name}": f"masks/{k}_{name}.png" for name in LABELS}
            | {"classes": f"masks/{k}.png"}
        )
    frame = pl.DataFrame(rows)
    frame.drop("classes").write_csv(folder / "each.csv")
    frame.select("photo", "classes").write_csv(folder / "numbered.csv")
    (folder / "legend.json").write_text(json.dumps(LEGEND))
    return X, Y


def test_one_file_for_each_label(tmp_path):
    _, Y = write(tmp_path)
    frame = pl.read_csv(tmp_path / "each.csv")
    frame[3, "mask_left"] = None
    frame.write_csv(tmp_path / "each.csv")
    samples = read(tmp_path / "each.csv", ReadOptions(labels="mask_*"))
    assert samples.labels.names == ("mask_square", "mask_left")
    for k, one in enumerate(samples.targets.images):
        if k == 3:
            assert not one.known[..., 1].any()
            assert one.known[..., 0].all()
        else:
            np.testing.assert_array_equal(one.values, Y[k])
            assert one.known is None
    assert samples.column_types == {"photo": "image"}


def test_numbers_have_the_labels_of_a_legend(tmp_path):
    _, Y = write(tmp_path)
    options = ReadOptions(labels="classes", legend=LEGEND)
    samples = read(tmp_path / "numbered.csv", options)
    assert samples.labels.names == ("square", "left")
    for one, truth in zip(samples.targets.images, Y, strict=True):
        assert not one.known[0, :3].any()
        assert one.known.sum() == one.known.size - 6
        np.testing.assert_array_equal(one.values, truth & one.known)
    ordered = ReadOptions(labels="classes", legend=LEGEND, known_labels=("left", "square"))
    again = read(tmp_path / "numbered.csv", ordered)
    np.testing.assert_array_equal(again.targets.images[2].values, samples.targets.images[2].values[..., ::-1])
    assert check_data(samples).to_dict()["findings"] is not None


def test_a_palette_is_read_as_its_indices(tmp_path):
    _, Y = write(tmp_path)
    numbers = Image.fromarray((Y[0, ..., 0] + 2 * Y[0, ..., 1]).astype(np.uint8), "P")
    numbers.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    numbers.save(tmp_path / "masks" / "0.png")
    samples = read(tmp_path / "numbered.csv", ReadOptions(labels="classes", legend=LEGEND))
    np.testing.assert_array_equal(samples.targets.images[0].values, Y[0])


def broken(folder: Path, what: str) -> None:
    mask = folder / "masks" / "1.png"
    if what == "value":
        Image.fromarray(np.full((16, 24), 7, np.uint8)).save(mask)
    elif what == "colours":
        Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(mask)
    elif what == "gone":
        mask.unlink()
    elif what == "text":
        mask.write_text("no image")
    elif what == "lossy":
        Image.fromarray(np.zeros((16, 24), np.uint8)).save(mask, format="JPEG")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("value", "holds the value 7, which the legend does not name"),
        ("colours", "is an image of colours"),
        ("gone", "is not there"),
        ("text", "is no image that can be read"),
        ("lossy", "is a JPEG"),
    ],
)
def test_masks_that_cannot_be_used_are_named(tmp_path, what, words):
    write(tmp_path)
    broken(tmp_path, what)
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path / "numbered.csv", ReadOptions(labels="classes", legend=LEGEND))
    assert "1.png" in str(caught.value)
    assert caught.value.row == 2


@pytest.mark.parametrize("legend", [{}, {"a": ["b"]}, {"1": 2}, {"70000": ["a"]}, [1], {"1": [""]}])
def test_legends_are_checked(legend):
    with pytest.raises(InputError, match=r"legend|expected"):
        ReadOptions(labels="classes", legend=legend)


def run(capsys, *words: object) -> str:
    with pytest.raises(SystemExit) as done:
        main([str(word) for word in words])
    assert not done.value.code
    return capsys.readouterr().out


@pytest.mark.slow
def test_the_command_line_from_masks_to_masks(tmp_path, capsys):
    X, Y = write(tmp_path)
    model, answers = tmp_path / "m.manyhot", tmp_path / "answers"
    small = ["--epochs", "3", "--n-members", "2", "--batch-size", "4", "--image-params", "filters=6x8", "--quiet"]
    flags = ["--labels", "classes", "--legend", tmp_path / "legend.json"]
    document = json.loads(run(capsys, "train", tmp_path / "numbered.csv", *flags, "-o", model, *small, "--json"))
    assert document["labels"] == ["square", "left"]
    assert {row["label"] for row in document["report"]["pixels"]["labels"]} == {"square", "left"}
    measured = json.loads(run(capsys, "evaluate", model, tmp_path / "numbered.csv", "--json"))
    assert measured["pixels"]["from"] == "new"
    document = json.loads(run(capsys, "predict", model, tmp_path / "numbered.csv", "-o", answers, "--json"))
    assert document["rows"] == len(X)
    table = pl.read_csv(answers / "predictions.csv")
    assert table.columns == ["id", "share_square", "share_left"]
    assert table["id"][0] == "im0"
    found = np.stack([np.asarray(Image.open(answers / f"im{k}" / "square.png")) for k in range(len(X))])
    assert set(np.unique(found)) <= {0, 255}
    np.testing.assert_allclose(table["share_square"], (found > 0).mean(axis=(1, 2)))
    true = np.stack([one[..., 0] for one in Y])
    known = np.ones_like(true)
    known[:, 0, :3] = False
    row = measured["pixels"]["labels"][0]
    hits = (true & (found > 0) & known).sum()
    if row["recall"] is not None:
        assert row["recall"] == pytest.approx(hits / (true & known).sum())


def test_a_folder_is_needed_and_sizes_must_fit(tmp_path, capsys):
    write(tmp_path)
    Image.fromarray(np.zeros((16, 23), np.uint8)).save(tmp_path / "im4.png")
    flags = ["--labels", "mask_*", "--quiet"]
    with pytest.raises(SystemExit):
        main(["train", str(tmp_path / "each.csv"), *flags, "-o", str(tmp_path / "m.manyhot")])
    words = capsys.readouterr().err
    assert "4_square.png" in words
    assert "16 x 23 pixels, but its labels 16 x 24" in " ".join(words.split())


def test_an_overlay_shows_answers_and_leaves_the_picture_free():
    X, Y = scenes(1, (40, 60))
    image = np.repeat(X[0][..., None], 3, axis=2)
    sheet = overlay(image, Y[0], LABELS)
    assert sheet.dtype == np.uint8
    assert sheet.shape[0] > 40
    assert sheet.shape[1:] == (60, 3)
    nowhere = ~Y[0].any(axis=2)
    np.testing.assert_array_equal(sheet[:40][nowhere], image[nowhere])
    edge = outline(Y[0, ..., 0]) & ~Y[0, ..., 1]
    assert len(np.unique(sheet[:40][edge], axis=0)) == 1
    assert overlay(image, np.zeros_like(Y[0]), LABELS).shape == (40, 60, 3)
