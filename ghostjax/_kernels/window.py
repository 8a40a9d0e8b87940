"""Mean of the values inside a window of mass, per coordinate: the trimmed mean and the median."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ghostjax._kernels.bisection import mass_thresholds, MAX_COUNT, over_rows, rank_thresholds, tiled
from ghostjax._kernels.fence import lanes
from ghostjax._kernels.network import excess, rank_values, rank_window, tree, weighted_thresholds, winsorised
from ghostjax._kernels.weights import all_alike, masses, ranks
from ghostjax._kernels.window_grad import window_pullback


NETWORK_ROWS = 128
"""Largest number of rows of one unrolled network; XLA does not compile 256."""
WEIGHTED_ROWS = 16
"""Largest number of rows of a network that carries weights; at 32 XLA splits it into 35 kernels."""


def window_mean(x: Float[Array, "n d"], w: Float[Array, " n"], trim: Float[Array, ""]) -> Float[Array, " d"]:
    """Per coordinate, drops mass `trim` at both ends of the sorted values and averages the rest.

        y = sum_i kept_i x_i / (W - 2 trim),    kept_i = the part of w_i inside [trim, W - trim]

    Where `2 trim >= W` nothing is left and y is the limit, the median: the mean of the smallest values whose
    cumulated weight reaches, respectively exceeds, `W / 2`. Where W = 0 it is 0. Masses equal but for rounding
    count as equal. Every argument may be traced; rows of weight 0 may hold anything.

    **Derivatives** (reverse mode only) are those of removal, in O(n d): for `a` and `b` the least and largest
    values kept,

        dy/dx_i = kept_i / (W - 2 trim),  dy/dw_i = (clip(x_i, a, b) - y) / (W - 2 trim),
        dy/dtrim = (2 y - a - b) / (W - 2 trim),

    with the kept mass of equal border values shared in proportion to their weights. The median has no useful
    derivative in w: it moves by jumps. It is 0 where one row is the median; where two rows share it,
    `(clip(x_i, a, b) - y) / max w`, the exact change when a row of the largest weight disappears.

    **Method:** equal positive weights: a sorting network in one fused kernel up to 128 rows, counting bisection
    above. Other weights: a network that carries them up to 16 rows, bisection by mass above. Which of the two
    is decided when the program runs, by one predicate per batch.
    """
    dtype = x.dtype
    wide = jnp.float32 if jnp.finfo(dtype).bits < 32 else dtype
    return _window(x.astype(wide), w.astype(wide), trim.astype(wide)).astype(dtype)


@jax.custom_vjp
def _window(x, w, trim):
    return _forward(x, w, trim)


def _window_fwd(x, w, trim):
    y = _forward(x, w, trim)
    return y, (x, w, trim, y)


def _window_bwd(residuals, g):
    x, w, trim, y = residuals
    low, high = window_thresholds(x, w, trim)
    return window_pullback(x, w, trim, y, low, high, g)


_window.defvjp(_window_fwd, _window_bwd)


def _split(x, w):
    return list(x), list(w)


@jax.jit
def _alike_mean(x, w, trim):
    window = ranks(w, trim)
    if x.shape[0] <= NETWORK_ROWS:
        return rank_window((x, w), _split, window.low, window.high, window.keep) / window.mass
    if x.shape[0] > MAX_COUNT or x.dtype != jnp.float32:
        return _mixed_mean(x, w, trim)
    cut = window.low.astype(x.dtype) + (1 - window.keep)
    present = (w > 0).astype(x.dtype)

    def tile(rows):
        a, b = lax.optimization_barrier(rank_thresholds(rows, w, window.low, window.high))
        total = over_rows(lambda row, wi: excess(row, wi, a, b), rows, present)
        return (winsorised(total, a, b, cut, window.mass),)

    return jnp.where(window.low >= 0, tiled(tile, x, 1)[0], 0)


@jax.jit
def _mixed_mean(x, w, trim):
    trim, mass, slack = masses(w, trim)
    if x.shape[0] <= WEIGHTED_ROWS:
        a, b = weighted_thresholds(list(x), list(w), trim, slack)
        y = winsorised(tree([excess(row, wi, a, b) for row, wi in zip(x, w, strict=True)]), a, b, trim, mass)
    else:

        def tile(rows):
            a, b = lax.optimization_barrier(mass_thresholds(rows, w, trim, slack))
            total = over_rows(lambda row, wi: excess(row, wi, a, b), rows, w)
            return (winsorised(total, a, b, trim, mass),)

        (y,) = tiled(tile, x, 1)
    return jnp.where(w.sum() > 0, y, 0)


@jax.jit
def _alike_thresholds(x, w, trim):
    window = ranks(w, trim)
    if x.shape[0] <= NETWORK_ROWS:
        return rank_values((x, w), _split, window.low, window.high)
    if x.shape[0] > MAX_COUNT or x.dtype != jnp.float32:
        return _mixed_thresholds(x, w, trim)
    return tiled(lambda rows: rank_thresholds(rows, w, window.low, window.high), x, 2)


@jax.jit
def _mixed_thresholds(x, w, trim):
    trim, _, slack = masses(w, trim)
    if x.shape[0] <= WEIGHTED_ROWS:
        return weighted_thresholds(list(x), list(w), trim, slack)
    return tiled(lambda rows: mass_thresholds(rows, w, trim, slack), x, 2)


def _choose(alike, mixed):
    """One kernel per kind of weights. The barriers keep XLA from deciding it, and inlining it, for constant weights,
    and from computing the rows anew inside the network."""

    def kernel(x, w, trim):
        x, w = lax.optimization_barrier((x, w))
        return lax.cond(all_alike(w), alike, mixed, x, w, trim)

    return kernel


def _lanes(alike, mixed):
    def merge(x, w, trim):
        b, c = x.shape[:2]
        out = batch(x.reshape(b * c, *x.shape[2:]), w.reshape(b * c, -1), trim.reshape(b * c))
        return jax.tree.map(lambda y: y.reshape(b, c, *y.shape[1:]), out)

    batch = lanes(_choose(jax.vmap(alike), jax.vmap(mixed)), merge)
    return lanes(_choose(alike, mixed), batch)


_forward = _lanes(_alike_mean, _mixed_mean)
window_thresholds = _lanes(_alike_thresholds, _mixed_thresholds)
