"""Text with label sets: manyhot's defaults beside TF-IDF with one-vs-rest logistic regression, in one run.

Usage: python benchmarks/text.py [--only goemotions arxiv] [--seeds 3] [--out results/text.json]
GoEmotions, official split: both train on the training part. The regressions' thresholds are tuned on the dev part, one
shared for micro F1 and one per label for macro F1, and their C is the best of four there; manyhot tunes on its own
out-of-fold scores of the training part and sees nothing else. Scored on the test part.
arxiv1000: five folds; both get the same TF-IDF features of words and pairs of words. The regressions' threshold comes
from four inner folds of each training part; their C is given at its best of four in hindsight. Needs MANYHOT_DATA.
"""

import argparse
import ast
import json
import os
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, label_ranking_average_precision_score
from sklearn.multiclass import OneVsRestClassifier

from manyhot import MultiLabelClassifier, MultiLabelKFold
from manyhot.data.readers import ReadOptions, read

HERE = Path(__file__).resolve().parent
CS = (1.0, 10.0, 100.0, 300.0)
TSV = ReadOptions(labels="emotions", sep=",", header=False, column_names=("text", "emotions", "comment"))


def vectorizer() -> TfidfVectorizer:
    return TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32)


def regressions(c: float) -> OneVsRestClassifier:
    return OneVsRestClassifier(LogisticRegression(C=c, max_iter=300))


def best_cut(scores: np.ndarray, truth: np.ndarray) -> float:
    """The threshold with the highest F1 of all entries."""
    order = np.argsort(-scores.ravel(), kind="stable")
    hits = np.cumsum(truth.ravel()[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + truth.sum())
    return float(scores.ravel()[order][f1.argmax()])


def goemotions(folder: Path, seeds: int) -> dict:
    """F1 on the official test part."""
    parts = {name: read(folder / f"{name}.tsv.gz", TSV) for name in ("train", "dev", "test")}
    names = parts["train"].labels.names
    texts = {name: part.features["text"].fill_null("").to_list() for name, part in parts.items()}
    truth = {}
    for name, part in parts.items():
        truth[name] = np.zeros((len(texts[name]), len(names)), dtype=bool)
        truth[name][:, [names.index(label) for label in part.labels.names]] = part.targets.values
    features = vectorizer().fit(texts["train"])
    train, dev, test = (features.transform(texts[name]) for name in ("train", "dev", "test"))
    found: dict[str, list] = {}
    began = time.perf_counter()
    for c in CS:
        model = regressions(c).fit(train, truth["train"])
        on_dev, on_test = model.predict_proba(dev), model.predict_proba(test)
        shared = best_cut(on_dev, truth["dev"])
        cuts = np.array([best_cut(on_dev[:, [j]], truth["dev"][:, [j]]) for j in range(len(names))])
        tuned = f1_score(truth["dev"], on_dev >= shared, average="micro")
        found.setdefault("regressions", []).append(
            {
                "c": c,
                "dev_f1_micro": tuned,
                "f1_micro": f1_score(truth["test"], on_test >= shared, average="micro"),
                "f1_macro": f1_score(truth["test"], on_test >= cuts, average="macro", zero_division=0.0),
            }
        )
    found["regression_seconds"] = [round((time.perf_counter() - began) / len(CS), 1)]
    frames = {name: pl.DataFrame({"text": rows}) for name, rows in texts.items()}
    for seed in range(seeds):
        began = time.perf_counter()
        model = MultiLabelClassifier(column_types={"text": "text"}, random_state=seed).fit(
            frames["train"], truth["train"]
        )
        seconds = time.perf_counter() - began
        model.tune_thresholds("f1_macro")
        macro = f1_score(truth["test"], model.predict(frames["test"]), average="macro", zero_division=0.0)
        model.tune_thresholds("f1_micro")
        micro = f1_score(truth["test"], model.predict(frames["test"]), average="micro")
        found.setdefault("manyhot", []).append({"f1_micro": micro, "f1_macro": macro, "seconds": round(seconds, 1)})
        print(f"goemotions, seed {seed}: {found['manyhot'][-1]}", file=sys.stderr, flush=True)
    return summary(found, "dev_f1_micro")


def arxiv_rows(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Titles and abstracts, and bool targets of the terms that ten of them have."""
    frame = pl.read_csv(folder / "arxiv_data.csv.gz").unique("titles", keep="first", maintain_order=True)
    terms = [set(ast.literal_eval(cell)) for cell in frame["terms"]]
    counts = Counter(term for row in terms for term in row)
    kept = sorted(term for term, count in counts.items() if count >= 10)
    Y = np.array([[term in row for term in kept] for row in terms])
    return np.array([f"{title}. {text}" for title, text in zip(frame["titles"], frame["summaries"], strict=True)]), Y


def arxiv(folder: Path) -> dict:
    """Micro F1 and label ranking average precision over five folds, the same features for both."""
    texts, Y = arxiv_rows(folder)
    scored: dict[object, list] = {}
    for train, test in MultiLabelKFold(5, random_state=0).split(texts, Y):
        features = vectorizer().fit(texts[train])
        X, X_test = features.transform(texts[train]), features.transform(texts[test])
        for c in CS:
            inner = np.zeros((len(train), Y.shape[1]))
            for some, rest in MultiLabelKFold(4, random_state=1).split(X, Y[train]):
                inner[rest] = regressions(c).fit(X[some], Y[train][some]).predict_proba(X[rest])
            scores = regressions(c).fit(X, Y[train]).predict_proba(X_test)
            scored.setdefault(c, []).append(measured(Y[test], scores, scores >= best_cut(inner, Y[train])))
        began = time.perf_counter()
        model = MultiLabelClassifier(decision="f1_micro").fit(X, Y[train])
        told = measured(Y[test], model.predict_proba(X_test), model.predict(X_test))
        scored.setdefault("manyhot", []).append({**told, "seconds": round(time.perf_counter() - began, 1)})
        print(f"arxiv, fold {len(scored['manyhot'])}: {told}", file=sys.stderr, flush=True)
    means = {c: {key: statistics.fmean(one[key] for one in runs) for key in runs[0]} for c, runs in scored.items()}
    found = {"regressions": [{"c": c, **means[c]} for c in CS], "manyhot": [means["manyhot"]]}
    return summary(found, "f1_micro")


def measured(truth: np.ndarray, scores: np.ndarray, answers: np.ndarray) -> dict:
    some = truth.any(axis=1)
    ranked = label_ranking_average_precision_score(truth[some], scores[some])
    return {"f1_micro": f1_score(truth, answers, average="micro"), "lrap": ranked}


def summary(found: dict, chosen_by: str) -> dict:
    """The runs, the medians over seeds and the regressions with the best C."""
    best = max(found["regressions"], key=lambda one: one[chosen_by])
    mine = found["manyhot"]
    return {
        **found,
        "best_regressions": best,
        "manyhot_median": {key: statistics.median(one[key] for one in mine) for key in mine[0]},
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=("goemotions", "arxiv"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    root = Path(os.environ.get("MANYHOT_DATA") or sys.exit("set MANYHOT_DATA to the folder that holds the data sets"))
    results = {}
    if not options.only or "goemotions" in options.only:
        results["goemotions"] = goemotions(root / "goemotions", options.seeds)
    if not options.only or "arxiv" in options.only:
        results["arxiv1000"] = arxiv(root / "arxiv1000")
    for name, told in results.items():
        print(f"{name}: manyhot {told['manyhot_median']}\n{' ' * len(name)}  regressions {told['best_regressions']}")
    out = options.out or (None if options.only else HERE / "results" / "text.json")
    if out:
        out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
