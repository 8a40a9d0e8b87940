"""The derivative of the window mean across neighbour slots.

For receiver i with thresholds a, b per column (`window_grad` derives the shares), slot j at row r = nbr[i, j] adds

    dx[r] += w[i, j] share(x[r]) g[i],    dw[i, j] += (clip(x[r], a, b) - y[i]) . slope,    slope = g[i] * share.slope.

Three nested loops: column tiles, receivers, slots. **Invariant:** one receiver's tile is in cache, `dx` is updated in
place row by row, and no `[n, k, d]` exists; on CPU this is faster than gathers and scatters of whole rows. A receiver
first passes over its slots to sum the masses at and below a and b, then once more to spread the cotangent. The last
tile overlaps the one before: `fresh` masks the columns that were done, since dx, dw and dtrim accumulate.
"""

import jax.numpy as jnp
from jax import lax

from ghostjax._kernels.network import tree_reduce
from ghostjax._kernels.order import clipped, pair
from ghostjax._kernels.weights import masses
from ghostjax._kernels.window_grad import shares


TILE, NUMBERS, UNROLLED = 4096, 2**19, 32
"""Largest number of columns in a tile, largest number of numbers of all receivers in a tile (both found by trial on
CPU), and the number of slots up to which masses are summed without a loop."""


def slots_pullback(x, nbr, w, trim, y, thresholds, g):
    """Cotangents of `x`, `w` and `trim`: `window_pullback` of every receiver, tile by tile, one neighbour at a time.

    `thresholds(start, size)` gives the lower and the upper thresholds of all receivers in some columns, `[n, size]`.
    """
    (n, k), d = nbr.shape, x.shape[1]
    # Unsigned, so that jax adds no check for indices that count from the end.
    nbr = nbr.astype(jnp.uint32)
    trims, lefts, _ = masses(w, trim)
    totals, tops, none = w.sum(-1), w.max(-1), jnp.uint32(0)
    tiles = -(-d // min(TILE, max(1, NUMBERS // n)))
    size = -(-d // tiles)

    def tile(step, carry):
        # The last tile overlaps the one before: shared columns count in the earlier one.
        start = jnp.minimum(step * size, d - size).astype(jnp.uint32)
        fresh = start + jnp.arange(size, dtype=jnp.uint32) >= (step * size).astype(jnp.uint32)
        lows, highs = lax.optimization_barrier(thresholds(start, size))

        def receiver(i, carry):
            dx, dw, dtrim = carry

            def of_receiver(values):
                return lax.dynamic_index_in_dim(values, i, keepdims=False)

            def part(values, row):
                return lax.dynamic_slice(values, (row, start), (1, size))[0]

            at, wi, low, high = of_receiver(nbr), of_receiver(w), of_receiver(lows), of_receiver(highs)
            a, b = pair(low, high)

            def row_in_slot(j):
                return part(x, lax.dynamic_index_in_dim(at, jnp.uint32(j), keepdims=False))

            def masses_where(*within):
                if k <= UNROLLED:
                    return [
                        tree_reduce([jnp.where(test(row_in_slot(j)), wi[j], 0) for j in range(k)]) for test in within
                    ]

                def add(j, sums):
                    return [
                        total + jnp.where(test(row_in_slot(j)), wi[j], 0)
                        for total, test in zip(sums, within, strict=True)
                    ]

                return lax.fori_loop(0, k, add, [jnp.zeros_like(a)] * len(within))

            below_b, at_a, upto_a, at_b = masses_where(
                lambda xi: xi < b, lambda xi: xi == a, lambda xi: xi <= a, lambda xi: xi == b
            )
            mass_of = [of_receiver(v) for v in (trims, lefts, totals, tops)]
            share = shares(below_b, at_a, upto_a, at_b, a, b, low > high, *mass_of)
            gi, yi = jnp.where(fresh, part(g, i), 0), part(y, i)
            scaled = share._replace(at_a=gi * share.at_a, at_b=gi * share.at_b, inside=gi * share.inside)
            # The barrier has them computed once, and not again for every slot.
            scaled, slope = lax.optimization_barrier((scaled, gi * share.slope))

            def spread(j, carry):
                dx, excess = carry
                row, xi = lax.dynamic_index_in_dim(at, j, keepdims=False), row_in_slot(j)
                moved = part(dx, row) + lax.dynamic_index_in_dim(wi, j) * scaled.of(xi)
                dx = lax.dynamic_update_slice(dx, moved[None, :], (row, start))
                return dx, lax.dynamic_update_index_in_dim(excess, clipped(xi, a, b) - yi, j, 0)

            dx, excess = lax.fori_loop(none, jnp.uint32(k), spread, (dx, jnp.zeros((k, size), x.dtype)))
            # One product for all slots is faster than a sum for each.
            products = jnp.matmul(excess, slope, precision=lax.Precision.HIGHEST)
            return (
                dx,
                dw.at[i].add(products),
                dtrim.at[i].add(jnp.where(share.fixed, 0, (2 * yi - a - b) * slope).sum()),
            )

        return lax.fori_loop(none, jnp.uint32(n), receiver, carry)

    dx, dw, dtrim = lax.fori_loop(0, tiles, tile, (jnp.zeros_like(x), jnp.zeros_like(w), jnp.zeros_like(trim)))
    return dx, dw, jnp.where(trim < 0, 0, dtrim)
