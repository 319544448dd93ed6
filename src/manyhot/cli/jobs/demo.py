"""`manyhot demo`: the whole tour on scikit-learn's digits, 1,797 pictures of 8 x 8 pixels with twelve labels."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.datasets import load_digits

from manyhot.cli.jobs.open_model import load_model
from manyhot.cli.jobs.row_predictor import predict_table
from manyhot.cli.jobs.songs import FILES, write_songs
from manyhot.cli.jobs.train import describe_samples
from manyhot.config.label_rules import LABEL_SEP
from manyhot.data.readers import ReadOptions, read
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.estimators.prediction_table import to_csv
from manyhot.estimators.read_options import model_read_options
from manyhot.evaluation.charts import can_plot
from manyhot.evaluation.report import to_text
from manyhot.files import write_file
from manyhot.reports.image_sheets import check_folder

LOOPS = (0, 4, 6, 8, 9)
N_NEW = 297
N_SHOWN = 5
SHADES = " .:-=+*#@"


def run(output: Path, files: Path | None, as_json: bool, quiet: bool) -> None:
    """Describe, train, report, predict, save, and print what to try next; or only write tables to try it with."""
    if files is not None:
        give_songs(check_folder(files, "the songs"), as_json)
        return
    folder = check_folder(output, "the files of the tour")
    show = print if not as_json else (lambda *_: None)
    train_file, new_file = folder / "digits.csv", folder / "new-digits.csv"
    images = write_tables(train_file, new_file)
    model, predictions_file = folder / "digits.manyhot", folder / "predictions.csv"

    show("1. THE DATA: scikit-learn's digits. A picture has several labels at once: its digit, '5 or more',")
    show(f"   and 'has a closed loop' ({', '.join(map(str, LOOPS))}). {N_NEW} pictures are kept aside as new ones.\n")
    samples = read(train_file, ReadOptions(labels="is *"))
    show(f"   {train_file}: {describe_samples(samples)}")

    show("\n2. TRAIN: folds, repeats and seeds at once; every row is scored by networks that never saw it.\n")
    start_time = time.perf_counter()
    classifier = MultiLabelClassifier(verbose=int(not quiet)).fit(samples)
    classifier.read_options_ = {"labels": "is *"}
    seconds = time.perf_counter() - start_time
    show(f"   {classifier.model_.n_members} networks in {seconds:.1f} s (compiling included)")

    show("\n3. HOW GOOD IT IS, from those out-of-fold scores:\n")
    show(to_text(classifier.report_.to_dict()))

    classifier.save(model)
    loaded = load_model(model)
    new_samples = read(new_file, model_read_options(loaded, {}))
    table = predict_table(loaded, new_samples, 0)
    write_file(predictions_file, to_csv(table, LABEL_SEP, with_header=True).encode())
    show(f"\n4. PREDICTIONS for {N_SHOWN} of the {N_NEW} new pictures, from the saved file {model}:\n")
    for k in range(N_SHOWN):
        show(image_with_scores(images[k], table.row(k, named=True), loaded.labels_))
    show(f"   all predictions: {predictions_file}\n")
    show("5. TRY NEXT:\n")
    commands = next_commands(folder)
    show("\n".join(f"   {command}" for command in commands))
    show("\n   with your own table, where the columns mood_... hold 0 and 1:")
    show("   manyhot train songs.csv --labels 'mood_*' -o songs.manyhot")
    show("   or with one column that holds label sets such as sad|quiet:")
    show("   manyhot train songs.csv --labels moods --sep '|' -o songs.manyhot")
    if as_json:
        values = {"model": str(model), "seconds": round(seconds, 3), "report": classifier.report_.to_dict()}
        values |= {"predictions": table.head(N_SHOWN).to_dicts(), "next": commands}
        print(json.dumps(values, allow_nan=False))


def give_songs(folder: Path, as_json: bool) -> None:
    """Write the tables of songs, and say what they are and what to type next."""
    songs, more, new = map(str, write_songs(folder))
    program, model = program_name(), str(folder / "songs.manyhot")
    commands = [
        f"{program} train {songs} --labels 'mood_*' -o {model}",
        f"{program} evaluate {model} {more}",
        f"{program} predict {model} {new} -o {folder / 'predictions.csv'}",
    ]
    if as_json:
        print(json.dumps({"files": [songs, more, new], "next": commands}))
        return
    print(f"{songs}: {FILES['songs.csv']} invented songs with their moods, to train on")
    print(f"{more}: {FILES['more-songs.csv']} further ones, to evaluate on")
    print(f"{new}: {FILES['new-songs.csv']} without moods, to predict")
    print("next:\n" + "\n".join(f"  {command}" for command in commands))


def program_name() -> str:
    """How `manyhot` is typed, also where it is in an environment that is not active."""
    script = Path(sys.executable).parent / "manyhot"
    return "manyhot" if shutil.which("manyhot") or not script.exists() else os.path.relpath(script)


def next_commands(folder: Path) -> list[str]:
    """Commands that work as they stand."""
    program = program_name()
    plot_labels, plot_heads = (
        f" --plot {folder / name}" if can_plot() else "" for name in ("labels.html", "heads.html")
    )
    return [
        f"{program} inspect {folder / 'digits.manyhot'}",
        f"{program} evaluate {folder / 'digits.manyhot'} {folder / 'new-digits.csv'}",
        f"{program} predict {folder / 'digits.manyhot'} {folder / 'new-digits.csv'} -o "
        f"{folder / 'more-predictions.jsonl'}",
        f"{program} check {folder / 'digits.csv'} --labels 'is *'{plot_labels}",
        f"{program} cv {folder / 'digits.csv'} --labels 'is *' --n-splits 5 --n-repeats 1 --n-members 4",
        f"{program} compare-heads {folder / 'digits.csv'} --labels 'is *' --n-members 4{plot_heads}",
        f"{program} train {folder / 'digits.csv'} --labels 'is *' -o {folder / 'again.manyhot'} --n-members 8",
    ]


def write_tables(train_file: Path, new_file: Path) -> np.ndarray:
    """The digits as two CSV files with indicator columns; returns the new pictures (n, 8, 8)."""
    digits = load_digits()
    pixels, digit = np.asarray(digits.data), np.asarray(digits.target)
    order = np.random.default_rng(0).permutation(len(digit))
    columns = {"id": [f"picture-{k}" for k in order.tolist()]}
    columns |= {f"pixel_{j // 8}_{j % 8}": pixels[order, j].astype(int).tolist() for j in range(64)}
    columns |= {f"is {d}": (digit[order] == d).astype(int).tolist() for d in range(10)}
    columns["is 5 or more"] = (digit[order] >= 5).astype(int).tolist()
    columns["is with a closed loop"] = np.isin(digit[order], LOOPS).astype(int).tolist()
    frame = pl.DataFrame(columns)
    for path, part in ((train_file, frame.slice(N_NEW)), (new_file, frame.head(N_NEW))):
        write_file(path, part.write_csv().encode())
    return pixels[order[:N_NEW]].reshape(-1, 8, 8)


def image_with_scores(image: np.ndarray, row: dict, labels: tuple[str, ...]) -> str:
    """An 8 x 8 picture in characters beside its highest probabilities and the predicted labels."""
    image_lines = ["".join(SHADES[min(int(value) // 2, 8)] * 2 for value in line) for line in image]
    ranked = sorted(labels, key=lambda name: -row[f"p_{name}"])[:6]
    bars = [f"{name:<22} {row[f'p_{name}']:.3f} {'#' * round(20 * row[f'p_{name}'])}" for name in ranked]
    score_lines = [*bars, "", "predicted: " + (", ".join(row["labels"]) or "(none)")]
    return "\n".join(f"   {left}   {right}" for left, right in zip(image_lines, score_lines, strict=True)) + "\n"
