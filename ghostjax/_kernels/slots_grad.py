"""The derivative of the window mean across neighbour slots."""

import jax.numpy as jnp
from jax import lax

from ghostjax._kernels.weights import masses
from ghostjax._kernels.window import thresholds
from ghostjax._kernels.window_grad import shares


TILE, UNROLLED = 8192, 16
"""Columns that are worked on together, and the number of slots up to which their rows are copied without a loop."""


def slots_pullback(x, nbr, w, trim, y, ends, g):
    """Cotangents of `x`, `w` and `trim`: `window_pullback` of every receiver, tile by tile, one neighbour at a time.

    `ends` are the thresholds where they are known, or None: to sort the few rows of a tile again costs less than to
    keep two numbers per receiver and coordinate. The cotangent of x is updated in place, row by row, which is faster on
    CPU than gathers and scatters of whole rows; nothing of size `[n, k, d]` exists.
    """
    (n, k), d = nbr.shape, x.shape[1]
    nbr = nbr.astype(jnp.result_type(int))  # as the numbers of receivers and columns: slices mix no types
    trims, lefts, _ = masses(w, trim)
    tiles = -(-d // TILE)
    size = -(-d // tiles)

    def tile(step, carry):
        # The last tile overlaps the one before: what both hold counts in the first.
        start = jnp.minimum(step * size, d - size)
        fresh = start + jnp.arange(size) >= step * size

        def receiver(i, carry):
            dx, dw, dtrim = carry
            at, wi = nbr[i], w[i]

            def own(values):
                return lax.dynamic_slice(values, (i, start), (1, size))[0]

            def heard(j):
                return lax.dynamic_slice(x, (at[j], start), (1, size))[0]

            if ends is None:
                empty = jnp.zeros((k, size), x.dtype)
                rows = lax.fori_loop(0, k, lambda j, rows: rows.at[j].set(heard(j)), empty, unroll=k <= UNROLLED)
                low, high = thresholds(rows, wi, trim[i])
            else:
                low, high = map(own, ends)
            a, b = jnp.minimum(low, high), jnp.maximum(low, high)

            def count(j, sums):
                xi, v = heard(j), wi[j]
                below_b, at_a, upto_a, at_b = sums
                return (
                    below_b + jnp.where(xi < b, v, 0),
                    at_a + jnp.where(xi == a, v, 0),
                    upto_a + jnp.where(xi <= a, v, 0),
                    at_b + jnp.where(xi == b, v, 0),
                )

            below_b, at_a, upto_a, at_b = lax.fori_loop(0, k, count, (jnp.zeros_like(a),) * 4)
            share = shares(below_b, at_a, upto_a, at_b, a, b, low > high, trims[i], lefts[i], wi.sum(), wi.max())
            gi, yi = jnp.where(fresh, own(g), 0), own(y)
            scaled = share._replace(at_a=gi * share.at_a, at_b=gi * share.at_b, inside=gi * share.inside)
            # Computed once, and not anew for every neighbour.
            scaled, slope = lax.optimization_barrier((scaled, gi * share.slope))

            def spread(j, carry):
                dx, dw = carry
                xi = heard(j)
                moved = lax.dynamic_slice(dx, (at[j], start), (1, size)) + (wi[j] * scaled.of(xi))[None, :]
                dx = lax.dynamic_update_slice(dx, moved, (at[j], start))
                return dx, dw.at[i, j].add(jnp.vdot(jnp.clip(xi, a, b) - yi, slope))

            dx, dw = lax.fori_loop(0, k, spread, (dx, dw))
            return dx, dw, dtrim.at[i].add(jnp.where(share.fixed, 0, (2 * yi - a - b) * slope).sum())

        return lax.fori_loop(0, n, receiver, carry)

    dx, dw, dtrim = lax.fori_loop(0, tiles, tile, (jnp.zeros_like(x), jnp.zeros_like(w), jnp.zeros_like(trim)))
    return dx, dw, jnp.where(trim < 0, 0, dtrim)
