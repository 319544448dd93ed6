"""arXiv's terms under their archives: the same networks without a taxonomy, with implied decisions, and with one.

Usage: python benchmarks/taxonomy.py [--seeds 3] [--members 4] [--out results/taxonomy.json]
A term such as cs.LG implies its archive cs, which is a label too. Networks on words and word pairs; one split of the
rows (70 % train), the same for all; targets are the same and complete, so that only the constraint in training and in
the scores differs. Inconsistent are pairs of a row and a term whose score (or decision) is above that of its archive.
Means over the seeds. Needs MANYHOT_DATA.
"""

import argparse
import ast
import json
import os
import re
import statistics
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl

from manyhot import MultiLabelClassifier
from manyhot.data.hierarchy import bind_taxonomy
from manyhot.data.targets import Targets
from manyhot.evaluation.metrics import compute_metrics

HERE = Path(__file__).resolve().parent
TERM = re.compile(r"([a-z-]+)\.[A-Za-z-]+")  # archive.subject; others are codes of journals
MIN_ROWS = 3
MEASURES = ("hierarchical_f1", "hierarchical_precision", "hierarchical_recall", "f1_macro", "subset_accuracy")


def rows(folder: Path) -> tuple[pl.DataFrame, np.ndarray, list[str], list[tuple[str, str]]]:
    """Texts, targets, labels and the taxonomy."""
    frame = pl.read_csv(folder / "arxiv_data.csv.gz").unique("titles", keep="first", maintain_order=True)
    terms = [{term for term in ast.literal_eval(cell) if TERM.fullmatch(term)} for cell in frame["terms"]]
    counts = Counter(term for row in terms for term in row)
    frequent = sorted(term for term, count in counts.items() if count >= MIN_ROWS)
    taxonomy = [(term, TERM.fullmatch(term)[1]) for term in frequent]
    labels = sorted({*frequent, *(archive for _, archive in taxonomy)})
    sets = [row | {TERM.fullmatch(term)[1] for term in row} for row in terms]
    texts = [f"{title}. {text}" for title, text in zip(frame["titles"], frame["summaries"], strict=True)]
    return (
        pl.DataFrame({"text": texts}),
        np.array([[label in row for label in labels] for row in sets]),
        labels,
        taxonomy,
    )


def inconsistent(values: np.ndarray, pairs: list[tuple[int, int]]) -> float:
    """Share of pairs of a row and a term whose value is above its archive's."""
    children, parents = np.array(pairs).T
    return float((values[:, children] > values[:, parents]).mean())


def measured(classifier: MultiLabelClassifier, X: pl.DataFrame, truth: np.ndarray, hierarchy) -> dict[str, float]:
    scores, targets = classifier.predict_proba(X), Targets(truth)
    answers = classifier.model_.policy.decide(scores)
    found = {"inconsistent scores": inconsistent(scores, hierarchy.pairs)}
    for at, decisions in (("tuned", answers), ("0.5", scores >= 0.5)):
        found[f"inconsistent decisions at {at}"] = inconsistent(decisions, hierarchy.pairs)
        values = compute_metrics(targets, None, decisions, names=MEASURES, hierarchy=hierarchy)
        found |= {f"{name} at {at}": score.value for name, score in values.items()}
    ranked = compute_metrics(targets, scores, None, names=["lrap", "map"])
    return found | {name: score.value for name, score in ranked.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "taxonomy.json")
    options = parser.parse_args()
    root = Path(os.environ.get("MANYHOT_DATA") or sys.exit("set MANYHOT_DATA to the folder that holds the data sets"))
    X, Y, labels, taxonomy = rows(root / "arxiv1000")
    order = np.random.default_rng(0).permutation(len(Y))
    train, test = np.split(order, [int(0.7 * len(Y))])
    results: dict[str, dict] = {name: {"runs": []} for name in ("plain", "implies", "taxonomy")}
    for seed in range(options.seeds):
        for settings in ({}, {"taxonomy": taxonomy}):
            classifier = MultiLabelClassifier(
                labels=labels,
                n_members=options.members,
                column_types={"text": "text"},
                text_params={"max_words": 8000, "max_characters": 0},
                random_state=seed,
                verbose=0,
                **settings,
            ).fit(X[train], Y[train])
            hierarchy = bind_taxonomy(taxonomy, classifier.model_.labels)
            for name in ("taxonomy",) if settings else ("plain", "implies"):
                if name == "implies":  # the same networks: only decisions change
                    classifier.set_rules(implies=taxonomy)
                run = measured(classifier, X[test], Y[test], hierarchy)
                results[name]["runs"].append(run)
                print(f"seed {seed}, {name}: {run}", file=sys.stderr, flush=True)
    for name, result in results.items():
        runs = result["runs"]
        result["mean"] = {key: statistics.fmean(run[key] for run in runs) for key in runs[0]}
        told = ", ".join(f"{key} {value:.4f}" for key, value in result["mean"].items())
        print(f"{name}: {told}")
    facts = {"train rows": len(train), "test rows": len(test), "labels": len(labels), "pairs": len(taxonomy)}
    facts["members"] = options.members
    options.out.write_text(json.dumps({**facts, **results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
