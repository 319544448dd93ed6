"""A product with a large kernel whose way back leaves the kernel free to be moved in place.

It must not know layers, nor when it is the better way: `fast.py` says that. Start reading at `product`.
"""

from __future__ import annotations

from typing import Any

from manyhot.backend import jax


@jax.custom_vjp
def product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """x @ kernel, whose gradient of x is done before the kernel's is begun.

    The gradient of x reads the kernel. XLA takes the two in any order, and where an optimizer is ready to move the
    kernel before that, it keeps a copy of it in every step; in this order it moves the kernel in place, beside whatever
    the gradient of x is needed for.

    Args:
        x: (b, n).
        kernel: (n, u).

    Returns:
        (b, u).
    """
    return x @ kernel


def _multiplied(x: Any, kernel: Any) -> tuple[jax.Array, tuple]:
    # a difference in structure, which is known while the way back is traced
    asked = () if x.perturbed else None
    return x.value @ kernel.value, (x.value, kernel.value, asked)


def _undone(kept: tuple, pull: Any) -> tuple[jax.Array | None, jax.Array]:
    x, kernel, asked = kept
    if isinstance(pull, jax.custom_derivatives.SymbolicZero):
        pull = jax.numpy.zeros(pull.shape, pull.dtype)
    if asked is None:
        return None, x.T @ pull
    of_x = pull @ kernel.T
    return of_x, x.T @ (pull + 0 * of_x[:1, :1])


product.defvjp(_multiplied, _undone, symbolic_zeros=True)
