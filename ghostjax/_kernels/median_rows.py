"""The geometric median of rows: by their distances where rows are few, by reads of the rows where they are many.

Reads of rows (`over_rows`): nonlinear conjugate gradients on the convex cost `sum_i w_i h(r_i)`, `r_i = ||x_i - z||`.
With the pulls `b_i = w_i / r_i` and `B = sum b`, a step is

    s = sum_i (b_i / B) x_i - z,    p <- s + max(mix, 0) p,    z <- z + t p,

s being Weiszfeld's step (the gradient over -B), `mix` Polak and Ribiere's, t from a line search. A step reads x twice.
**Invariant:** `r2` holds `(r_i / unit)^2`, `unit` the radius of half of the mass, so that squares stay in the float
range. `r2` is updated along the line; if some square fell by a factor of 64 it lost digits and is `stale`: then it is
measured again, in a new unit, and the direction starts anew. The loop ends when a step is below rounding, or when
rounding hides the descent three times running. A last Weiszfeld step on measured distances removes gathered rounding.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ghostjax._kernels.distance import unit_distances
from ghostjax._kernels.geometric_median import d_smoothing, newton_solve, solve, squares_to, without_far_rows
from ghostjax._kernels.median_cost import lengths2, line_search, pulls, Smoothing
from ghostjax._kernels.moments import combined, weighted_mean
from ghostjax._kernels.norms import row_norms
from ghostjax._kernels.row_sums import row_sums
from ghostjax._kernels.span import balanced, power_near, within


DENSE = 128
"""Number of rows up to which one Gram product costs less than the reads of x that it saves."""
STEPS = 200
"""Largest number of steps over the rows; ordinary inputs take five."""


def geometric_median(
    x: Float[Array, "n d"], w: Float[Array, " n"], nu: Float[Array, ""], smoothing: Smoothing
) -> Float[Array, " d"]:
    """The minimiser z of `sum_i w_i h(||z - x_i||)`, and 0 where all are absent.

    Up to `DENSE` rows, Newton's method in n numbers after one Gram product. Beyond, conjugate gradients with
    Weiszfeld's step as the gradient: two reads of x a step, and nothing of size n^2. Derivative by the implicit
    function theorem (reverse mode only), in few reads of x and one write.
    """
    w = balanced(w)
    if x.shape[0] > DENSE:
        return _median(x, w, nu, None, smoothing)
    dist2, scale = unit_distances(jax.lax.stop_gradient(x), jax.lax.stop_gradient(w))
    return _median(x, without_far_rows(dist2, w, nu * scale), nu, (dist2, scale), smoothing)


Distances = tuple[Array, Array] | None
"""Squared distances between rows times `scale`, and `scale`."""


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def _median(x: Array, w: Array, nu: Array, distances: Distances, smoothing: Smoothing) -> Array:
    return _forward(x, w, nu, distances, smoothing)[0]


def _forward(x: Array, w: Array, nu: Array, distances: Distances, smoothing: Smoothing) -> tuple[Array, Any]:
    if distances is None:
        z, fixed, row, _ = over_rows(x, w, nu, smoothing)
        return z, (x, w, nu, None, z, *_measure(x, w, z), fixed, row)
    dist2, scale = distances
    a, fixed, _ = solve(dist2, w, nu * scale, smoothing)
    z = combined(a, x)
    return z, (x, w, nu, dist2, z, squares_to(dist2, a), 1 / scale, fixed, jnp.argmax(a))


def _backward(smoothing: Smoothing, saved: Any, cotangent: Array) -> tuple[Array, Array, Array, Distances]:
    # Implicit differentiation: H y = cotangent with the Hessian H = B I - sum_i c_i d_i d_i^T, d_i = x_i - z. A unit of
    # pull moves z by y. A median that is fixed at a row follows that row and no other.
    x, w, nu, dist2, z, r2, unit, fixed, row = saved
    seen, radius = jnp.where(jnp.isfinite(r2), w, 0), jnp.asarray(nu / unit, r2.dtype)
    b, c = pulls(r2, seen, radius, smoothing)
    mass = b.sum()
    mass = jnp.where(mass > 0, mass, 1)

    def along(row: Array, z: Array, y: Array) -> Array:
        return (row - z) * y

    if dist2 is None:
        y = _conjugate_gradients(x, z, unit, mass, c, cotangent)
        t = row_sums(along, x, z, y) / unit
    else:
        q, t = newton_solve(dist2, r2, b, c, row_sums(along, x, z, cotangent) / unit)
        q = q / unit
        y = (cotangent + q @ x - q.sum() * z) / mass
    s = jnp.sqrt(lengths2(r2, radius, smoothing))
    bend = c * t / unit
    d_x = b[:, None] * y[None, :] - bend[:, None] * (x - z[None, :])
    stays = (jnp.arange(x.shape[0]) == row)[:, None] & (w.sum() > 0)
    d_x = jnp.where(fixed, jnp.where(stays, cotangent[None, :], 0), d_x)
    d_nu = jnp.where(seen > 0, t, 0) @ d_smoothing(r2, b, radius, smoothing)
    nothing = None if dist2 is None else (jnp.zeros_like(dist2), jnp.zeros_like(unit))
    d_w = jnp.where(jnp.isfinite(r2) & ~fixed, unit * t / s, 0)
    return d_x, d_w, jnp.where(fixed, 0, d_nu), nothing


_median.defvjp(_forward, _backward)


def _conjugate_gradients(x: Array, z: Array, unit: Array, mass: Array, c: Array, right: Array) -> Array:
    """`y` with `B y - sum_i c_i d_i (d_i . y) = right`, two reads of x a step."""
    limit = jnp.square(8 * jnp.finfo(x.dtype).eps) * (right @ right)

    def unfinished(carry: tuple[Array, ...]) -> Array:
        return (carry[0] < STEPS) & (carry[4] > limit)

    def advance(carry: tuple[Array, ...]) -> tuple[Array, ...]:
        step, y, rest, p, square = carry
        bent = jnp.where(c > 0, c * (x @ p - z @ p), 0) / jnp.square(unit)
        image = mass * p - bent @ x + bent.sum() * z
        t = square / (p @ image)
        rest = rest - t * image
        after = rest @ rest
        return step + 1, y + t * p, rest, rest + after / square * p, after

    start = jnp.zeros((), jnp.int32), jnp.zeros_like(right), right, right, right @ right
    return jax.lax.while_loop(unfinished, advance, start)[1]


def _measure(x: Array, w: Array, z: Array) -> tuple[Array, Array]:
    """Squared distances to z in units of the radius of half of the mass, and that radius.

    Squares of distances beyond 1e19 units overflow. Such rows have no pull.
    """
    r = row_norms(x, z)
    order = jnp.argsort(jnp.where(w > 0, r, jnp.inf))
    half = r[order[jnp.argmax(jnp.cumsum(w[order]) >= 0.5 * w.sum())]]
    # Half of the mass at z itself gives no unit; the farthest row does. The inverse of a unit is a normal number.
    info = jnp.finfo(r.dtype)
    unit = jnp.where(half > 2 * info.tiny, half, jnp.maximum(jnp.where(w > 0, r, 0).max(), 1))
    unit = jnp.minimum(unit, 0.125 * info.max)
    return jnp.square(r / unit), unit


def over_rows(
    x: Float[Array, "n d"], w: Float[Array, " n"], nu: Float[Array, ""], smoothing: Smoothing
) -> tuple[Float[Array, " d"], Bool[Array, ""], Int[Array, ""], Int[Array, ""]]:
    """The median, whether it is fixed at a row, the row nearest to it, and the number of steps taken."""
    total = w.sum()
    epsilon = jnp.finfo(x.dtype).eps

    def unfinished(carry: tuple[Array, ...]) -> Array:
        return (carry[0] < STEPS) & ~carry[1]

    def advance(carry: tuple[Array, ...]) -> tuple[Array, ...]:
        step, _, z, r2, unit, stale, before, p, product, moved, pull, stalled = carry
        fresh = stale
        r2, unit = jax.lax.cond(stale, lambda: _measure(x, w, z), lambda: (r2, unit))
        lost = ~jnp.isfinite(r2)
        seen = jnp.where(lost, 0, w)
        r2 = jnp.where(seen > 0, r2, 1)
        radius = nu / unit
        b, c = pulls(r2, seen, radius, smoothing)
        # If z is at a row by chance, the row pulls back by at most its weight. The line search accounts for that.
        b = jnp.where(lengths2(r2, radius, smoothing) <= epsilon**2, 0, b)
        mass = b.sum()
        share = b / jnp.where(mass > 0, mass, 1)
        # Weiszfeld's step, in units. No mixture with the last direction after a new measurement: its unit was another.
        # Where the unit is huge, numbers are made smaller before they are added.
        h = jnp.where(unit > 2.0**60, jnp.asarray(2.0**-70, x.dtype), 1)
        s = jnp.where(mass > 0, (h * (share @ x) - h * z) / (h * unit), 0)
        descent = mass * (s @ s)
        mix = jnp.where((product > 0) & ~fresh, (descent - mass * (s @ before)) / jnp.where(product > 0, product, 1), 0)
        p = s + jnp.maximum(mix, 0) * p
        p = jnp.where(s @ p > 0, p, s)
        square = p @ p
        slope = jnp.where(seen > 0, (x @ (h * p) - z @ (h * p)) / (h * unit), 0)
        # The exact length for a quadratic cost, limited by the distance of the farthest row.
        bend = mass * square - c @ jnp.square(slope)
        first = jnp.where(bend > epsilon * mass * square, b @ slope / jnp.where(bend > 0, bend, 1), 1)
        farthest = jnp.sqrt(jnp.where(seen > 0, r2, 0).max() / jnp.where(square > 0, square, 1))
        first = jnp.where(square > 0, jnp.clip(first, epsilon, farthest), 1)
        t, blind, pull_now = line_search(r2, slope, square, seen, radius, smoothing, first, False)
        after = jnp.maximum(r2 + t * (t * square - 2 * slope), 0)
        # Squares that became much smaller have lost their digits: they are measured again.
        stale = (jnp.where(seen > 0, r2 - 64 * after, 0) > 0).any()
        after = jnp.where(lost, jnp.inf, after)
        length = t * jnp.sqrt(square)
        resting = blind & ~stale & (length >= 0.5 * moved) & (pull_now >= 0.5 * pull)
        stalled = jnp.where(resting, stalled + 1, 0)
        done = (length <= 8 * epsilon * seen.sum() / jnp.where(mass > 0, mass, 1)) & ~stale
        z = within(z + t * unit * p)
        return (step + 1, done | (stalled >= 3), z, after, unit, stale, s, p, descent, length, pull_now, stalled)

    z = weighted_mean(x, w)
    zero, infinite, none = jnp.zeros_like(total), jnp.full_like(total, jnp.inf), jnp.zeros((), jnp.int32)
    start = none, total <= 0, z, jnp.zeros_like(w), jnp.ones_like(total), jnp.ones((), bool)
    origin = jnp.zeros_like(z)
    steps, _, z, *_ = jax.lax.while_loop(unfinished, advance, (*start, origin, origin, zero, infinite, infinite, none))
    # One Weiszfeld step on measured distances removes the rounding that the loop gathered.
    r2, unit = _measure(x, w, z)
    b, _ = pulls(r2, w, nu / unit, smoothing)
    near = jnp.argmin(jnp.where(w > 0, r2, jnp.inf))
    fixed = jnp.zeros((), bool)
    polished = weighted_mean(x, b)
    if smoothing == "none":
        fixed = _held(x, w, x[near])
        polished = jnp.where(fixed, x[near], polished)
    return jnp.where(total > 0, polished, 0), fixed, near, steps


def _held(x: Array, w: Array, row: Array) -> Array:
    """Whether the pull of the others on `row` does not exceed its weight."""
    r = row_norms(x, row)
    info = jnp.finfo(x.dtype)
    here = r <= 2 * info.tiny
    # In units of the nearest other row. Numbers are made a power of two smaller before they are added.
    factor, small = power_near(jnp.where(here, info.max, r).min()), 2.0**-30
    u = jnp.where(here, 0, small * w / (r * factor))
    pull = (u @ x - u.sum() * row) * factor / small
    return jnp.linalg.norm(pull) < jnp.where(here, w, 0).sum() * (1 - 64 * info.eps)
