"""Time of repeated 10 x 3 cross-validation of one small network: manyhot beside the loops that people write.

Usage: python benchmarks/cv.py [--repeats 3] [--only NAME ...] [--n-folds 30] [--out results/cv.json]
           [--keras-jax-python P] [--tensorflow-python P] [--sklearn-python P]
Every contender is a script in peers/ that runs in a process of its own; timed is the whole process, imports, reading
the file and compiling included. In each repeat the contenders run one after the other, each repeat beginning with
another one; ratios are medians of the paired runs. A peer's interpreter is this one where its packages are installed,
else it must be named. "cold" begins with an empty cache of compiled programs, "warm" finds those of an earlier process,
"two" works in two processes.
A run without all contenders and folds is written only where --out is given.
"""

import argparse
import datetime
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SETTING = {
    "data": "make_multilabel_classification(n_samples=1000, n_features=10, n_classes=3, n_labels=2, random_state=1)",
    "n_folds": "RepeatedKFold(n_splits=10, n_repeats=3, random_state=1)",
    "network": "10-20-3, ReLU, he_uniform, sigmoid, binary cross-entropy, Adam, 100 epochs, batch 32",
    "score": "share of rows whose rounded probabilities equal all labels",
    "timed": "whole processes, wall clock, seconds",
}
ASK_VERSIONS = """
import importlib.metadata, json, platform, sys
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        found[name] = importlib.metadata.version(name + "-cpu")
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Contender:
    """One way to run the folds.

    Args:
        script: File in peers/.
        packages: What its interpreter must have; the first decides whose interpreter it is.
        flags: Arguments after the folder.
        backend: For KERAS_BACKEND, or None.
        cache: "cold" (an empty folder in every run), "warm" (filled before) or None (the contender keeps nothing).
    """

    script: str
    packages: tuple[str, ...]
    flags: tuple[str, ...] = ()
    backend: str | None = None
    cache: str | None = None


ON_JAX, ON_TENSORFLOW = ("keras", "jax", "numpy"), ("tensorflow", "keras", "numpy")
OURS, SKLEARN = ("manyhot", "keras", "jax", "numpy"), ("scikit-learn", "joblib", "numpy")
TWO = ("--tuned", "--jobs", "2")
CONTENDERS = {
    "manyhot-cold": Contender("manyhot_cv.py", OURS, backend="jax", cache="cold"),
    "manyhot-warm": Contender("manyhot_cv.py", OURS, backend="jax", cache="warm"),
    "keras-jax": Contender("keras_loop.py", ON_JAX, backend="jax"),
    "keras-jax-tuned": Contender("keras_loop.py", ON_JAX, ("--tuned",), backend="jax"),
    "keras-jax-tuned-two": Contender("keras_loop.py", ON_JAX, TWO, backend="jax"),
    "keras-jax-tuned-warm": Contender("keras_loop.py", ON_JAX, ("--tuned",), backend="jax", cache="warm"),
    "keras-tensorflow": Contender("keras_loop.py", ON_TENSORFLOW, backend="tensorflow"),
    "keras-tensorflow-tuned-two": Contender("keras_loop.py", ON_TENSORFLOW, TWO, backend="tensorflow"),
    "sklearn": Contender("sklearn_loop.py", SKLEARN),
    "sklearn-tuned-two": Contender("sklearn_loop.py", SKLEARN, ("--tuned",)),
}
MINE = ("manyhot-cold", "manyhot-warm")


def run(contender: Contender, python: str, folder: Path, cache: Path | None, n_folds: int) -> dict:
    """Run one contender to its end: its scores, the wall seconds and the processor seconds of all its processes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_COMPILATION_CACHE")}
    if contender.backend:
        environment["KERAS_BACKEND"] = contender.backend
    if cache and contender.packages is OURS:
        environment["MANYHOT_CACHE"] = str(cache)
    elif cache:
        environment |= {
            "JAX_COMPILATION_CACHE_DIR": str(cache),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
    command = [python, str(HERE / "peers" / contender.script), str(folder), "--n-folds", str(n_folds), *contender.flags]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    scores = json.loads(done.stdout.splitlines()[-1])["scores"]
    if len(scores) != n_folds:
        sys.exit(f"{' '.join(command)} gave {len(scores)} scores, expected {n_folds}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": wall, "processor_seconds": processor, "scores": scores}


def interpreters(options: argparse.Namespace) -> dict[str, str]:
    """The interpreter of each contender that can run; says which are left out and why."""
    named = {
        ON_JAX: options.keras_jax_python,
        ON_TENSORFLOW: options.tensorflow_python,
        SKLEARN: options.sklearn_python,
    }
    imported = {"scikit-learn": "sklearn"}
    found = {}
    for name in options.only or CONTENDERS:
        packages = CONTENDERS[name].packages
        python = named.get(packages)
        missing = [package for package in packages if not importlib.util.find_spec(imported.get(package, package))]
        if python or not missing:
            found[name] = python or sys.executable
        else:
            print(f"{name} is left out: no {', '.join(missing)} here and no other interpreter named", file=sys.stderr)
    return found


def versions(contender: Contender, python: str) -> dict[str, str]:
    command = [python, "-c", ASK_VERSIONS, *contender.packages]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def compute_metrics(pythons: dict[str, str], repeats: int, n_folds: int, folder: Path) -> dict[str, list[dict]]:
    """Every contender's runs, in the order of the repeats; one run each before them is not counted."""
    writer = [pythons.get("sklearn", sys.executable), str(HERE / "peers" / "task.py"), str(folder)]
    subprocess.run(writer, check=True)
    kept = {name: folder / f"cache-{name}" for name in pythons}
    for name, python in pythons.items():
        kept[name].mkdir()
        is_warm = CONTENDERS[name].cache == "warm"
        run(CONTENDERS[name], python, folder, kept[name], n_folds if is_warm else min(2, n_folds))
    runs: dict[str, list[dict]] = {name: [] for name in pythons}
    names = list(pythons)
    for k in range(repeats):
        first = k * len(names) // repeats
        for name in names[first:] + names[:first]:
            cache = {"warm": kept[name], "cold": folder / f"cache-{name}-{k}"}.get(CONTENDERS[name].cache or "")
            runs[name].append(run(CONTENDERS[name], pythons[name], folder, cache, n_folds))
            print(f"repeat {k + 1}, {name}: {runs[name][-1]['seconds']:.2f} s", file=sys.stderr, flush=True)
    return runs


def summary(runs: dict[str, list[dict]]) -> dict[str, dict]:
    """Medians, paired ratios (the contender's time over manyhot's) and scores, over all repeats."""
    rows = {}
    for name, mine in runs.items():
        scores = [score for one in mine for score in one["scores"]]
        rows[name] = {
            "seconds": [round(one["seconds"], 3) for one in mine],
            "median_seconds": statistics.median(one["seconds"] for one in mine),
            "median_processor_seconds": statistics.median(one["processor_seconds"] for one in mine),
            "score_mean": statistics.fmean(scores),
            "score_std": statistics.pstdev(scores),
        }
        for base in MINE:
            if base in runs:
                pairs = zip(mine, runs[base], strict=True)
                rows[name][f"over_{base}"] = statistics.median(one["seconds"] / two["seconds"] for one, two in pairs)
    return rows


def show(rows: dict[str, dict]) -> None:
    heads = ["", "median s", "processor s", "/ cold", "/ warm", "score", "std"]
    print("{:28}{:>10}{:>13}{:>9}{:>9}{:>8}{:>8}".format(*heads))
    for name, row in rows.items():
        ratios = "".join(f"{row[key]:9.2f}" if (key := f"over_{base}") in row else f"{'-':>9}" for base in MINE)
        seconds = f"{row['median_seconds']:10.2f}{row['median_processor_seconds']:13.2f}"
        print(f"{name:28}{seconds}{ratios}{row['score_mean']:8.3f}{row['score_std']:8.3f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--keras-jax-python")
    parser.add_argument("--tensorflow-python")
    parser.add_argument("--sklearn-python")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--n-folds", type=int, default=30, help="only the first folds, to see that all runs")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, metavar="NAME", help=", ".join(CONTENDERS))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    pythons = interpreters(options)
    if not pythons:
        parser.error("no contender can run; name interpreters")
    found_versions = {name: versions(CONTENDERS[name], python) for name, python in pythons.items()}
    with tempfile.TemporaryDirectory() as name:
        rows = summary(compute_metrics(pythons, options.repeats, options.n_folds, Path(name)))
    show(rows)
    is_part = options.only or options.n_folds != 30 or len(pythons) < len(CONTENDERS)
    out = options.out or (None if is_part else HERE / "results" / "cv.json")
    if out:
        for name, row in rows.items():
            row["versions"] = found_versions[name]
        results = {
            "date": datetime.date.today().isoformat(),
            "machine": {"cpu_count": os.cpu_count(), "system": platform.system(), "processor": platform.machine()},
            "setting": SETTING,
            "n_folds": options.n_folds,
            "repeats": options.repeats,
            "contenders": rows,
        }
        out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
