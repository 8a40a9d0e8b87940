"""Order statistics by a sorting network over rows: element-wise comparisons in one fused kernel.

Rows are a Python list of arrays `[*r, d]`; weights and ranks are `[*r]`, one per receiver (`r` is empty at a
server). Each network has ONE output, a sum of masked ranks, because every further output would recompute the
whole network, and that sum is a balanced tree, because a chain makes XLA split the kernel. Two sums
can share one network as the real and imaginary part of its output: for about 10 rows this costs little more than one
sum, for 100 rows five times as much.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from ghostjax._kernels.order import clipped, pair, smaller


SELECTED_ROWS = 96
"""Up to this many rows, two rows are compared by selection (three operations) and not by minimum and maximum. XLA
splits fused kernels of more than about four thousand operations."""


def tree_reduce(values, op=lax.add):
    """The values combined pairwise in a balanced tree."""
    values = list(values)
    while len(values) > 1:
        pairs = [op(a, b) for a, b in zip(values[::2], values[1::2], strict=False)]
        values = pairs + values[len(values) & ~1 :]
    return values[0]


@functools.partial(jax.jit, static_argnums=0)
def _merged(exchange, first, second):
    """Merges two ascending lists, the first at least as long: even places, odd places, then neighbours."""
    if not second:
        return first
    if len(first) == 1:
        return list(exchange(first[0], second[0]))
    even, odd = (_merged(exchange, first[start::2], second[start::2]) for start in (0, 1))
    count = min(len(odd), len(even) - 1)
    inner = [exchange(*places) for places in zip(odd[:count], even[1 : count + 1], strict=True)]
    return [even[0], *(value for places in inner for value in places), *odd[count:], *even[count + 1 :]]


@functools.partial(jax.jit, static_argnums=0)
def network(exchange, values):
    """The values in ascending order by Batcher's odd-even merge sort; `exchange(a, b)` puts two into order.

    Each half is a separate function, so each length is traced and lowered once. Halves of nearly equal length need
    fewer comparisons than powers of two with empty last places: 26 instead of 28 for 9 rows, 565 instead of 679 for 65.
    """
    if len(values) == 1:
        return values
    half = (len(values) + 1) // 2
    return _merged(exchange, network(exchange, values[:half]), network(exchange, values[half:]))


def extremes(a, b):
    """`pair` by the minimum and the maximum."""
    return lax.min(a, b), lax.max(a, b)


def weighted_pair(a, b):
    """`pair` of rows that carry a weight each."""
    (x, v), (y, w) = a, b
    kept = lax.lt(x, y)
    low, high = pair(x, y)
    return (low, lax.select(kept, v, w)), (high, lax.select(kept, w, v))


def sort_rows(rows):
    """The rows in ascending order per coordinate."""
    return network(pair if len(rows) <= SELECTED_ROWS else extremes, list(rows))


def sort_weighted(rows, weights):
    """The rows in ascending order per coordinate, each with its weight `[*r, d]`."""
    weights = [jnp.broadcast_to(v[..., None], row.shape) for v, row in zip(weights, rows, strict=True)]
    return zip(*network(weighted_pair, list(zip(rows, weights, strict=True))), strict=True)


def columns(values):
    """`values[..., i, None]` for each i, in one operation: tracing an index for each would cost many times more."""
    axis = values.ndim - 1
    return lax.split(values, [1] * values.shape[axis], axis)


def scaled(factor, row):
    """`factor * row` for a factor `[*r, 1]`, traced without the promotions of `*`."""
    shape = jnp.broadcast_shapes(factor.shape, row.shape)
    row = row if row.shape == shape else lax.broadcast_in_dim(row, shape, range(row.ndim))
    return lax.mul(lax.broadcast_in_dim(factor, shape, range(factor.ndim)), row)


def present_rows(rows, weights):
    """Rows of weight 0 replaced by the largest finite number, so that they take the last ranks.

    A coefficient of 0 removes such a rank from a sum; with inf the sum would be nan. Weights are `[*r, 1]`.
    """
    top = lax.full_like(rows[0], jnp.finfo(rows[0].dtype).max)
    zero = lax.full_like(weights[0], 0)
    shape, axes = top.shape, range(top.ndim)
    return [
        lax.select(lax.broadcast_in_dim(lax.gt(v, zero), shape, axes), r, top)
        for r, v in zip(rows, weights, strict=True)
    ]


def rank_sum(rows, weights, *coefficients):
    """`sum_r coefficients[..., r] x_(r)` over the ascending values of the rows present, which must be finite.

    `weights` and `coefficients` are `[*r, n]`. Two sums are returned as one complex array, so that the network has one
    output.
    """
    ordered = sort_rows(present_rows(rows, columns(weights)))
    sums = [tree_reduce([scaled(c, row) for c, row in zip(columns(one), ordered, strict=True)]) for one in coefficients]
    return sums[0] if len(sums) == 1 else lax.complex(*sums)


def rank_sums(source, split, coefficients):
    """`rank_sum` of the rows and weights `split(*source)` for each of a list of coefficients.

    One network is compiled, and it runs once for each.
    """

    def one(coefficient):
        # The barrier ties the inputs to the loop. Otherwise XLA moves the sort out of it and returns all sorted rows.
        inputs, coefficient = lax.optimization_barrier((source, coefficient))
        rows, weights = split(*inputs)
        return rank_sum(rows, weights, coefficient)

    return [one(coefficients[0])] if len(coefficients) == 1 else list(lax.map(one, jnp.stack(coefficients)))


def weighted_thresholds(rows, weights, trim, slack):
    """Lower and upper threshold: the smallest values whose cumulated weight exceeds `trim`, and reaches W - `trim`.

    `slack` is the rounding error allowed in both comparisons. W is the cumulated weight of the coordinate: a sum in
    another order could exceed it, and no value would reach the upper threshold.
    """
    absent_last = [jnp.where((v > 0)[..., None], row, jnp.inf) for row, v in zip(rows, weights, strict=True)]
    ordered, masses = sort_weighted(absent_last, weights)
    totals = [masses[0]]
    for mass in masses[1:]:
        totals.append(totals[-1] + mass)
    margin = (trim + slack)[..., None]
    below, above = margin, totals[-1] - margin
    lower = [jnp.where(total > below, row, jnp.inf) for row, total in zip(ordered, totals, strict=True)]
    upper = [jnp.where(total >= above, row, jnp.inf) for row, total in zip(ordered, totals, strict=True)]
    return tree_reduce(lower, smaller), tree_reduce(upper, smaller)


def excess(row, weight, a, b, scale):
    """The term of a row in the sum of `winsorised`."""
    return jnp.where(weight > 0, weight * (scale * clipped(row, a, b) - scale * a), 0)


def winsorised(total, a, b, trim, mass, scale):
    """The window mean from its thresholds, `a + (sum_i w_i (clip(x_i, a, b) - a) - trim (b - a)) / mass`.

    The sum is one of numbers times `scale`. Clipping counts a threshold with all the weight beyond it, of which `trim`
    is outside the window; the last term takes it off. All terms are relative to `a`, so large offsets do not cancel.
    Where a >= b the window is the median.
    """
    low, high = scale * a, scale * b
    mean = (low + (total - trim * (high - low)) / jnp.where(mass > 0, mass, 1)) / scale
    return jnp.where(a < b, mean, a / 2 + b / 2)
