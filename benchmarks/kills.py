"""Kill trainings at random times until they are done, and compare what they leave with one that was not killed.

Usage: python benchmarks/kills.py [--kills 17] [--every 2] [--seed 0] [--out results/kills.json] [train stream cv]
Each of `train`, `train --stream` and `cv` is killed (SIGKILL) at random times of its life and started again with
--resume until it ends, as often as it takes to kill it that many times. Told are the kills, how many of them hit a run
that had begun from a checkpoint or left one, and whether the last bytes are the same. Then, in pairs, what a checkpoint
at the default interval costs in `train`.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from manyhot.persistence import container

COMMON = ["songs.csv", "--labels", "mood_*", "--quiet"]
COMMANDS = {
    "train": ["train", *COMMON, "--epochs", "250", "--n-members", "6", "--hidden-layer-sizes", "128,128"],
    "stream": ["train", *COMMON, "--stream", "--epochs", "120", "--n-members", "2", "--hidden-layer-sizes", "128,128"],
    "cv": ["cv", *COMMON, "--json", "--n-splits", "3", "--n-repeats", "1", "--epochs", "60", "--n-members", "3"],
}


def make_songs(folder: Path) -> None:
    generator = np.random.default_rng(0)
    X = generator.normal(size=(4000, 20))
    Y = X @ generator.normal(size=(20, 6)) + generator.normal(size=(4000, 6)) > 1
    columns = {f"x{j}": X[:, j] for j in range(20)} | {f"mood_{j}": Y[:, j].astype(int) for j in range(6)}
    pl.DataFrame(columns).write_csv(folder / "songs.csv")


def command(kind: str, output: Path, states: Path | None, every: float) -> list[str]:
    words = [sys.executable, "-m", "manyhot", *COMMANDS[kind]]
    words += [] if kind == "cv" else ["-o", str(output)]
    return words + (
        [] if states is None else ["--checkpoint", str(states), "--checkpoint-every", str(every), "--resume"]
    )


def left(kind: str, output: Path, printed: str) -> str:
    """Digest of what a run leaves: the model but for its origin, or all that `cv` prints but for the time it took."""
    if kind == "cv":
        document = json.loads(printed)
        document.pop("seconds")
        return hashlib.sha256(json.dumps(document).encode()).hexdigest()
    contents = container.read(output)
    del contents.document["origin"]
    digest = hashlib.sha256(json.dumps(contents.document).encode())
    for name, array in sorted(contents.arrays.items()):
        digest.update(name.encode() + array.tobytes())
    return digest.hexdigest()


def run(words: list[str], folder: Path, seconds: float | None = None) -> str | None:
    """What a run prints; None where it was killed after so many seconds."""
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        printed, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return None
    assert process.returncode == 0, said
    return printed


def kill(kind: str, n_kills: int, every: float, seed: int, folder: Path) -> dict:
    output, states = folder / f"{kind}.manyhot", folder / f"{kind}.states"
    run(command(kind, output, None, every), folder)  # so that its programs are compiled
    started = time.perf_counter()
    expected = left(kind, output, run(command(kind, output, None, every), folder))
    whole = time.perf_counter() - started
    generator, found = random.Random(seed), {"kills": 0, "resumed": 0, "runs": 0, "same_bytes": 0}
    while found["kills"] < n_kills:
        shutil.rmtree(states, ignore_errors=True)
        output.unlink(missing_ok=True)
        printed = None
        while printed is None:
            has_states = states.exists() and any(states.rglob("chunk-*.checkpoint"))
            printed = run(command(kind, output, states, every), folder, generator.uniform(0.3 * whole, 0.9 * whole))
            found["kills"] += printed is None
            found["resumed"] += has_states
            print(kind, found, file=sys.stderr, flush=True)
        found["runs"] += 1
        found["same_bytes"] += left(kind, output, printed) == expected
    return found | {"seconds_unkilled": round(whole, 1)}


def cost(folder: Path, n_pairs: int) -> dict:
    """Processor seconds of `train` with a checkpoint at the default interval beside those without, in pairs."""
    ratios, seconds = [], []
    for k in range(n_pairs):
        pair = {}
        for has_states in (k % 2 == 0, k % 2 == 1):
            words = command("train", folder / "cost.manyhot", folder / "cost.states" if has_states else None, 60)
            words[words.index("--epochs") + 1] = "2000"
            started, before = time.perf_counter(), os.times()
            run(words, folder)
            after = os.times()
            seconds.append(time.perf_counter() - started)
            pair[has_states] = sum(after[2:4]) - sum(before[2:4])
        ratios.append(pair[True] / pair[False])
    return {"ratios": ratios, "median": statistics.median(ratios), "seconds": statistics.median(seconds)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kinds", nargs="*", default=list(COMMANDS))
    parser.add_argument("--kills", type=int, default=17)
    parser.add_argument("--every", type=float, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        make_songs(Path(name))
        found = {kind: kill(kind, options.kills, options.every, options.seed, Path(name)) for kind in options.kinds}
        found["cost"] = cost(Path(name), options.pairs) if options.pairs else None
    text = json.dumps(found, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
