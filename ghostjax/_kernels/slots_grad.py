"""The derivative of the window mean across neighbour slots, from its thresholds."""

import jax.numpy as jnp
from jax import lax

from ghostjax._kernels.weights import masses
from ghostjax._kernels.window_grad import shares


def slots_pullback(x, nbr, w, trim, y, low, high, g):
    """Cotangents of `x`, `w` and `trim`: `window_pullback` of every receiver, one neighbour's row at a time.

    Rows are sliced, and the cotangent of x is updated in place, row by row, which is faster on CPU than gathers and
    scatters of whole rows; nothing of size `[n, k, d]` exists.
    """
    k = nbr.shape[1]
    trims, lefts, _ = masses(w, trim)

    def receiver(dx, own):
        at, wi, y, low, high, g, f, mass = own
        a, b = jnp.minimum(low, high), jnp.maximum(low, high)

        def row(values, j):
            return lax.dynamic_index_in_dim(values, at[j], keepdims=False)

        def count(j, sums):
            xi, v = row(x, j), wi[j]
            below_b, at_a, upto_a, at_b = sums
            return (
                below_b + jnp.where(xi < b, v, 0),
                at_a + jnp.where(xi == a, v, 0),
                upto_a + jnp.where(xi <= a, v, 0),
                at_b + jnp.where(xi == b, v, 0),
            )

        sums = lax.fori_loop(0, k, count, (jnp.zeros_like(y),) * 4)
        below_b, at_a, upto_a, at_b = sums
        share = shares(below_b, at_a, upto_a, at_b, a, b, low > high, f, mass, wi.sum(), wi.max())
        scaled = share._replace(at_a=g * share.at_a, at_b=g * share.at_b, inside=g * share.inside)
        # Computed once, and not anew for every neighbour.
        scaled, slope = lax.optimization_barrier((scaled, g * share.slope))

        def spread(j, carry):
            dx, dw = carry
            xi = row(x, j)
            dx = lax.dynamic_update_index_in_dim(dx, row(dx, j) + wi[j] * scaled.of(xi), at[j], 0)
            return dx, dw.at[j].set(jnp.vdot(jnp.clip(xi, a, b) - y, slope))

        dx, dw = lax.fori_loop(0, k, spread, (dx, jnp.zeros_like(wi)))
        return dx, (dw, jnp.where(share.fixed, 0, (2 * y - a - b) * slope).sum())

    dx, (dw, dtrim) = lax.scan(receiver, jnp.zeros_like(x), (nbr, w, y, low, high, g, trims, lefts))
    return dx, dw, jnp.where(trim < 0, 0, dtrim)
