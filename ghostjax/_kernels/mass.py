"""Kept mass: how much of each row lies in an interval of the cumulated weight."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def kept_mass(
    key: Float[Array, " n"], w: Float[Array, " n"], low: Float[Array, ""], high: Float[Array, ""]
) -> Float[Array, " n"]:
    """The part of each row's weight inside `[low, high]` when rows are laid out by ascending `key`.

    With `c_i` the cumulated weight up to and including row i (ties: lowest index first),

        kept_i = clip(c_i, low, high) - clip(c_i - w_i, low, high),

    so `sum kept = high - low` for `0 <= low <= high <= W`, and a row of weight 0 keeps nothing. The cumulated weight
    comes from comparing all pairs, O(n^2). This is faster than a sort in XLA on CPU, and `low` and `high` may be
    traced.
    """
    index = jnp.arange(key.shape[0])
    before = (key[None, :] < key[:, None]) | ((key[None, :] == key[:, None]) & (index[None, :] < index[:, None]))
    below = jnp.where(before, w[None, :], 0).sum(1)
    return jnp.clip(below + w, low, high) - jnp.clip(below, low, high)
