"""UC Merced, 17 labels, from nothing: manyhot beside the same network in Keras on TensorFlow, in equal wall time.

Usage: python benchmarks/land_use.py --keras-python PATH [--size 96] [--out results/land_use.json]
PATH is the Python of an environment with `tensorflow-cpu` and `keras`. Keras gets as many seconds as manyhot's fit took
(folds, out-of-fold scores, thresholds and the report among them), once for each of several learning rates; the one with
the best mean average precision on a tenth that it keeps out counts, and the time for the others does not. Both train
on the given training part and are scored on the test part. Needs MANYHOT_DATA.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, f1_score

from manyhot import MultiLabelClassifier
from manyhot.data.readers import ReadOptions, read
from manyhot.models.prediction import sample_features

HERE = Path(__file__).resolve().parent
NETWORK = {"filters": [32, 64, 128, 256], "blocks": 1, "hidden_layer_sizes": [256]}
AUGMENT = "flip+quarter_turns"
RATES = (5e-4, 1.5e-3, 4e-3)


def photos(folder: Path, part: str):
    table = folder / "LandUse_Multilabeled.txt"
    labels = table.read_text().split("\n", 1)[0].rstrip("\r").split("\t")[1:]
    return read(table, ReadOptions(labels=",".join(labels), images=folder / "images" / part))


def best_cut(scores: np.ndarray, truth: np.ndarray) -> float:
    cuts = np.linspace(0.05, 0.95, 91)
    return float(max(cuts, key=lambda cut: f1_score(truth, scores >= cut, average="samples", zero_division=0.0)))


def measured(truth: np.ndarray, scores: np.ndarray, answers: np.ndarray) -> dict:
    f1 = f1_score(truth, answers, average="samples", zero_division=0.0)
    return {"map": float(average_precision_score(truth, scores)), "f1_samples": float(f1)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--keras-python", type=Path)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--n-members", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    root = Path(os.environ.get("MANYHOT_DATA") or sys.exit("set MANYHOT_DATA to the folder that holds the data sets"))
    train, test = (photos(root / "ucmerced_multilabel", part) for part in ("train", "test"))
    settings = {name: NETWORK[name] for name in ("filters", "blocks")} | {"size": told.size, "augment": AUGMENT}
    began = time.perf_counter()
    model = MultiLabelClassifier(
        network="resnet",
        hidden_layer_sizes=NETWORK["hidden_layer_sizes"],
        n_members=told.n_members,
        epochs=told.epochs,
        batch_size=told.batch,
        decision="f1_samples",
        image_params=settings,
        random_state=told.random_state,
    ).fit(train)
    seconds = time.perf_counter() - began
    truth = test.targets.values
    ours = measured(truth, model.predict_proba(test), model.predict(test)) | {"seconds": round(seconds, 1)}
    print(f"manyhot {ours}", file=sys.stderr, flush=True)
    results = {"settings": NETWORK | vars(told) | {"augment": AUGMENT}, "manyhot": ours, "keras_tensorflow": []}
    results["settings"] = {
        name: value for name, value in results["settings"].items() if name not in ("keras_python", "out")
    }
    if told.keras_python:
        with tempfile.TemporaryDirectory() as scratch:
            rows = Path(scratch) / "rows.npz"
            encode = model.model_.encoder.transform
            X, X_test = (encode(sample_features(model.model_, part))["image"] for part in (train, test))
            np.savez(rows, X=X, Y=train.targets.values, X_test=X_test, Y_test=truth)
            for rate in RATES:
                results["keras_tensorflow"].append(peer(told, rows, rate, seconds, train.targets.values, truth))
                shown = {k: v for k, v in results["keras_tensorflow"][-1].items()}
                print(f"Keras on TensorFlow {shown}", file=sys.stderr, flush=True)
        results["best_of_keras"] = max(results["keras_tensorflow"], key=lambda one: one["kept_map"])
    print(json.dumps(results, indent=1))
    if told.out:
        told.out.write_text(json.dumps(results, indent=1) + "\n")


def peer(told: argparse.Namespace, rows: Path, rate: float, seconds: float, Y: np.ndarray, truth: np.ndarray) -> dict:
    """Keras for so many seconds, with one learning rate."""
    words = ["--seconds", str(seconds), "--rate", str(rate), "--batch", str(told.batch)]
    command = [str(told.keras_python), str(HERE / "peers" / "keras_land_use.py"), str(rows), *words]
    command += ["--network", json.dumps(NETWORK)]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    kept, scores = np.array(answer["kept"]), np.array(answer["test"])
    of_kept = Y[np.random.default_rng(0).permutation(len(Y)) < len(Y) // 10]
    with_some = of_kept.any(axis=0)
    kept_map = float(average_precision_score(of_kept[:, with_some], kept[:, with_some]))
    told_of = {"rate": rate, "epochs": answer["epochs"], "seconds": round(answer["seconds"], 1), "kept_map": kept_map}
    return told_of | measured(truth, scores, scores >= best_cut(kept, of_kept))


if __name__ == "__main__":
    main()
