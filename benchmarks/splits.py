"""How even and how fast ten folds are, beside the package iterative-stratification, and on 300,000 rows.

Usage: python benchmarks/splits.py --peer-python PATH [--repeats 5] [--out results/splits.json] [SET ...]
PATH is the Python of an environment that has iterative-stratification, NumPy and scikit-learn. The sets are read from
the folder that MANYHOT_DATA names, training and test rows together. Both sides get the same dense targets and are
timed around `split` alone, turn by turn; the figures are medians over the repeats, each with its own seed.
Smaller is better everywhere:
  labels   mean over labels and folds of |the fold's share of the label's positives - 1/10|
  ratio    mean over labels and folds of |positives : negatives in the fold - in the whole| (Sechidis et al. 2011, LD)
  sizes    mean over folds of |the fold's share of the rows - 1/10|
  lacking  labels with ten positives or more that some fold lacks
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from manyhot.data.readers import read
from manyhot.data.splitting.splitters import MultiLabelKFold

N_FOLDS = 10
SETS = ["yeast", "corel5k", "delicious"]
METRICS = ["labels", "ratio", "sizes", "lacking"]
PEER = """
import sys, time
import numpy as np
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold
y = np.load(sys.argv[1])["y"]
splitter = MultilabelStratifiedKFold(n_splits=int(sys.argv[4]), shuffle=True, random_state=int(sys.argv[3]))
began = time.perf_counter()
tests = [test for _, test in splitter.split(y, y)]
seconds = time.perf_counter() - began
folds = np.empty(len(y), dtype=np.int64)
for fold, test in enumerate(tests):
    folds[test] = fold
np.savez(sys.argv[2], folds=folds, seconds=seconds)
"""


def targets_of(name: str) -> np.ndarray:
    folder = Path(os.environ["MANYHOT_DATA"]) / name
    files = sorted(path for path in folder.iterdir() if ".arff" in path.name.lower())
    return np.concatenate([read(path).targets.values for path in files]).astype(np.int64)


def our_folds(y, seed: int) -> tuple[np.ndarray, float]:
    began = time.perf_counter()
    tests = [test for _, test in MultiLabelKFold(N_FOLDS, seed).split(y, y)]
    seconds = time.perf_counter() - began
    folds = np.empty(y.shape[0], dtype=np.int64)
    for fold, test in enumerate(tests):
        folds[test] = fold
    return folds, seconds


def peer_folds(python: str, data: Path, seed: int) -> tuple[np.ndarray, float]:
    result = data.with_name("folds.npz")
    subprocess.run([python, "-c", PEER, data, result, str(seed), str(N_FOLDS)], check=True)
    with np.load(result) as found:
        return found["folds"], float(found["seconds"])


def unevenness(y: sp.csr_matrix, folds: np.ndarray) -> dict[str, float]:
    n = y.shape[0]
    member = sp.csr_matrix((np.ones(n, np.int64), (folds, np.arange(n))), shape=(N_FOLDS, n))
    counts, sizes = (member @ y).toarray(), np.bincount(folds, minlength=N_FOLDS)
    total = counts.sum(axis=0)
    kept = (total > 0) & (total < n)
    counts, total = counts[:, kept], total[kept]
    ratio = counts / np.maximum(sizes[:, None] - counts, 1)
    return {
        "labels": float(np.abs(counts / total - 1 / N_FOLDS).mean()),
        "ratio": float(np.abs(ratio - total / (n - total)).mean()),
        "sizes": float(np.abs(sizes / n - 1 / N_FOLDS).mean()),
        "lacking": int(((counts == 0).any(axis=0) & (total >= N_FOLDS)).sum()),
    }


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def compared(name: str, python: str, repeats: int) -> dict:
    y = targets_of(name)
    table = sp.csr_matrix(y)
    ours, peers = [], []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "y.npz"
        np.savez_compressed(data, y=y)
        our_folds(y[:100], 0)
        for seed in range(repeats):
            for runs, (folds, seconds) in ((ours, our_folds(y, seed)), (peers, peer_folds(python, data, seed))):
                runs.append({**unevenness(table, folds), "seconds": seconds})
    row = {
        "rows": y.shape[0],
        "labels": y.shape[1],
        "manyhot": medians(ours),
        "iterative-stratification": medians(peers),
    }
    mine, other = row["manyhot"], row["iterative-stratification"]
    row["is_as_even"] = all(mine[metric] <= other[metric] for metric in METRICS)
    row["times_faster"] = other["seconds"] / mine["seconds"]
    return row


def large(repeats: int, n_rows: int = 300_000, n_labels: int = 1_000, per_row: int = 5) -> dict:
    generator = np.random.default_rng(0)
    chances = 1 / np.arange(1, n_labels + 1) ** 0.8
    columns = generator.choice(n_labels, size=n_rows * per_row, p=chances / chances.sum())
    rows = np.repeat(np.arange(n_rows), per_row)
    y = sp.csr_matrix((np.ones(len(rows), np.int64), (rows, columns)), shape=(n_rows, n_labels))
    y.data[:] = 1
    runs = []
    for seed in range(repeats):
        folds, seconds = our_folds(y, seed)
        runs.append({**unevenness(y, folds), "seconds": seconds})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"rows": n_rows, "labels": n_labels, "positives": int(y.nnz), "manyhot": medians(runs), "peak_gib": peak}


def line(name: str, who: str, row: dict[str, float]) -> str:
    return (
        f"{name:12} {who:26} {row['labels']:.6f} {row['ratio']:.6f} {row['sizes']:.6f} {row['lacking']:7g} "
        f"{row['seconds']:9.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "splits.json")
    options = parser.parse_args()
    print(f"{'set':12} {'by':26} {'labels':8} {'ratio':8} {'sizes':8} {'lacking':7} {'seconds':>9}")
    results = {}
    for name in options.sets:
        row = results[name] = compared(name, options.peer_python, options.repeats)
        for who in ("manyhot", "iterative-stratification"):
            print(line(name, who, row[who]), flush=True)
    results["300000x1000"] = large(options.repeats)
    print(line("300000x1000", "manyhot", results["300000x1000"]["manyhot"]), flush=True)
    n_even = sum(results[name]["is_as_even"] for name in options.sets)
    n_fast = sum(results[name]["times_faster"] > 1 for name in options.sets)
    print(f"at least as even on {n_even}, faster on {n_fast} of {len(options.sets)} sets")
    options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
