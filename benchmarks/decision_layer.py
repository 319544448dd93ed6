"""DecisionLayer on scores of scikit-learn's random forest and of LightGBM, beside the same scores cut at 0.5.

Usage: python benchmarks/decision_layer.py [--splits 5] [--out results/decision_layer.json] [SET ...]
The sets are read from the folder that MANYHOT_DATA names; needs lightgbm. Of all rows of a set a third is tested, in
splits of their own (seed = number of the split). On the other rows the model's scores are out-of-fold (5 folds), the
layer is fitted to them, and the model, fitted to all these rows, scores the tested ones. Metrics are those of the
tested rows: at 0.5 on the model's own scores, and by the thresholds that the layer tuned for the metric; the
difference with its standard error over the splits. "reported" is what the layer's own report says of the metric, from
the out-of-fold scores alone.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sets import load
from sklearn.ensemble import RandomForestClassifier

from manyhot import DecisionLayer, MultiLabelKFold, MultiLabelShuffleSplit
from manyhot.data.targets import Targets
from manyhot.estimators.decision_layer import stack_scores
from manyhot.evaluation.metrics import METRICS, brier, compute_metrics, ece, log_loss

SETS = ["yeast", "scene"]
TUNED = {
    "f1_macro": "f1_macro",
    "f1_micro": "f1_micro",
    "f1_samples": "f1_samples",
    "jaccard_samples": "jaccard_samples",
    "hamming": "hamming_loss",
}
"""Decision -> the metric that it tunes."""
PROBABILITIES = (log_loss, brier, ece)


class Boosting:
    """A LightGBM classifier for each label."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def fit(self, X: np.ndarray, Y: np.ndarray) -> "Boosting":
        from lightgbm import LGBMClassifier

        settings = {"n_estimators": 40, "num_leaves": 15, "n_jobs": 1, "verbose": -1, "random_state": self.seed}
        self.models = [LGBMClassifier(**settings).fit(X, column) for column in Y.T]
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return np.column_stack([model.predict_proba(X)[:, 1] for model in self.models])


MODELS: dict[str, Callable[[int], Any]] = {
    "random forest": lambda seed: RandomForestClassifier(100, n_jobs=1, random_state=seed),
    "LightGBM": Boosting,
}


def rows(name: str) -> tuple[np.ndarray, np.ndarray]:
    """All rows of a set."""
    split = load(name)
    parts = (split.train, split.test)
    X = np.concatenate([part.features.to_numpy() for part in parts]).astype(float)
    return X, np.concatenate([part.targets.values for part in parts]).astype(int)


def scored(model: Any, X: np.ndarray, Y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Scores (n, l) of new rows by a model that is fitted to X and Y."""
    return stack_scores(model.fit(X, Y).predict_proba(new))


def one_split(name: str, model: str, seed: int) -> dict[str, dict[str, float]]:
    """Metric -> its figures on the tested rows of one split."""
    X, Y = rows(name)
    ((train, test),) = MultiLabelShuffleSplit(1, test_size=1 / 3, random_state=seed).split(X, Y)
    held_out = np.empty(Y[train].shape)
    for rest, fold in MultiLabelKFold(5, random_state=seed).split(X[train], Y[train]):
        held_out[fold] = scored(MODELS[model](seed), X[train][rest], Y[train][rest], X[train][fold])
    scores = scored(MODELS[model](seed), X[train], Y[train], X[test])
    targets, found = Targets(Y[test].astype(bool)), {}
    layer = DecisionLayer(verbose=0).fit(held_out, Y[train])
    calibrated = layer.predict_proba(scores)
    for function in PROBABILITIES:
        before, after = function(targets, scores).value, function(targets, calibrated).value
        found[function.__name__] = {"raw": before, "layer": after, "difference": after - before}
    for decision, metric in TUNED.items():
        layer.tune_thresholds(decision)
        at_half = compute_metrics(targets, None, scores >= 0.5, names=[metric])[metric].value
        tuned = compute_metrics(targets, None, layer.predict(scores).astype(bool), names=[metric])[metric].value
        reported = layer.report_.metrics["decision"][metric]["value"]
        found[metric] = {"at 0.5": at_half, "layer": tuned, "difference": tuned - at_half, "reported": reported}
    return found


def summed_up(splits: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Means over the splits, with the standard error of the difference."""
    table: dict[str, dict[str, float]] = {}
    for metric in splits[0]:
        columns = {name: np.array([split[metric][name] for split in splits]) for name in splits[0][metric]}
        table[metric] = {name: round(float(values.mean()), 4) for name, values in columns.items()}
        error = columns["difference"].std(ddof=1) / np.sqrt(len(splits)) if len(splits) > 1 else float("nan")
        table[metric]["standard_error"] = round(float(error), 4)
    return table


def is_better(metric: str, difference: float) -> bool:
    """Whether a difference of this sign is an improvement."""
    return (difference > 0) == METRICS[metric].higher_is_better if metric in METRICS else difference < 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {}
    for name in options.sets:
        results[name] = {}
        for model in MODELS:
            splits = []
            for seed in range(options.splits):
                splits.append(one_split(name, model, seed))
                print(f"{name}, {model}: split {seed + 1} of {options.splits}", flush=True)
            table = results[name][model] = summed_up(splits)
            for metric, row in table.items():
                mark = "better" if is_better(metric, row["difference"]) else "not better"
                print(name, model, metric, *(f"{key} {value}" for key, value in row.items()), mark, flush=True)
    if options.out is not None:
        options.out.write_text(json.dumps({"splits": options.splits, "sets": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
