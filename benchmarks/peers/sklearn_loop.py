"""The folds with scikit-learn's MLPClassifier, one after the other, or two at a time.

Usage: python sklearn_loop.py FOLDER [--tuned] [--n-folds 30]
Its initial weights follow a rule of its own (Glorot); everything else is as in the other scripts. Stopping early is
ruled out, so that it too runs 100 epochs.
"""

import argparse
from pathlib import Path

import task
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier


def network() -> MLPClassifier:
    return MLPClassifier((20,), solver="adam", batch_size=32, max_iter=100, n_iter_no_change=100, tol=0.0, alpha=0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tuned", action="store_true", help="cross_val_score with two processes")
    parser.add_argument("--n-folds", type=int, default=30)
    options = parser.parse_args()
    X, Y, splits = task.read(options.folder, options.n_folds)
    if options.tuned:
        scores = list(cross_val_score(network(), X, Y, cv=splits, scoring="accuracy", n_jobs=2))
    else:
        scores = [network().fit(X[train], Y[train]).score(X[test], Y[test]) for train, test in splits]
    task.report(scores)


if __name__ == "__main__":
    main()
