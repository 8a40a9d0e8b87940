"""Sums along rows."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


MANY, LONG = 64, 2**15
"""Beyond these numbers of rows and of columns, rows are summed one at a time on CPU. Found by trial: XLA's kernel for
sums of terms of two arrays takes several times as long there, and less below."""


def row_sums(terms: Callable[..., Array], x: Float[Array, "n d"], *vectors: Float[Array, " d"]) -> Float[Array, " n"]:
    """`sum_c terms(x_i, *vectors)_c` for each row i; `terms` works element by element on arrays of one rank."""

    def whole(x: Array, *vectors: Array) -> Array:
        return terms(x, *[v[None, :] for v in vectors]).sum(1)

    def one_by_one(x: Array, *vectors: Array) -> Array:
        return jax.lax.map(lambda row: terms(row, *vectors).sum(), x)

    n, d = x.shape
    if n <= MANY or d < LONG:
        return whole(x, *vectors)
    return jax.lax.platform_dependent(x, *vectors, cpu=one_by_one, default=whole)


def squared_distances_to(x: Float[Array, "n d"], centre: Float[Array, " d"]) -> Float[Array, " n"]:
    """`||x_i - centre||^2` for each row i."""
    return row_sums(lambda row, centre: jnp.square(row - centre), x, centre)
