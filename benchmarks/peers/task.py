"""The task that every contender gets: a table, 30 folds of it, and one way to report.

Usage: python task.py FOLDER writes data.csv and is_test.npy into FOLDER.
"""

import json
import sys
from pathlib import Path

import numpy as np

N_FEATURES, N_LABELS = 10, 3


def write(folder: Path) -> None:
    """Write the table (x0..x9, label_0..label_2) and, one row a fold, which of its rows are tested."""
    from sklearn.datasets import make_multilabel_classification
    from sklearn.model_selection import RepeatedKFold

    X, Y = make_multilabel_classification(
        n_samples=1000, n_features=N_FEATURES, n_classes=N_LABELS, n_labels=2, random_state=1
    )
    names = [f"x{i}" for i in range(N_FEATURES)] + [f"label_{i}" for i in range(N_LABELS)]
    rows = "\n".join(",".join(f"{value:g}" for value in row) for row in np.hstack([X, Y]))
    (folder / "data.csv").write_text(",".join(names) + "\n" + rows + "\n")
    is_test = np.zeros((30, len(X)), bool)
    for k, (_, test) in enumerate(RepeatedKFold(n_splits=10, n_repeats=3, random_state=1).split(X)):
        is_test[k, test] = True
    np.save(folder / "is_test.npy", is_test)


def read(folder: Path, n_folds: int) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """The features (1000, 10), the labels (1000, 3) and the row numbers (train, test) of the first folds."""
    table = np.loadtxt(folder / "data.csv", delimiter=",", skiprows=1, dtype=np.float32)
    is_test = np.load(folder / "is_test.npy")[:n_folds]
    splits = [(np.flatnonzero(~mask), np.flatnonzero(mask)) for mask in is_test]
    return table[:, :N_FEATURES], table[:, N_FEATURES:], splits


def report(scores: list[float]) -> None:
    """Print the scores, their mean and their standard deviation as one line of JSON."""
    numbers = [float(score) for score in scores]
    print(json.dumps({"scores": numbers, "mean": float(np.mean(numbers)), "std": float(np.std(numbers))}))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
