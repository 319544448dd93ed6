"""Out-of-fold scores and fresh scores of one fit on each of many problems, kept as .npz, to choose decisions on.

Usage: python benchmarks/decision_problems.py FOLDER [--generated 50] [--only NAME ...]
Real sets give their training parts only: two thirds of the rows are fitted, a third is scored as fresh (three turns
where that is quick). Generated problems have 60 to 600 rows, 3 to 30 labels, densities of .02 to .5, one in five is
pure noise; 2,000 fresh rows. Both scores are calibrated as the fitted model does. Needs MANYHOT_DATA.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from sets import SETS, load

from manyhot.data.splitting.folds import stratified_folds
from manyhot.data.targets import Targets
from manyhot.estimators.multilabel import MultiLabelClassifier

THREE_TURNS_ROWS = 3000
N_GENERATED, N_FRESH = 50, 2000


class Rows(NamedTuple):
    """Features as the estimator takes them, and known targets, bool (n, l)."""

    features: object
    targets: np.ndarray


def generated_rows(number: int) -> tuple[Rows, Rows]:
    """Rows to fit and fresh rows of a random problem; every fifth is pure noise."""
    generator = np.random.default_rng([7, number])
    n = int(np.exp(generator.uniform(np.log(60), np.log(600))))
    n_labels, n_features = int(generator.integers(3, 31)), int(generator.integers(4, 41))
    density = np.exp(generator.uniform(np.log(0.02), np.log(0.5)))
    is_noise = number % 5 == 0
    signal = 0.0 if is_noise else generator.uniform(0.5, 3.0)
    rates = np.clip(density * np.exp(generator.normal(0, 0.7, n_labels)), 0.005, 0.7)
    factors = generator.normal(size=(n_features, 3)) @ generator.normal(size=(3, n_labels))
    mixing = factors + generator.normal(size=(n_features, n_labels))
    X = generator.normal(size=(n + N_FRESH, n_features))
    Z = signal * X @ mixing / np.linalg.norm(mixing, axis=0)
    if number % 2:
        Z += 0.7 * signal * np.abs(X) @ generator.normal(size=mixing.shape) / np.sqrt(n_features)
    Z += generator.logistic(size=Z.shape) + 0.8 * generator.normal(size=(len(Z), 1))
    cuts = np.array([np.quantile(column, 1 - rate) for column, rate in zip(Z.T, rates, strict=True)])
    Y = cuts < Z
    return Rows(X[:n], Y[:n]), Rows(X[n:], Y[n:])


def fit_and_keep(path: Path, train: Rows, fresh: Rows, seed: int) -> None:
    settings = (
        {"column_types": {"text": "text"}}
        if isinstance(train.features, pl.DataFrame) and (train.features.columns == ["text"])
        else {}
    )
    began = time.perf_counter()
    classifier = MultiLabelClassifier(random_state=seed, verbose=0, **settings)
    classifier.fit(train.features, Targets(train.targets))
    model = classifier.model_
    np.savez_compressed(
        path,
        scores=model.policy.calibrate(model.evidence.scores),
        targets=model.evidence.targets.values,
        fresh_scores=classifier.predict_proba(fresh.features),
        fresh_targets=fresh.targets,
        seconds=time.perf_counter() - began,
    )
    print(f"{path.stem}: {time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--generated", type=int, default=N_GENERATED)
    parser.add_argument("--only", nargs="*", default=SETS)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for number in range(options.generated):
        path = options.folder / f"generated-{number}.npz"
        if not path.exists():
            fit_and_keep(path, *generated_rows(number), seed=number)
    for name in options.only:
        samples = load(name).train
        rows = Rows(samples.features, samples.targets.values)
        folds = stratified_folds(Targets(rows.targets), 3, seed=12345)
        for turn in range(3 if len(rows.targets) <= THREE_TURNS_ROWS else 1):
            path = options.folder / f"{name}-{turn}.npz"
            if not path.exists():
                train, fresh = (np.flatnonzero(mask) for mask in (folds != turn, folds == turn))
                parts_of_rows = (Rows(rows.features[part], rows.targets[part]) for part in (train, fresh))
                fit_and_keep(path, *parts_of_rows, seed=turn)


if __name__ == "__main__":
    main()
