"""A product with a large kernel whose way back leaves the kernel free to be moved in place."""

from __future__ import annotations

from typing import Any

from manyhot.backend import jax


@jax.custom_vjp
def product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """x @ kernel, (b, n) by (n, u), whose gradient of x is done before the kernel's is begun."""
    # the gradient of x reads the kernel; in another order XLA may move the kernel first, and copy it in every step
    return x @ kernel


def _product_forward(x: Any, kernel: Any) -> tuple[jax.Array, tuple]:
    # a difference in structure, which is known while the way back is traced
    needs_gradient = () if x.perturbed else None
    return x.value @ kernel.value, (x.value, kernel.value, needs_gradient)


def _product_backward(residuals: tuple, cotangent: Any) -> tuple[jax.Array | None, jax.Array]:
    x, kernel, needs_gradient = residuals
    if isinstance(cotangent, jax.custom_derivatives.SymbolicZero):
        cotangent = jax.numpy.zeros(cotangent.shape, cotangent.dtype)
    if needs_gradient is None:
        return None, x.T @ cotangent
    x_gradient = cotangent @ kernel.T
    return x_gradient, x.T @ (cotangent + 0 * x_gradient[:1, :1])


product.defvjp(_product_forward, _product_backward, symbolic_zeros=True)
