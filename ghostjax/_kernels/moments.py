"""Weighted mean and variance over the node axis as vector-matrix products and row scans.

`x.mean(0)` is much slower than `w @ x` in XLA on CPU where d is large.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._kernels.span import balanced, within


def shares(w: Float[Array, " n"]) -> Float[Array, " n"]:
    """`w_i / sum_i w_i`, also where the sum overflows; 0 where all weights are 0."""
    w = balanced(w)
    total = w.sum()
    return jnp.where(total > 0, w / jnp.where(total > 0, total, 1), 0)


def combined(a: Float[Array, "*m n"], x: Float[Array, "n d"]) -> Float[Array, "*m d"]:
    """`a @ x` for coefficients that are not negative and sum to 1 or 0. It is finite if x is."""
    return within(a @ x)


def weighted_mean(x: Float[Array, "n d"], w: Float[Array, " n"]) -> Float[Array, " d"]:
    """`sum_i w_i x_i / sum_i w_i`, and 0 where all weights are 0."""
    return combined(shares(w), x)


def weighted_variance(
    x: Float[Array, "n d"],
    w: Float[Array, " n"],
    mean: Float[Array, " d"],
    ddof: float | Float[Array, ""] = 0.0,
    scale: float | Float[Array, ""] = 1.0,
) -> Float[Array, " d"]:
    """`sum_i w_i (scale (x_i - mean))^2 / (W - ddof)` per coordinate, one row at a time (no `[n, d]` difference)."""

    def add(carry, row):
        xi, wi = row
        return carry + wi * jnp.square(scale * (xi - mean)), None

    total = w.sum() - ddof
    squares, _ = jax.lax.scan(add, jnp.zeros_like(mean), (x, w))
    return jnp.where(total > 0, squares / jnp.where(total > 0, total, 1), 0)
