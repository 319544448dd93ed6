"""Time of a whole default fit beside scikit-learn's forest of 500 trees, and of predicting a million rows.

Usage: python benchmarks/fit.py [--repeats 3] [--rows 1000000] [--out results/fit.json]
Sets are read from the folder that MANYHOT_DATA names. Each fit runs in a process of its own; what is timed is `fit`,
imports apart on both sides. "cold" begins with an empty cache of compiled programs, "warm" finds the programs of an
earlier process. The runs are interleaved; ratios are medians of the paired runs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SETS = ["emotions", "scene", "yeast"]
OURS = """
import sys, time, numpy as np
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.backend import jax
data = np.load(sys.argv[1])
X, Y = data["X"], data["Y"]
began = time.perf_counter()
classifier = MultiLabelClassifier(verbose=0).fit(X, Y)
print(time.perf_counter() - began)
"""
FOREST = """
import sys, time, numpy as np
from sklearn.ensemble import RandomForestClassifier
data = np.load(sys.argv[1])
X, Y = data["X"], data["Y"]
began = time.perf_counter()
RandomForestClassifier(500, n_jobs=2, random_state=0).fit(X, Y)
print(time.perf_counter() - began)
"""
PREDICT = """
import sys, time, numpy as np
n = int(sys.argv[2])
data = np.load(sys.argv[1])
X, Y = data["X"], data["Y"]
rows = np.random.default_rng(0).normal(size=(n, X.shape[1]))
if sys.argv[3] == "ours":
    from manyhot.estimators.multilabel import MultiLabelClassifier
    model = MultiLabelClassifier(verbose=0).fit(X, Y)
else:
    from sklearn.ensemble import RandomForestClassifier
    model = RandomForestClassifier(500, n_jobs=2, random_state=0).fit(X, Y)
model.predict_proba(rows[:2000])
began = time.perf_counter()
for first in range(0, n, 65536):
    model.predict_proba(rows[first : first + 65536])
print(time.perf_counter() - began)
"""


def seconds(script: str, *words: object, cache: Path | None = None) -> float:
    environment = {**os.environ, **({} if cache is None else {"MANYHOT_CACHE": str(cache)})}
    command = [sys.executable, "-W", "ignore", "-c", script, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(done.stderr)
    return float(done.stdout.split()[-1])


def write_arrays(name: str, folder: Path) -> Path:
    import numpy as np

    from manyhot.data.readers import read

    source = next(path for path in (Path(os.environ["MANYHOT_DATA"]) / name).iterdir() if "-train.arff" in path.name)
    samples = read(source)
    path = folder / f"{name}.npz"
    np.savez(path, X=samples.features.to_numpy().astype(np.float64), Y=samples.targets.values.astype(np.int64))
    return path


def write_wide(folder: Path) -> Path:
    import numpy as np

    generator = np.random.default_rng(0)
    X = generator.normal(size=(5000, 100))
    Y = X @ generator.normal(size=(100, 10)) + generator.normal(size=(5000, 10)) * 5 > 0
    np.savez(folder / "wide.npz", X=X, Y=Y.astype(np.int64))
    return folder / "wide.npz"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for data in SETS:
            arrays, runs = write_arrays(data, folder), []
            for k in range(options.repeats):
                cache = folder / f"cache-{data}-{k}"
                runs.append([seconds(FOREST, arrays), *(seconds(OURS, arrays, cache=cache) for _ in range(2))])
            forest, cold, warm = (statistics.median(column) for column in zip(*runs, strict=True))
            ratios = [statistics.median(run[j] / run[0] for run in runs) for j in (1, 2)]
            results[data] = {
                "forest": forest,
                "cold": cold,
                "warm": warm,
                "cold_ratio": ratios[0],
                "warm_ratio": ratios[1],
            }
            print(
                f"{data}: forest {forest:.2f} s, cold {cold:.2f} s ({ratios[0]:.2f} x), "
                f"warm {warm:.2f} s ({ratios[1]:.2f} x)",
                flush=True,
            )
        wide = write_wide(folder)
        for who in ("ours", "forest"):
            spent = seconds(PREDICT, wide, options.rows, who)
            results[f"predict_{who}"] = {
                "rows": options.rows,
                "seconds": spent,
                "rows_per_second": options.rows / spent,
            }
            print(
                f"predict {options.rows} x 100, {who}: {spent:.1f} s, {options.rows / spent:,.0f} rows a second",
                flush=True,
            )
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
