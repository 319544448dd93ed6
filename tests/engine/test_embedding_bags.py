"""Tables of wide sparse features: sums, steps and whole trainings beside their dense counterparts."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import expit, logit

from manyhot import engine
from manyhot.backend import jax, use_dtype
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.engine.device_data import flatten_csr
from manyhot.engine.embedding_bags import (
    TABLE_RATE_FACTOR,
    Batch,
    EmbeddingTable,
    bag_sum,
    full_batch,
    max_entries,
    update_table,
)
from manyhot.models.network_spec import NetworkSpec, network_settings
from manyhot.networks import MemberInitializer


def sparse(n: int, width: int, density: float, seed: int = 0) -> sp.csr_matrix:
    block = sp.random(n, width, density, format="csr", random_state=seed, dtype=np.float64)
    return sp.csr_matrix(block)


@pytest.mark.slow
@pytest.mark.parametrize("is_gathered", [False, True])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.3])
def test_a_bag_is_the_product_with_the_rows_of_the_batch(density, is_gathered):
    block = sparse(50, 30, density)
    weights = np.random.default_rng(1).normal(size=(30, 7))
    rows, is_real = np.array([3, 49, 0, 3, 7, 0], np.int32), np.array([True] * 5 + [False])
    with use_dtype("float64"):
        laid = flatten_csr(block, 64, "float64")
        size = max_entries(laid, 6, "gpu") if is_gathered else 0
        found = np.asarray(bag_sum(jax.numpy.asarray(weights), jax.device_put(Batch(laid, rows, is_real)), size))
        every = np.asarray(bag_sum(jax.numpy.asarray(weights), jax.device_put(full_batch(block, 64, "float64"))))
    np.testing.assert_allclose(found[:5], (block @ weights)[rows[:5]], atol=1e-12)
    assert (found[5] == 0).all()
    np.testing.assert_allclose(every[:50], block @ weights, atol=1e-12)
    assert (every[50:] == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("is_gathered", [False, True])
@pytest.mark.parametrize(("is_adagrad", "parts"), [(False, ()), (True, ()), (False, (2, 3)), (True, (2, 3))])
def test_a_step_is_the_dense_one_and_rows_that_were_not_touched_rest(is_gathered, is_adagrad, parts):
    block = sparse(20, 40, 0.05, seed=3)
    generator = np.random.default_rng(0)
    weights, gradient = generator.normal(size=(40, 5)), generator.normal(size=(20, 5))
    widths = parts or (5,)
    before = generator.random((40, len(widths)))
    touched = np.flatnonzero(np.diff(block.tocsc().indptr))
    others = np.setdiff1d(np.arange(40), touched)
    assert 0 < len(touched) < 40
    with use_dtype("float64"):
        batch = jax.device_put(full_batch(block, 32, "float64"))
        padded = jax.numpy.pad(jax.numpy.asarray(gradient), ((0, 12), (0, 0)), constant_values=9.0)
        size = max_entries(batch.block, 32, "gpu") if is_gathered else 0
        table = jax.device_put(EmbeddingTable(weights, before))
        found = update_table(table, batch, padded, jax.numpy.asarray(0.01), is_adagrad, size, parts)
    step, squares = np.full((40, len(widths)), 0.01), before
    if is_adagrad:
        lengths = [np.square(part).mean(axis=1) for part in np.split(gradient, np.cumsum(widths)[:-1], axis=1)]
        squares = before + block.power(2).T @ np.stack(lengths, axis=1)
        step = 0.01 * TABLE_RATE_FACTOR / np.sqrt(squares)
    step = np.repeat(step, widths, axis=1)
    np.testing.assert_allclose(found.weights, weights - step * (block.T @ gradient), atol=1e-12)
    np.testing.assert_allclose(found.squares, squares, atol=1e-12)
    np.testing.assert_array_equal(np.asarray(found.weights)[others], weights[others])


def test_a_row_first_met_moves_by_the_rate_of_tables_and_one_never_met_divides_by_nothing():
    block = sp.csr_matrix(np.array([[0.5, 0.0]]))
    with use_dtype("float64"):
        batch = jax.device_put(full_batch(block, 1, "float64"))
        table = jax.device_put(EmbeddingTable(np.zeros((2, 3)), np.zeros((2, 1))))
        for gradient in (np.full((1, 3), 1e-9), np.zeros((1, 3))):
            found = update_table(table, batch, jax.numpy.asarray(gradient), jax.numpy.asarray(0.002), True)
            expected = -0.002 * TABLE_RATE_FACTOR if gradient.any() else 0.0
            np.testing.assert_allclose(found.weights, [[expected] * 3, [0.0] * 3], rtol=1e-12)


class Job:
    """Three members on dense numbers that are laid out as a table, or as they are."""

    def __init__(self, is_table: bool, **config):
        generator = np.random.default_rng(0)
        self.block = generator.normal(size=(90, 8))
        self.values = self.block @ generator.normal(size=(8, 3)) > 0.3
        self.config = TrainingConfig(
            dtype="float64", epochs=4, hidden_layer_sizes=(9,), dropout=0.0, weight_decay=0.0, **config
        )
        orders = [generator.permutation(90) for _ in range(3)]
        self.parts = engine.MemberSplits([o[:60] for o in orders], [o[60:75] for o in orders], [o[75:] for o in orders])
        settings = network_settings(self.config, ["text"] if is_table else [])
        spec = NetworkSpec("mlp", settings, {"text": (8,)}, 3, "float64")
        self.networks = spec.factory(3, lambda k: MemberInitializer(k, None, "float64"))
        self.is_table = is_table

    def start(self):
        """The same weights for both: those of the dense network."""
        dense = Job(False).networks
        with use_dtype("float64"):
            initial_weights = [[np.asarray(v.value) for v in dense.build(k).trainable_variables] for k in range(3)]
        return engine.Weights([np.stack(leaves) for leaves in zip(*initial_weights, strict=True)], [])

    def trained(self, layout="auto"):
        block = sp.csr_matrix(self.block) if self.is_table else self.block
        data = engine.EncodedRows({"text": block}, self.values, None, np.ones(90), "float64")
        return engine.train(
            self.networks, data, self.parts, self.config, RuntimeConfig(member_batching=layout), 16, self.start()
        )

    def scores(self, trained, *members):
        block = sp.csr_matrix(self.block) if self.is_table else self.block
        return engine.Scorer(self.networks, trained.weights, "float64", RuntimeConfig()).scores(
            {"text": block}, *members
        )


@pytest.mark.slow
@pytest.mark.parametrize("early_stopping", [False, True])
def test_with_plain_descent_a_table_is_a_dense_layer(early_stopping):
    settings = {"optimizer": "sgd", "early_stopping": early_stopping, "momentum": 0.0}
    table, dense = (Job(is_table, **settings) for is_table in (True, False))
    one, other = table.trained(), dense.trained()
    for a, b in zip(one.weights.trainable, other.weights.trainable, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)
    np.testing.assert_allclose(one.curves, other.curves, atol=1e-6)
    each = [dense.scores(other, (k, k + 1)) for k in range(3)]
    for k in range(3):
        np.testing.assert_allclose(table.scores(one, (k, k + 1)), each[k], atol=1e-9)
    np.testing.assert_allclose(dense.scores(other), np.mean(each, axis=0), atol=1e-9)
    np.testing.assert_allclose(table.scores(one), expit(np.mean(logit(each), axis=0)), atol=1e-9)


@pytest.mark.slow
def test_members_side_by_side_are_members_one_by_one():
    job = Job(True)
    one, other = job.trained("together"), job.trained("single")
    for a, b in zip(one.weights.trainable, other.weights.trainable, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)
