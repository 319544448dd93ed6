"""Texts by a pretrained model in ONNX beside TF-IDF: GoEmotions, 3,000 rows, F1 and times in one run.

Usage: python benchmarks/onnx_text.py FOLDER [--rows 3000] [--seeds 3] [--out results/onnx_text.json]
FOLDER holds model.onnx and tokenizer.json. Both train on the same rows drawn from the training part and are scored on
the whole test part; thresholds are tuned on out-of-fold scores of the rows alone. The cache is off, so that times are
those of texts seen for the first time: wall clock and processor time of one process. Needs MANYHOT_DATA.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.metrics import f1_score, label_ranking_average_precision_score

from manyhot import MultiLabelClassifier
from manyhot.data.readers import ReadOptions, read
from manyhot.encoders.text.onnx.function import OnnxTextFunction

HERE = Path(__file__).resolve().parent
TSV = ReadOptions(labels="emotions", sep=",", header=False, column_names=("text", "emotions", "comment"))


def part_of(folder: Path, name: str, labels: list[str] | None) -> tuple[pl.DataFrame, np.ndarray, list[str]]:
    """Texts and bool targets of a part, in the order of the labels of training."""
    part = read(folder / f"{name}.tsv.gz", TSV)
    labels = list(part.labels.names) if labels is None else labels
    truth = np.zeros((part.n_samples, len(labels)), dtype=bool)
    truth[:, [labels.index(label) for label in part.labels.names]] = part.targets.values
    return pl.DataFrame({"text": part.features["text"].fill_null("")}), truth, labels


def timed(call: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    began, used = time.perf_counter(), time.process_time()
    result = call()
    seconds = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - used}
    return result, {name: round(one, 2) for name, one in seconds.items()}


def run(settings: dict, train: tuple, test: tuple, seed: int) -> dict:
    """Figures of one model."""
    classifier = MultiLabelClassifier(column_types={"text": "text"}, random_state=seed, verbose=0, **settings)
    _, fit = timed(lambda: classifier.fit(*train))
    scores, predict = timed(lambda: classifier.predict_proba(test[0]))
    some = test[1].any(axis=1)
    found = {"lrap": label_ranking_average_precision_score(test[1][some], scores[some]), "fit": fit, "predict": predict}
    for average in ("micro", "macro"):
        classifier.tune_thresholds(f"f1_{average}")
        decided = classifier.model_.policy.decide(scores)
        found[f"f1_{average}"] = f1_score(test[1], decided, average=average, zero_division=0.0)
    with tempfile.TemporaryDirectory() as folder:
        classifier.save(Path(folder) / "model.manyhot")
        found["file_bytes"] = (Path(folder) / "model.manyhot").stat().st_size
    return found


def medians(runs: list[dict]) -> dict:
    """The median of every figure over the seeds."""
    return {
        name: medians([one[name] for one in runs])
        if isinstance(value, dict)
        else round(statistics.median(one[name] for one in runs), 4)
        for name, value in runs[0].items()
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "onnx_text.json")
    options = parser.parse_args()
    root = os.environ.get("MANYHOT_DATA") or sys.exit("set MANYHOT_DATA to the folder that holds the data sets")
    frame, truth, labels = part_of(Path(root) / "goemotions", "train", None)
    test = part_of(Path(root) / "goemotions", "test", labels)[:2]
    onnx = {"text": "onnx", "text_params": {"model": str(options.model), "cache": False, "embed": True}}
    ways = {"tfidf": {"text": "tfidf"}, "onnx": onnx}
    runs: dict[str, list[dict]] = {name: [] for name in ways}
    for seed in range(options.seeds):
        rows = np.sort(np.random.default_rng(seed).choice(len(frame), options.rows, replace=False))
        for name, settings in ways.items():
            runs[name].append(run(settings, (frame[rows], truth[rows]), test, seed))
            print(f"{name}, seed {seed}: {runs[name][-1]}", file=sys.stderr, flush=True)
    opened, opening = timed(lambda: OnnxTextFunction.from_folder(str(options.model)))
    results = {
        "data": {"set": "GoEmotions", "rows": options.rows, "test_rows": len(test[1]), "labels": len(labels)},
        "model": {
            "name": options.model.name,
            "bytes": opened.files.model.nbytes,
            "numbers_of_a_text": int(opened([""]).shape[1]),
            "opening": opening,
        },
        "cores": len(os.sched_getaffinity(0)),
        **{name: {"median": medians(found), "runs": found} for name, found in runs.items()},
    }
    options.out.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps({name: results[name]["median"] for name in ways}, indent=1))


if __name__ == "__main__":
    main()
