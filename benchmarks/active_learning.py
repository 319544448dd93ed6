"""What `rank_for_labeling` is worth: rows that it chooses beside rows chosen at random, from the same start.

Usage: python benchmarks/active_learning.py [--seeds 3] [--rounds 5] [--out results/active_learning.json]
       [--plot ../docs/static/active-learning.svg] [SET ...]
The sets are read from the folder that MANYHOT_DATA names. A seed draws the rows of a pool from the training part and of
them those of the start; their labels are known, all others are hidden. In each round a model with default settings is
fitted to the known rows and measured on the whole test part, and then the labels of `step` further rows become known:
those that `rank_for_labeling` chooses, or random ones. Thresholds are tuned for each F1 on the model's own out-of-fold
scores. Both ways of choosing share the fit to the start. A fit that is in the file of results already is not repeated,
so a run that was ended goes on; its rows are kept there. The choice of rows was developed on training parts alone.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sets import Split, load

from manyhot import MultiLabelClassifier
from manyhot.data.samples import Samples
from manyhot.evaluation.chart_theme import BLUE, ORANGE
from manyhot.evaluation.charts import Chart, chart_heading, save_chart
from manyhot.evaluation.metrics import compute_metrics

SIZES = {"yeast": (1500, 100, 100), "goemotions": (6000, 500, 500)}
"""Set -> rows of the pool, of the start, of a round."""
WAYS = ("ranked", "random")
METRICS = ("f1_macro", "f1_micro", "map")


def take(samples: Samples, rows: np.ndarray) -> Samples:
    """Some rows of a set."""
    return replace(samples, features=samples.features[rows], targets=samples.targets.take(rows), ids=None, rows=None)


def measured(model: MultiLabelClassifier, test: Samples) -> dict[str, float]:
    """Metrics on the test part."""
    scores, found = model.predict_proba(test).astype(float), {}
    for metric in METRICS:
        decisions = None
        if metric != "map":
            decisions = model.tune_thresholds(metric).predict(test).astype(bool)
        found[metric] = round(compute_metrics(test.targets, scores, decisions, names=[metric])[metric].value, 4)
    return found


def chosen(way: str, model: MultiLabelClassifier, train: Samples, hidden: np.ndarray, step: int, seed: list[int]):
    """Rows whose labels become known."""
    if way == "random":
        return np.random.default_rng(seed).permutation(hidden)[:step]
    return hidden[model.rank_for_labeling(take(train, hidden), step).row]


def curve(split: Split, name: str, way: str, seed: int, rounds: int, kept: list[dict]) -> Iterator[list[dict]]:
    """The rounds of one way, each with what was chosen after it; `kept` are those of an earlier run."""
    n_pool, n_start, step = SIZES[name]
    pool = np.random.default_rng(seed).permutation(split.train.n_samples)[:n_pool]
    done = list(kept)
    for number in range(len(done), rounds + 1):
        known = np.concatenate([pool[:n_start], *(np.array(entry["chosen"], dtype=int) for entry in done)])
        model = MultiLabelClassifier(random_state=seed, verbose=0).fit(take(split.train, known))
        entry: dict[str, Any] = {"rows": len(known), **measured(model, split.test)}
        hidden = np.setdiff1d(pool, known)
        more = number < rounds
        entry["chosen"] = chosen(way, model, split.train, hidden, step, [seed, number]).tolist() if more else []
        if number == 0:  # both ways begin alike
            entry["random"] = chosen("random", model, split.train, hidden, step, [seed, number]).tolist()
        done.append(entry)
        print(name, way, f"seed {seed}", *(f"{key} {entry[key]}" for key in ("rows", *METRICS)), flush=True)
        yield done


def summed_up(seeds: dict[str, dict[str, list[dict]]]) -> dict[str, Any]:
    """Means over the seeds that were begun, and the differences with their standard errors, of rounds that all have."""
    runs = [run for run in seeds.values() if all(map(run.get, WAYS))]
    n = min((len(run[way]) for run in runs for way in WAYS), default=0)
    if not n:
        return {}
    values = {
        way: {metric: np.array([[entry[metric] for entry in run[way][:n]] for run in runs]) for metric in METRICS}
        for way in WAYS
    }
    table: dict[str, Any] = {"seeds": len(runs), "rows": [entry["rows"] for entry in runs[0]["ranked"][:n]]}
    for metric in METRICS:
        ranked, random = (values[way][metric] for way in WAYS)
        difference = ranked - random
        error = difference.std(axis=0, ddof=1) / np.sqrt(len(runs)) if len(runs) > 1 else np.full(n, np.nan)
        table[metric] = {
            "ranked": ranked.mean(axis=0).round(4).tolist(),
            "random": random.mean(axis=0).round(4).tolist(),
            "difference": difference.mean(axis=0).round(4).tolist(),
            "standard_error": [None if np.isnan(one) else round(float(one), 4) for one in error],
        }
    return table


def plot(results: dict[str, Any], path: Path) -> None:
    """The curves, one row of charts for each set; needs the extra pictures."""
    import altair

    names = {"f1_macro": "macro F1", "f1_micro": "micro F1", "map": "mean average precision"}
    color = altair.Color(
        "chosen:N", title=None, sort=list(WAYS), scale=altair.Scale(domain=list(WAYS), range=[BLUE, ORANGE])
    )
    rows = []
    for name, result in results.items():
        means, charts = result["means"], []
        for metric in METRICS:
            points = [
                {"rows": n, "value": value, "chosen": way}
                for way in WAYS
                for n, value in zip(means["rows"], means[metric][way], strict=True)
            ]
            lines = altair.Chart(altair.Data(values=points), width=200, height=150, title=f"{name}: {names[metric]}")
            x = altair.X("rows:Q", title="labelled rows", axis=altair.Axis(tickCount=4, grid=False))
            y = altair.Y("value:Q", title=None, scale=altair.Scale(zero=False))
            charts.append(lines.mark_line(point=True).encode(x=x, y=y, color=color))
        rows.append(altair.hconcat(*charts))
    title = "Rows that rank_for_labeling chooses, and random ones"
    notes = ["on test rows, means of three seeds, higher is better"]
    chart = altair.vconcat(*rows).properties(title=chart_heading(altair, title, notes))
    save_chart(Chart(chart, title), path)


def figures(entry: dict[str, Any]) -> dict[str, Any]:
    """A round without the rows that were chosen, which only a run that goes on needs."""
    return {key: entry[key] for key in ("rows", *METRICS)}


def write(path: Path, rounds: int, results: dict[str, Any]) -> None:
    """The file of results, with the means so far."""
    for found in results.values():
        found["means"] = summed_up(found["seeds"])
    path.write_text(json.dumps({"rounds": rounds, "sets": results}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SIZES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "active_learning.json")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    results = json.loads(options.out.read_text())["sets"] if options.out.exists() else {}
    for name in options.sets:
        split = load(name)
        found = results.setdefault(name, {"seeds": {}, "means": {}})
        for seed in range(options.seeds):
            run = found["seeds"].setdefault(str(seed), {})
            for way in WAYS:
                if not run.get(way) and run.get("ranked"):
                    first = run["ranked"][0]
                    run[way] = [{**first, "chosen": first["random"]}]
                for entries in curve(split, name, way, seed, options.rounds, run.get(way, [])):
                    run[way] = entries
                    write(options.out, options.rounds, results)
            found["seeds"][str(seed)] = {way: [figures(entry) for entry in run[way]] for way in WAYS}
            write(options.out, options.rounds, results)
    if options.plot is not None:
        plot(results, options.plot)


if __name__ == "__main__":
    main()
