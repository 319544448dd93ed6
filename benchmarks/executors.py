"""Training on each executor beside training in this process: whether the bits are the same, and how long it takes.

Usage: python benchmarks/executors.py [--rows 2000] [--out results/executors.json] [processes dask ray]
Each fits, cross-validates and trains from a stream twice: cold (workers start, programs compile or come from the cache)
and warm. Dask runs on a local cluster, Ray on this machine.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from manyhot import MultiLabelClassifier, ReadOptions, cross_validate

SETTINGS = {"n_members": 6, "epochs": 30, "hidden_layer_sizes": (64,), "verbose": 0}


@contextmanager
def opened(name: str) -> Iterator[Any]:
    if name == "processes":
        yield "processes:2"
    elif name == "dask":
        from dask.distributed import Client, LocalCluster

        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            yield client.get_executor()
    else:
        import ray

        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield "ray"
        ray.shutdown()


def works(n_rows: int, folder: Path) -> dict[str, Callable[[Any], list[np.ndarray]]]:
    """Name -> what trains on an executor and gives all that must be the same."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(n_rows, 30)).astype(np.float32)
    Y = X @ generator.normal(size=(30, 8)) + generator.normal(size=(n_rows, 8)) > 1
    columns = {f"x{j}": X[:, j] for j in range(30)} | {f"mood_{j}": Y[:, j].astype(int) for j in range(8)}
    pl.DataFrame(columns).write_csv(folder / "songs.csv")

    def parts(classifier: MultiLabelClassifier) -> list[np.ndarray]:
        model = classifier.model_
        return [*model.weights.trainable, *model.weights.fixed, model.evidence.scores, model.policy.thresholds]

    def fit(executor: Any) -> list[np.ndarray]:
        return parts(MultiLabelClassifier(**SETTINGS, executor=executor).fit(X, Y))

    def folds(executor: Any) -> list[np.ndarray]:
        classifier = MultiLabelClassifier(**SETTINGS, executor=executor)
        result = cross_validate(classifier, X, Y, n_splits=4, n_repeats=1)
        return [result.oof_scores, result.thresholds, result.oof_decisions]

    def stream(executor: Any) -> list[np.ndarray]:
        classifier = MultiLabelClassifier(**{**SETTINGS, "n_members": 2}, executor=executor)
        options = {"stream": True, "window_bytes": 100_000, "stream_folder": folder}
        return parts(classifier.fit_file(folder / "songs.csv", ReadOptions(labels="mood_*"), **options))

    return {"fit": fit, "cross_validate": folds, "stream": stream}


def timed(work: Callable[[Any], list[np.ndarray]], executor: Any) -> tuple[list[np.ndarray], float]:
    started = time.perf_counter()
    found = work(executor)
    return found, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("executors", nargs="*", default=["processes", "dask", "ray"])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    report: dict[str, Any] = {"rows": options.rows, "load": os.getloadavg()[0], "here": {}}
    with tempfile.TemporaryDirectory() as folder:
        todo = works(options.rows, Path(folder))
        expected = {}
        for name, work in todo.items():
            work(None)
            expected[name], seconds = timed(work, None)
            report["here"][name] = {"seconds": round(seconds, 2)}
        for executor_name in options.executors:
            report[executor_name] = {}
            with opened(executor_name) as executor:
                for name, work in todo.items():
                    found, cold = timed(work, executor)
                    again, warm = timed(work, executor)
                    is_same = all(
                        len(one) == len(expected[name]) and all(map(np.array_equal, one, expected[name]))
                        for one in (found, again)
                    )
                    report[executor_name][name] = {
                        "same_bits": is_same,
                        "seconds_cold": round(cold, 2),
                        "seconds": round(warm, 2),
                    }
    text = json.dumps(report, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
