"""Order statistics of rows of equal weight, by counting: any number of rows.

The search finds, per column, the largest key v with at most `rank` rows below it (`to_keys` orders floats as integers).
It goes digit by digit (7 bits, highest first), and within a digit bit by bit: `v <- v + 2^j if #(rows < v + 2^j) <=
rank`. **Invariant** before a digit: the higher digits of v are known, and every row is one byte. A row that shares the
known digits holds its next digit, -64 .. 63; a row below or above them holds -128 or 127, beyond every digit. So one
count of bytes per bit counts all rows below, and a vector instruction compares as many rows as it has bytes. The cost
does not depend on the data, and ranks may be traced. Loops keep the program small. Their bodies are chains, because
XLA on CPU runs independent parts in other threads, which costs more than the work. `TILE` and `BLOCK` were found by
trial on CPU.
"""

import jax.numpy as jnp
from jax import lax

from ghostjax._kernels.bisection import block_sum, from_keys, to_keys
from ghostjax._kernels.network import tree_reduce


TILE, BLOCK, DIGIT = 256, 64, 7


def in_blocks(keys, x, present, start):
    """`keys [blocks, BLOCK, tile]` filled with the keys of columns `start ..`; absent rows hold the largest key.

    The last block overlaps the one before. A row that both contain is absent in the last, so that it counts once.
    """
    n = x.shape[0]
    blocks, size, tile = keys.shape

    def fill(i, keys):
        first = jnp.minimum(i * size, n - size)
        rows = lax.dynamic_slice(x, (first, start), (size, tile))
        # -0.0 becomes 0.0: the two compare as equal, and their keys differ.
        rows = jnp.where(rows == 0, 0, rows)
        counted = lax.dynamic_slice_in_dim(present, first, size) & (first + jnp.arange(size) >= i * size)
        row_keys = jnp.where(counted[:, None], to_keys(rows), jnp.iinfo(keys.dtype).max)
        return lax.dynamic_update_index_in_dim(keys, row_keys, i, 0)

    return lax.fori_loop(0, blocks, fill, keys)


def in_digits(digits, keys):
    """`digits [levels, *keys.shape]` filled with the digits of the keys, highest first, each less 64."""
    levels, blocks = digits.shape[:2]

    def fill(step, digits):
        level, i = step // blocks, step % blocks
        shift = (DIGIT * (levels - 1 - level)).astype(keys.dtype)
        block = lax.dynamic_index_in_dim(keys, i, 0, keepdims=False) ^ jnp.iinfo(keys.dtype).min
        digit = (lax.shift_right_logical(block, shift) & 127).astype(jnp.int8) - jnp.int8(64)
        return lax.dynamic_update_slice(digits, digit[None, None], (level, i, 0, 0))

    return lax.fori_loop(0, levels * blocks, fill, digits)


def count_below(rows, v):
    """The number of bytes below `v` per column. Counts of one block fit into a byte as well."""
    blocks, size, tile = rows.shape

    def count(i, counts):
        block = [lax.dynamic_slice(rows, (i, r, 0), (1, 1, tile))[0, 0] for r in range(size)]
        return lax.dynamic_update_index_in_dim(
            counts, tree_reduce([(row < v).astype(jnp.uint8) for row in block]), i, 0
        )

    counts = lax.fori_loop(0, blocks, count, jnp.zeros((blocks, tile), jnp.uint8))
    return tree_reduce([row.astype(jnp.int32) for row in counts])


def key_of_rank(digits, rank, dtype):
    """Per column the largest key with at most `rank` rows below it, and the number of these."""
    levels, blocks, size, tile = digits.shape
    first = jnp.iinfo(dtype).bits - DIGIT * (levels - 1)

    def level(i, carry):
        rows, v, below, key = carry

        def narrow(j, rows):
            old = lax.dynamic_index_in_dim(rows, j, 0, keepdims=False)
            digit = lax.dynamic_slice(digits, (i, j, 0, 0), (1, 1, size, tile))[0, 0]
            digit = jnp.where(old < v[None, :], jnp.int8(-128), jnp.where(old > v[None, :], jnp.int8(127), digit))
            return lax.dynamic_update_index_in_dim(rows, digit, j, 0)

        rows = lax.fori_loop(0, blocks, narrow, rows)
        steps = jnp.where(i == 0, first, DIGIT)

        def bit(j, carry):
            v, below = carry
            higher = v + lax.shift_left(jnp.int8(1), (steps - 1 - j).astype(jnp.int8))
            count = count_below(rows, higher)
            return jnp.where(count <= rank, higher, v), jnp.where(count <= rank, count, below)

        # As many rows lie below the lowest digit as below the digits before it.
        v, below = lax.fori_loop(0, steps, bit, (jnp.full((tile,), -64, jnp.int8), below))
        return rows, v, below, (key << DIGIT) | (v.astype(dtype) + 64)

    none = jnp.zeros(tile, jnp.int32)
    start = (jnp.zeros((blocks, size, tile), jnp.int8), none.astype(jnp.int8), none, none.astype(dtype))
    _, _, below, key = lax.fori_loop(0, levels, level, start)
    return key ^ jnp.iinfo(dtype).min, below


def rank_window(x, present, window, outputs, scale):
    """Window mean and thresholds of rows that all count 1, the first `outputs` of them; 0 where there are none.

    Sums are relative to the lower threshold a, of numbers times `scale`: `y = a + (sum_{a < x_i < b} (x_i - a) +
    at_b (b - a)) / mass`, with `at_b` the part of the window at the upper threshold b.
    """
    n, d = x.shape
    tile, blocks, size = min(TILE, d), -(-n // BLOCK), BLOCK
    ends = jnp.stack([window.low, window.high]).astype(jnp.int32)
    number = present.sum().astype(x.dtype)
    cut = window.low.astype(x.dtype) + (1 - window.keep)
    some = jnp.zeros((), x.dtype)
    dtype = to_keys(some).dtype

    def body(i, carry):
        keys, digits, results = carry
        # The last tile overlaps its neighbour. The shared columns are computed twice, with equal bits.
        start = jnp.minimum(i * tile, d - tile)
        keys = in_blocks(keys, x, present, start)
        digits = in_digits(digits, keys)
        found, below = lax.map(lambda rank: key_of_rank(digits, rank, dtype), ends)
        a, b = from_keys(found, x.dtype)
        low, high = scale * a, scale * b

        def excess(keys):
            rows = from_keys(keys, x.dtype)
            return jnp.where((a[None, :] < rows) & (rows < b[None, :]), scale * rows - low[None, :], 0)

        inside = block_sum(excess, x.dtype, keys.reshape(blocks * size, tile))
        at_b = jnp.maximum(number - below[1].astype(x.dtype) - cut, 0)
        y = jnp.where(a < b, (low + (inside + at_b * (high - low)) / window.mass) / scale, a / 2 + b / 2)
        values = [jnp.where(window.low >= 0, v, 0) for v in (y, a, b)][:outputs]
        results = [lax.dynamic_update_slice_in_dim(r, v, start, 0) for r, v in zip(results, values, strict=True)]
        return keys, digits, results

    levels = -(-jnp.iinfo(dtype).bits // DIGIT)
    scratch = jnp.zeros((blocks, size, tile), dtype), jnp.zeros((levels, blocks, size, tile), jnp.int8)
    empty = [jnp.zeros(d, x.dtype) for _ in range(outputs)]
    return tuple(lax.fori_loop(0, -(-d // tile), body, (*scratch, empty))[2])
