"""How many planted label errors `find_label_errors` finds, beside cleanlab on the same scores.

Usage: python benchmarks/label_errors.py --cleanlab-python PATH [--seeds 5] [--first-seed 100] [--noise flip5 ...]
       [--out results/label_errors.json] [SET ...]
PATH is the Python of an environment that has cleanlab. The training parts of the sets are read from the folder that
MANYHOT_DATA names. Entries are made wrong at random, the default classifier is trained on the wrong targets, and its
out-of-fold scores are searched for label errors:
  flip5, flip10   every entry is flipped with 5 or 10 %
  drop20          every yes becomes a no with 20 %
  add20           as many noes become a yes as there are 20 % of yes
  clean           nothing
Precision at the number of wrong entries (of rows with one): the share of really wrong ones among as many first ones.
cleanlab is asked at 12 settings for entries and 42 for rows, and the one with the highest median is shown: it is chosen
knowing the answer, ours is one setting. Medians over the seeds.
"""

import argparse
import dataclasses
import datetime
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from sets import parts

from manyhot.data.labels import LabelSpace
from manyhot.data.readers import read
from manyhot.data.targets import Targets
from manyhot.estimators.multilabel import MultiLabelClassifier
from manyhot.evaluation.label_errors import LabelErrors, find_label_errors

HERE = Path(__file__).parent
SETS = ["scene", "yeast", "birds", "medical"]
NOISE = ["flip5", "flip10", "drop20", "add20", "clean"]


def flips(values: np.ndarray, noise: str, generator: np.random.Generator) -> np.ndarray:
    """Which entries to make wrong, bool (n, l)."""
    draw = generator.random(values.shape)
    if noise == "drop20":
        return values & (draw < 0.2)
    if noise == "add20":
        flipped = np.zeros(values.size, dtype=bool)
        flipped[generator.choice(np.flatnonzero(~values), round(0.2 * int(values.sum())), replace=False)] = True
        return flipped.reshape(values.shape)
    return draw < {"flip5": 0.05, "flip10": 0.1, "clean": 0.0}[noise]


def precision(quality: np.ndarray, wrong: np.ndarray) -> float:
    """Share of wrong ones among as many of the lowest quality."""
    first = np.argsort(quality, axis=None, kind="stable")[: wrong.sum()]
    return float(wrong.reshape(-1)[first].mean())


def our_share(found: LabelErrors, wrong: np.ndarray) -> tuple[float, float]:
    rows = found.rows(int(wrong.any(axis=1).sum()))
    return float(wrong[found.row, found.label].mean()), float(wrong.any(axis=1)[rows.row].mean())


def peer_qualities(python: str, scores: np.ndarray, recorded: np.ndarray, folder: Path) -> dict[str, np.ndarray]:
    np.savez(folder / "in.npz", scores=scores, targets=recorded)
    script = HERE / "peers" / "cleanlab_label_errors.py"
    done = subprocess.run([python, script, folder / "in.npz", folder / "out.npz"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{script} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    with np.load(folder / "out.npz") as found:
        return dict(found)


def one_run(name: str, noise: str, seed: int, python: str) -> dict:
    samples = read(parts(name)[0])
    values = samples.targets.values
    wrong = flips(values, noise, np.random.default_rng([seed, SETS.index(name), NOISE.index(noise)]))
    noisy = dataclasses.replace(samples, targets=Targets(values ^ wrong))
    evidence = MultiLabelClassifier(random_state=seed, verbose=0).fit(noisy).model_.evidence
    scores, targets = evidence.scores, evidence.targets
    space = LabelSpace(tuple(map(str, range(targets.n_labels))))
    began = time.perf_counter()
    listed = find_label_errors(scores, targets, evidence.ids, space)
    run = {"seconds": time.perf_counter() - began, "wrong": int(wrong.sum()), "expected": float(listed.n_wrong.sum())}
    run["rows_wrong"], run["rows_expected"] = int(wrong.any(axis=1).sum()), len(listed.rows())
    if not wrong.any():
        return run
    found = find_label_errors(scores, targets, evidence.ids, space, limit=run["wrong"])
    run["listed"] = float(wrong[listed.row, listed.label].mean())
    run["entries"], run["rows"] = our_share(found, wrong)
    plain = np.where(targets.values, scores, 1 - scores)
    run["plain_entries"], run["plain_rows"] = precision(plain, wrong), precision(plain.min(axis=1), wrong.any(axis=1))
    with tempfile.TemporaryDirectory() as folder:
        for key, quality in peer_qualities(python, scores, targets.values, Path(folder)).items():
            kind = key.split("/")[0]
            truth = wrong if kind == "entries" else wrong.any(axis=1)
            run[f"cleanlab {key}"] = float(quality) if kind == "flagged" else precision(quality, truth)
    return run


def summary(runs: list[dict]) -> dict:
    """Medians over the seeds, and the best of cleanlab's settings for entries and for rows."""
    shared = [key for key in runs[0] if all(key in run for run in runs)]
    row = {key: statistics.median(run[key] for run in runs) for key in shared}
    for kind in ("entries", "rows"):
        rivals = {key: row[key] for key in row if key.startswith(f"cleanlab {kind}/")}
        if rivals:
            best = max(rivals, key=rivals.get)
            row[f"best_cleanlab_{kind}"] = [best.split("/")[1], rivals[best]]
    return row


def line(name: str, noise: str, row: dict) -> str:
    counts = f"{name:8} {noise:7} {row['wrong']:6.0f} {row['expected']:8.0f}"
    if "entries" not in row:
        return counts
    cells = [f"{row[kind]:8.3f} {row[f'best_cleanlab_{kind}'][1]:8.3f}" for kind in ("entries", "rows")]
    names = ", ".join(row[f"best_cleanlab_{kind}"][0] for kind in ("entries", "rows"))
    return f"{counts} {row['cleanlab flagged/prune_by_noise_rate']:8.0f} {' '.join(cells)}  {names}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--cleanlab-python", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--noise", nargs="+", choices=NOISE, default=NOISE)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "label_errors.json")
    options = parser.parse_args()
    ask = [options.cleanlab_python, "-c", "import cleanlab; print(cleanlab.__version__)"]
    version = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    results = {
        "date": datetime.date.today().isoformat(),
        "cleanlab": version,
        "cpu_count": os.cpu_count(),
        "seeds": [options.first_seed + k for k in range(options.seeds)],
        "sets": {},
    }
    print("                        (expected wrong)   (entries)         (rows)")
    print(f"{'set':8} {'noise':7} {'wrong':>6} {'manyhot':>8} {'cleanlab':>8} {'manyhot':>8} {'cleanlab':>8}", end="")
    print(f" {'manyhot':>8} {'cleanlab':>8}")
    for name in options.sets:
        for noise in options.noise:
            runs = [one_run(name, noise, seed, options.cleanlab_python) for seed in results["seeds"]]
            row = results["sets"].setdefault(name, {})[noise] = {**summary(runs), "runs": runs}
            print(line(name, noise, row), flush=True)
            for run in runs:
                for key in [key for key in run if key.startswith("cleanlab ")]:
                    del run[key]
            options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
