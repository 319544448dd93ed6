"""Genres of a film from its poster, several at a time.

python examples/movie_posters.py --data FOLDER
python examples/movie_posters.py --drawn 240 --json

FOLDER holds a table of films, movies.csv (or .tsv, .parquet, .jsonl), with a column of file names of posters, relative
to the table, and a column "genres" with their names, | between (or what --sep says, such as a comma). Without such a
folder, --drawn N draws N posters, on which a few genres show.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image, ImageDraw

from manyhot import MultiLabelClassifier
from manyhot.errors import ManyhotError
from manyhot.data.readers import ReadOptions, read

SIZE = (96, 64)
"""Height and width that posters are brought to."""


def drawn_posters(folder: Path, n_posters: int, seed: int) -> None:
    """Posters on which a dark sky means thriller, a heart romance, a star sci-fi and stripes comedy."""
    generator = np.random.default_rng(seed)
    (folder / "posters").mkdir()
    names, genres = [], []
    for number in range(n_posters):
        is_so = generator.random(4) < (0.4, 0.35, 0.3, 0.3)
        sky = generator.integers(0, 50, 3) if is_so[0] else generator.integers(110, 220, 3)
        poster = Image.new("RGB", (128, 192), tuple(int(level) for level in sky))
        pen = ImageDraw.Draw(poster)
        x, y = (int(value) for value in generator.integers(20, 80, 2))
        if is_so[1]:
            pen.ellipse((x, y, x + 24, y + 24), fill=(210, 30, 60))
            pen.ellipse((x + 20, y, x + 44, y + 24), fill=(210, 30, 60))
            pen.polygon([(x + 1, y + 16), (x + 43, y + 16), (x + 22, y + 46)], fill=(210, 30, 60))
        if is_so[2]:
            angles = np.arange(10) * np.pi / 5 - np.pi / 2
            radii = np.where(np.arange(10) % 2, 9, 22)
            star = np.stack([x + 22 + radii * np.cos(angles), y + 80 + radii * np.sin(angles)], axis=1)
            pen.polygon([tuple(point) for point in star.tolist()], fill=(250, 230, 120))
        if is_so[3]:
            for line in range(0, 128, 16):
                pen.rectangle((line, 176, line + 8, 191), fill=(240, 120, 20))
        names.append(f"posters/{number:04d}.jpg")
        poster.save(folder / names[-1])
        found = [name for name, holds in zip(("thriller", "romance", "sci-fi", "comedy"), is_so, strict=True) if holds]
        genres.append("|".join(found or ["drama"]))
    pl.DataFrame({"poster": names, "genres": genres}).write_csv(folder / "movies.csv")


def table_of(folder: Path) -> Path:
    """The table of films in a folder."""
    for suffix in (".csv", ".tsv", ".parquet", ".jsonl"):
        if (folder / f"movies{suffix}").is_file():
            return folder / f"movies{suffix}"
    raise SystemExit(f"{folder}: no movies.csv is there; see --help for what the folder holds")


def main() -> None:
    """Train on the posters of a folder, say which genres they show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="the folder with the table and the posters")
    source.add_argument("--drawn", type=int, help="how many posters are drawn instead")
    parser.add_argument("--sep", default="|", help="what stands between two genres")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--n-members", type=int, default=2)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.data or Path(scratch)
        if options.drawn:
            drawn_posters(folder, options.drawn, options.random_state)
        samples = read(table_of(folder), ReadOptions(labels="genres", sep=options.sep))
        classifier = MultiLabelClassifier(
            n_members=options.n_members,
            epochs=options.epochs,
            random_state=options.random_state,
            image_params={"size": SIZE},
        ).fit(samples)
        print(classifier.report_)
        shown = pl.DataFrame({"poster": [Path(path).name for path in samples.features[:5].to_series()]})
        for name, found in zip(shown["poster"], classifier.predict_labels(samples.features[:5]), strict=True):
            print(f"  {name:12} {', '.join(sorted(found)) or '-'}")
    own = classifier.report_.to_dict()["metrics"]["decision"]
    if options.json:
        f1 = {name: own[name]["value"] for name in ("f1_micro", "f1_macro")}
        print(json.dumps(f1 | {"posters": samples.n_samples, "genres": list(classifier.labels_)}))


if __name__ == "__main__":
    try:
        main()
    except ManyhotError as error:
        raise SystemExit(str(error)) from None
