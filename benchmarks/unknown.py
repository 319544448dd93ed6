"""What unknown targets cost: training targets hidden at random, masked or read as "no", beside all targets.

Usage: python benchmarks/unknown.py [--seeds 5] [--out results/unknown.json] [SET ...]
The sets are read from the folder that MANYHOT_DATA names; scores are of their test parts, decisions at 0.5. A mean
average precision "within noise" is one whose paired difference over the seeds is not below zero by two standard errors.
"""

import argparse
import json
import statistics
from pathlib import Path

import numpy as np
from sets import parts

from manyhot.data.readers import ReadOptions, read
from manyhot.data.targets import Targets
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.evaluation.metrics import compute_metrics, log_loss

SHARES = (0.3, 0.6)


def one_run(train, targets: Targets, test_file: Path, seed: int) -> dict:
    known = targets.known_mask()
    y = np.where(known, targets.values.astype(float), np.nan)
    classifier = MultiLabelClassifier(labels=list(train.labels.names), random_state=seed, verbose=0)
    classifier.fit(train.features, y)
    fresh = read(
        test_file, ReadOptions(known_labels=classifier.labels_, column_types=classifier.model_.encoder.column_types)
    )
    scores = classifier.predict_proba(fresh.features)
    found = compute_metrics(fresh.targets, scores, scores >= 0.5, names=["f1_micro", "map"])
    return {
        "log_loss": log_loss(fresh.targets, scores).value,
        "f1_micro": found["f1_micro"].value,
        "map": found["map"].value,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sets", nargs="*", default=["yeast", "scene"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results = {}
    for name in options.sets:
        train_file, test_file = parts(name)
        train = read(train_file)
        values = train.targets.values
        full = [one_run(train, train.targets, test_file, seed) for seed in range(options.seeds)]
        for share in SHARES:
            masked, as_no = [], []
            for seed in range(options.seeds):
                hidden = np.random.default_rng([seed, int(100 * share)]).random(values.shape) < share
                masked.append(one_run(train, Targets(values & ~hidden, ~hidden), test_file, seed))
                as_no.append(one_run(train, Targets(values & ~hidden), test_file, seed))
            row = {"full": medians(full), "masked": medians(masked), "as_no": medians(as_no)}
            for cell, sign in (("log_loss", 1), ("f1_micro", -1), ("map", -1)):
                row[f"{cell}_lost_masked"] = sign * (row["masked"][cell] - row["full"][cell])
                row[f"{cell}_lost_as_no"] = sign * (row["as_no"][cell] - row["full"][cell])
            gains = np.array([a["map"] - b["map"] for a, b in zip(masked, as_no, strict=True)])
            row["map_gain_over_as_no"] = [float(gains.mean()), float(gains.std(ddof=1) / len(gains) ** 0.5)]
            results[f"{name} {share:.0%}"] = row
            print(
                f"{name} {share:.0%} hidden: "
                + "; ".join(
                    f"{cell} {row['full'][cell]:.4f} all known, {row['masked'][cell]:.4f} masked, "
                    f"{row['as_no'][cell]:.4f} as no"
                    for cell in ("log_loss", "f1_micro", "map")
                ),
                flush=True,
            )
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")


def medians(runs: list[dict]) -> dict:
    return {cell: statistics.median(run[cell] for run in runs) for cell in runs[0]}


if __name__ == "__main__":
    main()
