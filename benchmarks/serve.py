"""Requests a second and their times for single rows, beside the same network behind FastAPI and Keras' `predict`.

Usage: python benchmarks/serve.py [--seconds 10] [--repeats 5] [--out results/serve.json]
One network of two hidden layers of 256 units on 100 numbers, 20 labels. Each side runs in a process of its own, the
clients in a third; the two sides take turns, and ratios are medians of the paired runs. The times of one row inside a
process, without HTTP, are measured too.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np

from manyhot import MultiLabelClassifier, load
from manyhot.serving.limits import Limits
from manyhot.serving.model import ServedModel

HERE = Path(__file__).parent
N_COLUMNS, N_LABELS, N_ROWS = 100, 20, 2000


def trained(path: Path, members: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    X = generator.normal(size=(N_ROWS, N_COLUMNS)).round(4)
    Y = X @ generator.normal(size=(N_COLUMNS, N_LABELS)) * 0.2 + generator.normal(size=(N_ROWS, N_LABELS)) > 1
    MultiLabelClassifier(n_members=members, epochs=3, calibration="none", verbose=0).fit(X, Y).save(path)
    return X


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def started(words: list[str], port: int, log: Path | None = None) -> subprocess.Popen:
    with open(log or os.devnull, "a") as errors:
        process = subprocess.Popen([sys.executable, *words], env=os.environ, stderr=errors)
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=1) as answer:
                if answer.status == 200:
                    return process
        except OSError:
            time.sleep(0.2)
    process.kill()
    raise SystemExit(f"{words} does not answer")


def asked(port: int, body: str) -> dict:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/predict", body.encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def loaded(port: int, bodies: Path, clients: int, seconds: float) -> dict:
    words = [sys.executable, str(HERE / "peers/serve_load.py"), str(port), str(bodies), str(clients), str(seconds)]
    return json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def inside(path: Path, row: np.ndarray, calls: int) -> dict[str, float]:
    """Median microseconds of one row in this process: the classifier, and the service's own way."""
    classifier = load(path)
    served = ServedModel("it", path, classifier, Limits())
    served.warm_up()
    listed = row[0].tolist()
    ways = {
        "predict_proba": lambda: classifier.predict_proba(row),
        "service_way": lambda: served.score(served.row_parser.parse([listed])),
    }
    found = {}
    for name, way in ways.items():
        times = []
        for _ in range(calls):
            began = time.perf_counter()
            way()
            times.append(time.perf_counter() - began)
        found[f"{name}_p50_us"] = round(1e6 * statistics.median(times), 1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, many = Path(folder) / "one.manyhot", Path(folder) / "many.manyhot"
        X = trained(path, 1)
        trained(many, 16)
        bodies = Path(folder) / "bodies.json"
        bodies.write_text(json.dumps([json.dumps({"rows": [row]}) for row in X[:200].tolist()]))
        result: dict = {"in_process": {"1 member": inside(path, X[:1], told.calls)}}
        result["in_process"]["16 members"] = inside(many, X[:1], told.calls)
        ports = {"manyhot": free_port(), "keras": free_port(), "manyhot of 16 members": free_port()}
        serve = ["-m", "manyhot", "serve", "--quiet", "--port"]
        processes: list[subprocess.Popen] = []
        try:
            for name, words in (
                ("manyhot", [*serve, str(ports["manyhot"]), str(path)]),
                ("keras", [str(HERE / "peers/serve_keras.py"), str(path), str(ports["keras"])]),
                ("manyhot of 16 members", [*serve, str(ports["manyhot of 16 members"]), str(many)]),
            ):
                processes.append(started(words, ports[name]))
            body = json.loads(bodies.read_text())[0]
            ours = list(asked(ports["manyhot"], body)["predictions"][0]["probabilities"].values())
            theirs = asked(ports["keras"], body)["probabilities"][0]
            assert np.allclose(ours, theirs, atol=1e-5), "the two sides answer differently"
            runs: dict[str, list[dict]] = {name: [] for name in ports}
            alone: dict[str, list[dict]] = {name: [] for name in ports}
            for _ in range(told.repeats):
                for name, port in ports.items():
                    runs[name].append(loaded(port, bodies, 64, told.seconds))
                    alone[name].append(loaded(port, bodies, 1, max(1.0, told.seconds / 5)))
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()
    for clients, found in (("64 clients", runs), ("1 client", alone)):
        result[clients] = {
            name: {
                key: round(statistics.median(run[key] for run in many_runs), 2) for key in many_runs[0] if "p" in key
            }
            for name, many_runs in found.items()
        }
        pairs = zip(found["manyhot"], found["keras"], strict=True)
        ratios = [a["requests_per_second"] / b["requests_per_second"] for a, b in pairs]
        result[clients]["ratio"] = round(statistics.median(ratios), 2)
        result[clients]["statuses"] = sorted(
            {status for some in found.values() for run in some for status in run["statuses"]}
        )
    result["settings"] = {"seconds": told.seconds, "repeats": told.repeats, "load": os.getloadavg()[0]}
    print(json.dumps(result, indent=1))
    if told.out:
        told.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
