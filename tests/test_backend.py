"""Precision of a block of work, and processes that JAX does not survive in."""

import os

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
