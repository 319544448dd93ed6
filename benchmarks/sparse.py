"""Training on sparse rows: manyhot beside a PyTorch loop and scikit-learn's MLPClassifier, same rows, width and epochs.

Usage: python benchmarks/sparse.py [--repeats 3] [--only NAME ...] [--torch-python P] [--sklearn-python P]
           [--rows 12800] [--features 100000] [--units 512] [--epochs 2] [--out results/sparse.json]
Every contender is a script in peers/ that runs in a process of its own and times its training after everything is
loaded and compiled; in each repeat they run one after the other. Ratios are medians of the paired runs. The log loss on
test rows tells whether a fast contender has learned as much; PyTorch's is also given at the best of several rates.
"""

import argparse
import datetime
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONTENDERS = {"manyhot": "manyhot", "torch": "torch", "sklearn": "sklearn"}
RATES = (1e-3, 5e-3, 2e-2)


def run(name: str, python: str, folder: Path, options: argparse.Namespace, rate: float | None = None) -> dict:
    """One process of a contender -> what it told."""
    command = [python, str(HERE / "peers" / f"{name}_sparse.py"), str(folder)]
    command += ["--epochs", str(options.epochs), "--units", str(options.units)]
    command += ["--rate", str(rate)] if rate else []
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "KERAS_BACKEND": "jax"})
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def interpreters(options: argparse.Namespace) -> dict[str, str]:
    """The interpreter of each contender that can run."""
    named = {"torch": options.torch_python, "sklearn": options.sklearn_python}
    found = {}
    for name in options.only or CONTENDERS:
        python = named.get(name) or (sys.executable if importlib.util.find_spec(CONTENDERS[name]) else None)
        if python:
            found[name] = python
        else:
            print(f"{name} is left out: it is not installed here and no other interpreter is named", file=sys.stderr)
    return found


def compute_metrics(pythons: dict[str, str], folder: Path, options: argparse.Namespace) -> dict[str, list[dict]]:
    sizes = ["--rows", str(options.rows), "--features", str(options.features)]
    subprocess.run([sys.executable, str(HERE / "peers" / "sparse_task.py"), str(folder), *sizes], check=True)
    runs: dict[str, list[dict]] = {name: [] for name in pythons}
    names = list(pythons)
    for k in range(options.repeats):
        for name in names[k % len(names) :] + names[: k % len(names)]:
            runs[name].append(run(name, pythons[name], folder, options))
            told = runs[name][-1]
            print(f"repeat {k + 1}, {name}: {told['examples_per_second']:.0f} examples a second", file=sys.stderr)
    if "torch" in pythons:
        runs["torch, best rate"] = [
            min((run("torch", pythons["torch"], folder, options, rate) for rate in RATES), key=lambda t: t["log_loss"])
        ]
    return runs


def summary(runs: dict[str, list[dict]]) -> dict[str, dict]:
    """Medians of each contender, and how many times as many examples a second manyhot trains."""
    rows = {}
    for name, told in runs.items():
        rows[name] = {key: statistics.median(one[key] for one in told) for key in told[0]}
        rows[name]["runs"] = [round(one["examples_per_second"], 1) for one in told]
        if "manyhot" in runs and len(told) == len(runs["manyhot"]):
            pairs = zip(runs["manyhot"], told, strict=True)
            ratios = [mine["examples_per_second"] / other["examples_per_second"] for mine, other in pairs]
            rows[name]["manyhot_is_faster_by"] = statistics.median(ratios)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--torch-python")
    parser.add_argument("--sklearn-python")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=12_800)
    parser.add_argument("--features", type=int, default=100_000)
    parser.add_argument("--units", type=int, default=512)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, metavar="NAME")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    pythons = interpreters(options)
    with tempfile.TemporaryDirectory() as folder:
        rows = summary(compute_metrics(pythons, Path(folder), options))
    for name, row in rows.items():
        faster = f"{row['manyhot_is_faster_by']:8.2f}" if "manyhot_is_faster_by" in row else "       -"
        print(
            f"{name:18}{row['examples_per_second']:10.0f} examples/s{faster} times slower than manyhot"
            f"{row['peak_mib']:8.0f} MiB   log loss {row['log_loss']:.4f}"
        )
    out = options.out or (HERE / "results" / "sparse.json" if set(pythons) == set(CONTENDERS) else None)
    if out:
        setting = {name: getattr(options, name) for name in ("rows", "features", "units", "epochs", "repeats")}
        told = {"date": str(datetime.date.today()), "machine": platform.machine(), "cores": os.cpu_count()}
        out.write_text(json.dumps({**told, "setting": setting, "contenders": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
