"""Masses and ranks of a window, for weights `[..., n]` (one row per receiver) and trims `[...]`."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


SLACK = 4
"""Masses closer than this many units of rounding of the total count as equal: 0.1 + 0.1 + 0.1 is 0.3.

Above 64 rows the tolerance grows with their number, since each row adds its rounding to a sum.
"""


class Ranks(NamedTuple):
    """A window over rows that all count the same: ranks `low .. high`, of which the outer two count `keep`."""

    low: Int[Array, "..."]
    high: Int[Array, "..."]
    keep: Float[Array, "..."]
    mass: Float[Array, "..."]


def all_equal(w: Float[Array, "... n"]) -> Bool[Array, ""]:
    """Whether the positive weights of each receiver are one number."""
    return ((w == 0) | (w == w.max(-1, keepdims=True))).all()


def ranks(w: Float[Array, "... n"], trim: Float[Array, "..."]) -> Ranks:
    """The ranks kept by `trim` among N rows of equal weight; -1 where N = 0.

    In units of that weight the trim T is at most (N - 1)/2, at which one or two rows are left, the median:
    every larger T keeps the same rows in the same proportion. The mass N - 2 T is therefore at least 1.
    """
    top = w.max(-1)
    count = (w > 0).sum(-1)
    number = count.astype(w.dtype)
    t = jnp.clip(trim / jnp.where(top > 0, top, 1), 0, jnp.maximum((number - 1) / 2, 0))
    nearest = jnp.round(t)
    t = jnp.where(jnp.abs(t - nearest) <= SLACK * jnp.finfo(w.dtype).eps * number, nearest, t)
    low = jnp.floor(t)
    keep = 1 - (t - low)
    low = low.astype(count.dtype)
    return Ranks(
        jnp.where(count > 0, low, -1), jnp.where(count > 0, count - 1 - low, -1), keep, jnp.maximum(number - 2 * t, 1)
    )


def rank_coefficients(window: Ranks, n: int, thresholds: bool) -> list[Float[Array, "... n"]]:
    """What each of n ranks counts in the sum of the window and, with `thresholds`, in its two outer ranks."""
    low, high = window.low[..., None], window.high[..., None]
    rank = jnp.broadcast_to(jnp.arange(n, dtype=low.dtype), (*low.shape[:-1], n))
    inside = (low < rank) & (rank < high)
    whole = jnp.where(inside, 1, jnp.where((rank == low) | (rank == high), window.keep[..., None], 0))
    ends = [(rank == end).astype(whole.dtype) for end in (low, high)]
    return [whole, *ends] if thresholds else [whole]


def masses(
    w: Float[Array, "... n"], trim: Float[Array, "..."]
) -> tuple[Float[Array, "..."], Float[Array, "..."], Float[Array, "..."]]:
    """The trim between 0 and half of the total, the mass left, and the rounding error of comparisons with the trim."""
    total = w.sum(-1)
    trim = jnp.clip(trim, 0, total / 2)
    slack = jnp.minimum(trim, SLACK * max(1, w.shape[-1] / 64) * jnp.finfo(w.dtype).eps * total)
    return trim, total - 2 * trim, slack
