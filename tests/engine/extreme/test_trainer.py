"""Training over very many labels against the same steps with every logit at once."""

import numpy as np
import pytest
import scipy.sparse as sp

from manyhot.backend import jax, use_dtype
from manyhot.config.training import TrainingConfig
from manyhot.engine.embedding_bags import TABLE_RATE_FACTOR
from manyhot.engine.extreme import trainer
from manyhot.engine.extreme.scoring import TopScorer
from manyhot.engine.optimizers import make_optimizer
from manyhot.engine.program_cache import PROGRAMS
from manyhot.models.network_spec import TrunkSpec
from manyhot.networks import MemberInitializer

jnp = jax.numpy
N, L, F, D = 30, 50, 12, 6


def case(seed: int = 0) -> tuple[dict, sp.csr_matrix, np.ndarray]:
    """Blocks, one dense and one sparse; targets; where the bias begins."""
    generator = np.random.default_rng(seed)
    targets = sp.csr_matrix(generator.random((N, L)) < 0.1)
    blocks = {
        "features": generator.normal(size=(N, 3)).astype(np.float32),
        "text": sp.random(N, F, 0.3, format="csr", dtype=np.float32, random_state=seed),
    }
    return blocks, targets, generator.normal(size=L)


def spec(dropout: float = 0.0, dtype: str = "float64") -> TrunkSpec:
    settings = {
        "hidden_layer_sizes": [D],
        "activation": "relu",
        "dropout": dropout,
        "batch_norm": False,
        "tables": ["text"],
    }
    return TrunkSpec(settings, {"features": (3,), "text": (F,)}, dtype)


def make_config(**more) -> TrainingConfig:
    return TrainingConfig(
        **{"epochs": 2, "batch_size": 8, "dtype": "float64", "learning_rate": 0.01, "random_state": 3, **more}
    )


def dense_reference(blocks, targets, bias, config: TrainingConfig) -> tuple[list, np.ndarray, np.ndarray, float]:
    """The same training with all logits at once, automatic gradients, and a full table."""
    networks = spec().factory(MemberInitializer(1, None, "float64"))
    model = networks.build(0)
    optimizer = make_optimizer(config)
    optimizer.build(model.trainable_variables)
    trainable = [variable.value for variable in model.trainable_variables]
    slots = [variable.value for variable in optimizer.variables]
    rate_slot = next(i for i, v in enumerate(optimizer.variables) if v is optimizer.learning_rate)
    table, squares = jnp.asarray(networks.init_tables(0)["text"], "float64"), jnp.zeros(F)
    kernel, bias = jnp.zeros((L, D)), jnp.asarray(bias)
    head_squares = [jnp.zeros(L), jnp.zeros(L)]
    x, text, y = blocks["features"].astype(float), blocks["text"].toarray().astype(float), targets.toarray()
    n_steps = -(-N // config.batch_size)
    size, number, total = -(-N // n_steps), 0, 0.0
    epsilon = trainer.INITIAL_SQUARE_SHARE / (size * L) ** 2

    def loss(trainable, bag, kernel, bias, rows):
        hidden, _ = model.stateless_call(trainable, [], {"features": jnp.asarray(x[rows]), "text": bag}, training=True)
        logits = hidden @ kernel.T + bias
        entries = jnp.logaddexp(0, logits) - logits * y[rows]
        return entries.sum(axis=1).mean(), entries.sum()

    for epoch in range(config.epochs):
        order = np.random.default_rng([config.random_state, 0x4D41, epoch]).permutation(N)
        parts, total = np.array_split(order, n_steps), 0.0
        for rows in parts:
            rate = config.learning_rate * 0.5 * (1 + np.cos(np.pi * number / (config.epochs * n_steps)))
            bag = jnp.asarray(text[rows]) @ table
            (_, entries), gradients = jax.value_and_grad(loss, (0, 1, 2, 3), has_aux=True)(
                trainable, bag, kernel, bias, rows
            )
            total += float(entries)
            slots = list(slots)
            slots[rate_slot] = jnp.asarray(rate)
            trainable, slots = optimizer.stateless_apply(slots, gradients[0], trainable)
            lengths = jnp.square(gradients[1]).mean(axis=1)
            squares = squares + jnp.square(text[rows]).T @ lengths
            scale = jnp.where(squares > 0, TABLE_RATE_FACTOR * rate / jnp.sqrt(jnp.where(squares > 0, squares, 1)), 0)
            table = table - scale[:, None] * (text[rows].T @ gradients[1])
            head = [gradients[2] / L, gradients[3] / L]
            head_squares = [head_squares[0] + jnp.square(head[0]).mean(axis=1), head_squares[1] + jnp.square(head[1])]
            head_rates = [trainer.HEAD_RATE_FACTOR * rate / jnp.sqrt(squares + epsilon) for squares in head_squares]
            kernel, bias = kernel - head_rates[0][:, None] * head[0], bias - head_rates[1] * head[1]
            number += 1
    return [table, *trainable], kernel, bias, total / (N * L)


@pytest.mark.slow
def test_training_is_that_of_all_logits_at_once():
    blocks, targets, bias = case()
    with use_dtype("float64"):
        trainable, kernel, last_bias, loss = dense_reference(blocks, targets, bias, make_config())
    weights, curve = trainer.train_extreme(
        spec().factory(MemberInitializer(1, None, "float64")), blocks, targets, bias, make_config()
    )
    for got, expected in zip(weights.trainable, trainable, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(weights.kernel, kernel, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(weights.bias, last_bias, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(curve[-1], loss, rtol=1e-6)
    assert np.abs(weights.kernel).max() > 0.01


@pytest.mark.slow
def test_the_best_labels_are_those_of_all_logits_at_once():
    blocks, targets, bias = case()
    networks = spec().factory(MemberInitializer(1, None, "float64"))
    weights, _ = trainer.train_extreme(networks, blocks, targets, bias, make_config())
    labels, scores = TopScorer(networks, weights, "float64").top_k(blocks, 7)
    with use_dtype("float64"):
        bags = {"text": blocks["text"].toarray().astype(float) @ weights.trainable[0]}
        hidden, _ = networks.build(0).stateless_call(
            weights.trainable[1:], weights.fixed, {"features": blocks["features"].astype(float), **bags}
        )
        logits = np.asarray(hidden) @ weights.kernel.T + weights.bias
    order = np.argsort(-logits, axis=1, kind="stable")[:, :7]
    assert (labels == order).all()
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-np.take_along_axis(logits, order, axis=1))), rtol=1e-9)


@pytest.mark.slow
def test_one_program_for_all_epochs_and_for_training_again():
    blocks, targets, bias = case()
    PROGRAMS._programs.clear()
    for seed in (0, 1):
        networks = spec(0.3, "float32").factory(MemberInitializer(seed, None, "float32"))
        trainer.train_extreme(
            networks, blocks, targets, bias, make_config(epochs=3, dtype="float32", random_state=seed)
        )
    assert len(PROGRAMS._programs) == 1


@pytest.mark.slow
def test_the_program_keeps_one_copy_of_the_last_layer_and_no_rows_by_labels():
    n, width, d = 64, 20 * trainer.CHUNK, 64
    blocks = {"text": sp.random(n, 100, 0.1, format="csr", dtype=np.float32, random_state=0)}
    targets = sp.random(n, width, 1e-4, format="csr", random_state=0) > 0
    settings = {
        "hidden_layer_sizes": [d],
        "activation": "relu",
        "dropout": 0.1,
        "batch_norm": False,
        "tables": ["text"],
    }
    networks = TrunkSpec(settings, {"text": (100,)}, "float32").factory()
    PROGRAMS._programs.clear()
    small = make_config(epochs=1, batch_size=n, dtype="float32")
    trainer.train_extreme(networks, blocks, sp.csr_matrix(targets), np.zeros(width), small)
    (program,) = PROGRAMS._programs.values()
    used = program.memory_analysis()
    head_bytes = 4 * width * (d + 1)
    assert used.alias_size_in_bytes >= head_bytes  # updated where it lies
    assert used.temp_size_in_bytes < min(head_bytes, 4 * n * width) / 2
    assert used.output_size_in_bytes - used.alias_size_in_bytes < 10_000


@pytest.mark.slow
def test_a_row_with_far_more_labels_than_others_and_rows_without():
    blocks, targets, bias = case()
    full = targets.toarray()
    full[0], full[1:5] = True, False
    weights, curve = trainer.train_extreme(spec().factory(), blocks, sp.csr_matrix(full), bias, make_config())
    assert np.isfinite(curve).all()
    assert np.isfinite(weights.kernel).all()


@pytest.mark.slow
def test_a_loss_that_is_not_finite_is_told():
    from manyhot.errors import TrainingError

    blocks, targets, bias = case()
    with pytest.raises(TrainingError, match="lower learning_rate"):
        trainer.train_extreme(spec().factory(), blocks, targets, bias, make_config(learning_rate=1e300, epochs=3))


def test_labels_in_a_chunk():
    assert [trainer.choose_chunk(n) for n in (1, 2, 50, 2048, 5000)] == [1, 2, 64, trainer.CHUNK, trainer.CHUNK]
