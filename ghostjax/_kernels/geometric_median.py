"""The geometric median in coefficient space: the distances between rows determine it."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ghostjax._kernels.median_cost import lengths2, line_search, pulls, Smoothing
from ghostjax._kernels.nearest import nearest_radius


STEPS = 100
"""Largest number of Newton steps; hard inputs take ten."""
WEISZFELD_STEPS = 12
"""Number of Weiszfeld's steps before Newton's: they cost less, and for ordinary inputs they suffice."""


def without_far_rows(dist2: Float[Array, "n n"], w: Float[Array, " n"], nu: Float[Array, ""]) -> Float[Array, " n"]:
    """`w`, and 0 for rows so far from the nearest half of the mass that rounding in D hides their direction.

    A row at distance R changes the squared radii of the others by its coefficient, about 1 / R, times the rounding of
    R^2. Beyond R = 1e-3 / eps times the radius of the half (8e3 in float32) this error would decide the result.
    """
    d = jax.lax.stop_gradient(dist2)
    radius = nearest_radius(d, w, w.sum() / 2)
    row = jnp.argmin(jnp.where(w > 0, radius, jnp.inf))
    reach = jnp.maximum(radius[row], jnp.square(jax.lax.stop_gradient(nu))) * jnp.square(1e-3 / jnp.finfo(d.dtype).eps)
    # Half of the mass at one point gives no scale. If it is more than half, the median is within nu of that point.
    heavy = jnp.where(d[row] == 0, w, 0).sum() > w.sum() * (0.5 + 4 * jnp.finfo(w.dtype).eps)
    return jnp.where((d[row] > reach) & ((radius[row] > 0) | heavy), 0, w)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def median_coefficients(
    dist2: Float[Array, "n n"], w: Float[Array, " n"], nu: Float[Array, ""], smoothing: Smoothing
) -> Float[Array, " n"]:
    """`a` with `a @ x` the minimiser z of `sum_i w_i h(||z - x_i||)`; sums to 1 (0 where all are absent).

    For z = a @ x with sum a = 1, `||x_i - z||^2 = (D a)_i - a D a / 2`, and the products of differences to z follow.
    Newton's step is a combination of them, so it needs D alone. The cost is convex: with a line search along each step
    it falls, from any start. Derivative by the implicit function theorem (reverse mode only), never by unrolling.
    """
    return solve(dist2, w, nu, smoothing)[0]


def squares_to(dist2: Float[Array, "n n"], a: Float[Array, " n"]) -> Float[Array, " n"]:
    """`||x_i - a @ x||^2` for coefficients that sum to 1."""
    image = dist2 @ a
    return jnp.maximum(image - 0.5 * (a @ image), 0)


def newton_solve(
    dist2: Float[Array, "n n"],
    r2: Float[Array, " n"],
    b: Float[Array, " n"],
    c: Float[Array, " n"],
    right: Float[Array, " n"],
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """`q = C t` and `t` with `(B I - G C) t = right`: the products `t_i = d_i . y` of `H y = v`, `right_i = d_i . v`.

    `G_ij = d_i . d_j` for the differences `d_i = x_i - z`, `H = B I - sum_i c_i d_i d_i^T`, and `y = (v + q @ d) / B`.
    Solved in the symmetric form `B I - C^1/2 G C^1/2`, positive definite, with rounding added to its diagonal.
    """
    gram = 0.5 * (r2[:, None] + r2[None, :] - dist2)
    root, total = jnp.sqrt(c), b.sum()
    total = jnp.where(total > 0, total, 1)
    n = dist2.shape[0]
    # In units of B: numbers near 1, whatever the units of x.
    scaled = root / jnp.sqrt(total)
    ridge = 1 + 4 * n * jnp.finfo(dist2.dtype).eps
    bent = scaled[:, None] * jnp.where(c[:, None] > 0, gram, 0) * scaled[None, :]
    system = ridge * jnp.eye(n, dtype=dist2.dtype) - bent
    factor = jnp.linalg.cholesky(system, symmetrize_input=False)
    sigma = jax.scipy.linalg.cho_solve((factor, True), root * right) / total
    # Rounding can spoil definiteness only where the problem is flat. There the first term of the series is used.
    q = root * jnp.where(jnp.isfinite(sigma).all(), sigma, 0)
    return q, (right + gram @ q) / total


def _at_row(dist2: Array, w: Array) -> tuple[Array, Array]:
    """Whether the unsmoothed median is a row, and which: the pull of the others on it does not exceed its weight.

    With u_k = w_i / d_ik for the rows elsewhere, the squared pull on row k is s_k (u_k . D_k) - u_k D u_k / 2.
    """
    elsewhere = dist2 > 0
    u = jnp.where(elsewhere, w[:, None] / jnp.sqrt(jnp.where(elsewhere, dist2, 1)), 0)
    pull2 = u.sum(0) * (u * dist2).sum(0) - 0.5 * (u * (dist2 @ u)).sum(0)
    here = jnp.where(elsewhere, 0, w[:, None]).sum(0)
    # Strictly: two rows of equal weight have every point between them as a median, and rounding must not choose one.
    held = (w > 0) & (pull2 < jnp.square(here) * (1 - 64 * jnp.finfo(dist2.dtype).eps))
    return held.any(), jnp.argmax(held)


def solve(
    dist2: Float[Array, "n n"], w: Float[Array, " n"], nu: Float[Array, ""], smoothing: Smoothing
) -> tuple[Float[Array, " n"], Bool[Array, ""], Int[Array, ""]]:
    """The coefficients, whether the median is fixed at a row, and the number of steps taken."""
    total = w.sum()
    start = w / jnp.where(total > 0, total, 1)
    epsilon = jnp.finfo(dist2.dtype).eps
    # Absent rows may hold anything: they stay out of every sum.
    dist2 = jnp.where((w[:, None] > 0) & (w[None, :] > 0), dist2, 0)
    fixed = jnp.zeros((), bool)
    if smoothing == "none":
        fixed, row = _at_row(dist2, w)
        start = jnp.where(fixed, (jnp.arange(w.shape[0]) == row).astype(start.dtype), start)

    def unfinished(carry: tuple[Array, ...]) -> Array:
        return (carry[0] < STEPS) & ~carry[2]

    def advance(carry: tuple[Array, ...]) -> tuple[Array, ...]:
        step, a, _, moved, pull, stalled = carry
        r2 = squares_to(dist2, a)
        b, c = pulls(r2, w, nu, smoothing)
        # If z is at a row by chance, the row pulls back by at most its weight. The line search accounts for that.
        b = jnp.where(b > 0.5 * w / jnp.sqrt(jnp.finfo(b.dtype).tiny), 0, b)
        mass = b.sum()
        mass = jnp.where(mass > 0, mass, 1)
        gram_b = 0.5 * (b.sum() * r2 + b @ r2 - dist2 @ b)
        q, along = newton_solve(dist2, r2, b, c, gram_b)
        beta = (b + q) / mass
        square = jnp.maximum(beta @ along, 0)
        # The median is no farther away than the farthest row.
        farthest = jnp.sqrt(jnp.where(w > 0, r2, 0).max() / jnp.where(square > 0, square, jnp.inf))
        first = jnp.where(square > 0, jnp.minimum(1, farthest), 1)
        t, blind, pull_now = line_search(r2, along, square, w, nu, smoothing, first, True)
        length = t * jnp.sqrt(square)
        # The distances are exact up to the rounding of D: stop where neither the step nor the pull shrinks any more.
        stalled = jnp.where(blind & (length >= 0.5 * moved) & (pull_now >= 0.5 * pull), stalled + 1, 0)
        done = (length <= 8 * epsilon * total / mass) | (stalled >= 2)
        return step + 1, a + t * (beta - beta.sum() * a), done, length, pull_now, stalled

    def shares(a: Array) -> Array:
        pull = w / jnp.sqrt(lengths2(squares_to(dist2, a), nu, smoothing))
        mass = pull.sum()
        return pull / jnp.where(mass > 0, mass, 1)

    def weiszfeld(carry: tuple[Array, ...]) -> tuple[Array, ...]:
        step, a, _ = carry
        after = shares(a)
        return step + 1, after, jnp.abs(after - a).sum() <= 16 * epsilon

    infinite, none = jnp.full((), jnp.inf, dist2.dtype), jnp.zeros((), jnp.int32)
    begin = none, start, fixed | (total <= 0)
    _, start, done = jax.lax.while_loop(lambda carry: (carry[0] < WEISZFELD_STEPS) & ~carry[2], weiszfeld, begin)
    begin = (none, start, done, infinite, infinite, none)
    steps, a, *_ = jax.lax.while_loop(unfinished, advance, begin)
    # Many coefficients give this z. Weiszfeld's step keeps z and makes them shares: positive, and equal for equal rows.
    a = jnp.where(fixed, a, shares(a))
    return jnp.where(total > 0, a, 0), fixed, steps


def d_smoothing(
    r2: Float[Array, " n"], b: Float[Array, " n"], nu: Float[Array, ""], smoothing: Smoothing
) -> Float[Array, " n"]:
    """The derivative of the pulls b in nu."""
    s2 = lengths2(r2, nu, smoothing)
    if smoothing == "sqrt":
        return -b * nu / s2
    return jnp.where(r2 <= jnp.square(nu), -b / jnp.sqrt(s2), 0) if smoothing == "max" else jnp.zeros_like(b)


def _forward(dist2: Array, w: Array, nu: Array, smoothing: Smoothing) -> tuple[Array, Any]:
    a, fixed, _ = solve(dist2, w, nu, smoothing)
    return a, (dist2, w, nu, a, fixed)


def _backward(smoothing: Smoothing, saved: Any, cotangent: Array) -> tuple[Array, Array, Array]:
    # At the fixed point a = b / B. Let lam be the total cotangent of a, centred at a: (B I - G C) lam / B = cotangent,
    # centred. Then b has the cotangent lam / B, and r^2 has -c lam / (2 B). A median that is fixed at a row has no
    # derivative.
    dist2, w, nu, a, fixed = saved
    nu = jnp.asarray(nu, dist2.dtype)
    r2 = squares_to(dist2, a)
    b, c = pulls(r2, w, nu, smoothing)
    _, d_b = newton_solve(dist2, r2, b, c, cotangent - a @ cotangent)
    d_r2 = -0.5 * c * d_b
    d_dist2 = d_r2[:, None] * a[None, :] - 0.5 * d_r2.sum() * a[:, None] * a[None, :]
    d_w = d_b / jnp.sqrt(lengths2(r2, nu, smoothing))
    d_nu = d_b @ d_smoothing(r2, b, nu, smoothing)
    return jnp.where(fixed, 0, d_dist2), jnp.where(fixed, 0, d_w), jnp.where(fixed, 0, d_nu)


median_coefficients.defvjp(_forward, _backward)
