"""Mean of the values inside a window of mass, per coordinate: the trimmed mean and the median.

`equal_weights` serves rows of equal weight: up to `NETWORK_ROWS` by a sorting network whose output is the sum of the
ranks kept, above by counting. `general_weights` serves the rest, by bisection for the two thresholds of mass. `_choose`
decides between the two at run time (weights are traced), and `_fenced` keeps each a separate kernel under `vmap`. Each
exists in three forms, because a network has one output: the mean alone (forward), the thresholds alone (the backward
pass across slots), and all three (forward with residuals). **Invariant:** both compute `y` from the same thresholds
a <= b with sums relative to a, so a large common offset costs no digits; a >= b means the median.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ghostjax._kernels.bisection import MASS_TILE, mass_window, tiled
from ghostjax._kernels.counting import rank_window
from ghostjax._kernels.fence import batch_as_loop
from ghostjax._kernels.network import rank_sums
from ghostjax._kernels.span import retried
from ghostjax._kernels.weights import all_equal, masses, rank_coefficients, ranks
from ghostjax._kernels.window_grad import window_pullback


NETWORK_ROWS = 128
"""Largest number of rows of one unrolled network; compile time grows too fast beyond."""


def window_mean(x: Float[Array, "n d"], w: Float[Array, " n"], trim: Float[Array, ""]) -> Float[Array, " d"]:
    """Per coordinate, drops mass `trim` at both ends of the sorted values and averages the rest.

        y = sum_i kept_i x_i / (W - 2 trim),    kept_i = the part of w_i inside [trim, W - trim]

    Where `2 trim >= W` nothing is left, and y is the limit, the median: the mean of two values, the smallest whose
    cumulated weight reaches `W / 2` and the smallest whose exceeds it. Where W = 0, y is 0. Masses that differ by
    rounding count as equal. Every argument may be traced; rows of weight 0 may hold anything.

    **Derivatives** (reverse mode only) are those of removal, in O(n d): for `a` and `b` the least and largest
    values kept,

        dy/dx_i = kept_i / (W - 2 trim),  dy/dw_i = (clip(x_i, a, b) - y) / (W - 2 trim),
        dy/dtrim = (2 y - a - b) / (W - 2 trim),

    with the kept mass of equal border values shared in proportion to their weights. The median has no useful
    derivative in w: it moves by jumps. It is 0 where one row is the median; where two rows share it,
    `(clip(x_i, a, b) - y) / max w`, the exact change when a row of the largest weight disappears.

    **Method:** equal positive weights: a sorting network in one fused kernel up to 128 rows, counting above.
    Other weights: bisection by mass. Which of the two is decided when the program runs, by one predicate per batch.
    """
    dtype = x.dtype
    wide = jnp.float32 if jnp.finfo(dtype).bits < 32 else dtype
    return _window(x.astype(wide), w.astype(wide), trim.astype(wide)).astype(dtype)


@jax.custom_vjp
def _window(x, w, trim):
    return _forward(x, w, trim)[0]


def _window_fwd(x, w, trim):
    y, low, high = _forward_with_thresholds(x, w, trim)
    return y, (x, w, trim, y, low, high)


def _window_bwd(residuals, g):
    x, w, trim, y, low, high = residuals
    return window_pullback(x, w, trim, y, low, high, g)


_window.defvjp(_window_fwd, _window_bwd)


def _split(x, w):
    return list(x), w


def _chosen(values, outputs):
    return tuple(values[1:] if outputs == 2 else values[:outputs])


@functools.partial(jax.jit, static_argnums=3)
def equal_weights(x, w, trim, outputs, scale=1.0):
    """For rows of equal weight: the window mean (`outputs` 1), its two thresholds (2), or all three (3).

    Sums are those of numbers times `scale`, a power of two.
    """
    n = x.shape[0]
    window = ranks(w, trim)
    scale = jnp.asarray(scale, x.dtype)
    if n > NETWORK_ROWS:
        return _chosen(rank_window(x, w > 0, window, 1 if outputs == 1 else 3, scale), outputs)
    whole, *ends = rank_coefficients(window, n, outputs > 1)
    found = rank_sums((x, w), _split, _chosen((scale * whole, *ends), outputs))
    return tuple(found) if outputs == 2 else (found[0] / window.mass / scale, *found[1:])


@functools.partial(jax.jit, static_argnums=3)
def general_weights(x, w, trim, outputs, scale=1.0):
    """`equal_weights` for any weights."""
    trim, left, slack = masses(w, trim)
    scale = jnp.asarray(scale, x.dtype)
    found = tiled(lambda rows: mass_window(rows, w, trim, slack, left, scale), x, 1 if outputs == 1 else 3, MASS_TILE)
    return _chosen(found, outputs)


def _choose(equal_weights, general_weights, sums):
    """One kernel per kind of weights. The barrier hides constant weights from XLA, which would decide and inline the
    branch, and keeps it from computing the rows again inside the network."""

    def kernel(x, w, trim):
        x, w = lax.optimization_barrier((x, w))

        def attempt(scale):
            return lax.cond(all_equal(w), equal_weights, general_weights, x, w, trim, scale)

        return retried(attempt, x.shape[-2], x.dtype) if sums else attempt(jnp.ones((), x.dtype))

    return kernel


def _fenced(outputs):
    one = [
        lambda x, w, trim, scale, kernel=kernel: kernel(x, w, trim, outputs, scale)
        for kernel in (equal_weights, general_weights)
    ]
    sums = outputs != 2

    def merge(x, w, trim):
        b, c = x.shape[:2]
        out = batch(x.reshape(b * c, *x.shape[2:]), w.reshape(b * c, -1), trim.reshape(b * c))
        return jax.tree.map(lambda y: y.reshape(b, c, *y.shape[1:]), out)

    batch = batch_as_loop(_choose(*(jax.vmap(kernel, (0, 0, 0, None)) for kernel in one), sums=sums), merge)
    return batch_as_loop(_choose(*one, sums=sums), batch)


_forward = _fenced(1)
thresholds = _fenced(2)
_forward_with_thresholds = _fenced(3)
