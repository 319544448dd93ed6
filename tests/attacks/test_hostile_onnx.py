"""Hostile text models in saved files: a `BundleError`, within 2 GiB and 2 CPU seconds, whatever the model asks for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attacks.trial import MAX_BYTES, MAX_SECONDS

for name in ("onnx", "onnxruntime", "tokenizers"):
    pytest.importorskip(name, reason="needs onnx and the extra: pip install onnx 'manyhot[onnxtext]'")

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_hostile_models_end_in_an_error_of_ours_within_the_limits(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.attacks.onnx_trial", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "MANYHOT_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    record = json.loads((tmp_path / "result.json").read_text())
    assert len(record["outcomes"]) > 20
    assert set(record["outcomes"].values()) == {"BundleError"}, record["outcomes"]
    assert record["max_bytes"] <= MAX_BYTES
    assert max(record["seconds"].values()) <= MAX_SECONDS, record["seconds"]
