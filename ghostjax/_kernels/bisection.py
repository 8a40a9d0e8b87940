"""Order statistics by bisection on order-preserving integer keys: any number of rows, any weights.

The bits of a float, with those below the sign flipped for negative numbers, order like the float itself. The search
finds the largest v whose mass below, `sum_i w_i [key_i < v]`, is within a limit. Each step fixes one bit of v, so the
cost does not depend on the data, and limits may be traced. Columns are taken in tiles, so that the keys of a tile
stay in cache over all steps. `MASS_TILE` and `WORK` were found by trial on CPU.
"""

import jax.numpy as jnp
from jax import lax

from ghostjax._kernels.network import tree_reduce


MASS_TILE, WORK = 64, 2048


def to_keys(x):
    """Signed integers of the width of x in the order of x (-0.0 below +0.0)."""
    dtype = jnp.int32 if x.dtype.itemsize == 4 else jnp.int64
    bits = lax.bitcast_convert_type(x, dtype)
    return bits ^ ((bits >> (8 * x.dtype.itemsize - 1)) & jnp.iinfo(dtype).max)


def from_keys(keys, dtype):
    """The inverse of `to_keys`: flipping the same bits once more."""
    return lax.bitcast_convert_type(keys ^ ((keys >> (8 * keys.dtype.itemsize - 1)) & jnp.iinfo(keys.dtype).max), dtype)


def bisect(keys, within):
    """The largest v per column with `within(v)`; a tuple of predicates gives a tuple of values."""
    bits, dtype = 8 * keys.dtype.itemsize, keys.dtype
    lowest = jnp.full(keys.shape[1:], jnp.iinfo(dtype).min, dtype)

    def step(i, current):
        bit = lax.shift_left(jnp.ones((), dtype), jnp.asarray(bits - 1 - i, dtype))
        # From the lowest key, adding the sign bit wraps to 0 and all further bits add up without a carry.
        return tuple(jnp.where(ok(v + bit), v + bit, v) for v, ok in zip(current, within, strict=True))

    return lax.fori_loop(0, bits, step, tuple(lowest for _ in within))


def mass(weights, mask):
    """The mass of the rows in `mask` per column: a product, which compiles faster than unrolled rows."""
    return jnp.matmul(weights, mask.astype(weights.dtype), precision=lax.Precision.HIGHEST)


def block_sum(term, dtype, *arrays):
    """The sum over rows of `term(*arrays)`, the first `[n, tile]`, in balanced trees of blocks of rows.

    Blocks are small and copied before use, for two reasons. XLA on CPU divides larger work between threads. It also
    costs a loop that reads a part of a large array as if the loop read all of it.
    """
    n, tile = arrays[0].shape
    size = min(n, 32, max(1, WORK // tile))
    blocks = n // size

    def part(block):
        return tree_reduce(list(term(*block)))

    def add(i, total):
        return total + part(lax.optimization_barrier([lax.dynamic_slice_in_dim(v, i * size, size) for v in arrays]))

    rest = [v[blocks * size :] for v in arrays]
    start = part(rest) if rest[0].shape[0] else jnp.zeros(tile, dtype)
    return lax.fori_loop(0, blocks, add, start)


def window_value(x, weights, a, b, trim, left, scale):
    """The window mean from its thresholds, summed in numbers times `scale`; their midpoint where a >= b.

    All sums are relative to `a`: the values between the thresholds, and the part of the window at `b`. Nothing cancels.
    """
    a2, b2 = a[None, :], b[None, :]
    low, high = scale * a, scale * b

    def excess(rows, w):
        w = w[:, None]
        return jnp.where((w > 0) & (a2 < rows) & (rows < b2), w * (scale * rows - low[None, :]), 0)

    inside = block_sum(excess, x.dtype, x, weights)
    at_b = jnp.maximum(block_sum(lambda rows, w: jnp.where(rows < b2, 0, w[:, None]), x.dtype, x, weights) - trim, 0)
    mean = (low + (inside + at_b * (high - low)) / jnp.where(left > 0, left, 1)) / scale
    return jnp.where(a < b, mean, a / 2 + b / 2)


def mass_window(x, weights, trim, slack, left, scale):
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
    y = window_value(x, weights, a, b, trim, left, scale)
    return tuple(jnp.where(weights.max() > 0, v, 0) for v in (y, a, b))


def tiled(kernel, x, outputs, tile):
    """`kernel` of column tiles `[n, tile]`, the first `outputs` of its arrays `[tile]` as arrays `[d]`.

    The last tile overlaps its neighbour instead of being padded. Shared columns are computed twice, with equal bits.
    """
    d = x.shape[1]
    tile = min(tile, d)

    def body(i, results):
        start = jnp.minimum(i * tile, d - tile)
        values = kernel(lax.dynamic_slice_in_dim(x, start, tile, axis=1))[:outputs]
        return tuple(lax.dynamic_update_slice_in_dim(r, v, start, 0) for r, v in zip(results, values, strict=True))

    return lax.fori_loop(0, -(-d // tile), body, tuple(jnp.zeros((d,), x.dtype) for _ in range(outputs)))
