"""The derivative of a window mean, from its thresholds.

With trim T, total W, mass M = W - 2 T and thresholds a < b per column, the window mean is

    y = (sum_{a < x_i < b} w_i x_i + (mass(x <= a) - T) a + (W - T - mass(x < b)) b) / M.

So a unit of weight contributes 1 / M strictly inside, `(mass(x <= a) - T) / (mass(x = a) M)` at a, and likewise at b:
rows equal to a threshold share its part in proportion to their weights. A median between two rows (M = 0) gives each
side one half. Four masses per column therefore suffice, and the pass over rows needs no sort and no second array.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from ghostjax._kernels.order import clipped, pair
from ghostjax._kernels.weights import masses, SLACK


class Shares(NamedTuple):
    """The contribution of a unit of weight to the window mean, per coordinate: at `a`, between, and at `b`."""

    a: Any
    b: Any
    at_a: Any
    at_b: Any
    inside: Any
    slope: Any
    fixed: Any

    def of(self, xi):
        """The contribution of a unit of weight at `xi`."""
        between = jnp.where((self.a < xi) & (xi < self.b), self.inside, 0)
        return jnp.where(xi == self.a, self.at_a, jnp.where(xi == self.b, self.at_b, between))


def safe_divide(numerator, denominator):
    """The quotient, 0 where the denominator is not positive."""
    return jnp.where(denominator > 0, numerator / jnp.where(denominator > 0, denominator, 1), 0)


def positive(values):
    """The values, 0 where they are not positive."""
    return jnp.where(values > 0, values, 0)


def shares(below_b, at_a, upto_a, at_b, a, b, crossed, trim, mass, total, top):
    """Contributions from the masses at and below the thresholds `a <= b`; `crossed` marks a median between two rows.

    `slope` times `clip(x_i, a, b) - y` is the derivative in w, and `fixed` marks columns where y is constant in trim.
    """
    median = crossed | (mass <= SLACK * jnp.finfo(mass.dtype).eps * total)
    left, right = positive(upto_a - trim), positive(total - trim - below_b)
    share_a = jnp.where(median, safe_divide(0.5, at_a), safe_divide(safe_divide(left, at_a), mass))
    share_b = jnp.where(median, safe_divide(0.5, at_b), safe_divide(safe_divide(right, at_b), mass))
    return Shares(
        a=a,
        b=b,
        at_a=jnp.where(a == b, safe_divide(1.0, at_a), share_a),
        at_b=share_b,
        inside=jnp.where(median, 0, safe_divide(1.0, mass)),
        slope=jnp.where(median, safe_divide(1.0, top), safe_divide(1.0, mass)),
        fixed=median | (a == b),
    )


def window_pullback(x, w, trim, y, low, high, g):
    """Cotangents of `x`, `w` and `trim` for the cotangent `g` of y; formulas at `window_mean`.

    Two passes over the rows: the masses at and below the two thresholds, then one row of each cotangent at a time.
    """
    a, b = pair(low, high)

    def count(sums, row):
        xi, wi = row
        below_b, at_a, upto_a, at_b = sums
        return (
            below_b + jnp.where(xi < b, wi, 0),
            at_a + jnp.where(xi == a, wi, 0),
            upto_a + jnp.where(xi <= a, wi, 0),
            at_b + jnp.where(xi == b, wi, 0),
        ), None

    (below_b, at_a, upto_a, at_b), _ = lax.scan(count, (jnp.zeros_like(y),) * 4, (x, w))
    f, mass, _ = masses(w, trim)
    share = shares(below_b, at_a, upto_a, at_b, a, b, low > high, f, mass, w.sum(), w.max())
    slope = g * share.slope

    def spread(carry, row):
        xi, wi = row
        return carry, (wi * share.of(xi) * g, jnp.vdot(clipped(xi, a, b) - y, slope))

    _, (dx, dw) = lax.scan(spread, (), (x, w))
    dtrim = jnp.where(share.fixed, 0, (2 * y - a - b) * slope).sum()
    return dx, dw, jnp.where(trim < 0, 0, dtrim)
