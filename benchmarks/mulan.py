"""Scores on Mulan's own train/test splits, decisions at 0.5, beside peers' scores from a JSON file.

Usage: python benchmarks/mulan.py [--peers peers_mulan.json] [--seeds 5] [--out results/mulan.json] [SET ...]
The sets are read from the folder that MANYHOT_DATA names. The peers' file maps set -> method -> HL, miF1, RL, LRAP.
"""

import argparse
import json
import os
import resource
import statistics
import time
from pathlib import Path

from manyhot.data.readers import ReadOptions, read
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.evaluation.metrics import compute_metrics

CELLS = {"hamming_loss": ("HL", min), "f1_micro": ("miF1", max), "ranking_loss": ("RL", min), "lrap": ("LRAP", max)}
SETS = ["emotions", "scene", "yeast", "birds", "flags", "medical", "corel5k", "tmc2007", "delicious"]


def parts(name: str):
    folder = Path(os.environ["MANYHOT_DATA"]) / name
    files = sorted(path for path in folder.iterdir() if ".arff" in path.name.lower())
    train = next(path for path in files if "train" in path.name.lower())
    test = next(path for path in files if "test" in path.name.lower())
    return train, test


def one_run(name: str, seed: int) -> dict:
    train, test = parts(name)
    known = read(train)
    began = time.perf_counter()
    classifier = MultiLabelClassifier(random_state=seed, verbose=0).fit(known)
    seconds = time.perf_counter() - began
    encoder = classifier.model_.encoder
    column_types = {} if known.is_sparse else encoder.column_types
    names = tuple(known.feature_names) if known.is_sparse else None
    fresh = read(test, ReadOptions(known_labels=classifier.labels_, column_types=column_types, feature_names=names))
    scores = classifier.predict_proba(fresh)
    measured = compute_metrics(fresh.targets, scores, scores >= 0.5, names=list(CELLS))
    return {**{cell: measured[cell].value for cell in CELLS}, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    peers = json.loads(options.peers.read_text()) if options.peers else {}
    results, wins = {}, 0
    for name in options.sets:
        runs = [one_run(name, seed) for seed in range(options.seeds)]
        row = {cell: statistics.median(run[cell] for run in runs) for cell in runs[0]}
        row["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        shown = []
        for cell, (short, best_of) in CELLS.items():
            listed = peers.get(name, {}).items()
            rivals = {method: scores[short] for method, scores in listed if scores.get(short) is not None}
            text = f"{cell} {row[cell]:.4f}"
            if rivals:
                method = best_of(rivals, key=rivals.get)
                mine = round(row[cell], 4)  # as the peers' are
                is_better = mine != rivals[method] and best_of(mine, rivals[method]) == mine
                wins += is_better
                row[f"{cell}_best_peer"] = [method, rivals[method], bool(is_better)]
                text += f" ({method} {rivals[method]:.4f}{', better' if is_better else ''})"
            shown.append(text)
        results[name] = row
        print(f"{name}: {'; '.join(shown)}; fit {row['seconds']:.1f} s; peak {row['peak_gib']:.2f} GiB", flush=True)
    print(f"better in {wins} of {4 * len(options.sets)} cells")
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
