"""The files that the README's commands name, small: songs, photos, digits, articles, cells and streets."""

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from backbone_files import applied

THIN = (4, 28)
"""Height and width of a photo; its longer edge is brought to what a backbone has learned on."""


def make_files(folder: Path) -> None:
    """Write all of them."""
    for part in (songs, photos, land, digits, comments, articles, cells, streets):
        part(folder)


def songs(folder: Path) -> None:
    """Songs with two numbers and a category; their moods in three columns."""
    sizes = {"songs": 32, "huge": 200, "more-songs": 40, "new-songs": 12, "kept-aside": 60}
    for seed, (name, n) in enumerate(sizes.items()):
        generator = np.random.default_rng(seed)
        tempo, energy = generator.normal(120, 30, n).round(3), generator.random(n).round(4)
        columns = {"id": [f"{name}-{k}" for k in range(n)], "tempo": tempo, "energy": energy}
        columns["kind"] = np.where(generator.random(n) < 0.5, "rock", "folk")
        noise = generator.normal(0, 10, n)
        moods = {"sad": tempo + noise < 115, "quiet": energy < 0.4, "fast": tempo + noise > 125}
        known = {} if name == "new-songs" else {f"mood_{mood}": is_so.astype(int) for mood, is_so in moods.items()}
        pl.DataFrame(columns | known).write_csv(folder / f"{name}.csv")


def bright(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Photos uint8 (n, h, w, 3), and whether each is bright on the left and above."""
    generator = np.random.default_rng(seed)
    is_so = generator.random((n, 2)) < 0.5
    pixels = generator.integers(0, 60, (n, *THIN, 3))
    pixels[:, :, : THIN[1] // 2] += 150 * is_so[:, 0, None, None, None]
    pixels[:, : THIN[0] // 2] += 45 * is_so[:, 1, None, None, None]
    return pixels.astype(np.uint8), is_so.astype(int)


def saved(pixels: np.ndarray, path: Path) -> None:
    """One image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def photos(folder: Path) -> None:
    """Photos as files of a table and as contents in Parquet, and weights of a backbone."""
    for name, n, seed in (("photos", 16, 0), ("new-photos", 2, 1), ("more-photos", 6, 2)):
        pixels, is_so = bright(n, seed)
        paths = [f"{name}/{k}.png" for k in range(n)]
        for path, one in zip(paths, pixels, strict=True):
            saved(one, folder / path)
        moods = {f"mood_{mood}": is_so[:, j] for j, mood in enumerate(("sad", "fast"))}
        if name == "photos":
            pl.DataFrame({"photo": paths} | moods).write_csv(folder / "photos.csv")
            continue
        contents = [(folder / path).read_bytes() for path in paths]
        known = {} if name == "new-photos" else moods
        pl.DataFrame({"photo": pl.Series(contents, dtype=pl.Binary)} | known).write_parquet(folder / f"{name}.parquet")
    random_weights(folder / "mobilenetv2.weights.h5", "mobilenetv2")


def random_weights(path: Path, name: str) -> Path:
    """A file of weights of a backbone that has learned nothing."""
    model, generator = applied(name), np.random.default_rng(0)
    for variable in model.trainable_variables:
        if len(variable.shape) > 1:
            variable.assign(generator.normal(0, np.prod(variable.shape[:-1]) ** -0.5, variable.shape))
    model.save_weights(path)
    return path


def land(folder: Path) -> None:
    """UC Merced's table and images, of two labels."""
    pixels, is_so = bright(28, 3)
    names = [f"{'beach' if k % 2 else 'harbor'}{k:02d}" for k in range(28)]
    rows = [f"{name}\t{row[0]}\t{row[1]}\n" for name, row in zip(names, is_so, strict=True)]
    (folder / "LandUse_Multilabeled.txt").write_text("IMAGE\\LABEL\tairplane\ttrees\n" + "".join(rows))
    for k, (name, one) in enumerate(zip(names, pixels, strict=True)):
        part = "train" if k < 16 else "test" if k < 24 else "new"
        saved(one, folder / "images" / part / name[:-2] / f"{name}.jpg")
    (folder / "images" / "new" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")


def digits(folder: Path) -> None:
    """Images of 8 x 8 pixels with one of three digits each, as MNIST's files are."""
    generator = np.random.default_rng(4)
    numbers = np.arange(24, dtype=np.uint8) % 3
    pixels = generator.integers(0, 60, (24, 8, 8), dtype=np.uint8)
    pixels[np.arange(24), :, 2 * numbers] = 250
    images = b"\0\0\x08\x03" + struct.pack(">3I", *pixels.shape) + pixels.tobytes()
    labels = b"\0\0\x08\x01" + struct.pack(">I", len(numbers)) + numbers.tobytes()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))


def comments(folder: Path) -> None:
    """Texts, numbers of emotions with commas between, and ids, without header."""
    words = ("thank you so much", "this makes me angry", "what a sad day")
    rows = [
        f"{words[k % 3]} {words[(k + 1) % 3] if k % 4 == 0 else k}\t"
        f"{f'{k % 3},{(k + 1) % 3}' if k % 4 == 0 else k % 3}\tc{k}\n"
        for k in range(60)
    ]
    (folder / "train.tsv.gz").write_bytes(gzip.compress("".join(rows).encode()))


def articles(folder: Path) -> None:
    """Rows of words with some of thirty labels, as the extreme classification repository has them."""
    for seed, (name, n) in enumerate((("articles", 120), ("new", 10), ("more", 30))):
        generator = np.random.default_rng(seed)
        lines = [f"{n} 40 30"]
        for _ in range(n):
            tags = sorted(generator.choice(30, 2, replace=False).tolist())
            words = sorted({tags[0], tags[1], 30 + int(generator.integers(10))})
            lines.append(",".join(map(str, tags)) + " " + " ".join(f"{word}:1" for word in words))
        (folder / f"{name}.xc").write_text("\n".join(lines) + "\n")


def cells(folder: Path) -> None:
    """Images with bright squares, a mask of the squares and one of their left halves, and new images."""
    generator = np.random.default_rng(5)
    rows = []
    for k in range(8):
        pixels, inside = generator.integers(0, 60, (16, 16)), np.zeros((2, 16, 16), bool)
        y, x = generator.integers(0, 8, 2)
        inside[0, y : y + 8, x : x + 8] = inside[1, y : y + 8, x : x + 4] = True
        pixels[inside[0]] += 120
        row = {"image": f"cells/{k}.png", "mask_cell": f"masks/cell-{k}.png", "mask_left": f"masks/left-{k}.png"}
        saved(pixels.astype(np.uint8), folder / row["image"])
        for name, mask in zip(("mask_cell", "mask_left"), inside, strict=True):
            saved((255 * mask).astype(np.uint8), folder / row[name])
        rows.append(row)
    pl.DataFrame(rows[:6]).write_csv(folder / "cells.csv")
    pl.DataFrame(rows[6:]).select("image").write_csv(folder / "new.csv")


def streets(folder: Path) -> None:
    """Images with a mask of numbers each, and what these mean."""
    generator = np.random.default_rng(6)
    rows = []
    for k in range(6):
        numbers = np.zeros((16, 16), np.uint8)
        numbers[12:] = 11
        y, x = generator.integers(2, 8), generator.integers(0, 10)
        numbers[y : y + 4, x : x + 6] = 8
        pixels = 200 * (numbers == 0) + 120 * (numbers == 8) + 40 * (numbers == 11)
        row = {"image": f"streets/{k}.png", "classes": f"streets/classes/{k}.png"}
        saved((pixels + generator.integers(0, 30, (16, 16))).astype(np.uint8), folder / row["image"])
        saved(numbers, folder / row["classes"])
        rows.append(row)
    pl.DataFrame(rows).write_csv(folder / "streets.csv")
    legend = {"0": ["sky"], "8": ["car", "vehicle"], "11": None}
    (folder / "classes.json").write_text(json.dumps(legend))
