"""Precision of a block of work, processes that JAX does not survive in, and programs that are kept."""

import os
import subprocess
import sys

import pytest

from manyhot.backend import jax, use_dtype
from manyhot.errors import ManyhotError


def test_the_precision_holds_inside_alone():
    with use_dtype("float64"):
        assert jax.numpy.ones(1).dtype == "float64"
    assert jax.numpy.ones(1).dtype == "float32"


def test_a_fork_fails_instead_of_waiting(monkeypatch):
    with use_dtype("float32"):
        pass
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(ManyhotError, match=r"forked.*spawn"), use_dtype("float32"):
        pass


@pytest.mark.slow
def test_a_torn_program_in_the_cache_is_compiled_anew_without_a_word(tmp_path):
    """As a kill in the middle of its writing leaves it, or a full disk."""
    code = "from manyhot.backend import jax; print(jax.jit(lambda x: x * 3 + 1)(2.0))"
    for _ in range(2):
        environment = {**os.environ, "MANYHOT_CACHE": str(tmp_path)}
        environment.pop("JAX_ENABLE_COMPILATION_CACHE", None)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "7.0\n", "")
        programs = list((tmp_path / "programs").glob("*-cache"))
        assert programs
        for path in programs:
            os.truncate(path, path.stat().st_size // 2)
