"""Damaged and handmade tables are read or refused with their file's name, within little time and memory."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.handmade_tables import HANDMADE
from tests.attacks.tables import hostile_table, valid_tables

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are read from /proc")
CPU_SECONDS = 5
PEAK_MIB = 1024  # beyond what the process has once everything is imported
N_TABLES = 10_500
N_WORKERS = 2


def read_tables(folder: Path, start: int, stop: int, n_workers: int = 1) -> list[dict[str, Any]]:
    """Read the tables of these numbers in processes, and what came of each."""
    pytest.importorskip("fastexcel")
    workers = []
    for k in range(n_workers):
        command = [sys.executable, "-m", "tests.attacks.table_worker", str(start + k), str(stop), str(n_workers)]
        output, errors = (folder / f"{k}.jsonl").open("w"), (folder / f"{k}.log").open("w")
        environment = {**os.environ, "POLARS_MAX_THREADS": "2"}
        workers.append(subprocess.Popen(command, stdout=output, stderr=errors, env=environment))
    results = []
    for k, worker in enumerate(workers):
        code, log = worker.wait(), (folder / f"{k}.log").read_text(errors="replace")
        assert code == 0, f"the worker ended with {code}, after {log[-2000:]}"
        base, *found = map(json.loads, (folder / f"{k}.jsonl").read_text().splitlines())
        results += [{**result, "more_mib": result["peak_mib"] - base["base_mib"]} for result in found]
    return results


def assert_harmless(results: list[dict[str, Any]]) -> None:
    """Each was read or refused, and took little."""
    wrong = [
        result
        for result in results
        if result["outcome"] not in ("read", "refused")
        or result["cpu_seconds"] > CPU_SECONDS
        or result["more_mib"] > PEAK_MIB
    ]
    counts = Counter((result["way"], result["outcome"]) for result in results)
    print(dict(counts))
    print("most CPU seconds", max(result["cpu_seconds"] for result in results), end=", ")
    print("most MiB", max(result["more_mib"] for result in results))
    assert not wrong, (len(wrong), wrong[:20])


@pytest.mark.slow
def test_a_slice_of_damaged_tables(tmp_path):
    results = read_tables(tmp_path, len(HANDMADE), len(HANDMADE) + 300)
    assert_harmless(results)
    assert {result["outcome"] for result in results} == {"read", "refused"}


@pytest.mark.exhaustive
def test_ten_thousand_hostile_tables(tmp_path):
    results = read_tables(tmp_path, 0, N_TABLES, N_WORKERS)
    assert_harmless(results)
    assert len({result["seed"] for result in results}) >= 10_000
    kinds = {result["kind"].split(".")[0] for result in results}
    assert kinds >= set(valid_tables())


def test_a_number_always_gives_the_same_table():
    for seed in range(len(HANDMADE), len(HANDMADE) + 30):
        assert hostile_table(seed) == hostile_table(seed)
