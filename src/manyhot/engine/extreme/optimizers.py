"""Optimizers of a wide head: each moves the weights of some labels, and knows of no others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from manyhot.backend import jax

jnp = jax.numpy

# added to AdaGrad's mean squares: at a million labels those of gradients are near 1e-20, and 1e-10 would stop training
ADAGRAD_EPSILON = 1e-30


class Head(NamedTuple):
    """The last layer, or its gradient, of all labels or of a chunk; a label's weights are contiguous."""

    kernel: Any  # float (l, d); the transpose of a Keras layer's kernel
    bias: Any  # float (l,)


@dataclass(frozen=True)
class HeadOptimizer:
    """How a head moves: `accumulate` takes note of the gradient, then `apply` moves the weights by what is kept."""

    init: Callable[[Head], Any]  # head -> state: a pytree of arrays with the head's label axis first
    accumulate: Callable[[Any, Head], Any]  # (state, gradient) -> state
    apply: Callable[
        [Head, Any, Head, jax.Array, jax.Array], Head
    ]  # (head, new state, gradient, rate, steps done) -> head


def rowwise_adagrad(weight_decay: float = 0.0, epsilon: float = ADAGRAD_EPSILON) -> HeadOptimizer:
    """Row-wise AdaGrad: a += mean(g^2); w -= rate g / sqrt(a + epsilon), one number a label; the bias has its own."""
    # Source: Duchi, Hazan, Singer (2011), with the mean over rows as in FBGEMM's embeddings.

    def init(head: Head) -> Head:
        return Head(jnp.zeros_like(head.bias), jnp.zeros_like(head.bias))

    def accumulate(state: Head, gradient: Head) -> Head:
        return Head(state.kernel + jnp.square(gradient.kernel).mean(axis=1), state.bias + jnp.square(gradient.bias))

    def apply(head: Head, state: Head, gradient: Head, rate: jax.Array, step: jax.Array) -> Head:
        head = _decay(head, rate * weight_decay) if weight_decay else head
        scale = jax.tree.map(lambda squares: rate * jax.lax.rsqrt(squares + epsilon), state)
        kernel = head.kernel - scale.kernel[:, None] * gradient.kernel
        return Head(kernel, head.bias - scale.bias * gradient.bias)

    return HeadOptimizer(init, accumulate, apply)


def adamw(
    weight_decay: float = 0.0, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
) -> HeadOptimizer:
    """AdamW as Keras computes it, Adam without weight decay; the bias is not decayed."""
    # Source: Loshchilov and Hutter (2019), arXiv 1711.05101.

    def init(head: Head) -> tuple[Head, Head]:
        return jax.tree.map(jnp.zeros_like, (head, head))

    def accumulate(state: tuple[Head, Head], gradient: Head) -> tuple[Head, Head]:
        means = jax.tree.map(lambda m, g: m + (g - m) * (1 - beta_1), state[0], gradient)
        squares = jax.tree.map(lambda v, g: v + (jnp.square(g) - v) * (1 - beta_2), state[1], gradient)
        return means, squares

    def apply(head: Head, state: tuple[Head, Head], gradient: Head, rate: jax.Array, step: jax.Array) -> Head:
        head = _decay(head, rate * weight_decay) if weight_decay else head
        count = (step + 1).astype(rate.dtype)
        alpha = rate * jnp.sqrt(1 - beta_2**count) / (1 - beta_1**count)
        return jax.tree.map(lambda w, m, v: w - m * alpha / (jnp.sqrt(v) + epsilon), head, *state)

    return HeadOptimizer(init, accumulate, apply)


def sgd(weight_decay: float = 0.0) -> HeadOptimizer:
    """Gradient descent without momentum; it keeps nothing."""

    def apply(head: Head, state: tuple, gradient: Head, rate: jax.Array, step: jax.Array) -> Head:
        head = _decay(head, rate * weight_decay) if weight_decay else head
        return jax.tree.map(lambda w, g: w - rate * g, head, gradient)

    return HeadOptimizer(lambda head: (), lambda state, gradient: state, apply)


def _decay(head: Head, share: jax.Array) -> Head:
    return head._replace(kernel=head.kernel - head.kernel * share)
