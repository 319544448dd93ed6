"""A default fit of all sets at hand beside another checkout of manyhot: seconds, memory, size of the file, measures.

    python benchmarks/default_fit.py --before ../manyhot-before [--seeds 3] [--out results/default_fit.json] [SET ...]

Both checkouts fit each set in a process of its own, turn by turn, with the interpreter that runs this and one cache of
compiled programs each, which a first fit fills. Ratios are medians over the seeds, this checkout over the other;
on a busy machine those by processor time are the ones to trust. Measures are those of `mulan.py`.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from sets import MULAN, OTHERS

HERE = Path(__file__).parents[1]
RATIOS = ("seconds", "cpu_seconds", "peak_mib", "file_mib")
SHOWN = ("lrap", "map", "map_rare", "ranking_loss")
FIT = """
import json, sys, tempfile, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import mulan, sets
from manyhot import MultiLabelClassifier
split = sets.load(sys.argv[2])
wall, cpu = time.perf_counter(), time.process_time()
classifier = MultiLabelClassifier(verbose=0, random_state=int(sys.argv[3])).fit(split.train)
seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
with tempfile.TemporaryDirectory() as folder:
    classifier.save(Path(folder) / "model.manyhot")
    file_bytes = (Path(folder) / "model.manyhot").stat().st_size
epochs = int(classifier.model_.config.epochs)
told = mulan.of_classifier(classifier, split)
print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": int(peak.split()[1]) / 1024,
                  "file_mib": file_bytes / 2**20, "epochs": epochs, **told["scores"], "measures": told}))
"""


def fit(checkout: Path, name: str, seed: int, cache: Path) -> dict[str, float]:
    """One fit in a process of its own, with the benchmarks' modules of this checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-c", FIT, str(HERE / "benchmarks"), name, str(seed)]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if found.returncode:
        sys.exit(f"{checkout}, {name}: {found.stderr[-2000:]}")
    return json.loads(found.stdout.splitlines()[-1])


def compared(name: str, before: Path, seeds: int, folder: Path) -> dict:
    """Both checkouts on one set, turn by turn."""
    checkouts = {"now": HERE, "before": before}
    if seeds < 3:  # a median of three does without the first
        for kind, checkout in checkouts.items():
            fit(checkout, name, 0, folder / kind)
    runs: dict[str, list[dict]] = {kind: [] for kind in checkouts}
    for seed in range(seeds):
        for kind, checkout in checkouts.items():
            runs[kind].append(fit(checkout, name, seed, folder / kind))
    ratios = {
        key: statistics.median(now[key] / then[key] for now, then in zip(runs["now"], runs["before"], strict=True))
        for key in RATIOS
    }
    medians = {
        kind: {
            key: statistics.median(run[key] for run in found)
            for key, value in found[0].items()
            if isinstance(value, float | int)
        }
        for kind, found in runs.items()
    }
    return {"ratios": ratios, **medians, "runs": runs}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sets", nargs="*", default=[*MULAN, *OTHERS])
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results: dict = {"machine": f"{platform.machine()}, {os.cpu_count()} CPU cores", "sets": {}}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.sets:
            row = results["sets"][name] = compared(name, options.before.resolve(), options.seeds, Path(folder))
            now, before = row["now"], row["before"]
            told = "; ".join(f"{key} {now[key]:.4f} ({before[key]:.4f})" for key in SHOWN if key in now)
            ratios = ", ".join(f"{key} x{ratio:.2f}" for key, ratio in row["ratios"].items())
            print(f"{name}: {now['epochs']:.0f} epochs ({before['epochs']:.0f}); {ratios}; {told}", flush=True)
            if options.out:
                options.out.write_text(json.dumps(results, indent=1) + "\n")
    for key in RATIOS:
        ratios = [row["ratios"][key] for row in results["sets"].values()]
        print(f"{key}: median x{statistics.median(ratios):.2f}, highest x{max(ratios):.2f}")


if __name__ == "__main__":
    main()
