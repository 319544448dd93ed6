"""One row and many through ONNX Runtime beside `predict_proba`, for a table and for images; sizes, seconds to export.

Usage: python benchmarks/onnx_export.py [--rows 100000] [--train-rows 3000] [--repeats 5] [--threads 0] [--out FILE]
The table has 16 numbers, 2 categories of 12 levels and 10 labels, and default settings; images are 32 x 32 with 3
labels, the network "resnet" with two members, and a hundredth of the rows. Each way is warmed up, then one row is
predicted 200 times (median, and the 90th percentile) and all rows `--repeats` times (the quickest). `--threads` are
ONNX Runtime's; 0 leaves them to it. Rows are made before the clock starts, in the form that each way takes: a frame
of Polars, and arrays. Also written down: bytes of both files, the largest difference of a probability, how many labels
differ.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl

from manyhot import MultiLabelClassifier

N_SINGLE = 200
LEVELS = [f"level {k}" for k in range(12)]


def table(n_rows: int, seed: int) -> tuple[pl.DataFrame, dict[str, np.ndarray], np.ndarray]:
    """Rows as a frame and as a file takes them, and their labels."""
    generator = np.random.default_rng(seed)
    numbers = generator.normal(size=(n_rows, 16))
    kinds = generator.choice(LEVELS, (n_rows, 2))
    frame = pl.DataFrame(numbers, schema=[f"x{k}" for k in range(16)])
    frame = frame.with_columns(pl.Series("a", kinds[:, 0].tolist()), pl.Series("b", kinds[:, 1].tolist()))
    logits = numbers @ np.random.default_rng(7).normal(size=(16, 10)) - 2 + 2 * (kinds[:, :1] == LEVELS[0])
    return (
        frame,
        {"numbers": numbers, "categories": kinds.astype(object)},
        logits > generator.logistic(size=(n_rows, 10)),
    )


def pictures(n_rows: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Images, the same, and their labels: which colours are bright."""
    generator = np.random.default_rng(seed)
    level = generator.random((n_rows, 1, 1, 3))
    pixels = (255 * np.clip(level + generator.normal(0, 0.2, (n_rows, 32, 32, 3)), 0, 1)).astype(np.uint8)
    return pixels, {"image": pixels}, level[:, 0, 0] > 0.5


def timed(function: Callable[[], Any]) -> float:
    """Seconds of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure(one: Callable[[], Any], every: Callable[[], Any], n_rows: int, repeats: int) -> dict[str, float]:
    """Milliseconds of one row, seconds of all."""
    for _ in range(5):
        one()
    every()
    single = sorted(timed(one) for _ in range(N_SINGLE))
    whole = min(timed(every) for _ in range(repeats))
    return {
        "one_row_ms": 1000 * statistics.median(single),
        "one_row_p90_ms": 1000 * single[int(0.9 * len(single))],
        "all_rows_s": whole,
        "rows_per_s": n_rows / whole,
    }


def compare(make: Callable, n_train: int, n_rows: int, repeats: int, threads: int, **settings: Any) -> dict[str, Any]:
    """Train, export and time both."""
    X, _, Y = make(n_train, 0)
    clf = MultiLabelClassifier(verbose=0, **settings).fit(X, Y)
    rows, inputs, _ = make(n_rows, 1)
    with tempfile.TemporaryDirectory() as folder:
        saved, exported = Path(folder) / "model.manyhot", Path(folder) / "model.onnx"
        clf.save(saved, evidence=False)
        seconds = timed(lambda: clf.export_onnx(exported))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        start = time.perf_counter()
        session = onnxruntime.InferenceSession(str(exported), options, providers=["CPUExecutionProvider"])
        loading = time.perf_counter() - start
        sizes = {"saved_bytes": saved.stat().st_size, "onnx_bytes": exported.stat().st_size}
    first = {name: values[:1] for name, values in inputs.items()}
    probabilities, labels = session.run(None, inputs)
    expected = clf.predict_proba(rows)
    return {
        "members": clf.model_.n_members,
        "rows": n_rows,
        **sizes,
        "export_s": seconds,
        "session_s": loading,
        "max_difference": float(np.abs(probabilities - expected).max()),
        "other_labels": int((labels != clf.predict(rows)).sum()),
        "onnxruntime": measure(lambda: session.run(None, first), lambda: session.run(None, inputs), n_rows, repeats),
        "manyhot": measure(lambda: clf.predict_proba(rows[:1]), lambda: clf.predict_proba(rows), n_rows, repeats),
    }


def main() -> None:
    """Measure both, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--train-rows", type=int, default=3000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/onnx_export.json")
    args = parser.parse_args()
    n_images = max(1, args.rows // 100)
    results = {
        "cores": os.cpu_count(),
        "threads": args.threads,
        "onnxruntime_version": onnxruntime.__version__,
        "table": compare(table, args.train_rows, args.rows, args.repeats, args.threads),
        "images": compare(
            pictures,
            min(args.train_rows, 600),
            n_images,
            args.repeats,
            args.threads,
            network="resnet",
            n_members=2,
            epochs=2,
            image_params={"filters": [16, 32]},
        ),
    }
    print(json.dumps(results, indent=1))
    args.out.parent.mkdir(exist_ok=True)
    args.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
