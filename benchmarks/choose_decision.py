"""The default decision beside 0.5 and others, on out-of-fold and fresh scores that `decision_problems.py` kept.

Usage: python benchmarks/choose_decision.py FOLDER [--out results/choose_decision.json]
Each decision is fitted on the out-of-fold scores of a problem and measured on its fresh rows. For real sets, generated
problems and pure noise apart: the share of cells (problem x sample F1, micro F1) that are not below those of 0.5 by
more than two standard errors of the paired difference, the Hamming loss as a multiple of that of 0.5 (median and
highest), the mean change of exact match, and the macro-F1 gain as a share of that of `f1_macro`. Turns of a real set
are averaged.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from manyhot.data.targets import Targets
from manyhot.decisions import thresholds
from manyhot.evaluation.metrics import compute_metrics
from manyhot.evaluation.metrics.paired import PAIRED_METRICS, decision_differences

CANDIDATES: dict[str, tuple[str, dict[str, float]]] = {
    "auto": ("auto", {}),
    "auto, error_cost 0.05": ("auto", {"error_cost": 0.05}),
    "auto, error_cost 0.5": ("auto", {"error_cost": 0.5}),
    "auto, error_cost 2": ("auto", {"error_cost": 2.0}),
    "auto, exact_match 0": ("auto", {"exact_match": 0.0}),
    "auto, exact_match 4": ("auto", {"exact_match": 4.0}),
    "auto, shrink 1": ("auto", {"shrink": 1.0}),
    "auto, shrink 20": ("auto", {"shrink": 20.0}),
    "auto, max_errors 2": ("auto", {"max_errors": 2.0}),
    "f1_macro": ("f1_macro", {"min_f1": 0.1}),
    "f1_micro": ("f1_micro", {}),
    "f1_samples": ("f1_samples", {}),
    "jaccard_samples": ("jaccard_samples", {}),
    "hamming": ("hamming", {}),
}


def measure(path: Path) -> dict[str, dict[str, float]]:
    """Of each candidate on one problem: metrics on fresh rows, and what sample and micro F1 are off those of 0.5."""
    with np.load(path) as kept:
        arrays = {name: kept[name] for name in ("scores", "targets", "fresh_scores", "fresh_targets")}
    fresh = Targets(arrays["fresh_targets"])
    half = arrays["fresh_scores"] >= 0.5
    rows = {"0.5": {name: m.value for name, m in compute_metrics(fresh, None, half, names=PAIRED_METRICS).items()}}
    for candidate, (name, settings) in CANDIDATES.items():
        decision = thresholds.build(name, settings).fit(arrays["scores"], Targets(arrays["targets"]))
        decided = decision.apply(arrays["fresh_scores"])
        row = {name: m.value for name, m in compute_metrics(fresh, None, decided, names=PAIRED_METRICS).items()}
        for metric, found in decision_differences(fresh, decided, half).items():
            row[f"{metric}_errors_off"] = found.value / found.standard_error if found.standard_error else 0.0
        rows[candidate] = row
    return rows


def summary(problems: list[dict], candidate: str) -> dict[str, float]:
    """The conditions of one candidate over problems."""

    def values(metric: str, of: str = candidate) -> np.ndarray:
        return np.array([problem[of][metric] for problem in problems])

    cells = np.concatenate([values(f"{metric}_errors_off") for metric in ("f1_samples", "f1_micro")])
    ratio = values("hamming_loss") / values("hamming_loss", "0.5")
    gain, full_gain = (np.nansum(values("f1_macro", of) - values("f1_macro", "0.5")) for of in (candidate, "f1_macro"))
    changes = {name: float(np.nanmean(values(name) - values(name, "0.5"))) for name in PAIRED_METRICS}
    return {
        "cells_not_below": float((cells >= -2).mean()),
        "hamming_ratio_median": float(np.median(ratio)),
        "hamming_ratio_highest": float(ratio.max()),
        "macro_gain_share": float(gain / full_gain),
        **changes,
    }


def averaged(turns: list[dict]) -> dict:
    """The mean over the turns of one set, candidate by candidate."""
    return {
        candidate: {key: float(np.mean([turn[candidate][key] for turn in turns])) for key in turns[0][candidate]}
        for candidate in turns[0]
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    turns: dict[str, list[dict]] = {}
    for path in sorted(options.folder.glob("*.npz")):
        name, _, _ = path.stem.rpartition("-")
        turns.setdefault(path.stem if name == "generated" else name, []).append(measure(path))
    problems = {name: averaged(runs) for name, runs in turns.items()}
    kinds = {
        "real sets": [p for name, p in problems.items() if not name.startswith("generated")],
        "generated": [p for name, p in problems.items() if name.startswith("generated") and int(name[10:]) % 5],
        "pure noise": [p for name, p in problems.items() if name.startswith("generated") and int(name[10:]) % 5 == 0],
        "all": list(problems.values()),
    }
    found = {}
    for kind, chosen in kinds.items():
        if not chosen:
            continue
        print(f"{kind} ({len(chosen)})")
        found[kind] = {candidate: summary(chosen, candidate) for candidate in CANDIDATES}
        for candidate, row in found[kind].items():
            print(
                f"  {candidate:22s} cells {row['cells_not_below']:.3f}  Hamming x{row['hamming_ratio_median']:.3f} "
                f"(highest {row['hamming_ratio_highest']:.2f})  macro gain {row['macro_gain_share']:.2f}  exact match "
                f"{row['subset_accuracy']:+.4f}  F1 macro {row['f1_macro']:+.4f} micro {row['f1_micro']:+.4f} samples "
                f"{row['f1_samples']:+.4f}"
            )
    print("set by set, auto against 0.5:")
    for name, problem in problems.items():
        if not name.startswith("generated"):
            pairs = (f"{m} {problem['auto'][m]:.3f} ({problem['0.5'][m]:.3f})" for m in PAIRED_METRICS)
            print(f"  {name}: {', '.join(pairs)}")
    if options.out:
        options.out.write_text(json.dumps({"summary": found, "problems": problems}, indent=1) + "\n")


if __name__ == "__main__":
    main()
