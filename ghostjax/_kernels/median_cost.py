"""The cost that a geometric median minimises, seen along a line: pulls, curvature and how far to go."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


Smoothing = Literal["sqrt", "max", "none"]
LINE_STEPS = 40
"""Largest number of points that a search along a line looks at."""


def lengths2(r2: Float[Array, " n"], nu: Float[Array, ""], smoothing: Smoothing) -> Float[Array, " n"]:
    """Squares of the smoothed distances s, of which `w / s` is the pull; the smallest positive number or more."""
    floor = {"sqrt": r2 + jnp.square(nu), "max": jnp.maximum(r2, jnp.square(nu)), "none": r2}[smoothing]
    return jnp.maximum(floor, jnp.finfo(r2.dtype).tiny)


def pulls(
    r2: Float[Array, " n"], w: Float[Array, " n"], nu: Float[Array, ""], smoothing: Smoothing
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """`b = w / s` and `c = b / s^2`, 0 where h is flat: the Hessian is `sum_i b_i I - c_i d_i d_i^T`.

    A row at the point itself, so close that the cube of its distance underflows, adds no curvature.
    """
    s2 = lengths2(r2, nu, smoothing)
    b = w / jnp.sqrt(s2)
    flat = s2 <= jnp.finfo(r2.dtype).tiny ** 0.6 * jnp.minimum(1, jnp.where(w > 0, s2, 0).max())
    if smoothing == "max":
        flat |= r2 <= jnp.square(nu)
    return b, jnp.where(flat, 0, b / jnp.where(flat, 1, s2))


def cost(r2: Float[Array, " n"], w: Float[Array, " n"], nu: Float[Array, ""], smoothing: Smoothing) -> Array:
    """`sum_i w_i h(r_i)`; beyond the flat part `h(r) = r`, and `(r^2 / nu + nu) / 2` within it for "max"."""
    s = jnp.sqrt(lengths2(r2, nu, smoothing))
    return w @ (0.5 * (s + r2 / s) if smoothing == "max" else s)


def line_search(
    r2: Float[Array, " n"],
    slope: Float[Array, " n"],
    square: Float[Array, ""],
    w: Float[Array, " n"],
    nu: Float[Array, ""],
    smoothing: Smoothing,
    first: Float[Array, ""],
    trusted: bool,
) -> tuple[Float[Array, ""], Bool[Array, ""], Float[Array, ""]]:
    """The step length along p, whether rounding hides the descent, and the pull along p.

    With `slope_i = (x_i - z) . p` and `square = p . p`, the cost along the line depends on t only through
    `r_i^2(t) = r_i^2 - 2 t slope_i + t^2 square`. The search bisects on the sign of the derivative, which a convex cost
    allows, and begins at `first`. It stops where the cost is lower and at most .3 of the pull is left.

    If the descent is below the rounding of the cost, a `trusted` first length is taken unchanged. Otherwise the pull
    alone decides: it is a sum of unit vectors, so far rows do not hide it, but it needs accurate distances.
    """
    epsilon = jnp.finfo(r2.dtype).eps
    length = jnp.sqrt(square)

    def look(t: Array) -> tuple[Array, Array]:
        along = jnp.maximum(r2 + t * (t * square - 2 * slope), 0)
        return cost(along, w, nu, smoothing), (w / jnp.sqrt(lengths2(along, nu, smoothing))) @ (t * square - slope)

    here, steep = look(jnp.zeros_like(first))
    blind = jnp.abs(steep) <= 16 * epsilon * here
    at_once = blind if trusted else jnp.abs(steep) <= 16 * epsilon * w.sum() * length

    def enough(value: Array, derivative: Array) -> Array:
        return at_once | (((value <= here) | blind) & (jnp.abs(derivative) <= 0.3 * jnp.abs(steep)))

    def unfinished(carry: tuple[Array, ...]) -> Array:
        return (carry[0] < LINE_STEPS) & ~carry[5]

    def advance(carry: tuple[Array, ...]) -> tuple[Array, ...]:
        count, low, high, t, derivative, _ = carry
        low, high = jnp.where(derivative < 0, t, low), jnp.where(derivative < 0, high, t)
        t = jnp.where(jnp.isinf(high), 4 * t, 0.5 * (low + high))
        value, derivative = look(t)
        return count + 1, low, high, t, derivative, enough(value, derivative)

    value, derivative = look(first)
    start = (
        jnp.ones((), jnp.int32),
        jnp.zeros_like(first),
        jnp.full_like(first, jnp.inf),
        first,
        derivative,
        enough(value, derivative),
    )
    _, low, _, t, _, found = jax.lax.while_loop(unfinished, advance, start)
    # At a kink no length satisfies both conditions. The largest length below it, where the cost still falls, is taken.
    t = jnp.where(found, t, low)
    return t, blind, jnp.abs(steep) / jnp.where(length > 0, length, 1)
