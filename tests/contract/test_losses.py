"""Every loss through the same questions."""

import numpy as np
import pytest

from manyhot.backend import jax, keras, precision
from manyhot.losses import LOSSES, OUTPUTS


def plain_binary_crossentropy(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    p = 1 / (1 + np.exp(-logits))
    return -targets * np.log(p) - (1 - targets) * np.log(1 - p)


def plain_softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def plain_softmax_binary_crossentropy(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    p = plain_softmax(logits)
    return -targets * np.log(p) - (1 - targets) * np.log(1 - p)


def plain_categorical_crossentropy(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return -logits.shape[-1] * targets * np.log(plain_softmax(logits))


PLAIN = {
    ("binary_crossentropy", "sigmoid"): plain_binary_crossentropy,
    ("binary_crossentropy", "softmax"): plain_softmax_binary_crossentropy,
    ("categorical_crossentropy", "softmax"): plain_categorical_crossentropy,
}


@pytest.mark.parametrize("name", LOSSES, ids=" ".join)
def test_it_is_its_formula_and_its_gradient_that_of_finite_differences(name):
    generator = np.random.default_rng(0)
    logits, targets = generator.normal(scale=3, size=(7, 5)), (generator.random((7, 5)) < 0.4).astype(float)
    with precision("float64"):
        values = np.asarray(LOSSES[name](logits, targets))
        gradient = np.asarray(jax.grad(lambda z: LOSSES[name](z, targets).sum())(logits))
        differences = np.zeros_like(logits)
        for place in np.ndindex(*logits.shape):
            step = np.zeros_like(logits)
            step[place] = 1e-6
            ahead, behind = (LOSSES[name](logits + sign * step, targets).sum() for sign in (1, -1))
            differences[place] = (ahead - behind) / 2e-6
    assert values.shape == logits.shape
    np.testing.assert_allclose(values, PLAIN[name](logits, targets), atol=1e-12)
    np.testing.assert_allclose(gradient, differences, atol=1e-7)


@pytest.mark.parametrize("name", LOSSES, ids=" ".join)
def test_extreme_logits_stay_finite(name):
    logits = np.array([-1e4, -100, 0, 100, 1e4], np.float32)
    for target in (0.0, 1.0):
        targets = np.full(5, target, np.float32)
        assert np.isfinite(LOSSES[name](logits, targets)).all()
        assert np.isfinite(jax.grad(lambda z, t=targets: LOSSES[name](z, t).sum())(logits)).all()


@pytest.mark.parametrize("name", LOSSES, ids=" ".join)
def test_its_mean_is_the_loss_of_keras(name):
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(40, 5)).astype(np.float32)
    targets = (generator.random((40, 5)) < 0.4).astype(np.float32)
    loss, output = name
    theirs = keras.losses.get(loss)(targets, OUTPUTS[output](logits))
    assert float(LOSSES[name](logits, targets).mean()) == pytest.approx(float(np.mean(theirs)), rel=1e-5)
