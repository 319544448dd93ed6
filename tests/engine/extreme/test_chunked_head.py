"""The chunked head against all logits at once."""

from functools import partial
from typing import NamedTuple

import numpy as np
import pytest

from manyhot.backend import jax, use_dtype
from manyhot.engine.extreme import chunked_head
from manyhot.engine.extreme.chunked_head import Head
from manyhot.engine.losses import LossContext, binary_crossentropy
from manyhot.engine.train_step import safe_mean

jnp = jax.numpy
EPSILON = 1e-3
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
    positives: jax.Array
    weights: jax.Array
    values: np.ndarray
    n_labels: int
    chunk: int


def make_case(shape: tuple[int, int, int, int], dtype: str, seed: int = 0) -> Case:
    n_rows, width, n_labels, chunk = shape
    generator = np.random.default_rng([seed, *shape])
    values = generator.random((n_rows, n_labels)) < 0.2
    values[0] = False
    weights = generator.choice([0.5, 1, 3], n_rows)
    if n_rows > 2:
        weights[-2:] = 0  # rows that fill up the step
    positives = np.full((n_rows, 32), -1, np.int32)
    for row, listed in zip(positives, map(np.flatnonzero, values), strict=True):
        row[: len(listed)] = listed
    head = Head(
        jnp.asarray(generator.normal(size=(n_labels, width)), dtype),
        jnp.asarray(generator.normal(size=n_labels), dtype),
    )
    hidden = jnp.asarray(generator.normal(size=(n_rows, width)), dtype)
    return Case(hidden, head, jnp.asarray(positives), jnp.asarray(weights, dtype), values, n_labels, chunk)


def zero_squares(head: Head) -> Head:
    return Head(jnp.zeros_like(head.bias), jnp.zeros_like(head.bias))


def dense_loss(case: Case, hidden: jax.Array, head: Head) -> jax.Array:
    """The engine's own loss and mean, of all logits at once."""
    logits = hidden @ head.kernel.T + head.bias
    mask = jnp.broadcast_to((case.weights > 0)[:, None], logits.shape)
    ones = jnp.ones(case.n_labels, logits.dtype)
    elements = binary_crossentropy(logits, case.values.astype(logits.dtype), mask, LossContext({}, ones, ones))
    weights = jnp.where(mask, case.weights[:, None], 0)
    return safe_mean((elements * weights).sum(), weights.sum())


QUICKLY = {"xla_backend_optimization_level": 0}
"""Compiled in a third of the time; the mathematics is the same."""


def step_of(case: Case, squares: Head, rate: jax.Array) -> chunked_head.HeadStep:
    head = chunked_head.pad_head(case.head, case.chunk)
    return jax.jit(
        partial(chunked_head.loss_and_update, epsilon=EPSILON, n_labels=case.n_labels, chunk=case.chunk),
        compiler_options=QUICKLY,
    )(case.hidden, head, squares, case.positives, case.weights, rate=rate)


def adagrad(head: Head, squares: Head, gradient: Head, rate: jax.Array) -> tuple[Head, Head]:
    """One mean square a label for its weights, and one for its bias."""
    squares = Head(
        squares.kernel + (gradient.kernel**2).mean(axis=1),
        squares.bias + gradient.bias**2,
    )
    kernel = head.kernel - rate * gradient.kernel / jnp.sqrt(squares.kernel + EPSILON)[:, None]
    return Head(kernel, head.bias - rate * gradient.bias / jnp.sqrt(squares.bias + EPSILON)), squares


def assert_close(result, expected, tolerance: float) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), result, expected)


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance", "shape"), STEPS)
def test_a_step_is_the_step_of_all_logits_at_once(dtype, tolerance, shape):
    with use_dtype(dtype):
        case = make_case(shape, dtype)
        rate = jnp.asarray(0.05, dtype)
        squares = jax.tree.map(lambda array: array + 0.25, zero_squares(case.head))
        padded_squares = jax.tree.map(
            lambda some, all_: all_.at[: case.n_labels].set(some),
            squares,
            zero_squares(chunked_head.pad_head(case.head, case.chunk)),
        )
        result = step_of(case, padded_squares, rate)

        def dense_step(hidden, head, squares):
            loss, (hidden_gradient, gradient) = jax.value_and_grad(partial(dense_loss, case), (0, 1))(hidden, head)
            return loss, hidden_gradient, *adagrad(head, squares, gradient, rate)

        dense = jax.jit(dense_step, compiler_options=QUICKLY)
        loss, hidden_gradient, head, squares = dense(case.hidden, case.head, squares)
        assert_close(safe_mean(*result.sums), loss, tolerance)
        assert_close(result.hidden_gradient, hidden_gradient, tolerance)
        assert_close(
            jax.tree.map(lambda array: array[: case.n_labels], (result.head, result.squares)),
            (head, squares),
            tolerance,
        )
        padding = jax.tree.map(lambda array: array[case.n_labels :], (result.head, result.squares))
        assert all((leaf == 0).all() for leaf in jax.tree.leaves(padding))


@pytest.mark.slow
def test_members_side_by_side_are_members_alone():
    cases = [make_case((6, 5, 21, 8), "float32", seed=seed) for seed in range(2)]
    positives, weights = cases[0].positives, cases[0].weights

    def one(hidden, head):
        head = chunked_head.pad_head(head, 8)
        return chunked_head.loss_and_update(
            hidden, head, zero_squares(head), positives, weights, jnp.float32(0.1), EPSILON, 21, 8
        )

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[(c.hidden, c.head) for c in cases])
    both = jax.jit(jax.vmap(one), compiler_options=QUICKLY)(*stacked)
    single = jax.jit(one, compiler_options=QUICKLY)
    for k, case in enumerate(cases):
        alone = single(case.hidden, case.head)
        jax.tree.map(lambda side, own, k=k: assert_close(side[k], own, 1e-6), both, alone)


def test_rows_without_weight_move_nothing():
    case = make_case((4, 3, 9, 4), "float32")
    case = case._replace(weights=jnp.zeros(4))
    head = chunked_head.pad_head(case.head, 4)
    result = step_of(case, zero_squares(head), jnp.float32(1))
    assert_close(result.head, head, 0)
    assert float(safe_mean(*result.sums)) == 0
    assert (result.hidden_gradient == 0).all()


@pytest.mark.slow
def test_extreme_logits_stay_finite():
    case = make_case((4, 3, 9, 4), "float32")
    case = case._replace(hidden=case.hidden * 1e4)
    result = step_of(case, zero_squares(chunked_head.pad_head(case.head, 4)), jnp.float32(0.1))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result))
    assert_close(safe_mean(*result.sums), dense_loss(case, case.hidden, case.head), 1e-6)


@pytest.mark.slow
def test_steps_under_scan_are_steps_one_by_one():
    case = make_case((6, 5, 21, 8), "float32")
    head = chunked_head.pad_head(case.head, case.chunk)

    def one(carry, _):
        moved = chunked_head.loss_and_update(
            case.hidden,
            *carry,
            case.positives,
            case.weights,
            jnp.float32(0.02),
            EPSILON,
            case.n_labels,
            case.chunk,
        )
        return (moved.head, moved.squares), safe_mean(*moved.sums)

    carry = (head, zero_squares(head))
    scanned, losses = jax.jit(lambda carry: jax.lax.scan(one, carry, jnp.arange(5)))(carry)
    for step in range(5):
        carry, _ = jax.jit(one)(carry, jnp.int32(step))
    assert_close(scanned, carry, 1e-6)
    assert (np.diff(losses) < 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("in_scan", [False, True])
def test_a_step_over_131072_labels_needs_little_memory(in_scan):
    n_rows, width, n_labels = 128, 512, 131_072
    described = partial(jax.ShapeDtypeStruct, dtype=jnp.float32)
    head = Head(described((n_labels, width)), described((n_labels,)))
    squares = Head(described((n_labels,)), described((n_labels,)))
    positives = jax.ShapeDtypeStruct((n_rows, 32), jnp.int32)

    def step(carry, hidden, positives, weights, rate):
        moved = chunked_head.loss_and_update(hidden, *carry, positives, weights, rate, EPSILON, n_labels)
        return (moved.head, moved.squares), (moved.hidden_gradient, moved.sums)

    def steps(carry, hidden, positives, weights, rate):
        return jax.lax.scan(lambda c, _: step(c, hidden, positives, weights, rate), carry, jnp.arange(3))

    program = jax.jit(steps if in_scan else step, donate_argnums=0)
    compiled = program.lower(
        (head, squares), described((n_rows, width)), positives, described((n_rows,)), described(())
    ).compile()
    memory = compiled.memory_analysis()
    assert memory.temp_size_in_bytes < 64 * 2**20
    assert memory.alias_size_in_bytes >= sum(leaf.size * 4 for leaf in jax.tree.leaves((head, squares)))


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


def test_other_rows_and_labels_of_a_bucket_compile_nothing(compiles):
    cases = [make_case((6, 5, 50, 16), "float32", seed=seed) for seed in range(4)]
    head = chunked_head.pad_head(cases[0].head, 16)
    program = jax.jit(
        lambda carry, hidden, positives, weights, rate, n_labels: chunked_head.loss_and_update(
            hidden, *carry, positives, weights, rate, EPSILON, n_labels, 16
        )
    )
    arguments = [
        (case.hidden, case.positives, case.weights, np.float32(0.1 * (k + 1)), np.int32(50 - k))
        for k, case in enumerate(cases)
    ]
    moved = program((head, zero_squares(head)), *arguments[0])
    compiles.clear()
    for other in arguments[1:]:
        moved = program((moved.head, moved.squares), *other)
    assert len(compiles) == 0


def test_a_head_that_is_not_padded_is_refused():
    case = make_case((5, 7, 13, 8), "float32")
    with pytest.raises(ValueError, match="13 labels, which is no multiple of the chunk 8"):
        chunked_head.top_k(case.hidden, case.head, 1, 13, 8)


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
