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
from manyhot.cli.jobs.predict import answers
from manyhot.cli.jobs.prediction_writer import as_text
from manyhot.cli.jobs.train import described
from manyhot.config.label_rules import LABEL_SEP
from manyhot.data.readers import ReadOptions, read
from manyhot.errors import OutputError
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.estimators.read_options import options_for
from manyhot.evaluation.report import to_text
from manyhot.files import put, replacing

LOOPS = (0, 4, 6, 8, 9)
N_NEW = 297
SHOWN = 5
SHADES = " .:-=+*#@"


def run(folder: Path, as_json: bool, quiet: bool) -> None:
    """Describe, train, report, answer, save, and say what to try next."""
    say = print if not as_json else (lambda *_: None)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise OutputError(f"{folder} is a file; give a folder for the files of the tour") from None
    except OSError as error:
        raise OutputError(f"the folder {folder} could not be made: {error.strerror or error}") from None
    known, new = folder / "digits.csv", folder / "new-digits.csv"
    pictures = write_tables(known, new)
    model, answered = folder / "digits.manyhot", folder / "answers.csv"

    say("1. THE DATA: scikit-learn's digits. A picture carries several labels at once: its digit, '5 or more',")
    say(f"   and 'has a closed loop' ({', '.join(map(str, LOOPS))}). {N_NEW} pictures are kept aside as new ones.\n")
    samples = read(known, ReadOptions(labels="is *"))
    say(f"   {known}: {described(samples)}")

    say("\n2. TRAIN: folds, repeats and seeds at once; every row is scored by members that never saw it.\n")
    began = time.perf_counter()
    classifier = MultiLabelClassifier(quiet=quiet).fit(samples)
    classifier.reading_ = {"labels": "is *"}
    seconds = time.perf_counter() - began
    say(f"   {classifier.model_.n_members} members in {seconds:.1f} s (compiling included)")

    say("\n3. HOW GOOD IT IS, from those out-of-fold scores:\n")
    say(to_text(classifier.report_.to_dict()))

    classifier.save(model)
    loaded = load_model(model)
    fresh = read(new, options_for(loaded, {}))
    table = answers(loaded, fresh, 0)
    with replacing(answered) as descriptor:
        put(descriptor, memoryview(as_text(table, ".csv", LABEL_SEP, with_header=True).encode()))
    say(f"\n4. ANSWERS for {SHOWN} of the {N_NEW} new pictures, from the saved file {model}:\n")
    for k in range(SHOWN):
        say(picture_beside_scores(pictures[k], table.row(k, named=True), loaded.labels_))
    say(f"   all answers: {answered}\n")
    say("5. TRY NEXT:\n")
    commands = next_commands(folder)
    say("\n".join(f"   {command}" for command in commands))
    say("\n   with your own table, where the columns mood_... hold 0 and 1:")
    say("   manyhot train songs.csv --labels 'mood_*' -o songs.manyhot")
    say("   or with one column that holds label sets such as sad|quiet:")
    say("   manyhot train songs.csv --labels moods --sep '|' -o songs.manyhot")
    if as_json:
        values = {"model": str(model), "seconds": round(seconds, 3), "report": classifier.report_.to_dict()}
        values |= {"answers": table.head(SHOWN).to_dicts(), "next": commands}
        print(json.dumps(values, allow_nan=False))


def next_commands(folder: Path) -> list[str]:
    """Commands that work as they stand, also where the program is in an environment that is not active."""
    beside = Path(sys.executable).parent / "manyhot"
    program = "manyhot" if shutil.which("manyhot") or not beside.exists() else os.path.relpath(beside)
    return [
        f"{program} inspect {folder / 'digits.manyhot'}",
        f"{program} evaluate {folder / 'digits.manyhot'} {folder / 'new-digits.csv'}",
        f"{program} predict {folder / 'digits.manyhot'} {folder / 'new-digits.csv'} -o {folder / 'more-answers.jsonl'}",
        f"{program} doctor {folder / 'digits.csv'} --labels 'is *' --picture {folder / 'labels.html'}",
        f"{program} cv {folder / 'digits.csv'} --labels 'is *' --folds 5 --repeats 1 --members 4",
        f"{program} compare-heads {folder / 'digits.csv'} --labels 'is *' --picture {folder / 'heads.html'}",
        f"{program} train {folder / 'digits.csv'} --labels 'is *' -o {folder / 'again.manyhot'} --members 8",
    ]


def write_tables(known: Path, new: Path) -> np.ndarray:
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
    for path, part in ((known, frame.slice(N_NEW)), (new, frame.head(N_NEW))):
        with replacing(path) as descriptor:
            put(descriptor, memoryview(part.write_csv().encode()))
    return pixels[order[:N_NEW]].reshape(-1, 8, 8)


def picture_beside_scores(picture: np.ndarray, row: dict, labels: tuple[str, ...]) -> str:
    """An 8 x 8 picture in characters beside its highest probabilities and the answer."""
    drawn = ["".join(SHADES[min(int(value) // 2, 8)] * 2 for value in line) for line in picture]
    ranked = sorted(labels, key=lambda name: -row[f"p_{name}"])[:6]
    bars = [f"{name:<22} {row[f'p_{name}']:.3f} {'#' * round(20 * row[f'p_{name}'])}" for name in ranked]
    beside = [*bars, "", "answer: " + (", ".join(row["labels"]) or "(none)")]
    return "\n".join(f"   {left}   {right}" for left, right in zip(drawn, beside, strict=True)) + "\n"
