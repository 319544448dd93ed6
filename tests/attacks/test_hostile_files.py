"""Damaged files of every kind of model, each tried by a process of its own that has little memory and time.

A file that is loaded is inspected, predicts, and writes its report; see `trial.py`. A fault names kind and number of
the file: `tests.attacks.structured.mutant` makes it again.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attacks.corpus import KINDS
from tests.attacks.trial import MAX_BYTES, MAX_SECONDS

ROOT = Path(__file__).parents[2]
FILES = 10_080  # of all kinds together
SLICE = {"sequential": 160, "table": 160}


def try_files(kind: str, folder: Path, first: int, stop: int) -> dict:
    """What became of the files with these numbers."""
    if kind == "static":
        pytest.importorskip("tokenizers", reason="needs the extra: pip install 'manyhot[static]'")
    if kind == "onnx":
        for name in ("onnx", "onnxruntime", "tokenizers"):
            pytest.importorskip(name, reason="needs onnx and the extra: pip install onnx 'manyhot[onnxtext]'")
    result = folder / "result.json"
    paths = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
    command = [sys.executable, "-m", "tests.attacks.trial", kind, str(folder), str(first), str(stop), str(result)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert result.exists(), done.stderr[-3000:]
    record = json.loads(result.read_text())
    print(json.dumps(record, indent=1))
    assert not record["fault"], record["fault"]
    assert done.returncode == 0, done.stderr[-3000:]
    return record


def check(record: dict, n: int) -> None:
    outcomes = record["outcomes"]
    assert sum(outcomes.values()) == n
    assert record["max_bytes"] <= MAX_BYTES
    assert record["max_seconds"] <= MAX_SECONDS
    n_refused = sum(count for outcome, count in outcomes.items() if "refused" in outcome)
    assert n / 2 < n_refused < n


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", SLICE)
def test_damaged_files_are_refused_or_work(kind, tmp_path):
    check(try_files(kind, tmp_path, 0, SLICE[kind]), SLICE[kind])


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_damaged_files_are_refused_or_work(kind, tmp_path):
    n = FILES // len(KINDS)
    check(try_files(kind, tmp_path, 0, n), n)
