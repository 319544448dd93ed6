"""Seconds and memory of fitting thresholds: on scores of the shape of delicious, and on a million rows.

Usage: python benchmarks/thresholds.py [--out results/thresholds.json] [--decisions f1_macro ...] [--small]
Scores and targets are made up (float32; labels from frequent to rare, scores that rank fairly well). Each decision is
fitted in processes of its own: one is timed and says the largest size it ever had (`resource.getrusage`: everything,
with Python, the scores and the targets), another is traced (`tracemalloc`, which slows it) for the most memory that
`fit` held beside the scores and targets it was given. The first is held against the size of the score matrix.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import tracemalloc

import numpy as np

from manyhot.data.targets import Targets
from manyhot.decisions import thresholds

SHAPES = {"delicious": (12_920, 983, 0.02), "million": (1_000_000, 100, 0.05)}
DECISIONS = ["f1_macro", "f1_micro", "f1_samples", "hamming", "cardinality"]
MIB = 2**20


def made_up(n: int, n_labels: int, density: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    prevalence = 1.0 / np.arange(1, n_labels + 1) ** 0.7
    prevalence = np.minimum(prevalence * density / prevalence.mean(), 0.5)
    scores, values = np.empty((n, n_labels), dtype=np.float32), np.empty((n, n_labels), dtype=bool)
    for start in range(0, n, 1000):
        part = slice(start, min(start + 1000, n))
        values[part] = rng.random(values[part].shape) < prevalence
        noise = rng.standard_normal(values[part].shape, dtype=np.float32)
        logits = np.log(prevalence / (1 - prevalence)) + 1.2 * noise + 2.5 * values[part]
        scores[part] = 1 / (1 + np.exp(-logits))
    return scores, values


def one_fit(name: str, shape: str, is_traced: bool) -> dict[str, float]:
    scores, values = made_up(*SHAPES[shape])
    targets, decision = Targets(values), thresholds.build(name)
    if is_traced:
        tracemalloc.start()
    began = time.perf_counter()
    decision.fit(scores, targets)
    seconds = time.perf_counter() - began
    if is_traced:
        most = tracemalloc.get_traced_memory()[1]
        return {"fit_mib": most / MIB, "fit_over_scores": most / scores.nbytes}
    whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "process_mib": whole / MIB, "scores_mib": scores.nbytes / MIB}


def in_own_process(name: str, shape: str, is_traced: bool) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", name, shape, str(int(is_traced))]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out")
    parser.add_argument("--decisions", nargs="*", default=DECISIONS)
    parser.add_argument("--small", action="store_true", help="leave out the million rows")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one_fit(args.one[0], args.one[1], args.one[2] == "1")))
        return
    results = []
    print(f"{'scores':10} {'decision':16} {'seconds':>8} {'process MiB':>12} {'fit MiB':>8} {'fit / scores':>12}")
    for shape in ["delicious"] if args.small else SHAPES:
        for name in args.decisions:
            found = {**in_own_process(name, shape, False), **in_own_process(name, shape, True)}
            n, n_labels, _ = SHAPES[shape]
            results.append({"scores": shape, "n": n, "n_labels": n_labels, "decision": name, **found})
            print(
                f"{shape:10} {name:16} {found['seconds']:8.2f} {found['process_mib']:12.0f} {found['fit_mib']:8.0f} "
                f"{found['fit_over_scores']:12.2f}",
                flush=True,
            )
    if args.out:
        with open(args.out, "w") as file:
            json.dump({"cpus": os.cpu_count(), "numpy": np.__version__, "results": results}, file, indent=1)


if __name__ == "__main__":
    main()
