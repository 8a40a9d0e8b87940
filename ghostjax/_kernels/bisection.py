"""Order statistics by bisection on order-preserving integer keys: any number of rows, any weights.

The bits of a float, with those below the sign flipped for negative numbers, order like the float itself. The
value sought is the largest v whose mass below, `sum_i w_i [key_i < v]`, is within a limit; one bit of v per
step, so the cost does not depend on the data and limits may be traced. Columns are taken in tiles, so that the
keys of one stay in cache over all steps; `RANK_TILE`, `MASS_TILE` and `BLOCK` were found by trial on CPU.
"""

import math

import jax.numpy as jnp
from jax import lax

from ghostjax._kernels.network import tree


RANK_TILE, MASS_TILE, BLOCK = 128, 64, 64
MAX_COUNT = 32767


def to_keys(x):
    """Signed integers of the width of x in the order of x (-0.0 below +0.0)."""
    dtype = jnp.int32 if x.dtype.itemsize == 4 else jnp.int64
    bits = lax.bitcast_convert_type(x, dtype)
    return bits ^ ((bits >> (8 * x.dtype.itemsize - 1)) & jnp.iinfo(dtype).max)


def from_keys(keys, dtype):
    """The inverse of `to_keys`, which is its own."""
    return lax.bitcast_convert_type(keys ^ ((keys >> (8 * keys.dtype.itemsize - 1)) & jnp.iinfo(keys.dtype).max), dtype)


def count_below(keys, v):
    """The number of keys below `v` per column, as int16, in unrolled blocks of rows."""
    blocks = keys.shape[0] // BLOCK

    def part(block):
        return tree([(row < v).astype(jnp.int16) for row in block])

    rest = keys[blocks * BLOCK :]
    total = part(rest) if rest.shape[0] else jnp.zeros(v.shape, jnp.int16)
    return lax.fori_loop(0, blocks, lambda i, n: n + part(lax.dynamic_slice_in_dim(keys, i * BLOCK, BLOCK)), total)


def bisect(keys, within):
    """The largest v per column with `within(v)`; a tuple of predicates gives a tuple of values."""
    bits, dtype = 8 * keys.dtype.itemsize, keys.dtype
    lowest = jnp.full(keys.shape[1:], jnp.iinfo(dtype).min, dtype)

    def step(i, current):
        bit = lax.shift_left(jnp.ones((), dtype), jnp.asarray(bits - 1 - i, dtype))
        # From the lowest key, adding the sign bit wraps to 0 and all further bits add up without a carry.
        return tuple(jnp.where(ok(v + bit), v + bit, v) for v, ok in zip(current, within, strict=True))

    return lax.fori_loop(0, bits, step, tuple(lowest for _ in within))


def rank_thresholds(x, weights, low, high):
    """The values of ranks `low` and `high` among rows of weight > 0 of a float32 tile, by int16 counting.

    Sixteen high bits first, then the low ones of the rows that share them: rows above and below saturate, and
    need no bit of their own, since -32768 is below every candidate and 32767 below none.
    """
    keys = jnp.where((weights > 0)[:, None], to_keys(x), jnp.iinfo(jnp.int32).max)
    ranks = [r.astype(jnp.int16) for r in (low, high)]

    def counting(k, rank):
        return lambda v: count_below(k, v) <= rank

    head = (keys >> 16).astype(jnp.int16)
    head = lax.optimization_barrier(head)
    heads = bisect(head, [counting(head, rank) for rank in ranks])
    values = []
    for top, rank in zip(heads, ranks, strict=True):
        tail = ((keys & 0xFFFF) - 32768).astype(jnp.int16)
        tail = jnp.where(head < top[None, :], jnp.int16(-32768), jnp.where(head > top[None, :], jnp.int16(32767), tail))
        tail = lax.optimization_barrier(tail)
        (bottom,) = bisect(tail, [counting(tail, rank)])
        values.append(from_keys((top.astype(jnp.int32) << 16) | (bottom.astype(jnp.int32) + 32768), x.dtype))
    return tuple(values)


def mass(weights, mask):
    """The mass of the rows in `mask` per column: a product, which compiles faster than unrolled rows."""
    return jnp.matmul(weights, mask.astype(weights.dtype), precision=lax.Precision.HIGHEST)


def sum_rows(x):
    """The sum over rows in two levels, whose rounding error grows with the root of their number."""
    n, t = x.shape
    size = max(1, math.isqrt(n))
    blocks = -(-n // size)
    return jnp.pad(x, ((0, blocks * size - n), (0, 0))).reshape(blocks, size, t).sum(1).sum(0)


def window_value(x, weights, a, b, trim, left):
    """The window mean from its thresholds; their midpoint where a >= b.

    Relative to `a` only what lies between the thresholds is added, and what the window holds of `b`: nothing cancels.
    """
    weights = jnp.broadcast_to(weights[:, None], x.shape)
    above_a, below_b = a[None, :] < x, x < b[None, :]
    inside = jnp.where((weights > 0) & above_a & below_b, weights * (x - a[None, :]), 0)
    at_b = jnp.maximum(sum_rows(jnp.where(below_b, 0, weights)) - trim, 0)
    return jnp.where(a < b, a + (sum_rows(inside) + at_b * (b - a)) / jnp.where(left > 0, left, 1), a / 2 + b / 2)


def rank_window(x, weights, low, high, cut, left):
    """Window mean and thresholds of a tile whose present rows all count 1: ranks `low .. high`, trimmed by `cut`."""
    a, b = lax.optimization_barrier(rank_thresholds(x, weights, low, high))
    y = window_value(x, (weights > 0).astype(x.dtype), a, b, cut, left)
    return tuple(jnp.where(low >= 0, v, 0) for v in (y, a, b))


def mass_window(x, weights, trim, slack, left):
    """Window mean and thresholds of a tile: the smallest values whose cumulated weight exceeds `trim`, respectively
    all but `trim`.

    `slack` is the rounding error allowed for in both comparisons. The total is summed as masses are, so that the
    mass below +inf equals it bit by bit.
    """
    present = (weights > 0)[:, None]
    keys = to_keys(x)
    top = jnp.where(present, keys, jnp.iinfo(keys.dtype).min).max(0)
    keys = jnp.where(present, keys, jnp.iinfo(keys.dtype).max)
    keys, top = lax.optimization_barrier((keys, top))
    margin = trim + slack
    above = mass(weights, keys <= top[None, :]) - margin

    def below(v):
        return mass(weights, keys < v[None, :])

    a, b = bisect(keys, [lambda v: below(v) <= margin, lambda v: below(v) < above])
    a, b = from_keys(jnp.minimum(a, top), x.dtype), from_keys(jnp.minimum(b, top), x.dtype)
    a, b = lax.optimization_barrier((a, b))
    y = window_value(x, weights, a, b, trim, left)
    return tuple(jnp.where(weights.max() > 0, v, 0) for v in (y, a, b))


def tiled(kernel, x, outputs, tile):
    """`kernel` of column tiles `[n, tile]`, the first `outputs` of its arrays `[tile]` as arrays `[d]`.

    The last tile overlaps its neighbour instead of being padded; its columns are computed twice, alike.
    """
    d = x.shape[1]
    tile = min(tile, d)

    def body(i, results):
        start = jnp.minimum(i * tile, d - tile)
        values = kernel(lax.dynamic_slice_in_dim(x, start, tile, axis=1))[:outputs]
        return tuple(lax.dynamic_update_slice_in_dim(r, v, start, 0) for r, v in zip(results, values, strict=True))

    return lax.fori_loop(0, -(-d // tile), body, tuple(jnp.zeros((d,), x.dtype) for _ in range(outputs)))
