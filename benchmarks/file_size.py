"""Sizes of saved files with tables of weights in half precision and without, and what that does to scores.

Usage: python benchmarks/file_size.py [SET ...] [--repeats 3] [--rows 10000] [--out results/file_size.json]
Each set is trained by default settings in a process of its own, with rounding and without, in turn: bytes of the file
(without out-of-fold scores, and with them), seconds of the fit, peak memory; label ranking average precision (LRAP) and
mean average precision (MAP) on test rows, and the largest difference of a probability, before and after calibration.
Beside it, from the run without rounding: how far float16 and bfloat16 would move a probability, what fewer members
would cost, and how many rows of the tables a member never trained. Needs MANYHOT_DATA; the sets are arxiv1000,
GoEmotions (the first `--rows` training rows), medical, slashdot and delicious.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.special import expit

from manyhot import MultiLabelClassifier, MultiLabelKFold
from manyhot.data.readers import ReadOptions, read
from manyhot.data.targets import Targets
from manyhot.engine import Scorer, Weights
from manyhot.evaluation.metrics import compute_metrics
from manyhot.models import half_precision

sys.path.insert(0, str(Path(__file__).parent))

from text import TSV, arxiv_rows

HERE = Path(__file__).resolve().parent
Task = tuple[Any, np.ndarray, Any, np.ndarray]
"""Training rows and targets, test rows and targets."""


def halves(X: Any, Y: np.ndarray) -> Task:
    """The first of five folds as test rows."""
    train, test = next(MultiLabelKFold(5, random_state=0).split(X, Y))
    return X[train], Y[train], X[test], Y[test]


def arxiv1000(folder: Path, n_rows: int) -> Task:
    """Titles and abstracts."""
    texts, Y = arxiv_rows(folder)
    train, Y_train, test, Y_test = halves(texts, Y)
    return train.tolist(), Y_train, test.tolist(), Y_test


def goemotions(folder: Path, n_rows: int) -> Task:
    """Comments, on the official split."""
    parts = {name: read(folder / f"{name}.tsv.gz", TSV) for name in ("train", "test")}
    names = parts["train"].labels.names
    rows, targets = {}, {}
    for name, part in parts.items():
        rows[name] = part.features["text"].fill_null("").to_list()
        targets[name] = np.zeros((len(rows[name]), len(names)), dtype=bool)
        targets[name][:, [names.index(label) for label in part.labels.names]] = part.targets.values
    return rows["train"][:n_rows], targets["train"][:n_rows], rows["test"], targets["test"]


def mulan(folder: Path, n_rows: int) -> Task:
    """Sparse rows of Mulan, on the official split."""
    found = []
    for part in ("train", "test"):
        samples = read(next(path for path in sorted(folder.glob("*.arff*")) if part in path.name))
        features = samples.features if sp.issparse(samples.features) else samples.features.to_numpy().astype(float)
        found += [sp.csr_matrix(features), samples.targets.values]
    return found[0], found[1], found[2], found[3]


def slashdot(folder: Path, n_rows: int) -> Task:
    """Sparse rows, a fifth of them for the test."""
    samples = read(folder / "slashdot.txt.gz", ReadOptions(format="xc"))
    return halves(sp.csr_matrix(samples.features), samples.targets.values)


SETS: dict[str, Callable[[Path, int], Task]] = {
    "arxiv1000": arxiv1000,
    "goemotions": goemotions,
    "medical": mulan,
    "slashdot": slashdot,
    "delicious": mulan,
}


def ranked(targets: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """LRAP and MAP."""
    found = compute_metrics(Targets(targets), scores, scores >= 0.5, names=["lrap", "map"])
    return {name: score.value for name, score in found.items()}


def peak_mib() -> float:
    """Highest resident memory of this process so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def one_run(name: str, is_rounded: bool, n_rows: int, out: Path, is_studied: bool) -> None:
    """Train once, save, score the test rows."""
    if not is_rounded:
        half_precision.MIN_WEIGHTS = 2**60
    X, Y, X_test, Y_test = SETS[name](Path(os.environ["MANYHOT_DATA"]) / name, n_rows)
    began = time.perf_counter()
    classifier = MultiLabelClassifier(random_state=0, verbose=0).fit(X, Y)
    found: dict[str, Any] = {"seconds": time.perf_counter() - began, "peak_mib": peak_mib()}
    began = time.perf_counter()
    classifier.save(out / "with_evidence.manyhot")
    found["save_seconds"] = time.perf_counter() - began
    classifier.save(out / "model.manyhot", evidence=False)
    found["mib_with_evidence"] = (out / "with_evidence.manyhot").stat().st_size / 2**20
    found["mib"] = (out / "model.manyhot").stat().st_size / 2**20
    scores, raw = classifier.predict_proba(X_test), classifier.predict_proba(X_test, calibrated=False)
    model = classifier.model_
    tables = model.weights.trainable[: model.network.n_tables]
    found |= {
        "rows": len(Y),
        "labels": Y.shape[1],
        "members": model.n_members,
        "tables": [list(table.shape) for table in tables],
        "is_rounded": bool(tables) and all(half_precision.exact_half(table) is not None for table in tables),
        **ranked(Y_test, scores),
    }
    if is_studied:
        found["study"] = study(classifier, X, X_test, Y_test)
    np.savez(out / "scores.npz", scores=scores, raw=raw)
    (out / "found.json").write_text(json.dumps(found))


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """The nearest values with 8 bits of significand, as float32."""
    bits = values.view(np.uint32)
    bits = bits + 0x7FFF + ((bits >> 16) & 1)
    return (bits & 0xFFFF0000).astype(np.uint32).view(np.float32)


def study(classifier: MultiLabelClassifier, X: Any, X_test: Any, Y_test: np.ndarray) -> dict[str, Any]:
    """Other formats, fewer members, rows of the tables that were never trained."""
    model = classifier.model_
    m, n_tables = model.n_members, model.network.n_tables
    test = model.encoder.transform(classifier._features(X_test))
    outputs = np.array([model.scorer().mean_outputs(test, (k, k + 1)) for k in range(m)])
    joined = expit if model.scorer().averages_logits else np.asarray
    counts = sorted({1, 2, 4, m // 2, m} & set(range(1, m + 1)))
    found: dict[str, Any] = {"members": {k: ranked(Y_test, joined(outputs[:k].mean(axis=0))) for k in counts}}
    if not n_tables:
        return found
    weights, scores = model.weights, model.scorer().scores(test)

    def changed(convert: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        other = Weights([*map(convert, weights.trainable[:n_tables]), *weights.trainable[n_tables:]], weights.fixed)
        factory = model.network.factory(m)
        return Scorer(factory, other, model.config.dtype, model.runtime, model.config.head).scores(test)

    kinds = {"float16": half_precision.round_values, "bfloat16": to_bfloat16}
    found["largest_change"] = {kind: float(np.abs(changed(to) - scores).max()) for kind, to in kinds.items()}
    found["largest_weight"] = float(max(np.abs(table).max() for table in weights.trainable[:n_tables]))
    (name,) = model.network.tables()
    held_out = model.evidence.rows.held_out
    train = model.encoder.transform(classifier._features(X))[name]
    is_met = np.array([np.bincount(train[~held_out[:, k]].indices, minlength=train.shape[1]) > 0 for k in range(m)])
    found["rows_never_trained"] = float(1 - is_met.mean())
    emptied = changed(
        lambda table: np.where(is_met[:, :, None], table, 0) if table.shape[:2] == is_met.shape else table
    )
    found["without_rows_never_trained"] = ranked(Y_test, emptied)
    found["raw"] = ranked(Y_test, scores)
    return found


def compared(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """All runs of a set."""
    runs: dict[str, list[dict]] = {"single": [], "half": []}
    arrays: dict[str, Any] = {}
    for k in range(options.repeats):
        for kind in ("single", "half") if k % 2 == 0 else ("half", "single"):
            with tempfile.TemporaryDirectory() as folder:
                words = ["--one", name, kind, folder, "--rows", str(options.rows), *(["--study"] if k == 0 else [])]
                subprocess.run([sys.executable, __file__, *words], check=True)
                runs[kind].append(json.loads((Path(folder) / "found.json").read_text()))
                arrays[kind] = dict(np.load(Path(folder) / "scores.npz"))
            print(f"{name}, {kind}: {runs[kind][-1]}", file=sys.stderr, flush=True)
    found: dict[str, Any] = {"study": runs["single"][0].pop("study")}
    runs["half"][0].pop("study", None)
    for kind, several in runs.items():
        found[kind] = several[0] | {
            key: round(statistics.median(run[key] for run in several), 2)
            for key in ("seconds", "save_seconds", "peak_mib")
        }
    for key in ("raw", "scores"):
        found[f"largest_change_{key}"] = float(np.abs(arrays["half"][key] - arrays["single"][key]).max())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*", choices=[*SETS, []])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", nargs=3, metavar=("SET", "KIND", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--study", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if "MANYHOT_DATA" not in os.environ:
        sys.exit("set MANYHOT_DATA to the folder that holds the data sets")
    if options.one:
        name, kind, folder = options.one
        one_run(name, kind == "half", options.rows, Path(folder), options.study and kind == "single")
        return
    results = {}
    for name in options.sets or SETS:
        told = results[name] = compared(name, options)
        single, half = told["single"], told["half"]
        print(
            f"{name}: {single['mib']:.1f} -> {half['mib']:.1f} MiB, raw probabilities move by up to "
            f"{told['largest_change_raw']:.1e}, LRAP {single['lrap']:.4f} -> {half['lrap']:.4f}, MAP "
            f"{single['map']:.4f} -> {half['map']:.4f}, {single['seconds']:.1f} -> {half['seconds']:.1f} s, "
            f"{single['peak_mib']:.0f} -> {half['peak_mib']:.0f} MiB at most"
        )
    out = options.out or (None if options.sets else HERE / "results" / "file_size.json")
    if out:
        out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
