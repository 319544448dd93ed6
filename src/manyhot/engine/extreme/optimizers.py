"""Optimizers of a wide head: each moves the weights of some labels, and knows of no others.

All that an optimizer keeps has the label axis first, so that a chunk of labels is a slice of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from manyhot.backend import jax

jnp = jax.numpy

ADAGRAD_EPSILON = 1e-30
"""Added to the mean squares of AdaGrad. The loss is a mean over rows and labels, so gradients shrink as 1 / (b l):
at a million labels their squares lie near 1e-20, and a usual 1e-10 would stop training."""


class Head(NamedTuple):
    """The last layer, or its gradient, of all labels or of a chunk; a label's weights are contiguous.

    Attributes:
        kernel: float (l, d); the transpose of a Keras layer's kernel.
        bias: float (l,).
    """

    kernel: Any
    bias: Any


@dataclass(frozen=True)
class HeadOptimizer:
    """How the head of some labels moves: first what is kept takes note of the gradient, then the weights follow it.

    Args:
        init: Head -> what is kept beside it: a pytree of arrays with the head's label axis first.
        accumulate: (state, gradient) -> state.
        apply: (head, state, gradient, rate, step) -> head, given what is kept after this gradient. `rate` is the
            step's learning rate, float (); `step` counts the steps done before, int32 ().
    """

    init: Callable[[Head], Any]
    accumulate: Callable[[Any, Head], Any]
    apply: Callable[[Head, Any, Head, jax.Array, jax.Array], Head]


def rowwise_adagrad(weight_decay: float = 0.0, epsilon: float = ADAGRAD_EPSILON) -> HeadOptimizer:
    """AdaGrad with one number a label instead of one a weight.

    `a += mean(g^2); w -= rate g / sqrt(a + epsilon)`, the mean over a label's weights. Source: Duchi, Hazan and
    Singer 2011, with the mean over rows as in FBGEMM's embeddings. The bias has its own numbers: it is a row of one
    weight. Rare labels go on learning when frequent ones have slowed down.

    Args:
        weight_decay: Share of the kernel, times the rate, taken off each step before the update; not of the bias.
        epsilon: Added to the mean squares.
    """

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
    """AdamW as Keras computes it, and Adam without weight decay; it keeps two numbers a weight.

    Source: Loshchilov and Hutter 2019, arXiv 1711.05101; the bias is not decayed.

    Args:
        weight_decay: Share of the kernel, times the rate, taken off each step before the update.
        beta_1: Share of the mean gradient kept each step.
        beta_2: Share of the mean square kept each step.
        epsilon: Added to the root of the mean square.
    """

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
    """Gradient descent without momentum; it keeps nothing.

    Args:
        weight_decay: Share of the kernel, times the rate, taken off each step before the update; not of the bias.
    """

    def apply(head: Head, state: tuple, gradient: Head, rate: jax.Array, step: jax.Array) -> Head:
        head = _decay(head, rate * weight_decay) if weight_decay else head
        return jax.tree.map(lambda w, g: w - rate * g, head, gradient)

    return HeadOptimizer(lambda head: (), lambda state, gradient: state, apply)


def _decay(head: Head, share: jax.Array) -> Head:
    return head._replace(kernel=head.kernel - head.kernel * share)
