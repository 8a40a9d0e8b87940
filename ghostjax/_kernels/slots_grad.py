"""The derivative of the window mean across neighbour slots, from its thresholds."""

import jax.numpy as jnp
from jax import lax

from ghostjax._kernels.weights import masses
from ghostjax._kernels.window_grad import shares


def slots_pullback(x, nbr, w, trim, y, low, high, g):
    """Cotangents of `x`, `w` and `trim`: `window_pullback` of every receiver, one slot at a time.

    The cotangent of x is scattered to the senders slot by slot, so nothing of size `[n, k, d]` exists.
    """
    a, b = jnp.minimum(low, high), jnp.maximum(low, high)

    def count(sums, slot):
        at, wi = slot
        xi, wi = x[at], wi[:, None]
        below_b, at_a, upto_a, at_b = sums
        return (
            below_b + jnp.where(xi < b, wi, 0),
            at_a + jnp.where(xi == a, wi, 0),
            upto_a + jnp.where(xi <= a, wi, 0),
            at_b + jnp.where(xi == b, wi, 0),
        ), None

    (below_b, at_a, upto_a, at_b), _ = lax.scan(count, (jnp.zeros_like(y),) * 4, (nbr.T, w.T))
    f, mass, _ = masses(w, trim)
    share = shares(
        below_b, at_a, upto_a, at_b, a, b, low > high, f[:, None], mass[:, None], w.sum(1)[:, None], w.max(1)[:, None]
    )
    slope = g * share.slope

    def spread(dx, slot):
        at, wi = slot
        xi = x[at]
        dx = dx.at[at].add(wi[:, None] * share.of(xi) * g)
        return dx, ((jnp.clip(xi, a, b) - y) * slope).sum(1)

    dx, dw = lax.scan(spread, jnp.zeros_like(x), (nbr.T, w.T))
    dtrim = jnp.where(share.fixed, 0, (2 * y - a - b) * slope).sum(1)
    return dx, dw.T, jnp.where(trim < 0, 0, dtrim)
