"""Order statistics by a sorting network over rows: element-wise minima and maxima in one fused kernel.

Rows are a Python list of arrays `[*r, d]`; weights and ranks are `[*r]`, one per receiver (`r` is empty at a
server). Each network has ONE output, a sum of masked ranks, because every further output would recompute the
whole network, and that sum is a balanced tree, because a chain makes XLA split the kernel into dozens.
"""

import functools

import jax.numpy as jnp
from jax import lax


FRACTION_INLINE = 96
"""Up to this many rows a fractional rank is a second masked sum in the same kernel; above it a second pass,
since two sums over 128 ranks make the compiled kernel nine times slower."""


@functools.cache
def comparators(n: int) -> tuple[tuple[int, int], ...]:
    """Batcher's odd-even merge sort for any n: pairs (i, j), i < j, of which i receives the minimum."""
    pairs = []
    p = 1
    while p < n:
        k = p
        while k >= 1:
            for j in range(k % p, n - k, 2 * k):
                for i in range(min(k, n - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        pairs.append((i + j, i + j + k))
            k //= 2
        p *= 2
    return tuple(pairs)


def tree(values, op=lax.add):
    """The values combined pairwise in a balanced tree."""
    values = list(values)
    while len(values) > 1:
        pairs = [op(a, b) for a, b in zip(values[::2], values[1::2], strict=False)]
        values = pairs + values[len(values) & ~1 :]
    return values[0]


def sort_rows(rows):
    """The rows in ascending order per coordinate."""
    rows = list(rows)
    for i, j in comparators(len(rows)):
        rows[i], rows[j] = lax.min(rows[i], rows[j]), lax.max(rows[i], rows[j])
    return rows


def sort_weighted(rows, weights):
    """The rows in ascending order per coordinate, each with its weight `[*r, d]`."""
    rows = list(rows)
    weights = [jnp.broadcast_to(v[..., None], row.shape) for v, row in zip(weights, rows, strict=True)]
    for i, j in comparators(len(rows)):
        swap = rows[i] > rows[j]
        weights[i], weights[j] = jnp.where(swap, weights[j], weights[i]), jnp.where(swap, weights[i], weights[j])
        rows[i], rows[j] = lax.min(rows[i], rows[j]), lax.max(rows[i], rows[j])
    return rows, weights


def present_rows(rows, weights):
    """Rows of weight 0 replaced by +inf, so that they take the last ranks."""
    return [jnp.where((v > 0)[..., None], row, jnp.inf) for row, v in zip(rows, weights, strict=True)]


def rank_sum(rows, weights, low, high, keep):
    """Sum of the ranks strictly between `low` and `high` plus `keep` times those two (once where they coincide).

    Above `FRACTION_INLINE` rows it is `keep` times the sum of all these ranks.
    """
    ordered = sort_rows(present_rows(rows, weights))

    def masked(mask):
        return tree([jnp.where(mask(r)[..., None], row, 0) for r, row in enumerate(ordered)])

    if len(rows) > FRACTION_INLINE:
        return masked(lambda r: (low <= r) & (r <= high)) * keep[..., None]
    inner = masked(lambda r: (low < r) & (r < high))
    return inner + keep[..., None] * masked(lambda r: (low == r) | (r == high))


def rank_window(source, split, low, high, keep):
    """The sum of `rank_sum` over the rows and weights `split(*source)`, for any `keep` and any number of rows.

    Above `FRACTION_INLINE` rows the same compiled network runs a second time, and only where `keep < 1`:
    `keep * (ranks low..high) + (1 - keep) * (ranks low + 1..high - 1)`.
    """
    rows, weights = split(*source)
    if len(rows) <= FRACTION_INLINE:
        return rank_sum(rows, weights, low, high, keep)

    def add(i, total):
        inner = (i > 0).astype(low.dtype)
        rows, weights = split(*_variant(source, i))
        return total + rank_sum(rows, weights, low + inner, high - inner, jnp.where(i > 0, 1 - keep, keep))

    return lax.fori_loop(0, jnp.where((keep < 1).any(), 2, 1), add, jnp.zeros_like(rows[0]))


def rank_values(source, split, low, high):
    """The rows of two ranks: one network, compiled once and run twice."""

    def value(i):
        rows, weights = split(*_variant(source, i))
        rank = jnp.where(i > 0, high, low)
        ordered = sort_rows(present_rows(rows, weights))
        return tree([jnp.where((rank == r)[..., None], row, 0) for r, row in enumerate(ordered)])

    both = lax.map(value, jnp.arange(2, dtype=low.dtype))
    return both[0], both[1]


def _variant(source, i):
    # Without this tie to the loop index XLA moves the sorting out of the loop and returns all sorted rows from it.
    return lax.optimization_barrier((source, i))[0]


def weighted_thresholds(rows, weights, trim, slack):
    """The smallest values whose cumulated weight exceeds `trim`, respectively all but reaches the same at the top.

    `slack` is the rounding error allowed for in both comparisons. The total is the cumulated one, per
    coordinate: another order of summation could exceed it and leave the upper value undefined.
    """
    ordered, masses = sort_weighted(present_rows(rows, weights), weights)
    totals = [masses[0]]
    for mass in masses[1:]:
        totals.append(totals[-1] + mass)
    margin = (trim + slack)[..., None]
    below, above = margin, totals[-1] - margin
    lower = [jnp.where(total > below, row, jnp.inf) for row, total in zip(ordered, totals, strict=True)]
    upper = [jnp.where(total >= above, row, jnp.inf) for row, total in zip(ordered, totals, strict=True)]
    return tree(lower, lax.min), tree(upper, lax.min)


def excess(row, weight, a, b):
    """What a row adds to the sum of `winsorised`."""
    return jnp.where(weight > 0, weight * (lax.min(lax.max(row, a), b) - a), 0)


def winsorised(total, a, b, trim, mass):
    """The window mean from its thresholds, `a + (sum_i w_i (clip(x_i, a, b) - a) - trim (b - a)) / mass`.

    Clipping counts a border value with all the weight beyond it, of which `trim` does not belong to the window;
    relative to `a` nothing cancels but what lies between the thresholds. Where a >= b the window is the median.
    """
    return jnp.where(a < b, a + (total - trim * (b - a)) / jnp.where(mass > 0, mass, 1), a / 2 + b / 2)
