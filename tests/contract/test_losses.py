"""Every loss through the same questions."""

import numpy as np
import pytest

from manyhot.backend import jax, precision
from manyhot.losses import LOSSES


def plain_binary_crossentropy(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    p = 1 / (1 + np.exp(-logits))
    return -targets * np.log(p) - (1 - targets) * np.log(1 - p)


PLAIN = {"binary_crossentropy": plain_binary_crossentropy}


@pytest.mark.parametrize("name", LOSSES)
def test_it_is_its_formula_and_its_gradient_that_of_finite_differences(name):
    generator = np.random.default_rng(0)
    logits, targets = generator.normal(scale=3, size=(7, 5)), (generator.random((7, 5)) < 0.4).astype(float)
    with precision("float64"):
        values = np.asarray(LOSSES[name](logits, targets))
        gradient = np.asarray(jax.grad(lambda z: LOSSES[name](z, targets).sum())(logits))
        step = 1e-6
        differences = (LOSSES[name](logits + step, targets) - LOSSES[name](logits - step, targets)) / (2 * step)
    assert values.shape == logits.shape
    np.testing.assert_allclose(values, PLAIN[name](logits, targets), atol=1e-12)
    np.testing.assert_allclose(gradient, differences, atol=1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_extreme_logits_stay_finite(name):
    logits = np.array([-1e4, -100, 0, 100, 1e4], np.float32)
    for target in (0.0, 1.0):
        targets = np.full(5, target, np.float32)
        assert np.isfinite(LOSSES[name](logits, targets)).all()
        assert np.isfinite(jax.grad(lambda z, t=targets: LOSSES[name](z, t).sum())(logits)).all()
