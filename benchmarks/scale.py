"""Speed-up from one to two workers of one core each, and from measured parts what 8, 64 and 512 workers would give.

Usage: python benchmarks/scale.py [--pairs 3] [--epochs 6] [--out results/scale.json]
The fit: 16 members of 256-256 units on 20,000 rows of 100 numbers with 20 labels. One worker is "processes:1" in a
process that is itself bound to one core; two are "processes:2" in one bound to two. Each run is a process of its own
that fits twice: "cold" starts workers, with an empty cache of compiled programs, and "warm" finds both. In a pair they
run one after the other, the order changes from pair to pair, ratios are medians of the pairs. Where others use the
machine, the ratio of busy seconds (processor time of the process and of its busiest worker) is the one to trust.
The parts are measured, in processor seconds, by an executor that runs its tasks itself, bound to one core, for two
numbers of rows and of members; "on paper" puts them together (`on_paper` has the formulas): a calculation, not a
measurement, of machines that do nothing else. It needs Linux and two cores.
"""

import argparse
import datetime
import json
import math
import os
import pickle
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future
from pathlib import Path

HERE = Path(__file__).resolve().parent
FEATURES, LABELS, FOLDS, UNITS = 100, 20, 8, (256, 256)
ROWS, MEMBERS = 20_000, 16
POINTS = ((ROWS, MEMBERS), (5 * ROWS, MEMBERS), (5 * ROWS, MEMBERS // 2))  # rows, members where parts are measured
PAPER = {
    "bytes_per_second": 1e9,  # of the one link over which every worker reads the rows, once
    "worker_bytes": 64 * 2**30,  # memory of a worker
    "epochs": 4,  # what epochs="auto" takes from 250,000 rows on
    "workers": (1, 8, 64, 512),
    "rows": (1_000_000, 100_000_000),
    "members": (16, 512),
}


def processor_seconds(pid: str) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_bytes(pid: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def children() -> list[str]:
    """The processes that this one has started."""
    return [pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()]


class Stopwatch:
    """An executor that runs each task at once, here, and writes down its processor seconds."""

    def __init__(self) -> None:
        self.tasks: list[float] = []
        self.parts: dict[str, float] = {}
        self.began = self.ended = 0.0

    def submit(self, function, handle, arguments) -> Future:
        if not self.parts:
            self._measure_sending(handle)
        started = time.process_time()
        outcome = function(handle, arguments)
        returned = time.process_time()
        content = pickle.dumps(outcome, protocol=pickle.HIGHEST_PROTOCOL)
        pickle.loads(content)
        self.ended, n_members = time.process_time(), len(outcome.result.members)
        self.tasks.append(returned - started)
        self.parts |= {"result_bytes": len(content) / n_members, "return": (self.ended - returned) / n_members}
        self.parts["members_per_task"] = n_members
        future: Future = Future()
        future.set_result(outcome)
        return future

    def _measure_sending(self, handle) -> None:
        import cloudpickle

        self.began = time.process_time()
        work = handle.load()
        read = time.process_time() - self.began
        n_bytes = len(cloudpickle.dumps(tuple(work), protocol=pickle.HIGHEST_PROTOCOL))
        write = time.process_time() - self.began - read
        rows = work.payload.rows
        encoded = sum(array.nbytes for array in (*rows.blocks.values(), rows.values))
        self.parts = {"job_bytes": n_bytes, "encoded_bytes": encoded, "read": read, "write": write}


def work(
    cores: list[int], executor: str | None, rows: int, members: int, epochs: int, units: list, names: list
) -> dict:
    """What a process of its own does: fit, "cold" and then "warm"."""
    os.sched_setaffinity(0, cores)
    os.environ["NPROC"] = "2"  # threads of XLA, as in every worker that has one of several cores
    import numpy as np

    from manyhot import MultiLabelClassifier

    generator, results = np.random.default_rng(0), {}
    X = generator.normal(size=(rows, FEATURES)).astype(np.float32)
    Y = X @ generator.normal(size=(FEATURES, LABELS)) + 5 * generator.normal(size=(rows, LABELS)) > 8
    setting = {"n_members": members, "n_folds": FOLDS, "epochs": epochs, "hidden_layer_sizes": units, "verbose": 0}
    for name in names:
        pool = Stopwatch() if executor is None else executor
        before = {pid: processor_seconds(pid) for pid in children()}
        began, own_began = time.perf_counter(), time.process_time()
        MultiLabelClassifier(executor=pool, **setting).fit(X, Y)
        ended, own_ended = time.perf_counter(), time.process_time()
        own = own_ended - own_began
        busiest = max((processor_seconds(pid) - before.get(pid, 0) for pid in children()), default=0.0)
        results[name] = {"seconds": ended - began, "busy": own + busiest, "busy_here": own, "busiest_worker": busiest}
        if isinstance(pool, Stopwatch):
            results[name] |= {**pool.parts, "before": pool.began - own_began - pool.parts["write"]}
            results[name] |= {"first_task": pool.tasks[0], "task": statistics.median(pool.tasks[1:])}
            results[name]["after"] = own_ended - pool.ended
    return {**results, "load": os.getloadavg()[0], "worker_bytes": max(map(peak_bytes, children()), default=0)}


def run(cores, executor, rows, members, epochs, units=UNITS, names=("cold", "warm")) -> dict:
    """`work` in a process of its own with an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        told = json.dumps([cores, executor, rows, members, epochs, units, names])
        command = [sys.executable, "-W", "ignore", __file__, "--work", told]
        environment = {**os.environ, "MANYHOT_CACHE": cache}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    result = json.loads(done.stdout.splitlines()[-1])
    seconds = ", ".join(f"{name} {result[name]['seconds']:.1f} s" for name in names)
    words = f"{executor or 'parts'}, {rows} rows, {members} members: {seconds}, load {result['load']:.1f}"
    print(words, file=sys.stderr, flush=True)
    return result


def speed_up(cores: list[int], pairs: int, epochs: int) -> dict:
    """One worker beside two, pair by pair."""
    runs: dict[int, list[dict]] = {1: [], 2: []}
    for k in range(pairs):
        for n in (1, 2) if k % 2 == 0 else (2, 1):
            runs[n].append(run(cores[:n], f"processes:{n}", ROWS, MEMBERS, epochs))
    result: dict = {"one": runs[1], "two": runs[2]}
    for state in ("cold", "warm"):
        for key in ("seconds", "busy"):
            ratios = [one[state][key] / two[state][key] for one, two in zip(runs[1], runs[2], strict=True)]
            result[f"{state}_{key}"] = {"median": statistics.median(ratios), "pairs": [round(one, 3) for one in ratios]}
    return result


def plane(values: list[float], times: int = 1) -> dict:
    """Values at POINTS (`times` as many rows) as a constant and what a row, and a member's row, adds; none below 0."""
    few, many, m, half = times * POINTS[0][0], times * POINTS[1][0], POINTS[1][1], POINTS[2][1]
    per_member_row = max(0.0, values[1] - values[2]) / (m - half) / many
    per_row = max(0.0, (values[1] - values[0]) / (many - few) - m * per_member_row)
    constant = max(0.0, values[0] - few * (per_row + m * per_member_row))
    return {"constant": constant, "per_row": per_row, "per_member_row": per_member_row}


def parts(core: list[int], one_worker: list[dict]) -> dict:
    """Seconds and bytes of each part."""
    runs = [run(core, None, *point, 1) for point in POINTS]
    memory = [run(core, "processes:1", 2 * rows, m, 1, (8,), ("cold",))["worker_bytes"] for rows, m in POINTS]
    warm = [one["warm"] for one in runs]
    compiling = max(0.0, runs[0]["cold"]["first_task"] - warm[0]["first_task"])
    colder = statistics.median(one["cold"]["busy"] - one["warm"]["busy"] for one in one_worker)
    return {
        **{name: plane([one[name] for one in warm]) for name in ("job_bytes", "before", "write", "read", "after")},
        "prepare": plane([max(0.0, one["first_task"] - one["task"] - one["read"]) for one in warm]),
        "worker_bytes": plane(memory, 2),
        "start": max(0.0, colder - compiling),
        "compile": compiling,
        "train_per_row": warm[1]["task"] / warm[1]["members_per_task"] / POINTS[1][0],
        **{name: warm[1][name] for name in ("result_bytes", "return", "members_per_task")},
        "job_to_encoded_rows": warm[1]["job_bytes"] / warm[1]["encoded_bytes"],
        "measured": runs,
    }


def on_paper(part: dict, n_workers: int, n_rows: int, n_members: int) -> dict:
    """Seconds of one cold fit with so many workers of one core; a part in brackets is c + rows (a + b members).

    before = [encoding and folds, here]; start and compile: at the same time in all workers, so is [prepare], the layout
    of the rows; send = [writing] + n_busy (bytes of the job) / link + [reading]; train = rounds x members of a chunk x
    rows x epochs x seconds of a row; return = members ((bytes of weights) / link + pickling); after = [out-of-fold
    scores, calibration, thresholds, report, here].
    """
    link = PAPER["bytes_per_second"]

    def at(name: str) -> float:
        return part[name]["constant"] + n_rows * (part[name]["per_row"] + n_members * part[name]["per_member_row"])

    n_tasks = math.ceil(n_members / part["members_per_task"])
    n_busy, rounds = min(n_workers, n_tasks), math.ceil(n_tasks / n_workers)
    seconds = {
        "before": at("before"),
        "send": at("write") + n_busy * at("job_bytes") / link + at("read"),
        **{"start": part["start"], "compile": part["compile"], "prepare": at("prepare")},
        "train": rounds * part["members_per_task"] * n_rows * PAPER["epochs"] * part["train_per_row"],
        "return": n_members * (part["result_bytes"] / link + part["return"]),
        "after": at("after"),
    }
    bound = max(seconds, key=seconds.__getitem__)
    if at("worker_bytes") > PAPER["worker_bytes"]:
        bound = f"memory of a worker, then {bound}"
    elif bound == "train" and n_tasks < n_workers:
        bound = "number of chunks"
    sums = {"seconds": sum(seconds.values()), "worker_gib": at("worker_bytes") / 2**30, "bound": bound}
    return {"rows": n_rows, "members": n_members, "workers": n_workers, "busy": n_busy, **seconds, **sums}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "scale.json")
    options = parser.parse_args()
    if options.work:
        print(json.dumps(work(*json.loads(options.work))))
        return
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        sys.exit("two cores are needed, and this process may use one only")
    pairs = speed_up(cores, options.pairs, options.epochs)
    part = parts(cores[:1], pairs["one"])
    rows = []
    for n_rows in PAPER["rows"]:
        for n_members in PAPER["members"]:
            cells = [on_paper(part, n, n_rows, n_members) for n in PAPER["workers"]]
            rows += [cell | {"speed_up": cells[0]["seconds"] / cell["seconds"]} for cell in cells]
    setting = {"rows": ROWS, "features": FEATURES, "labels": LABELS, "members": MEMBERS, "epochs": options.epochs}
    results = {
        "date": str(datetime.date.today()),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPU cores",
        "setting": {**setting, "hidden_layer_sizes": UNITS},
        **{"speed_up": pairs, "parts": part, "assumptions": PAPER, "on_paper": rows},
    }
    options.out.write_text(json.dumps(results, indent=1) + "\n")
    for name in ("cold_seconds", "warm_seconds", "cold_busy", "warm_busy"):
        print(f"{name}: {pairs[name]['median']:.2f} times with two workers, pairs {pairs[name]['pairs']}")
    columns = [name for name in rows[0] if name != "bound"]
    print(("{:>13}" * len(columns)).format(*columns), " bound")
    for row in rows:
        print("".join(f"{row[name]:13,.1f}" for name in columns), "", row["bound"])


if __name__ == "__main__":
    main()
