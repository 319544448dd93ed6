"""Repeated cross-validation of a small network on scikit-learn's synthetic multi-label data.

    python examples/synthetic_cv.py
    python examples/synthetic_cv.py --data FOLDER --json

The data take eight seconds to generate; with --data they are kept in FOLDER/synthetic.csv and read from there.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.datasets import make_multilabel_classification

from manyhot import MultiLabelClassifier, cross_validate

import keras  # after manyhot, which puts it on JAX  # isort: skip


def data(folder: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """1,000 rows of 10 counts with 3 labels."""
    cache_file = None if folder is None else folder / "synthetic.csv"
    if folder is not None and not folder.is_dir():
        raise SystemExit(f"{folder}: no such folder; make it first, or leave --data out")
    if cache_file is not None and cache_file.is_file():
        table = np.loadtxt(cache_file, delimiter=",", skiprows=1)
        return table[:, :10], table[:, 10:]
    X, Y = make_multilabel_classification(n_samples=1000, n_features=10, n_classes=3, n_labels=2, random_state=1)
    if cache_file is not None:
        header = ",".join([f"x{j}" for j in range(10)] + [f"label_{j}" for j in range(3)])
        np.savetxt(cache_file, np.hstack([X, Y]), fmt="%d", delimiter=",", header=header, comments="")
    return X, Y


def network() -> keras.Model:
    """10 inputs, 20 hidden units, one sigmoid for each of 3 labels."""
    model = keras.Sequential(
        [
            keras.layers.Input((10,)),
            keras.layers.Dense(20, kernel_initializer="he_uniform", activation="relu"),
            keras.layers.Dense(3, activation="sigmoid"),
        ]
    )
    model.compile(loss="binary_crossentropy", optimizer="adam")
    return model


def main() -> None:
    """Cross-validate, fit a final model, predict one new row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder that keeps the data")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--n-repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    options = parser.parse_args()

    X, Y = data(options.data)
    training = {"epochs": options.epochs, "batch_size": 32}
    result = cross_validate(network(), X, Y, n_splits=10, n_repeats=options.n_repeats, **training)
    low, high = result.interval("subset_accuracy")
    mean, std = result.mean("subset_accuracy"), result.std("subset_accuracy")
    print(f"exact-match accuracy over {result.n_fits} folds: {mean:.3f} ({std:.3f})")
    print(f"95 % interval of the mean: {low:.3f} to {high:.3f}")

    model = MultiLabelClassifier(network=network(), n_members=10, **training).fit(X, Y)
    row = np.array([[3, 3, 6, 7, 8, 2, 11, 11, 1, 3]])
    probabilities = model.predict_proba(row)[0]
    print(f"a new row: probabilities {probabilities.round(3)}, predicted {sorted(model.predict_labels(row)[0])}")
    if options.json:
        answer = {"subset_accuracy": mean, "std": std, "low": low, "high": high, "n_fits": result.n_fits}
        print(json.dumps({**answer, "probabilities": probabilities.astype(float).tolist()}))


if __name__ == "__main__":
    main()
