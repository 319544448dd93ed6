"""Writes frozen files anew from fixed seeds, with the code of the day; run by hand, when there is a new kind of model.

It is not for making a failing test green: what is written anew no longer shows that old files load and answer alike.
"""

from __future__ import annotations

import argparse
import json
import lzma
import shutil
import sys
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

sys.path.insert(0, str(Path(__file__).parents[2]))

from manyhot import ExtremeMultiLabelClassifier
from manyhot.encoders.text.custom import PROBE
from tests.contract.frozen.answers import (
    EXPECTED,
    EXPECTED_ARRAYS,
    MODEL,
    PACKED_MODEL,
    ROW_ARRAYS,
    ROWS,
    SAVED,
    TOP,
    Classifier,
    answers,
    described,
    opened,
    rows_of,
    thresholds_anew,
)
from tests.contract.frozen.cases import ROW_CASES, Case
from tests.contract.frozen.image_cases import IMAGE_CASES

CASES = {case.__name__: case for case in (*ROW_CASES, *IMAGE_CASES)}
"""Name of a frozen file -> what makes it, given the folder that the file and its rows lie in."""
KEPT = 8
"""Rows of each file."""
MARGIN = 1e-4
"""No stored score is closer to a threshold than this, so that float noise flips no answer."""
NOISE, MOVED = 2e-7, 8e-7
"""Noise of a raw score, and how far it may move a calibrated one."""
PACKED_BYTES = 200_000
"""Larger files are packed."""


def is_clear(classifier: Classifier, X: Any) -> np.ndarray:
    """bool (n,), which rows float noise neither moves far nor answers otherwise."""
    if isinstance(classifier, ExtremeMultiLabelClassifier):
        best = classifier.predict_top_k(X, TOP + 1).scores
        every = classifier.predict_top_k(X, len(classifier.labels_)).scores
        apart = np.abs(np.diff(best, axis=1)).min(axis=1)
        return (apart > MARGIN) & (np.abs(every - classifier.threshold_) > MARGIN).all(axis=1)
    said = answers(classifier, X)
    policy, n_labels = classifier.model_.policy, len(classifier.labels_)
    raw, scores = (said[key][..., -n_labels:].reshape(-1, n_labels) for key in ("raw_scores", "scores"))
    clear = np.ones(len(scores), dtype=bool)
    for noise in (-NOISE, NOISE):
        moved = policy.calibrate(np.clip(raw + noise, 0, 1).astype(raw.dtype))
        clear &= (np.abs(moved - scores) < MOVED).all(axis=1)
    if policy.thresholds is not None:
        clear &= (np.abs(scores - policy.thresholds) > MARGIN).all(axis=1)
    generator = np.random.default_rng(0)
    for _ in range(20):
        noise = generator.uniform(-MARGIN, MARGIN, scores.shape)
        other = policy.decide(np.clip(scores + noise, 0, 1).astype(scores.dtype))
        clear &= (other == policy.decide(scores)).all(axis=1)
    return clear.reshape(said["scores"].shape[:-1]).all(axis=tuple(range(1, said["scores"].ndim - 1)))


def clear_rows(case: Case) -> np.ndarray:
    """Places of the rows that are kept."""
    if isinstance(case.rows, list) and not isinstance(case.rows[0], str):  # images; one of each size is kept
        clear = [is_clear(case.classifier, [image])[0] for image in case.rows]
        places = np.flatnonzero(clear)
        sizes = np.array([case.rows[k].shape[0] for k in places])
        return np.array([places[sizes == size][0] for size in np.unique(sizes)])
    places = np.flatnonzero(is_clear(case.classifier, case.rows))
    assert len(places) >= KEPT, f"{len(places)} of the rows are clear"
    return places[:KEPT]


def taken(rows: Any, places: np.ndarray) -> Any:
    """Some of the rows, in the same form."""
    if isinstance(rows, dict):
        return {name: array[places] for name, array in rows.items()}
    return [rows[k] for k in places] if isinstance(rows, list) else rows[places]


def store_rows(folder: Path, rows: Any, files: tuple[str, ...]) -> None:
    """Write rows as JSON, and as arrays what JSON does not hold."""
    told: dict[str, Any]
    arrays: dict[str, np.ndarray] = {}
    if isinstance(rows, pl.DataFrame):
        told = {"form": "frame", "columns": rows.columns, "files": files, "cells": {}}
        for column in rows:
            if isinstance(column.dtype, pl.Array):
                arrays[column.name] = column.to_numpy()
            elif column.name in files:
                told["cells"][column.name] = [str(Path(cell).relative_to(folder)) for cell in column]
            else:
                told["cells"][column.name] = column.to_list()
    elif isinstance(rows, dict):
        told, arrays = {"form": "arrays by name"}, rows
    elif sp.issparse(rows):
        told = {"form": "csr"}
        arrays = {name: getattr(rows, name) for name in ("data", "indices", "indptr")} | {"shape": np.array(rows.shape)}
    elif isinstance(rows, list) and isinstance(rows[0], str):
        told = {"form": "texts", "texts": rows}
    elif isinstance(rows, list):
        told, arrays = {"form": "list of arrays"}, {str(k): array for k, array in enumerate(rows)}
    else:
        told, arrays = {"form": "array"}, {"X": rows}
    write_json(folder / ROWS, told)
    if arrays:
        np.savez_compressed(folder / ROW_ARRAYS, **arrays)


def write_json(path: Path, values: Any) -> None:
    """Plain values, readable."""
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def write(name: str) -> None:
    """Train one model, save it, and store some rows with what it answers to them."""
    folder = SAVED / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place, chdir(place):
        case = CASES[name](folder)
    case.classifier.save(folder / MODEL, **case.save)
    content = (folder / MODEL).read_bytes()
    if len(content) > PACKED_BYTES:
        (folder / PACKED_MODEL).write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
        (folder / MODEL).unlink()
    rows = taken(case.rows, clear_rows(case))
    store_rows(folder, rows, case.files)
    for column in case.files:
        for path in set(folder.rglob("*.png")) - set(map(Path, rows[column])):
            path.unlink()
    if case.features is not None:
        kept = [*PROBE, *rows["text"]]
        write_json(folder / "features.json", {text: case.features[text] for text in kept})
    said = answers(case.classifier, rows_of(name))
    decided = np.concatenate([array.ravel() for key, array in said.items() if key.startswith("answers")])
    assert len(np.unique(decided)) == 2, f"{name} answers every row alike"
    np.savez_compressed(folder / EXPECTED_ARRAYS, **said)
    for key, array in answers(opened(name), rows_of(name)).items():
        np.testing.assert_array_equal(array, said[key])
    told = described(case.classifier, rows_of(name))
    write_json(folder / EXPECTED, told | {"f1_micro": thresholds_anew(opened(name))})


def bytes_of(folder: Path) -> int:
    """What the files in a folder take."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Write some files, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*CASES, []], help="which files; all of them where none is named")
    for name in parser.parse_args().names or CASES:
        write(name)
        print(f"{name}: {bytes_of(SAVED / name):,} bytes", flush=True)


if __name__ == "__main__":
    main()
