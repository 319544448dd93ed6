"""Rows a second of `manyhot predict` for many files, by one worker and by two, beside one file of the same rows.

    python benchmarks/bulk.py [--rows 1000000] [--files 20] [--rounds 3] [--folder /somewhere/with/room]

It makes Parquet files with 30 numbers and a category in a temporary folder, trains on some rows of the same kind with
ten labels, and predicts: all rows as one file, then as many files in one process, by one worker process, and by two.
Each is a process from start to end (imports and compiled programs out of the cache included), turn by turn; memory is
the highest VmHWM of a process: of the one that predicts, or of its workers. Rows a second are also given without the
start, by a run with one file of a single row.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

RESULTS = Path(__file__).parent / "results" / "bulk.json"
N_NUMBERS, N_LABELS, N_TRAINING = 30, 10, 20_000
KINDS = ["rock", "folk", "jazz", "soul", "punk"]
POLL_SECONDS = 0.05
TRAIN = ["--n-members", 4, "--epochs", 3, "--hidden-layer-sizes", 64]


def make_rows(n_rows: int, seed: int) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    columns: dict[str, object] = {"row_id": [f"{seed}-{k}" for k in range(n_rows)]}
    columns |= {f"x{j}": generator.normal(size=n_rows) for j in range(N_NUMBERS)}
    return pl.DataFrame(columns | {"kind": generator.choice(KINDS, n_rows)})


def with_labels(frame: pl.DataFrame) -> pl.DataFrame:
    X = frame.select(f"x{j}" for j in range(N_NUMBERS)).to_numpy()
    weights = np.random.default_rng(99).normal(size=(N_NUMBERS, N_LABELS))
    return frame.with_columns(pl.Series(f"y_{k}", (X @ weights[:, k] > 3).astype(int)) for k in range(N_LABELS))


def peak_mib(process_id: int) -> tuple[float, float]:
    """VmHWM of a process, and the highest of its workers."""
    peaks = {"own": 0.0, "worker": 0.0}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            is_worker = parent == process_id and b"popen_loky" in (folder / "cmdline").read_bytes()
            if not is_worker and folder.name != str(process_id):
                continue
            line = next(x for x in (folder / "status").read_text().splitlines() if x.startswith("VmHWM"))
        except (OSError, ValueError, StopIteration):
            continue
        kind = "worker" if is_worker else "own"
        peaks[kind] = max(peaks[kind], int(line.split()[1]) / 1024)
    return peaks["own"], peaks["worker"]


def watched(*words: object) -> dict[str, float]:
    """Seconds and memory of a command."""
    start_time, own, worker = time.perf_counter(), 0.0, 0.0
    command = [sys.executable, "-m", "manyhot", *map(str, words), "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peaks = peak_mib(process.pid)
            own, worker = max(own, peaks[0]), max(worker, peaks[1])
            time.sleep(POLL_SECONDS)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} exited with {process.returncode}")
    return {"seconds": time.perf_counter() - start_time, "own_mib": own, "worker_mib": worker}


def measure(folder: Path, n_rows: int, n_files: int, n_rounds: int) -> dict:
    (folder / "in").mkdir()
    (folder / "tiny").mkdir()
    make_rows(1, 1000).write_parquet(folder / "tiny/a.parquet")
    frames = [make_rows(n_rows // n_files, seed) for seed in range(n_files)]
    for k, frame in enumerate(frames):
        frame.write_parquet(folder / f"in/part{k:02d}.parquet")
    pl.concat(frames).write_parquet(folder / "all.parquet")
    del frames
    with_labels(make_rows(N_TRAINING, 999)).write_parquet(folder / "train.parquet")
    model = folder / "model.manyhot"
    watched("train", folder / "train.parquet", "--labels", "y_*", "--id-column", "row_id", "-o", model, *TRAIN)
    ways = {
        "one file": [folder / "all.parquet", "-o", folder / "one.parquet"],
        "files, no executor": [folder / "in", "-o", folder / "out", "--overwrite"],
        "files, one worker": [folder / "in", "-o", folder / "out", "--overwrite", "--executor", "processes:1"],
        "files, two workers": [folder / "in", "-o", folder / "out", "--overwrite", "--executor", "processes:2"],
    }
    starts = {name: [folder / "tiny", "-o", folder / "start", *words[3:]] for name, words in ways.items()}
    starts["one file"] = [folder / "tiny/a.parquet", "-o", folder / "start.parquet"]
    for words in (*ways.values(), *starts.values()):  # programs are in the cache from here on
        watched("predict", model, *words)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    begun: dict[str, list[float]] = {name: [] for name in ways}
    loads = []
    for k in range(n_rounds):
        for name in list(ways)[:: 1 if k % 2 else -1]:
            loads.append(os.getloadavg()[0])
            begun[name].append(watched("predict", model, *starts[name])["seconds"])
            found[name].append(watched("predict", model, *ways[name]))
    one = pl.read_parquet(folder / "one.parquet")
    many = pl.concat(pl.read_parquet(path) for path in sorted((folder / "out").glob("*.parquet")))
    difference = one.select(pl.col("^p_.*$")).to_numpy() - many.select(pl.col("^p_.*$")).to_numpy()
    results: dict = {
        "load": [round(load, 2) for load in loads],
        "same_ids_and_labels": one.select("id", "labels").equals(many.select("id", "labels")),
        "largest_difference_of_probabilities": float(np.abs(difference).max()),
    }
    for name, rounds in found.items():
        seconds, start = statistics.median(one["seconds"] for one in rounds), statistics.median(begun[name])
        results[name] = {
            "seconds": [round(one["seconds"], 2) for one in rounds],
            "start_seconds": [round(one, 2) for one in begun[name]],
            "rows_per_second": round(n_rows / seconds),
            "rows_per_second_without_start": round(n_rows / (seconds - start)),
            "own_mib": round(max(one["own_mib"] for one in rounds)),
            "worker_mib": round(max(one["worker_mib"] for one in rounds)),
        }
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where there is room")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        results = measure(folder, options.rows, options.files, options.rounds)
    finally:
        shutil.rmtree(folder)
    head = {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPU cores",
        "rows": options.rows,
        "files": options.files,
    }
    options.out.write_text(json.dumps(head | results, indent=1) + "\n")
    for name, found in results.items():
        print(name, found, flush=True)


if __name__ == "__main__":
    main()
