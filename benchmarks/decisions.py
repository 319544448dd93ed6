"""Thresholds and calibration on test parts: tuned thresholds beside 0.5, calibrated scores beside raw ones.

Usage: python benchmarks/decisions.py [--seeds 5] [--out results/decisions.json] [SET ...]
The sets are read from the folder that MANYHOT_DATA names. Medians over the seeds. "overfit" is one network trained for
200 epochs.
"""

import argparse
import json
import statistics
from pathlib import Path

from sets import parts

from manyhot.data.readers import ReadOptions, read
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.evaluation.metrics import brier, compute_metrics, ece, log_loss

SETS = ["emotions", "scene", "yeast", "birds", "medical"]
TUNED = ("f1_macro", "f1_micro", "f1_samples")
KINDS = {"default": {}, "overfit": {"n_members": 1, "epochs": 200}}


def fitted(name: str, seed: int, **config):
    train, test = parts(name)
    known = read(train)
    classifier = MultiLabelClassifier(random_state=seed, verbose=0, **config).fit(known)
    encoder = classifier.model_.encoder
    column_types = {} if known.is_sparse else encoder.column_types
    names = tuple(known.feature_names) if known.is_sparse else None
    return classifier, read(
        test, ReadOptions(known_labels=classifier.labels_, column_types=column_types, feature_names=names)
    )


def thresholds_run(classifier, fresh) -> dict[str, float]:
    scores, raw = (classifier.predict_proba(fresh, calibrated=calibrated) for calibrated in (True, False))
    row = {}
    for name in TUNED:
        classifier.tune_thresholds(name)
        answers = classifier.model_.policy.decide(scores)
        row[name] = compute_metrics(fresh.targets, None, answers, names=[name])[name].value
        row[f"{name} at 0.5"] = compute_metrics(fresh.targets, None, scores >= 0.5, names=[name])[name].value
        row[f"{name} at 0.5, raw"] = compute_metrics(fresh.targets, None, raw >= 0.5, names=[name])[name].value
    return row


def calibration_run(classifier, fresh) -> dict[str, float]:
    row = {}
    for stage, calibrated in (("raw", False), ("calibrated", True)):
        scores = classifier.predict_proba(fresh, calibrated=calibrated)
        for function in (log_loss, brier, ece):
            row[f"{function.__name__} {stage}"] = function(fresh.targets, scores).value
        found = compute_metrics(fresh.targets, scores, None, names=["lrap", "ranking_loss", "roc_auc_macro"])
        row |= {f"{name} {stage}": score.value for name, score in found.items()}
    return row


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {cell: statistics.median(run[cell] for run in runs) for cell in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results: dict[str, dict] = {}
    wins = 0
    for name in options.sets:
        results[name] = {}
        for kind, config in KINDS.items():
            runs = []
            for seed in range(options.seeds):
                classifier, fresh = fitted(name, seed, **config)
                run = calibration_run(classifier, fresh)
                runs.append(run | (thresholds_run(classifier, fresh) if kind == "default" else {}))
            row = results[name][kind] = medians(runs)
            if kind == "default":
                wins += sum(row[measure_] > row[f"{measure_} at 0.5"] for measure_ in TUNED)
                told = (
                    f"{m} {row[m]:.4f} ({row[f'{m} at 0.5']:.4f}, raw {row[f'{m} at 0.5, raw']:.4f})" for m in TUNED
                )
                print(f"{name}: {'; '.join(told)}", flush=True)
            shown = ("log_loss", "brier", "ece", "lrap", "ranking_loss", "roc_auc_macro")
            pairs = (f"{m} {row[f'{m} raw']:.4f} -> {row[f'{m} calibrated']:.4f}" for m in shown)
            print(f"{name} {kind}: {'; '.join(pairs)}", flush=True)
    print(f"tuned thresholds better than 0.5 in {wins} of {len(TUNED) * len(options.sets)} cells")
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
