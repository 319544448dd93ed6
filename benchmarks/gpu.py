"""One accelerator beside the CPU of the same machine, in at most five minutes; needs manyhot and nothing else.

Usage: python benchmarks/gpu.py [--seconds 300] [--only NAME ...] [--fake-devices 2] [--out gpu.json]
Each part runs on the accelerator and on the CPU, in a process of its own: a CNN on small images, a wide MLP, a 30-fold
cross-validation, sparse rows, predictions. Both sides first do the same small work, whose probabilities are compared,
then a sixteenth of the large one, and from its speed as many of its rows as fit into the part's share of the time
("share"; "cut" names what did not fit). "per_second" counts rows x epochs x members (folds, predicted rows) of a second
run, which finds everything compiled; of training it counts that alone, as encoding and reports always run on the CPU.
Memory is the peak of each process. Matrix products have the precision that JAX takes by itself
(JAX_DEFAULT_MATMUL_PRECISION=highest compares without TF32).
Without an accelerator it says so and ends. `--fake-devices 2` tries everything at small sizes on two fake CPU devices.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

SIDES = ("accelerator", "cpu")
PROBE, PROBE_ROWS = 16, 200  # the first try takes so small a share of the rows, and so many at least
RESERVE_SECONDS = 5.0  # for compiling the last program and leaving


class Task(NamedTuple):
    """What is trained: rows, and settings of the classifier."""

    kind: str  # of rows
    rows: int
    width: int
    labels: int
    settings: dict[str, Any]


PARTS = {
    "cnn": Task(
        "images", 40_000, 28, 10, {"network": "cnn", "n_members": 4, "n_folds": 4, "epochs": 4, "batch_size": 256}
    ),
    "wide_mlp": Task(
        "dense", 40_000, 1000, 20,
        {"hidden_layer_sizes": (4096, 4096), "n_members": 4, "n_folds": 4, "epochs": 5, "batch_size": 1024,
         "preprocessing": "none"},
    ),
    "cv": Task(
        "dense", 1000, 10, 3,
        {"hidden_layer_sizes": (20,), "n_members": 1, "epochs": 100, "batch_size": 32, "decision": "fixed"},
    ),
    "sparse": Task(
        "sparse", 40_000, 100_000, 20,
        {"hidden_layer_sizes": (512,), "n_members": 4, "n_folds": 4, "epochs": 3, "batch_size": 256},
    ),
    "predict": Task("dense", 1_000_000, 100, 20, {"hidden_layer_sizes": (1024, 1024), "n_members": 8, "epochs": 1}),
}  # fmt: skip


def shrink(task: Task) -> Task:
    """The same at a size that any machine can do."""
    small: dict[str, Any] = {"batch_size": 32, "epochs": 2}
    small |= {"image_params": {"filters": [8, 16]}} if task.kind == "images" else {"hidden_layer_sizes": (64,)}
    return task._replace(rows=400, width=min(task.width, 2000), settings={**task.settings, **small})


def make(task: Task, rows: int) -> tuple[Any, Any]:
    """Synthetic rows of a fixed seed and targets that depend on them."""
    import numpy as np
    import scipy.sparse as sp

    generator = np.random.default_rng(0)
    if task.kind == "images":
        Y = generator.random((rows, task.labels)) < 0.3
        patterns = generator.random((task.labels, task.width, task.width), dtype=np.float32) < 0.1
        noise = generator.integers(0, 120, (rows, task.width, task.width), dtype=np.uint8)
        return noise + 120 * (np.tensordot(Y.astype(np.float32), patterns.astype(np.float32), 1) > 0).astype(
            np.uint8
        ), Y
    weights = generator.standard_normal((task.width, task.labels), dtype=np.float32)
    if task.kind == "sparse":
        per_row = min(100, task.width // 4)
        columns = generator.integers(0, task.width, (rows, per_row), dtype=np.int32)
        values = generator.random(columns.size, dtype=np.float32)
        X = sp.csr_matrix((values, columns.ravel(), np.arange(rows + 1) * per_row), shape=(rows, task.width))
        X.sum_duplicates()
    else:
        X = generator.standard_normal((rows, task.width), dtype=np.float32)
    scores = X @ weights
    return X, scores > np.median(scores[:1000])


class TrainingEndedError(Exception):
    """What comes after training is not timed."""


class Side:
    """What one process measures."""

    def __init__(self, options: argparse.Namespace) -> None:
        import jax

        self.options, self.compiling = options, 0.0
        self.devices = "auto" if options.fake_devices else 1
        jax.monitoring.register_event_duration_secs_listener(self._count)

    def _count(self, event: str, seconds: float, **_: Any) -> None:
        if event.endswith("backend_compile_duration"):
            self.compiling += seconds

    def _seconds_left(self) -> float:
        return self.options.seconds - RESERVE_SECONDS - (time.perf_counter() - self.began)

    def _classifier(self, task: Task, **changes: Any) -> Any:
        from manyhot import MultiLabelClassifier

        return MultiLabelClassifier(verbose=0, devices=self.devices, **{**task.settings, **changes})

    def _train_seconds(self, task: Task, rows: int, epochs: int) -> float:
        """Seconds of training itself: the fit is left when its training has ended."""
        from manyhot import engine

        X, Y = make(task, rows)
        train, seconds = engine.train, 0.0

        def stop(*words: Any, **more: Any) -> None:
            nonlocal seconds
            began = time.perf_counter()
            train(*words, **more)
            seconds = time.perf_counter() - began
            raise TrainingEndedError

        engine.train = stop
        try:
            self._classifier(task, epochs=epochs).fit(X, Y)
        except TrainingEndedError:
            pass
        finally:
            engine.train = train
        return seconds

    def train(self, task: Task) -> tuple[Any, dict]:
        tiny = shrink(task)._replace(rows=PROBE_ROWS)
        X, Y = make(tiny, tiny.rows)
        probabilities = self._classifier(tiny).fit(X, Y).predict_proba(X)
        members, epochs, rows, used = task.settings["n_members"], 1, task.rows, max(PROBE_ROWS, task.rows // PROBE)
        seconds = [self._train_seconds(task, used, epochs) for _ in range(2)][-1]
        share = min(1.0, self._seconds_left() * used / seconds / rows / (1 + task.settings["epochs"]))
        if used < share * rows:
            used, epochs = int(share * rows), task.settings["epochs"]
            seconds = [self._train_seconds(task, used, n) for n in (1, epochs)][-1]
        return probabilities, {"per_second": used * epochs * members / seconds, "share": used / rows, "epochs": epochs}

    def cv(self, task: Task) -> tuple[Any, dict]:
        from manyhot import cross_validate

        X, Y = make(task, task.rows)
        seconds = []
        for _ in range(2):
            began = time.perf_counter()
            result = cross_validate(self._classifier(task), X, Y, n_splits=10, n_repeats=3)
            seconds.append(time.perf_counter() - began)
        return result.oof_scores, {"per_second": result.n_fits / seconds[1], "seconds_cold_warm": seconds, "share": 1.0}

    def predict(self, task: Task) -> tuple[Any, dict]:
        """Both sides load the file that the first of them has saved."""
        from manyhot import load

        path = self.options.folder / "predict.manyhot"
        if not path.exists():
            self._classifier(task).fit(*make(task, 1000)).save(path)
        model = load(path).set_params(devices=self.devices)
        X, _ = make(task, task.rows)
        probabilities = model.predict_proba(X[:1000])

        def seconds(n: int) -> float:
            began = time.perf_counter()
            model.predict_proba(X[:n])
            return time.perf_counter() - began

        probe = max(1, len(X) // PROBE)
        rate = probe / seconds(probe)
        used = max(probe, min(len(X), int(rate * self._seconds_left())))
        return probabilities, {"per_second": used / seconds(used), "share": used / len(X)}

    def run(self, name: str) -> None:
        """A part: its line of JSON, and its probabilities in a file."""
        import jax
        import numpy as np

        task = shrink(PARTS[name]) if self.options.fake_devices else PARTS[name]
        work = {"cv": self.cv, "predict": self.predict}.get(name, self.train)
        self.began, compiling = time.perf_counter(), self.compiling
        try:
            probabilities, result = work(task)
        except Exception as error:  # one part's trouble is not the others'
            print(json.dumps({"part": name, "error": f"{type(error).__name__}: {error}"[:500]}), flush=True)
            return
        np.save(self.options.folder / f"{name}-{self.options.side}.npy", probabilities)
        memory = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
        result |= {
            "seconds": time.perf_counter() - self.began,
            "compile_seconds": self.compiling - compiling,
            "device_peak_mib": memory and memory / 2**20,
            "host_peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps({"part": name, **result}), flush=True)


def environment(side: str, options: argparse.Namespace, folder: Path) -> dict[str, str]:
    told = {"KERAS_BACKEND": "jax"}
    if not options.fake_devices:
        told["MANYHOT_CACHE"] = str(folder / side)  # nothing is compiled yet
    if side == "cpu" or options.fake_devices:
        told["JAX_PLATFORMS"] = "cpu"
    if side == "accelerator" and options.fake_devices:
        told["JAX_NUM_CPU_DEVICES"] = str(options.fake_devices)
    return {**os.environ, **told}


def run_parts(side: str, names: list[str], seconds: float, options: argparse.Namespace, folder: Path) -> dict:
    """Some parts in one process -> what each said; those that were cut off are missing."""
    words = ["--side", side, "--only", *names, "--seconds", str(seconds / len(names)), "--folder", str(folder)]
    words += ["--fake-devices", str(options.fake_devices)] * bool(options.fake_devices)
    command = [sys.executable, "-W", "ignore", __file__, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(side, options, folder)) as child:
        try:
            out, _ = child.communicate(timeout=1.3 * seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            out, _ = child.communicate()
    lines = [json.loads(line) for line in out.splitlines() if line.startswith('{"part"')]
    return {line.pop("part"): line for line in lines}


def measure(options: argparse.Namespace, folder: Path, deadline: float) -> dict[str, dict]:
    """All parts on both sides, within the time."""
    import numpy as np

    groups = [options.only] if options.fake_devices else [[name] for name in options.only]
    turns = [(side, group) for group in groups for side in SIDES]
    parts: dict[str, dict] = {name: {"cut": []} for name in options.only}
    for k, (side, group) in enumerate(turns):
        left = max(0.1, (deadline - time.perf_counter()) / (len(turns) - k + 0.3))
        done = run_parts(side, group, left, options, folder)
        for name in group:
            parts[name][side] = done.get(name)
            if done.get(name) is None:
                parts[name]["cut"].append(f"not finished on the {side} within {1.3 * left:.0f} s")
            elif done[name].get("share", 1) < 1:
                parts[name]["cut"].append(f"{done[name]['share']:.2%} of the rows on the {side}")
            print(f"{name}, {side}: {json.dumps(done.get(name))}", file=sys.stderr, flush=True)
    for name, part in parts.items():
        files = [folder / f"{name}-{side}.npy" for side in SIDES]
        if all(file.exists() for file in files):
            difference = np.abs(np.load(files[0]).astype(np.float64) - np.load(files[1]))
            part |= {"max_difference": float(difference.max()), "mean_difference": float(difference.mean())}
            part["times_faster"] = part[SIDES[0]]["per_second"] / part[SIDES[1]]["per_second"]
    return parts


def device(options: argparse.Namespace, folder: Path) -> dict:
    """What JAX finds, asked in a process of its own, as a device is held until its process ends."""
    script = (
        "import json, jax; d = jax.devices(); print(json.dumps({'platform': d[0].platform, 'kind': d[0].device_kind, "
        "'count': len(d), 'jax': jax.__version__, 'matmul_precision': jax.config.jax_default_matmul_precision}))"
    )
    told = environment("accelerator", options, folder)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=told)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"platform": None, "kind": done.stderr}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--fake-devices", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    for word in ("--side", "--folder"):
        parser.add_argument(word, type=Path if word == "--folder" else str, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        side = Side(options)
        for name in options.only:
            side.run(name)
        return
    with tempfile.TemporaryDirectory() as name:
        began, found = time.perf_counter(), device(options, Path(name))
        if found["platform"] in (None, "cpu") and not options.fake_devices:
            why = "JAX finds only the CPU" if found["platform"] else f"JAX does not start: {found['kind'][-500:]}"
            print(f"No accelerator: {why}, so nothing was measured. CUDA needs pip install 'manyhot[gpu]'.")
            return
        results = {
            "date": str(datetime.date.today()),
            "device": found,
            "machine": f"{platform.machine()}, {os.cpu_count()} CPU cores",
            "is_fake": bool(options.fake_devices),
            "parts": measure(options, Path(name), began + options.seconds),
            "seconds": time.perf_counter() - began,
        }
    options.out.write_text(json.dumps(results, indent=1) + "\n")
    for name, part in results["parts"].items():
        if "times_faster" in part:
            words = f"{part['times_faster']:.1f} times the CPU's speed, differs by {part['max_difference']:.1e} at most"
            print(f"{name}: {words}; {'; '.join(part['cut'])}")
        else:
            print(f"{name}: {'; '.join(part['cut']) or part}")


if __name__ == "__main__":
    main()
