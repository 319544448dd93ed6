"""The maximum constraint and its loss beside the paper's definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manyhot.backend import jax
from manyhot.config.losses import loss_params
from manyhot.data.hierarchy import Hierarchy
from manyhot.engine.losses import LOSSES, LossContext
from manyhot.engine.max_constraint import constrain, constrain_for_loss, raise_parents
from tests.data.test_hierarchy import hierarchies
from tests.reference.hierarchy import completed, constrained, max_constraint_loss

SIGMOID = [name for name, output in LOSSES if output == "sigmoid"]
DIAMOND = [(3, 1), (3, 2), (1, 0), (2, 0), (5, 4)]


def levels_of(n_labels, pairs):
    return Hierarchy(pairs, tuple(f"label {j}" for j in range(n_labels))).levels


def completed_rows(generator, n_rows, n_labels, pairs):
    """Logits, values and known entries that keep the hierarchy."""
    cells = generator.choice(np.array([True, False, None]), p=[0.3, 0.5, 0.2], size=(n_rows, n_labels))
    rows = [completed(row, pairs) for row in cells.tolist()]
    values, known = (np.array([[test(cell) for cell in row] for row in rows]) for test in (bool, is_known))
    return generator.normal(size=(n_rows, n_labels)) * 3, values, known


def is_known(cell):
    return cell is not None


def context_of(loss, n_labels):
    values = {name: np.asarray(value, np.float32) for name, value in loss_params(loss, None).items()}
    return LossContext(values, np.full(n_labels, 20.0, np.float32), np.full(n_labels, 50.0, np.float32))


def entries(loss, logits, values, known, pairs):
    """The loss of each entry at the constrained logits, 0 where unknown."""
    n_labels = values.shape[-1]
    seen = constrain_for_loss(logits, known & values, levels_of(n_labels, pairs))
    elements = LOSSES[loss, "sigmoid"](seen, values.astype(logits.dtype), known, context_of(loss, n_labels))
    return jax.numpy.where(known, elements, 0)


@given(hierarchies(), st.integers(0, 2**16))
@settings(max_examples=12, deadline=None)
def test_logits_and_loss_are_those_of_the_paper(hierarchy, seed):
    n_labels, pairs = hierarchy
    logits, values, known = completed_rows(np.random.default_rng(seed), 4, n_labels, pairs)
    logits = logits.astype(np.float32)
    raised = np.asarray(constrain(jax.numpy.asarray(logits), levels_of(n_labels, pairs)))
    np.testing.assert_array_equal(raised, [constrained(row, pairs) for row in logits])
    found = np.asarray(entries("binary_crossentropy", jax.numpy.asarray(logits), values, known, pairs))
    for row in range(len(logits)):
        truth = max_constraint_loss(logits[row].tolist(), values[row], known[row], pairs)
        np.testing.assert_allclose(found[row], [0 if one is None else one for one in truth], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", SIGMOID)
def test_gradients_are_finite_and_nothing_unknown_pulls(loss):
    logits, values, known = completed_rows(np.random.default_rng(1), 12, 6, DIAMOND)
    logits[0], logits[1] = 0.0, np.where(np.arange(6) % 2, 80.0, -80.0)  # ties, and far out

    def total(logits):
        return entries(loss, logits, values, known, DIAMOND).sum()

    gradient = np.asarray(jax.grad(total)(jax.numpy.asarray(logits, "float32")))
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).sum() > 0
    assert (gradient[~known] == 0).all()


def test_a_yes_does_not_pull_up_a_child_that_does_not_hold():
    logits = jax.numpy.asarray([[0.0, 4.0, -1.0]])  # a parent, a wrong child that scores high, a right one
    values, known, pairs = np.array([[True, False, True]]), np.ones((1, 3), bool), [(1, 0), (2, 0)]
    gradient = jax.grad(lambda z: entries("binary_crossentropy", z, values, known, pairs)[0, 0])(logits)
    assert gradient[0, 1] == 0
    assert gradient[0, 0] < 0


@pytest.mark.parametrize("loss", SIGMOID)
def test_without_a_hierarchy_nothing_changes(loss):
    logits, values, known = completed_rows(np.random.default_rng(2), 5, 4, [])
    logits = jax.numpy.asarray(logits, "float32")
    plain = LOSSES[loss, "sigmoid"](logits, values.astype("float32"), known, context_of(loss, 4))
    np.testing.assert_array_equal(entries(loss, logits, values, known, []), np.where(known, plain, 0))


@pytest.mark.parametrize("loss", SIGMOID)
def test_the_order_of_labels_does_not_matter(loss):
    generator = np.random.default_rng(3)
    logits, values, known = completed_rows(generator, 7, 6, DIAMOND)
    logits = jax.numpy.asarray(logits, "float32")
    order = generator.permutation(6)
    place = np.argsort(order)
    turned_pairs = [(int(place[child]), int(place[parent])) for child, parent in DIAMOND]
    before = np.asarray(entries(loss, logits, values, known, DIAMOND))
    after = np.asarray(entries(loss, logits[:, order], values[:, order], known[:, order], turned_pairs))
    np.testing.assert_allclose(after, before[:, order], rtol=1e-5, atol=1e-6)


def test_it_works_for_members_side_by_side_and_for_deeper_arrays():
    logits = jax.numpy.asarray(np.random.default_rng(4).normal(size=(3, 2, 5, 6)), "float32")
    levels = levels_of(6, DIAMOND)
    found = np.asarray(jax.vmap(lambda z: constrain(z, levels))(logits))
    np.testing.assert_array_equal(found.reshape(30, 6), [constrained(row, DIAMOND) for row in logits.reshape(30, 6)])


def test_a_last_digit_is_put_right_on_the_host():
    scores = np.array([[0.5, 0.5 + 2**-23, 0.1, 0.2, 0.3, 0.3]], dtype=np.float32)
    levels = levels_of(6, DIAMOND)
    fixed = raise_parents(scores, levels)
    np.testing.assert_array_equal(fixed[0], constrained(scores[0], DIAMOND))
    assert scores[0, 0] == 0.5
    assert raise_parents(fixed, levels) is fixed
