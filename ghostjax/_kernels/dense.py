"""The product of a dense layer, with a weight gradient in the order that XLA multiplies fastest on CPU."""

from functools import reduce

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float


@jax.custom_jvp
def dense_product(x: Float[Array, "b i"], w: Float[Array, "i o"]) -> Float[Array, "b o"]:
    """`x @ w`, differentiable like it in either mode and any order.

    The gradient in `w` is `x^T g`. Mapped over nodes, XLA on CPU computes it by a slow batched product from `x` and `g`
    in their layout, and by a fast one from a transposed copy of one of them. A barrier keeps XLA from removing the
    copy (`benchmarks/dense.py`).
    """
    return x @ w


def _tangent(primals, tangents):
    x, w = primals
    dx, dw = tangents
    y = x @ w
    slopes = []
    if not isinstance(dx, SymbolicZero):
        slopes.append(dx @ w)
    if not isinstance(dw, SymbolicZero):
        slopes.append(_along(x, dw))
    return y, reduce(jnp.add, slopes) if slopes else jnp.zeros_like(y)


def _along(x: Float[Array, "b i"], dw: Float[Array, "i o"]) -> Float[Array, "b o"]:
    """`x @ dw`, written so that its transpose in `dw` contracts the last axis of a copy of the narrower factor."""
    if dw.shape[1] < dw.shape[0]:
        turned = jax.lax.dot_general(jax.lax.optimization_barrier(dw.T), x, (((1,), (1,)), ((), ())))
        return jax.lax.optimization_barrier(turned).T
    return jax.lax.dot_general(jax.lax.optimization_barrier(x.T), dw, (((0,), (0,)), ((), ())))


dense_product.defjvp(_tangent, symbolic_zeros=True)
