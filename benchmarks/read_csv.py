"""Seconds, processor seconds and memory that reading a CSV takes, beside another checkout of manyhot.

    python benchmarks/read_csv.py --before ../manyhot-before [--gib 1] [--rounds 5] [--folder /somewhere/with/room]

It makes three files in a temporary folder: `plain` (100 numbers), `mixed` (ids, categories, texts, yes and no, whole
numbers, numbers with gaps) and `narrow` (500 columns of one digit), each with labels `y_*`. Both checkouts read each in
a process of its own, turn by turn, with the interpreter that runs this. The ratios are medians over the rounds, this
checkout over the other; on a busy machine those by processor time are the ones to trust.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

RESULTS = Path(__file__).parent / "results" / "read_csv.json"
HERE = Path(__file__).parents[1]
METRICS = ["seconds", "cpu_seconds", "peak_mib"]
CITIES = [
    f"{a}{b}{c}" for a in ("Al", "Bor", "Cas", "Dun", "El") for b in "aeiou" for c in ("burg", "ton", "ville", "")
]
WORDS = [f"{a}{b}{c}" for a in "bdfgklmn" for b in ("al", "or", "is", "um") for c in "aeioubdfgklmnprst"]
READ = """
import json, sys, time
from pathlib import Path
from manyhot.data.readers import ReadOptions, read
wall, cpu = time.perf_counter(), time.process_time()
samples = read(sys.argv[1], ReadOptions(labels="y_*"))
seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": int(peak.split()[1]) / 1024}))
"""


def labels(generator: np.random.Generator, n_rows: int, n_labels: int) -> dict[str, np.ndarray]:
    return {f"y_{k}": (generator.random(n_rows) < 0.2).astype(np.int8) for k in range(n_labels)}


def plain_rows(generator: np.random.Generator, first: int, n_rows: int) -> pl.DataFrame:
    columns = {f"x{j}": generator.normal(size=n_rows) for j in range(100)}
    return pl.DataFrame(columns | labels(generator, n_rows, 5))


def mixed_rows(generator: np.random.Generator, first: int, n_rows: int) -> pl.DataFrame:
    words = pl.DataFrame([pl.Series(f"w{j}", generator.choice(WORDS, n_rows)) for j in range(12)])
    columns: dict[str, object] = {"name": [f"row{k:09d}" for k in range(first, first + n_rows)]}
    columns |= {f"city{j}": generator.choice(CITIES, n_rows) for j in range(4)}
    columns["text"] = words.select(pl.concat_str(pl.all(), separator=" ")).to_series()
    columns |= {f"said{j}": generator.choice(["yes", "no"], n_rows) for j in range(4)}
    columns |= {f"count{j}": generator.integers(0, 10_000, n_rows) for j in range(6)}
    for j in range(6):
        gap, cells = generator.random(n_rows), pl.Series(generator.normal(size=n_rows).round(4)).cast(pl.String)
        columns[f"gaps{j}"] = cells.set(pl.Series(gap < 0.1), None).set(pl.Series(gap > 0.95), "NA")
    return pl.DataFrame(columns | labels(generator, n_rows, 3))


def narrow_rows(generator: np.random.Generator, first: int, n_rows: int) -> pl.DataFrame:
    columns = {f"x{j}": generator.integers(0, 2 if j % 2 else 10, n_rows) for j in range(490)}
    return pl.DataFrame(columns | labels(generator, n_rows, 10))


FILES: dict[str, Callable[[np.random.Generator, int, int], pl.DataFrame]] = {
    "plain": plain_rows,
    "mixed": mixed_rows,
    "narrow": narrow_rows,
}


def make(path: Path, n_bytes: float, rows: Callable[[np.random.Generator, int, int], pl.DataFrame]) -> int:
    """Write rows until the file has that many bytes; how many there are."""
    generator, n_rows, n_piece = np.random.default_rng(0), 0, 10_000
    with path.open("wb") as file:
        while file.tell() < n_bytes:
            rows(generator, n_rows, n_piece).write_csv(file, include_header=n_rows == 0, float_precision=6)
            n_rows += n_piece
    return n_rows


def measured(checkout: Path, path: Path) -> dict[str, float]:
    """One reading by a checkout, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(checkout / "src")}
    command = [sys.executable, "-c", READ, str(path)]
    found = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True)
    return json.loads(found.stdout)


def compared(path: Path, before: Path, n_rounds: int) -> dict:
    """Medians of each checkout, and of the ratios of paired rounds."""
    measured(HERE, path)  # the file is in the cache from here on
    pairs = []
    for k in range(n_rounds):
        order = [HERE, before] if k % 2 else [before, HERE]
        found = {checkout: measured(checkout, path) for checkout in order}
        pairs.append((found[HERE], found[before]))
    sides = {
        name: {metric: round(statistics.median(pair[side][metric] for pair in pairs), 2) for metric in METRICS}
        for side, name in enumerate(("manyhot", "before"))
    }
    ratios = {metric: [round(mine[metric] / other[metric], 3) for mine, other in pairs] for metric in METRICS}
    return sides | {"ratio": {metric: statistics.median(ratios[metric]) for metric in METRICS}, "ratios": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="a checkout of manyhot to compare with")
    parser.add_argument("--gib", type=float, default=1.0, help="size of each file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", nargs="+", choices=FILES, default=list(FILES))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where there is room")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    results: dict = {"machine": f"{platform.machine()}, {os.cpu_count()} CPU cores", "gib": options.gib}
    for name in options.files:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            path = Path(folder) / f"{name}.csv"
            n_rows = make(path, options.gib * 2**30, FILES[name])
            results[name] = {"rows": n_rows} | compared(path, options.before.resolve(), options.rounds)
        ratio = results[name]["ratio"]
        print(f"{name:8} " + "  ".join(f"{metric} x{ratio[metric]:.3f}" for metric in METRICS), flush=True)
        options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
