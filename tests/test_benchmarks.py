"""The benchmark for accelerators runs from end to end without one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks/gpu.py"

pytestmark = pytest.mark.slow


def run(*words):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout


@pytest.mark.parametrize(
    "parts",
    [
        ["predict"],
        *(pytest.param(some, marks=pytest.mark.exhaustive) for some in (["wide_mlp", "cv"], ["cnn", "sparse"])),
    ],
)
def test_all_parts_on_fake_devices(parts, tmp_path):
    run("--fake-devices", 2, "--seconds", 2000, "--only", *parts, "--out", tmp_path / "gpu.json")
    results = json.loads((tmp_path / "gpu.json").read_text())
    assert results["is_fake"]
    assert results["device"]["count"] == 2
    assert list(results["parts"]) == parts
    for part in results["parts"].values():
        assert part["cut"] == []
        assert part["max_difference"] < 1e-5
        for side in ("accelerator", "cpu"):
            assert part[side]["per_second"] > 0
            assert part[side]["share"] == 1
            assert part[side]["host_peak_mib"] > 100
            assert part[side]["device_peak_mib"] is None  # a CPU does not say


def test_what_the_time_does_not_suffice_for_is_cut(tmp_path):
    printed = run("--fake-devices", 2, "--seconds", 0.1, "--only", "cv", "--out", tmp_path / "gpu.json")
    part = json.loads((tmp_path / "gpu.json").read_text())["parts"]["cv"]
    assert part["accelerator"] is None
    assert len(part["cut"]) == 2
    assert "not finished on the cpu" in printed


def test_without_an_accelerator_it_says_so(tmp_path):
    assert run("--out", tmp_path / "gpu.json").startswith("No accelerator: JAX finds only the CPU")
    assert not (tmp_path / "gpu.json").exists()
