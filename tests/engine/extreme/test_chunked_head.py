"""The chunked head against all logits at once."""

from functools import partial
from typing import NamedTuple

import numpy as np
import pytest

from manyhot.backend import jax, keras, use_dtype
from manyhot.config.training import TrainingConfig
from manyhot.engine.extreme import chunked_head
from manyhot.engine.extreme.optimizers import Head, adamw, rowwise_adagrad, sgd
from manyhot.engine.extreme.sparse_targets import PaddedTargets, pad_positives
from manyhot.engine.losses import LossContext
from manyhot.engine.losses.cross_entropy import binary_crossentropy
from manyhot.engine.optimizers import make_optimizer
from manyhot.engine.train_step import safe_mean

jnp = jax.numpy
OPTIMIZERS = {"rowwise_adagrad": rowwise_adagrad, "adamw": adamw, "sgd": sgd}
SHAPES = [(1, 3, 1, 4), (5, 7, 16, 8), (12, 6, 37, 8), (9, 33, 100, 32), (4, 5, 13, 64)]
"""Rows, hidden values, labels, labels in a chunk."""
USUAL = {("float32", SHAPES[2]), ("float64", SHAPES[0]), ("float64", SHAPES[2]), ("float64", SHAPES[4])}
STEPS = [
    pytest.param(*case, shape, marks=[] if (case[0], shape) in USUAL else pytest.mark.exhaustive)
    for case in (("float32", 1e-6), ("float64", 1e-12))
    for shape in SHAPES
]


class Case(NamedTuple):
    hidden: jax.Array
    head: Head
    targets: PaddedTargets
    values: np.ndarray
    known: np.ndarray
    n_labels: int
    chunk: int


def make_case(shape: tuple[int, int, int, int], dtype: str, has_unknown: bool = True, seed: int = 0) -> Case:
    n_rows, width, n_labels, chunk = shape
    generator = np.random.default_rng([seed, *shape])
    values = generator.random((n_rows, n_labels)) < 0.2
    values[0] = False
    known = generator.random(values.shape) > (0.3 if has_unknown else 0)
    weights = generator.choice([0.5, 1, 3], n_rows)
    if n_rows > 2:
        weights[-2:] = 0  # rows that fill up the step
    lists = [_pad_labels(values), _pad_labels(~known)]
    targets = PaddedTargets(lists[0], jnp.asarray(weights, dtype), lists[1] if has_unknown else None)
    head = Head(
        jnp.asarray(generator.normal(size=(n_labels, width)), dtype),
        jnp.asarray(generator.normal(size=n_labels), dtype),
    )
    hidden = jnp.asarray(generator.normal(size=(n_rows, width)), dtype)
    return Case(hidden, head, targets, values, known, n_labels, chunk)


def _pad_labels(marks: np.ndarray) -> jax.Array:
    indptr = np.concatenate([[0], np.cumsum(marks.sum(axis=1))])
    return jnp.asarray(pad_positives(indptr, np.nonzero(marks)[1]))


def dense_loss(case: Case, hidden: jax.Array, head: Head) -> jax.Array:
    """The engine's own loss and mean, of all logits at once."""
    logits = hidden @ head.kernel.T + head.bias
    mask = case.known & (np.asarray(case.targets.weights) > 0)[:, None]
    ones = jnp.ones(case.n_labels, logits.dtype)
    elements = binary_crossentropy(logits, case.values.astype(logits.dtype), mask, LossContext({}, ones, ones))
    weights = jnp.where(mask, case.targets.weights[:, None], 0)
    return safe_mean((elements * weights).sum(), weights.sum())


QUICKLY = {"xla_backend_optimization_level": 0}
"""Compiled in a third of the time; the mathematics is the same."""


def step_of(case: Case, optimizer, state, rate, step) -> chunked_head.HeadStep:
    head = chunked_head.pad_head(case.head, case.chunk)
    return jax.jit(
        partial(chunked_head.loss_and_update, optimizer=optimizer, n_labels=case.n_labels, chunk=case.chunk),
        compiler_options=QUICKLY,
    )(case.hidden, head, state, case.targets, rate=rate, step=step)


def assert_close(result, expected, tolerance: float) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), result, expected)


@pytest.mark.slow
@pytest.mark.parametrize("has_unknown", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("dtype", "tolerance", "shape"), STEPS)
def test_a_step_is_the_step_of_all_logits_at_once(dtype, tolerance, shape, name, has_unknown):
    with use_dtype(dtype):
        case = make_case(shape, dtype, has_unknown)
        optimizer = OPTIMIZERS[name](weight_decay=0.1)
        rate, step = jnp.asarray(0.05, dtype), jnp.int32(3)
        state = jax.tree.map(lambda array: array + 0.25, optimizer.init(case.head))
        padded_state = jax.tree.map(
            lambda some, all_: all_.at[: case.n_labels].set(some),
            state,
            optimizer.init(chunked_head.pad_head(case.head, case.chunk)),
        )
        result = step_of(case, optimizer, padded_state, rate, step)

        def dense_step(hidden, head, state):
            loss, (hidden_gradient, gradient) = jax.value_and_grad(partial(dense_loss, case), (0, 1))(hidden, head)
            state = optimizer.accumulate(state, gradient)
            return loss, hidden_gradient, optimizer.apply(head, state, gradient, rate, step), state

        dense = jax.jit(dense_step, compiler_options=QUICKLY)
        loss, hidden_gradient, head, state = dense(case.hidden, case.head, state)
        assert_close(safe_mean(*result.sums), loss, tolerance)
        assert_close(result.hidden_gradient, hidden_gradient, tolerance)
        assert_close(
            jax.tree.map(lambda array: array[: case.n_labels], (result.head, result.optimizer_state)),
            (head, state),
            tolerance,
        )
        padding = jax.tree.map(lambda array: array[case.n_labels :], (result.head, result.optimizer_state))
        assert all((leaf == 0).all() for leaf in jax.tree.leaves(padding))
        loss_only = jax.jit(
            partial(chunked_head.loss_only, n_labels=case.n_labels, chunk=case.chunk), compiler_options=QUICKLY
        )
        sums = loss_only(case.hidden, chunked_head.pad_head(case.head, case.chunk), case.targets)
        assert_close(sums, result.sums, tolerance)


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_ten_steps_are_those_of_the_dense_engine(name):
    with use_dtype("float64"):
        case = make_case((9, 6, 37, 8), "float64")
        config = TrainingConfig(optimizer=name, learning_rate=0.05, weight_decay=0.1, momentum=0.0)
        keras_optimizer = make_optimizer(config)
        head_optimizer = {"adamw": adamw(0.1), "adam": adamw(), "sgd": sgd()}[name]
        kernel = case.head.kernel.T
        variables = [
            keras.Variable(v, dtype="float64", name=n) for n, v in (("kernel", kernel), ("bias", case.head.bias))
        ]
        keras_optimizer.build(variables)
        slots, weights = [v.value for v in keras_optimizer.variables], [v.value for v in variables]
        slots[keras_optimizer.variables.index(keras_optimizer.learning_rate)] = jnp.asarray(0.05, slots[1].dtype)
        head = chunked_head.pad_head(case.head, case.chunk)
        state = head_optimizer.init(head)

        def both_steps(weights, slots, head, state, step):
            gradient = jax.grad(lambda w: dense_loss(case, case.hidden, Head(w[0].T, w[1])))(weights)
            rate = jnp.asarray(0.05)
            moved = chunked_head.loss_and_update(
                case.hidden, head, state, case.targets, head_optimizer, rate, step, case.n_labels, case.chunk
            )
            return keras_optimizer.stateless_apply(slots, gradient, weights), moved

        program = jax.jit(both_steps, compiler_options=QUICKLY)
        for step in range(10):
            (weights, slots), (head, state, *_) = program(weights, slots, head, state, jnp.int32(step))
        assert_close(head.kernel[: case.n_labels].T, weights[0], 1e-8)
        assert_close(head.bias[: case.n_labels], weights[1], 1e-8)


@pytest.mark.slow
def test_members_side_by_side_are_members_alone():
    cases = [make_case((6, 5, 21, 8), "float32", seed=seed) for seed in range(2)]
    optimizer = adamw(0.01)

    def one(hidden, head):
        head = chunked_head.pad_head(head, 8)
        return chunked_head.loss_and_update(
            hidden, head, optimizer.init(head), cases[0].targets, optimizer, jnp.float32(0.1), jnp.int32(0), 21, 8
        )

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[(c.hidden, c.head) for c in cases])
    both = jax.jit(jax.vmap(one), compiler_options=QUICKLY)(*stacked)
    single = jax.jit(one, compiler_options=QUICKLY)
    for k, case in enumerate(cases):
        alone = single(case.hidden, case.head)
        jax.tree.map(lambda side, own, k=k: assert_close(side[k], own, 1e-6), both, alone)


def test_adagrad_keeps_one_mean_square_a_label():
    optimizer = rowwise_adagrad(epsilon=0.0)
    head = Head(jnp.ones((2, 4)), jnp.ones(2))
    gradient = Head(jnp.asarray([[3.0, 3, 3, 3], [1, 0, 0, 0]]), jnp.asarray([2.0, -1]))
    state = optimizer.accumulate(optimizer.accumulate(optimizer.init(head), gradient), gradient)
    assert_close(state, Head(np.array([18.0, 0.5]), np.array([8.0, 2])), 1e-6)
    moved = optimizer.apply(head, state, gradient, jnp.float32(0.1), jnp.int32(1))
    expected = np.array([[1 - 0.1 / np.sqrt(2)] * 4, [1 - 0.1 / np.sqrt(0.5), 1, 1, 1]])
    assert_close(moved.kernel, expected, 1e-6)
    assert_close(moved.bias, 1 - 0.1 / np.sqrt(2) * np.array([1, -1]), 1e-6)


def test_adagrad_does_not_mind_how_many_labels_share_the_mean():
    optimizer, head = rowwise_adagrad(), Head(jnp.zeros((1, 3)), jnp.zeros(1))
    moved = []
    for scale in (1.0, 1e-11):
        gradient = Head(jnp.asarray([[1.0, 2, 3]]) * scale, jnp.ones(1) * scale)
        state = optimizer.accumulate(optimizer.init(head), gradient)
        moved.append(optimizer.apply(head, state, gradient, jnp.float32(0.1), jnp.int32(0)))
    assert_close(moved[0], moved[1], 1e-4)


def test_no_known_entry_moves_nothing():
    case = make_case((4, 3, 9, 4), "float32")
    case = case._replace(targets=case.targets._replace(weights=jnp.zeros(4)))
    optimizer = rowwise_adagrad()
    result = step_of(case, optimizer, optimizer.init(chunked_head.pad_head(case.head, 4)), jnp.float32(1), jnp.int32(0))
    assert_close(result.head, chunked_head.pad_head(case.head, 4), 0)
    assert float(safe_mean(*result.sums)) == 0
    assert (result.hidden_gradient == 0).all()


@pytest.mark.slow
def test_extreme_logits_stay_finite():
    case = make_case((4, 3, 9, 4), "float32", has_unknown=False)
    case = case._replace(hidden=case.hidden * 1e4)
    optimizer = sgd()
    result = step_of(case, optimizer, (), jnp.float32(0.1), jnp.int32(0))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result))
    assert_close(safe_mean(*result.sums), dense_loss(case, case.hidden, case.head), 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_under_scan_are_steps_one_by_one(name):
    case = make_case((6, 5, 21, 8), "float32")
    optimizer, head = OPTIMIZERS[name](0.01), chunked_head.pad_head(case.head, case.chunk)
    rate = jnp.float32(0.02)

    def one(carry, step):
        moved = chunked_head.loss_and_update(
            case.hidden, *carry, case.targets, optimizer, rate, step, case.n_labels, case.chunk
        )
        return (moved.head, moved.optimizer_state), safe_mean(*moved.sums)

    carry = (head, optimizer.init(head))
    scanned, losses = jax.jit(lambda carry: jax.lax.scan(one, carry, jnp.arange(5)))(carry)
    for step in range(5):
        carry, _ = jax.jit(one)(carry, jnp.int32(step))
    assert_close(scanned, carry, 1e-6)
    assert (np.diff(losses) < 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("in_scan", [False, True])
def test_a_step_over_131072_labels_needs_little_memory(name, in_scan):
    n_rows, width, n_labels = 128, 512, 131_072
    optimizer = OPTIMIZERS[name](0.01)
    described = partial(jax.ShapeDtypeStruct, dtype=jnp.float32)
    head = Head(described((n_labels, width)), described((n_labels,)))
    state = jax.eval_shape(optimizer.init, head)
    lists = [jax.ShapeDtypeStruct((n_rows, places), jnp.int32) for places in (32, 8)]
    targets = PaddedTargets(lists[0], described((n_rows,)), lists[1])

    def step(carry, hidden, targets, rate, count):
        moved = chunked_head.loss_and_update(hidden, *carry, targets, optimizer, rate, count, n_labels)
        return (moved.head, moved.optimizer_state), (moved.hidden_gradient, moved.sums)

    def steps(carry, hidden, targets, rate, count):
        return jax.lax.scan(lambda c, k: step(c, hidden, targets, rate, k), carry, count + jnp.arange(3))

    scalars = described(()), jax.ShapeDtypeStruct((), jnp.int32)
    program = jax.jit(steps if in_scan else step, donate_argnums=0)
    compiled = program.lower((head, state), described((n_rows, width)), targets, *scalars).compile()
    memory = compiled.memory_analysis()
    assert memory.temp_size_in_bytes < 64 * 2**20
    assert memory.alias_size_in_bytes >= sum(leaf.size * 4 for leaf in jax.tree.leaves((head, state)))


@pytest.mark.parametrize(("n_labels", "chunk", "k"), [(7, 8, 7), (40, 8, 5), (41, 8, 12), (100, 32, 40), (9, 4, 1)])
@pytest.mark.parametrize("has_ties", [False, True])
def test_top_k_is_the_head_of_a_full_sort(n_labels, chunk, k, has_ties):
    generator = np.random.default_rng(k)
    draw = partial(generator.integers, -2, 3) if has_ties else partial(generator.uniform, -1, 1)
    hidden, kernel, bias = (np.float32(draw(size=size)) for size in ((6, 4), (n_labels, 4), n_labels))
    hidden[0] = 0
    bias[0] -= 100
    head = chunked_head.pad_head(Head(kernel, bias), chunk)
    scores, labels = jax.jit(partial(chunked_head.top_k, k=k, n_labels=n_labels, chunk=chunk))(hidden, head)
    logits = np.asarray(hidden @ kernel.T + bias)
    order = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(labels, order)
    np.testing.assert_allclose(scores, np.take_along_axis(logits, order, axis=1), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_scores_of_listed_labels():
    case = make_case((5, 7, 16, 8), "float32")
    labels = jnp.asarray([[3, -1], [0, 15], [15, 15], [-1, -1], [7, 8]], jnp.int32)
    scores = np.asarray(chunked_head.score_labels(case.hidden, case.head, labels))
    logits = np.asarray(case.hidden @ case.head.kernel.T + case.head.bias)
    expected = np.where(labels >= 0, np.take_along_axis(logits, np.maximum(labels, 0), axis=1), -np.inf)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)


def test_other_rows_and_labels_of_a_bucket_compile_nothing(compiles):
    optimizer = rowwise_adagrad()
    cases = [make_case((6, 5, 50, 16), "float32", seed=seed) for seed in range(4)]
    assert len({case.targets.positives.shape for case in cases}) == 1
    head = chunked_head.pad_head(cases[0].head, 16)
    carry = (head, optimizer.init(head))
    program = jax.jit(
        lambda carry, hidden, targets, rate, step, n_labels: chunked_head.loss_and_update(
            hidden, *carry, targets, optimizer, rate, step, n_labels, 16
        )
    )
    moved = program(carry, cases[0].hidden, cases[0].targets, jnp.float32(0.1), jnp.int32(0), jnp.int32(50))
    others = [(case.hidden, case.targets, np.float32(0.2), np.int32(4), np.int32(49)) for case in cases[1:]]
    compiles.clear()
    for other in others:
        moved = program((moved.head, moved.optimizer_state), *other)
    assert len(compiles) == 0


def test_a_head_that_is_not_padded_is_refused():
    case = make_case((5, 7, 13, 8), "float32")
    with pytest.raises(ValueError, match="13 labels, which is no multiple of the chunk 8"):
        chunked_head.loss_only(case.hidden, case.head, case.targets, 13, 8)


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 3, 4, 5])
def test_groups_of_labels_lose_none_of_the_best(k):
    generator = np.random.default_rng(k)
    n_labels, chunk = 700, 256
    head = Head(jnp.zeros((n_labels, 2)), jnp.asarray(generator.integers(12, size=n_labels), "float32"))  # many equal
    hidden = jnp.zeros((3, 2))
    for bias in (head.bias, -head.bias, jnp.zeros(n_labels)):
        padded = chunked_head.pad_head(head._replace(bias=bias), chunk)
        logits, labels = chunked_head.top_k(hidden, padded, k, n_labels, chunk)
        expected = np.argsort(-np.asarray(bias), kind="stable")[:k]
        assert (np.asarray(labels) == expected).all()
        assert (np.asarray(logits) == np.asarray(bias)[expected]).all()
