"""How the defaults were chosen: cross-validation over the training parts of four sets, never their test parts.

Usage: python benchmarks/choose_defaults.py [--n-folds 3] [--seeds 1] [--out results/choose_defaults.json]
Each candidate is a few settings beside the defaults. Its score is the mean over sets and cells of the improvement over
the first candidate, (reference - value) / reference for losses and (value - reference) / (1 - reference) for scores.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from measures import MEASURES
from sets import parts

from manyhot.data.readers import read
from manyhot.data.splitting.folds import stratified_folds
from manyhot.data.targets import Targets
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.evaluation.metrics import compute_metrics

SETS = ["emotions", "scene", "yeast", "birds"]
CELLS = {name: MEASURES[name] for name in ("hamming_loss", "f1_micro", "ranking_loss", "lrap")}
CANDIDATES = [
    {},
    {"dropout": 0.0},
    {"dropout": 0.15},
    {"dropout": 0.5},
    {"epochs": 10},
    {"epochs": 40},
    {"hidden_layer_sizes": (256, 256, 256)},
    {"hidden_layer_sizes": (128, 128)},
    {"learning_rate": 1e-3},
    {"learning_rate": 4e-3},
    {"schedule": "constant"},
    {"early_stopping": True, "epochs": 60, "schedule": "constant"},
    {"batch_size": 32},
    {"weight_decay": 0.1},
    {"activation": "silu"},
    {"n_folds": 4},
    {"n_members": 8},
]


def cells(name: str, settings: dict, n_folds: int, seeds: int) -> list[float]:
    samples = read(parts(name)[0])
    folds = stratified_folds(samples.targets, n_folds, seed=12345)
    values = []
    for seed in range(seeds):
        for fold in range(n_folds):
            train, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            classifier = MultiLabelClassifier(verbose=0, random_state=seed, **settings)
            classifier.fit(samples.features[train], samples.targets.take(train))
            scores = classifier.predict_proba(samples.features[held])
            targets: Targets = samples.targets.take(held)
            measured = compute_metrics(targets, scores, scores >= 0.5, names=list(CELLS))
            values.append([measured[cell].value for cell in CELLS])
    return np.mean(values, axis=0).tolist()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-folds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results, reference = [], None
    for settings in CANDIDATES:
        began = time.perf_counter()
        table = {name: cells(name, settings, options.n_folds, options.seeds) for name in SETS}
        reference = reference or table
        gains = [
            (old - new) / old if best_of is min else (new - old) / (1 - old)
            for name in SETS
            for new, old, (_, best_of) in zip(table[name], reference[name], CELLS.values(), strict=True)
        ]
        row = {"settings": settings, "gain": float(np.mean(gains)), "cells": table}
        results.append({**row, "seconds": time.perf_counter() - began})
        shown = "; ".join(f"{name} " + " ".join(f"{value:.4f}" for value in values) for name, values in table.items())
        print(f"{row['gain']:+.4f}  {settings or 'defaults'}: {shown} ({results[-1]['seconds']:.0f} s)", flush=True)
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
