"""Training and predicting with very many labels: time, memory, and precision beside answering the most frequent ones.

Usage: python benchmarks/many_labels.py [--labels 100000] [--rows 200000] [--features 50000] [--hidden-layer-sizes 128]
           [--epochs 3] [--out results/many_labels.json]
Rows are made: labels are drawn by a Zipf law, about five a row; each label has ten features of its own choice, of which
a row shows half, and other features come in at random. So labels cause features, and rare labels are hard.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp

PER_ROW = 5
OWN = 10
SHOWN = 0.5
NOISE = 10


def made(n_rows: int, n_labels: int, n_features: int, seed: int = 0) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Features CSR float32 (n, f) of 0 and 1, and targets CSR bool (n, l)."""
    generator = np.random.default_rng([seed, n_labels, n_features])
    counts = 1 + generator.poisson(PER_ROW - 1, n_rows)
    rows = np.repeat(np.arange(n_rows), counts)
    weight = 1.0 / (np.arange(n_labels) + 10.0)
    labels = np.searchsorted(np.cumsum(weight / weight.sum()), generator.random(len(rows)))
    labels = generator.permutation(n_labels)[np.minimum(labels, n_labels - 1)]
    Y = sp.csr_matrix((np.ones(len(rows), bool), (rows, labels)), shape=(n_rows, n_labels))
    own = generator.integers(n_features, size=(n_labels, OWN))
    is_shown = generator.random((len(rows), OWN)) < SHOWN
    seen = np.concatenate([own[labels][is_shown], generator.integers(n_features, size=n_rows * NOISE)])
    places = np.concatenate([np.repeat(rows, is_shown.sum(axis=1)), np.repeat(np.arange(n_rows), NOISE)])
    X = sp.csr_matrix((np.ones(len(seen), np.float32), (places, seen)), shape=(n_rows, n_features))
    X.data[:] = 1
    return X, Y


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if platform.system() == "Darwin" else 2**10)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--labels", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--features", type=int, default=50_000)
    parser.add_argument("--hidden-layer-sizes", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--test-rows", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    X, Y = made(options.rows + options.test_rows, options.labels, options.features)
    X_test, Y_test = X[options.rows :], Y[options.rows :]
    X, Y = X[: options.rows], Y[: options.rows]

    from manyhot import ExtremeMultiLabelClassifier, load  # after the rows, so that the peak before training is known

    before = peak_mib()
    classifier = ExtremeMultiLabelClassifier(
        hidden_layer_sizes=(options.hidden_layer_sizes,), epochs=options.epochs, dropout=options.dropout
    )
    began = time.perf_counter()
    classifier.fit(X, Y)
    trained = time.perf_counter()
    top = classifier.predict_top_k(X_test, 5)
    predicted = time.perf_counter()
    report = classifier.evaluate(X_test, Y_test)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.manyhot"
        classifier.save(path)
        n_bytes = path.stat().st_size
        loaded = load(path).predict_top_k(X_test, 5)
    assert (loaded.labels == top.labels).all()
    assert (loaded.scores == top.scores).all()
    told = {
        "date": str(datetime.date.today()),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": round(os.getloadavg()[1], 1),
        "setting": {name: value for name, value in vars(options).items() if name != "out"},
        "train_seconds": round(trained - began, 1),
        "train_rows_per_second": round(options.rows * options.epochs / (trained - began), 1),
        "predict_rows_per_second": round(options.test_rows / (predicted - trained), 1),
        "peak_mib_before_training": round(before),
        "peak_mib": round(peak_mib()),
        "bundle_mib": round(n_bytes / 2**20),
        "dense_targets_mib": round(options.rows * options.labels / 2**20),
        "report_on_test_rows": report.to_dict(),
    }
    print(report)
    print({name: value for name, value in told.items() if name != "report_on_test_rows"})
    if options.out:
        options.out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
