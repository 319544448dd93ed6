"""Scores of peers on the sets at hand, in the layout of the peers' files that `mulan.py --peers` reads.

Usage: python benchmarks/peer_scores.py --python P [--methods LinearSVM LightGBM ...] [--seconds 1800] [--gib 12]
           [--skip FILE ...] [--out results/peers.json] [SET ...]
P is the interpreter of an environment with scikit-learn, and LightGBM, XGBoost and CatBoost for the methods of these
names (pip install scikit-learn lightgbm xgboost-cpu catboost); without it, this one. Every cell, one method on one set,
is a process of its own (`peers/tabular.py`) on arrays that are prepared here, with a cap of processor time and of
memory. One that passes a cap is written down as unfinished, with the reason. Cells are written as they finish; cells
that are there are left alone, unfinished ones too unless the caps are higher now, and so are those that `--skip` has.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from measures import PEER_NAMES, of_decisions, of_scores
from peers.tabular import METHODS
from sets import SETS, Split, load, plain_arrays

HERE = Path(__file__).resolve().parent
PEER = HERE / "peers" / "tabular.py"


def prepare(split: Split, folder: Path) -> None:
    """Write what a peer trains on; the targets of the test part stay here."""
    for name, part in zip(("train", "test"), plain_arrays(split), strict=True):
        if sp.issparse(part):
            sp.save_npz(folder / f"{name}.npz", part, compressed=False)
        else:
            np.save(folder / f"{name}.npy", part)
    np.save(folder / "targets.npy", split.train.targets.values)


def run(command: list[str], seconds: int, gib: float) -> dict:
    """What a process told in its last line, or {"unfinished": why} if it passed a cap."""
    # The soft limit sends SIGXCPU, which says what happened; the hard one would send SIGKILL
    limits = f'ulimit -c 0 && ulimit -S -t {seconds} && ulimit -S -v {int(gib * 2**20)} && exec "$@"'
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        ["sh", "-c", limits, "sh", *command], capture_output=True, text=True, env={**os.environ, **threads}
    )
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    if done.returncode == -signal.SIGXCPU:
        return {"unfinished": f"over {seconds} processor seconds"}
    if done.returncode == -signal.SIGKILL or any(word in done.stderr for word in ("MemoryError", "bad_alloc")):
        return {"unfinished": f"over {gib:g} GiB of memory"}
    sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")


def measured(split: Split, method: str, folder: Path, options: argparse.Namespace) -> dict:
    command = [options.python, str(PEER), str(folder), method, "--seed", str(options.seed)]
    told = run(command, options.seconds, options.gib)
    caps = {"cap_seconds": options.seconds, "cap_gib": options.gib}
    if "unfinished" in told:
        return {**told, **caps}
    scores, values = np.load(folder / "scores.npy"), split.test.targets.values
    row = {**of_decisions(values, scores >= told.pop("cut")), **of_scores(values, scores, split.support())}
    named = {short: round(row[name], 4) for name, short in PEER_NAMES.items() if name in row}
    return {**named, **told, **caps}


def is_there(cell: dict | None, options: argparse.Namespace) -> bool:
    """Whether a cell need not be measured: it is finished, or did not finish within caps as high as these."""
    if cell is None or "unfinished" not in cell:
        return cell is not None
    return cell.get("cap_seconds", 0) >= options.seconds and cell.get("cap_gib", 0) >= options.gib


def write(path: Path, results: dict) -> None:
    """Replace the file at once, so that a killed run leaves a whole one."""
    fresh = path.with_name(path.name + ".part")
    fresh.write_text(json.dumps(results, indent=1) + "\n")
    os.replace(fresh, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seconds", type=int, default=1800, help="processor seconds of a cell, at most")
    parser.add_argument("--gib", type=float, default=12.0, help="address space of a cell, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--skip", type=Path, nargs="+", default=[], help="peers' files whose cells need not be measured"
    )
    parser.add_argument("--out", type=Path, default=HERE / "results" / "peers.json")
    options = parser.parse_args()
    results = json.loads(options.out.read_text()) if options.out.exists() else {}
    skipped = [json.loads(path.read_text()) for path in options.skip]
    for name in options.sets:
        wanted = [
            method
            for method in options.methods
            if not any(is_there(table.get(name, {}).get(method), options) for table in (results, *skipped))
        ]
        if not wanted:
            continue
        split = load(name)
        with tempfile.TemporaryDirectory() as folder:
            prepare(split, Path(folder))
            for method in wanted:
                cell = results.setdefault(name, {})[method] = measured(split, method, Path(folder), options)
                write(options.out, results)
                shown = {key: cell[key] for key in ("unfinished", "LRAP", "mAP", "miF1", "seconds") if key in cell}
                print(f"{name}, {method}: {shown}", flush=True)
    for name, methods in results.items():
        for method, cell in methods.items():
            if "unfinished" in cell:
                print(f"not finished: {name}, {method}: {cell['unfinished']}")


if __name__ == "__main__":
    main()
