"""Contributions beside plain sums of weights and beside differences of logits."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import logit

from manyhot import engine
from manyhot.backend import keras, use_dtype
from manyhot.config.runtime import RuntimeConfig
from manyhot.config.training import TrainingConfig
from manyhot.engine import gradient_attribution
from manyhot.models.network_spec import NetworkSpec, network_settings
from manyhot.networks import MemberInitializer, from_keras

SHAPES = {"features": (4,), "text": (30,)}
N, L, M = 7, 3, 3


def blocks(dtype: str = "float64") -> dict:
    """Multiples of 1/128, so that small steps away from them are exact in float32 too, as networks take inputs."""
    generator = np.random.default_rng(5)
    text = sp.random(N, 30, 0.3, format="csr", random_state=1, dtype=np.float64)
    text.data[:] = (generator.integers(1, 256, text.nnz) - 300) / 128
    return {
        "features": (generator.integers(-256, 256, (N, 4)) / 128).astype(dtype),
        "text": sp.csr_matrix(text, dtype=dtype),
    }


def scorer_of(spec: NetworkSpec, output: str = "sigmoid") -> tuple[engine.Scorer, list[np.ndarray]]:
    """Members with weights of their own, biases too."""
    networks = spec.factory(M, lambda k: MemberInitializer(k + 1, np.full(L, 0.1 * k), spec.dtype))
    with use_dtype(spec.dtype):
        built = [networks.build(k) for k in range(M)]
        initial_tables = [networks.init_tables(k) if networks.init_tables else {} for k in range(M)]
        tables = [np.stack([one[name] for one in initial_tables]) for name in networks.tables]
        trainable = [np.stack(leaves) for leaves in zip(*map(values, built), strict=True)]
        fixed = [
            np.stack([np.asarray(v.value) for v in leaves])
            for leaves in zip(*(network.non_trainable_variables for network in built), strict=True)
        ]
    weights = engine.Weights([*tables, *trainable], fixed)
    return engine.Scorer(networks, weights, spec.dtype, RuntimeConfig(), output), tables


def values(network) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [
        np.asarray(v.value) + 0.3 * generator.normal(size=v.shape).astype(v.dtype) for v in network.trainable_variables
    ]


def mlp(hidden_layer_sizes, shapes=SHAPES, dtype="float64", **settings) -> NetworkSpec:
    config = TrainingConfig(hidden_layer_sizes=hidden_layer_sizes, dtype=dtype, **settings)
    return NetworkSpec("mlp", network_settings(config, {"text"} & set(shapes)), shapes, L, dtype)


def mean_logits(scorer, inputs) -> np.ndarray:
    """Of sigmoid members, from their scores."""
    return np.mean([logit(scorer.scores(inputs, (k, k + 1)).astype(float)) for k in range(scorer.n_members)], axis=0)


def every_pair(scorer, tables, inputs):
    """Logits (n, l) and contributions (n, f, l) of every row and label, block by block."""
    rows, labels = np.repeat(np.arange(N), L), np.tile(np.arange(L), N)
    logits = np.zeros((N, L))
    dense = {name: np.zeros((*block.shape, L)) for name, block in inputs.items()}
    for part in engine.contributions(scorer, tables, inputs, rows, labels):
        row, columns = rows[part.pairs][0], labels[part.pairs]
        logits[row, columns] = part.logits
        for name, block in inputs.items():
            where = np.arange(block.shape[1])
            if sp.issparse(block):
                where = block.indices[block.indptr[row] : block.indptr[row + 1]]
            dense[name][row][np.ix_(where, columns)] = part.blocks[name]
    return logits, dense


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("names", [("features",), ("text",), ("features", "text")])
def test_without_hidden_layers_contributions_and_the_constant_are_the_logit(names, dtype):
    shapes = {name: SHAPES[name] for name in names}
    scorer, tables = scorer_of(mlp((), shapes, dtype))
    inputs = {name: block for name, block in blocks(dtype).items() if name in names}
    logits, found = every_pair(scorer, tables, inputs)
    total = engine.constants(scorer, np.arange(L)) + sum(one.sum(axis=1) for one in found.values())
    np.testing.assert_allclose(total, logits, rtol=0, atol=1e-6)
    np.testing.assert_allclose(total, mean_logits(scorer, inputs), rtol=0, atol=1e-6 if dtype == "float64" else 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"hidden_layer_sizes": (8,)}, {"hidden_layer_sizes": (8, 6), "batch_norm": True}])
def test_with_hidden_layers_a_contribution_is_the_slope_times_the_input(settings):
    scorer, tables = scorer_of(mlp(activation="tanh", dropout=0.2, **settings))
    inputs = blocks()
    logits, found = every_pair(scorer, tables, inputs)
    np.testing.assert_allclose(logits, mean_logits(scorer, inputs), atol=1e-9)
    step = 2**-7
    for name, column in [("features", 2), ("features", 0), *(("text", int(k)) for k in inputs["text"][3].indices[:4])]:
        moved = []
        for sign in (1, -1):
            block = inputs[name].copy()
            block[3, column] += sign * step
            moved.append(mean_logits(scorer, {**inputs, name: block})[3])
        slope = (moved[0] - moved[1]) / (2 * step)
        np.testing.assert_allclose(found[name][3, column], slope * inputs[name][3, column], rtol=0, atol=1e-3)


@pytest.mark.slow
def test_a_network_of_ones_own_has_slopes_too():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, "gelu"), keras.layers.Dense(L, "sigmoid")])
    trainable = from_keras(model, {"features": (4,)}, L)
    scorer, tables = scorer_of(NetworkSpec("custom", {}, {"features": (4,)}, L, "float64", trainable))
    for block in (blocks()["features"], sp.csr_matrix(blocks()["features"])):
        inputs = {"features": block}
        logits, found = every_pair(scorer, tables, inputs)
        np.testing.assert_allclose(logits, mean_logits(scorer, inputs), atol=1e-9)
        moved = blocks()["features"]
        moved[:, 1] += 2**-10
        slope = (mean_logits(scorer, {"features": moved}) - logits) * 2**10
        np.testing.assert_allclose(found["features"][:, 1], slope * blocks()["features"][:, [1]], rtol=0, atol=1e-2)


@pytest.mark.slow
def test_softmax_logits_are_those_before_the_softmax():
    scorer, tables = scorer_of(mlp((5,)), "softmax")
    other, _ = scorer_of(mlp((5,)))
    inputs = blocks()
    np.testing.assert_array_equal(every_pair(scorer, tables, inputs)[0], every_pair(other, tables, inputs)[0])
    scores = scorer.scores(inputs, (0, 1))
    np.testing.assert_allclose(scores.sum(axis=1), 1)


def test_many_pairs_and_long_rows_come_in_pieces(monkeypatch):
    scorer, tables = scorer_of(mlp((5,)))
    inputs = blocks()
    logits, found = every_pair(scorer, tables, inputs)
    monkeypatch.setattr(gradient_attribution, "MAX_CONTRIBUTIONS", 20)
    monkeypatch.setattr(gradient_attribution, "COLUMNS_PER_GATHER", 2)
    rows, labels = np.repeat(np.arange(N), 20), np.tile(np.arange(L), 47)[: 20 * N]
    parts = list(engine.contributions(scorer, tables, inputs, rows, labels))
    assert [k for part in parts for k in range(part.pairs.start, part.pairs.stop)] == list(range(20 * N))
    assert max(len(part.logits) for part in parts) < 20
    assert len(rows) > 2 * gradient_attribution.PAIRS_PER_BATCH
    for part in parts:
        (row,) = set(rows[part.pairs])
        np.testing.assert_allclose(part.logits, logits[row, labels[part.pairs]], atol=1e-12)
        np.testing.assert_allclose(part.blocks["features"], found["features"][row][:, labels[part.pairs]], atol=1e-12)
        assert part.blocks["text"].shape[0] == inputs["text"][row].nnz
        columns = inputs["text"][row].indices
        np.testing.assert_allclose(part.blocks["text"], found["text"][row][columns][:, labels[part.pairs]], atol=1e-12)


def test_constants_of_more_labels_than_a_batch_has_and_of_none():
    scorer, _ = scorer_of(mlp((5,)))
    found = engine.constants(scorer, np.arange(L))
    many = engine.constants(scorer, np.tile(np.arange(L), 50))
    np.testing.assert_array_equal(many, np.tile(found, 50))
    assert engine.constants(scorer, np.arange(0)).shape == (0,)
    zeros = {"features": np.zeros((1, 4)), "text": sp.csr_matrix((1, 30))}
    np.testing.assert_allclose(found, mean_logits(scorer, zeros)[0], atol=1e-9)
