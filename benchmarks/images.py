"""Training on images: manyhot beside Keras' `fit` on three backends and a PyTorch loop, same rows, network and epochs.

Usage: python benchmarks/images.py [--repeats 5] [--only NAME ...] [--rows 19200] [--epochs 2] [--cores 2] [--tune]
           [--keras-jax-python P] [--torch-python P] [--tensorflow-python P] [--out results/images.json]
MNIST (MANYHOT_DATA/mnist) with eleven labels, ten digits and "5 or more"; a convolution of 32 filters, max pooling,
256 units; batches of 64, Adam. Every contender is a script in peers/ that runs in a process of its own and times its
training after an epoch that is not counted, so without compiling; in each repeat they run one after the other, each
repeat beginning with another one. Ratios are medians of the paired runs. --tune tries the settings of `VARIANTS` once
each; those in `CONTENDERS` were the quickest of them. Accuracy on test rows tells whether all learned as much.

The peers' environments (Python 3.11 or later):
    python -m venv torch && torch/bin/pip install torch==2.13.0 keras==3.15.1
    python -m venv tf && tf/bin/pip install tensorflow-cpu keras==3.15.1
    python -m venv keras && keras/bin/pip install jax==0.10.2 keras==3.15.1
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
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEEP = ("images_per_second", "images_per_processor_second", "all_labels_right", "log_loss")


@dataclass(frozen=True)
class Contender:
    """One way to train.

    Args:
        script: File in peers/.
        python: Whose interpreter: "manyhot", "keras_jax", "torch" or "tensorflow".
        backend: For KERAS_BACKEND, or None.
        flags: Arguments after the folder.
    """

    script: str
    python: str
    backend: str | None = None
    flags: tuple[str, ...] = ()


VARIANTS = {
    "manyhot": [Contender("manyhot_images.py", "manyhot", "jax")],
    "keras-jax": [
        Contender("keras_images.py", "keras_jax", "jax", flags) for flags in ((), ("--steps", "10"), ("--steps", "75"))
    ],
    "keras-torch": [Contender("keras_images.py", "torch", "torch", flags) for flags in ((), ("--jit", "true"))],
    "keras-tensorflow": [
        Contender("keras_images.py", "tensorflow", "tensorflow", flags)
        for flags in ((), ("--steps", "75"), ("--jit", "true"), ("--jit", "true", "--steps", "75"))
    ],
    "torch": [
        Contender("torch_images.py", "torch", None, flags)
        for flags in ((), ("--channels-last",), ("--compiled",), ("--compiled", "--channels-last"))
    ],
}
QUICKEST = {"keras-jax": 1, "keras-torch": 1, "keras-tensorflow": 1, "torch": 1}
CONTENDERS = {name: variants[QUICKEST.get(name, 0)] for name, variants in VARIANTS.items()}


def run(contender: Contender, python: str, options: argparse.Namespace) -> dict:
    """One process of a contender -> what it told."""
    command = [python, str(HERE / "peers" / contender.script), str(options.data / "mnist"), *contender.flags]
    command += ["--rows", str(options.rows), "--epochs", str(options.epochs)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if contender.backend:
        environment["KERAS_BACKEND"] = contender.backend
    cores = sorted(os.sched_getaffinity(0))[-options.cores :]
    command = ["taskset", "-c", ",".join(map(str, cores)), *command]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def interpreters(options: argparse.Namespace) -> dict[str, str]:
    """The interpreter of each contender that can run; says which are left out."""
    named = {
        "keras_jax": options.keras_jax_python or sys.executable,
        "torch": options.torch_python,
        "tensorflow": options.tensorflow_python,
        "manyhot": sys.executable if importlib.util.find_spec("manyhot") else None,
    }
    found = {}
    for name in options.only or CONTENDERS:
        if python := named[CONTENDERS[name].python]:
            found[name] = python
        else:
            print(f"{name} is left out: no interpreter is named", file=sys.stderr)
    return found


def tune(pythons: dict[str, str], options: argparse.Namespace) -> None:
    for name, python in pythons.items():
        for contender in VARIANTS[name]:
            try:
                told = run(contender, python, options)
            except RuntimeError as error:
                print(f"{name:18}{' '.join(contender.flags):28} does not run: {str(error)[-300:]}", flush=True)
                continue
            rate, processor = told["images_per_second"], told["images_per_processor_second"]
            print(f"{name:18}{' '.join(contender.flags):28}{rate:9.0f}{processor:9.0f}", flush=True)


def compute_metrics(pythons: dict[str, str], options: argparse.Namespace) -> dict[str, list[dict]]:
    runs: dict[str, list[dict]] = {name: [] for name in pythons}
    names = list(pythons)
    for k in range(options.repeats):
        for name in names[k % len(names) :] + names[: k % len(names)]:
            load = os.getloadavg()[0]
            runs[name].append({**run(CONTENDERS[name], pythons[name], options), "load_before": load})
            rate = runs[name][-1]["images_per_second"]
            print(f"repeat {k + 1}, {name}: {rate:.0f} images a second, load {load:.1f}", file=sys.stderr)
    return runs


def summary(runs: dict[str, list[dict]]) -> dict[str, dict]:
    """Medians of each contender, and how many times as many images manyhot trains, by the clock and by processor."""
    rows = {}
    for name, told in runs.items():
        rows[name] = {key: statistics.median(one[key] for one in told) for key in told[0]}
        rows[name]["runs"] = [round(one["images_per_second"], 1) for one in told]
        if "manyhot" in runs:
            for key in KEEP[:2]:
                pairs = zip(runs["manyhot"], told, strict=True)
                rows[name][f"manyhot_by_{key}"] = statistics.median(mine[key] / other[key] for mine, other in pairs)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--keras-jax-python")
    parser.add_argument("--torch-python")
    parser.add_argument("--tensorflow-python")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rows", type=int, default=19_200)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, metavar="NAME", help=", ".join(CONTENDERS))
    parser.add_argument("--cores", type=int, default=2, help="the last so many cores")
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--data", type=Path, default=os.environ.get("MANYHOT_DATA"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if not options.data:
        parser.error("name the folder of data sets: --data, or MANYHOT_DATA")
    pythons = interpreters(options)
    if options.tune:
        tune(pythons, options)
        return
    rows = summary(compute_metrics(pythons, options))
    for name, row in rows.items():
        ratios = [row.get(f"manyhot_by_{key}", float("nan")) for key in KEEP[:2]]
        print(
            f"{name:18}{row['images_per_second']:8.0f} images/s, manyhot {ratios[0]:5.2f} times (by processor time"
            f" {ratios[1]:5.2f})   all labels right {row['all_labels_right']:.4f}   log loss {row['log_loss']:.4f}"
        )
    out = options.out or (HERE / "results" / "images.json" if set(pythons) == set(CONTENDERS) else None)
    if out:
        setting = {name: getattr(options, name) for name in ("rows", "epochs", "repeats", "cores")}
        flags = {name: list(CONTENDERS[name].flags) for name in pythons}
        told = {"date": str(datetime.date.today()), "machine": platform.machine(), "cores": os.cpu_count()}
        out.write_text(json.dumps({**told, "setting": setting, "flags": flags, "contenders": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
