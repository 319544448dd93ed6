"""Search of settings: the winner against the defaults on test rows, and trials in the time of Optuna over plain fits.

Usage: python benchmarks/tune.py [NAME ...] [--seeds 0 1 2] [--trials 24] [--metric map] [--speed-seconds 120]
           [--nested 5] [--skip-quality] [--skip-speed] [--out results/tune.json]
Names are sets of `sets.py`; emotions, yeast and goemotions (the first 10,000 rows of its training part) unless named.
For each seed `tune` searches on the training rows; winner and defaults are measured on the test rows.
A difference is a gain only beyond the spread of the seeds. For speed, `manyhot.tune` and Optuna with `fit` as its
objective search the same space on the same rows for the same time, in processes of their own, with an empty cache of
compiled programs each. With `--nested`, a search of the first seed also makes whole searches in so many outer folds;
their score is held against that of the winner on the test rows, each with its standard error (of the folds; of 200
bootstrap samples of the test rows). Results are added to those in `--out`.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
NAMES = ("emotions", "yeast", "goemotions")
MAX_ROWS = 10_000


def rows_of(name: str):
    """Training and test rows of a set, 10,000 of the former at most."""
    from sets import load

    split = load(name)
    train = split.train
    train = train.slice(0, MAX_ROWS) if train.n_samples > MAX_ROWS else train
    return train, split.test


def measure_quality(name: str, seeds: list[int], n_trials: int, metric: str) -> dict:
    """Test scores of the winner and of the defaults, for each seed."""
    from manyhot import MultiLabelClassifier, tune
    from manyhot.evaluation.metrics import compute_metrics

    train, test = rows_of(name)
    found = []
    for seed in seeds:
        classifier = MultiLabelClassifier(random_state=seed, verbose=0)
        started = time.perf_counter()
        search = tune(classifier, train, trials=n_trials, metric=metric)
        seconds = time.perf_counter() - started
        values = {}
        for kind, model in (("winner", search.classifier), ("defaults", classifier.fit(train))):
            scores = model.predict_proba(test)
            decisions = model.predict(test).astype(bool)
            values[kind] = compute_metrics(test.targets, scores, decisions, names=[metric])[metric].value
        states = [trial.state for trial in search.trials]
        found.append(
            {
                "seed": seed,
                **values,
                "selected": search.best_score,
                "best_settings": search.to_dict()["best_settings"],
                "given_up": states.count("pruned"),
                "seconds": round(seconds, 1),
            }
        )
        print(name, json.dumps(found[-1]), flush=True)
    differences = [one["winner"] - one["defaults"] for one in found]
    spread = statistics.stdev(one["defaults"] for one in found) if len(found) > 1 else None
    return {
        "metric": metric,
        "trials": n_trials,
        "seeds": found,
        "gain": statistics.mean(differences),
        "spread": spread,
    }


def measure_nested(name: str, seed: int, n_trials: int, metric: str, n_folds: int) -> dict:
    """The score of nested searches and that of the winner on test rows, with standard errors."""
    from manyhot import MultiLabelClassifier, tune
    from manyhot.evaluation.metrics import compute_metrics

    train, test = rows_of(name)
    classifier = MultiLabelClassifier(random_state=seed, verbose=0)
    search = tune(classifier, train, trials=n_trials, metric=metric, nested=n_folds)
    scores, decisions = search.classifier.predict_proba(test), search.classifier.predict(test).astype(bool)

    def measure(rows: np.ndarray) -> float:
        return compute_metrics(test.targets.take(rows), scores[rows], decisions[rows], names=[metric])[metric].value

    n, generator = test.n_samples, np.random.default_rng(0)
    resampled = [measure(generator.integers(n, size=n)) for _ in range(200)]
    errors = statistics.stdev(search.nested_scores) / n_folds**0.5, statistics.stdev(resampled)
    found = {
        "trials": n_trials,
        "nested": search.nested_score,
        "nested_error": errors[0],
        "test": measure(np.arange(n)),
        "test_error": errors[1],
        "selected": search.best_score,
    }
    found["difference_in_errors"] = (found["nested"] - found["test"]) / float(np.hypot(*errors))
    print(name, json.dumps(found), flush=True)
    return found


def count_trials(kind: str, name: str, seconds: float, metric: str) -> int:
    """Trials that end within some seconds, in this process; the first of both are the defaults."""
    from manyhot import MultiLabelClassifier, tune

    train, _ = rows_of(name)
    classifier = MultiLabelClassifier(verbose=0)
    if kind == "tune":
        limit = seconds / 60
        return len(tune(classifier, train, trials=10_000, minutes=limit, metric=metric).trials)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    started = time.perf_counter()
    epochs = int(classifier.fit(train).model_.config.epochs)

    def objective(trial: optuna.Trial) -> float:
        """The space of `tune`."""
        largest = "512" if name == "goemotions" else "512,512"
        sizes = trial.suggest_categorical("hidden_layer_sizes", ["128", "256,256", largest])
        settings = {
            "learning_rate": trial.suggest_float("learning_rate", 5e-4, 8e-3, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-2 / 30, 0.1, log=True),
            "epochs": trial.suggest_int("epochs", max(1, epochs // 2), 2 * epochs, log=True),
            "label_smoothing": trial.suggest_float("label_smoothing", 0.0, 0.1),
            "dropout": trial.suggest_categorical("dropout", [0.1, 0.3, 0.5]),
            "hidden_layer_sizes": tuple(map(int, sizes.split(","))),
        }
        model = MultiLabelClassifier(verbose=0, **settings).fit(train)
        return model.report_.values["metrics"]["decision"][metric]["value"]

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, timeout=max(1.0, seconds - (time.perf_counter() - started)))
    return 1 + len(study.trials)


def measure_speed(name: str, seconds: float, metric: str) -> dict:
    """Trials in the same time, and for how long each ran: the last batch of both ends when it ends."""
    counts = {}
    for kind in ("optuna", "tune"):
        with tempfile.TemporaryDirectory() as cache:
            words = [
                sys.executable,
                __file__,
                name,
                "--count",
                kind,
                "--speed-seconds",
                str(seconds),
                "--metric",
                metric,
            ]
            started = time.perf_counter()
            done = subprocess.run(
                words, env={**os.environ, "MANYHOT_CACHE": cache}, check=True, capture_output=True, text=True
            )
            wall = time.perf_counter() - started
        counts[kind] = {"trials": int(done.stdout.split()[-1]), "seconds": round(wall, 1)}
        print(name, kind, counts[kind], flush=True)
    rates = {kind: one["trials"] / one["seconds"] for kind, one in counts.items()}
    return {**counts, "ratio": rates["tune"] / rates["optuna"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--metric", default="map")
    parser.add_argument("--speed-seconds", type=float, default=120)
    parser.add_argument("--nested", type=int, default=0)
    parser.add_argument("--skip-quality", action="store_true")
    parser.add_argument("--skip-speed", action="store_true")
    parser.add_argument("--count", choices=["tune", "optuna"], help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.count:
        print(count_trials(options.count, options.names[0], options.speed_seconds, options.metric))
        return
    results: dict = {"machine": {"cores": os.cpu_count(), "python": platform.python_version()}, "sets": {}}
    if options.out and options.out.exists():
        results["sets"] = json.loads(options.out.read_text())["sets"]
    for name in options.names:
        results["sets"].setdefault(name, {})
        if options.nested:
            found = measure_nested(name, options.seeds[0], options.trials, options.metric, options.nested)
            results["sets"][name]["nested"] = found
        if not options.skip_quality:
            quality = measure_quality(name, options.seeds, options.trials, options.metric)
            results["sets"][name]["quality"] = quality
            spread = "" if quality["spread"] is None else f", spread of the defaults {quality['spread']:.4f}"
            print(f"{name}: gain on test rows {quality['gain']:+.4f}{spread}")
        if not options.skip_speed:
            speed = measure_speed(name, options.speed_seconds, options.metric)
            results["sets"][name]["speed"] = speed
            print(f"{name}: {speed['ratio']:.1f} times as many trials in the same time")
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
