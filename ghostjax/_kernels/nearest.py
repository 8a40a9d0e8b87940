"""The radius around each row that covers a given mass of its nearest rows, without sorting."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def nearest_radius(dist2: Float[Array, "n n"], w: Float[Array, " n"], keep: Float[Array, ""]) -> Float[Array, " n"]:
    """Per row j the squared distance t_j at which the mass of its nearest rows (itself at 0) reaches `keep`.

    The bits of a non-negative float grow with its value, so the largest v with mass(D_j < v) < keep is found bit by
    bit. Each bit costs one masked vector-matrix product. The result is exact, and `keep` may be traced. D is symmetric,
    so the distances of j are column j. A sort of the rows of D would cost more than the Gram product that made it. No
    derivative (the radius is constant between ties).
    """
    dist2, keep = jax.lax.stop_gradient(dist2), jax.lax.stop_gradient(keep)
    bits = jnp.finfo(dist2.dtype).bits
    integer = jnp.int32 if bits == 32 else jnp.int64
    keys = jax.lax.bitcast_convert_type(dist2, integer)
    absent = (w == 0)[:, None]

    def set_bit(step: Any, found: Array) -> Array:
        candidate = found | (jnp.ones((), integer) << jnp.asarray(bits - 2 - step, integer))
        below = w @ (keys < candidate[None, :]).astype(w.dtype)
        return jnp.where(below < keep, candidate, found)

    found = jax.lax.fori_loop(0, bits - 1, set_bit, jnp.zeros(dist2.shape[0], integer))
    # If all mass is kept, rounding in the sums may accept every bit. The farthest row is the upper limit.
    farthest = jnp.where(absent, jnp.zeros((), integer), keys).max(0)
    return jax.lax.bitcast_convert_type(jnp.minimum(found, farthest), dist2.dtype)


def nearest_mixing(dist2: Float[Array, "n n"], w: Float[Array, " n"], keep: Float[Array, ""]) -> Float[Array, "n n"]:
    """`M` with columns that sum to 1: `(M.T @ x)[j]` is the mean of the mass `keep` nearest to row j, itself included.

        M_ij = w_i ([D_ij < t_j] + [D_ij = t_j] (keep - mass(D_j < t_j)) / mass(D_j = t_j)) / keep

    Rows at the same distance as the last one share the rest of the mass. Memory O(n^2), one product with x.
    """
    # A mass of 0 or less means the limit of small masses: the row itself, and rows equal to it.
    keep = jnp.clip(keep, jnp.finfo(w.dtype).eps * w.sum(), w.sum())
    radius = nearest_radius(dist2, w, keep)[None, :]
    dist2 = jax.lax.stop_gradient(dist2)
    inner = jnp.where(dist2 < radius, w[:, None], 0)
    border = jnp.where(dist2 == radius, w[:, None], 0)
    inside, at = inner.sum(0), border.sum(0)
    share = jnp.where(at > 0, (keep - inside) / jnp.where(at > 0, at, 1), 0)
    return (inner + border * share[None, :]) / jnp.where(keep > 0, keep, 1)


def nearest_score(dist2: Float[Array, "n n"], w: Float[Array, " n"], keep: Float[Array, ""]) -> Float[Array, " n"]:
    """Sum of the squared distances from each row to the mass `keep` nearest to it, itself at distance 0."""
    keep = jnp.clip(keep, 0, w.sum())
    radius = nearest_radius(dist2, w, keep)
    inner = jnp.where(dist2 < radius[None, :], w[:, None], 0)
    return (inner * dist2).sum(0) + jnp.maximum(keep - inner.sum(0), 0) * radius
