"""The geometric median in coefficient space: everything about it is in the distances between rows."""

from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._kernels.nearest import nearest_radius


Smoothing = Literal["sqrt", "max", "none"]


def in_sight(dist2: Float[Array, "n n"], w: Float[Array, " n"], nu: Float[Array, ""]) -> Float[Array, " n"]:
    """`w`, and 0 for rows so far from the nearest half of the mass that D no longer tells their direction.

    A row at distance R changes the squared radii of the others by its coefficient, about 1 / R, times the rounding of
    R^2. From R = 1e-3 / eps times the radius of the half on (8e3 in float32) that would decide where they are.
    """
    d = jax.lax.stop_gradient(dist2)
    radius = nearest_radius(d, w, w.sum() / 2)
    row = jnp.argmin(jnp.where(w > 0, radius, jnp.inf))
    reach = jnp.maximum(radius[row], jnp.square(jax.lax.stop_gradient(nu))) * jnp.square(1e-3 / jnp.finfo(d.dtype).eps)
    return jnp.where((d[row] > reach) & (radius[row] > 0), 0, w)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def median_coefficients(
    dist2: Float[Array, "n n"], w: Float[Array, " n"], nu: Float[Array, ""], smoothing: Smoothing
) -> Float[Array, " n"]:
    """`a` with `a @ x` the minimiser z of `sum_i w_i h(||z - x_i||)`; sums to 1 (0 where all are absent).

    For z = a @ x with sum a = 1, `||x_i - z||^2 = (D a)_i - a D a / 2`, so Weiszfeld's step (the weighted mean with
    weights w_i / r_i) needs D alone. It is repeated until z moves by less than the resolution of D. Derivative by
    the implicit function theorem at the fixed point (reverse mode only), never by unrolling.
    """
    return _solve(dist2, w, nu, smoothing)[0]


def _radii(dist2: Array, a: Array, nu: Array, smoothing: Smoothing) -> Array:
    squares = jnp.maximum(dist2 @ a - 0.5 * (a @ dist2 @ a), 0)
    if smoothing == "sqrt":
        return jnp.sqrt(squares + jnp.square(nu))
    floor = jnp.square(nu) if smoothing == "max" else jnp.zeros_like(nu)
    return jnp.sqrt(jnp.maximum(squares, jnp.maximum(floor, jnp.finfo(squares.dtype).tiny)))


def _weiszfeld(dist2: Array, w: Array, nu: Array, a: Array, smoothing: Smoothing) -> Array:
    b = w / _radii(dist2, a, nu, smoothing)
    total = b.sum()
    return b / jnp.where(total > 0, total, 1)


def _at_row(dist2: Array, w: Array) -> tuple[Array, Array]:
    """Whether the unsmoothed median is one of the rows, and which: the pull of the others does not exceed its weight.

    With u_k = w_i / d_ik for the rows elsewhere, the squared pull on row k is s_k (u_k . D_k) - u_k D u_k / 2.
    """
    elsewhere = dist2 > 0
    u = jnp.where(elsewhere, w[:, None] / jnp.sqrt(jnp.where(elsewhere, dist2, 1)), 0)
    pull2 = u.sum(0) * (u * dist2).sum(0) - 0.5 * (u * (dist2 @ u)).sum(0)
    here = jnp.where(elsewhere, 0, w[:, None]).sum(0)
    # Strictly: between two rows that hold each other in balance every point is a median, and rounding must not choose.
    held = (w > 0) & (pull2 < jnp.square(here) * (1 - 64 * jnp.finfo(dist2.dtype).eps))
    return held.any(), jnp.argmax(held)


def _solve(dist2: Array, w: Array, nu: Array, smoothing: Smoothing) -> tuple[Array, Array]:
    total = w.sum()
    start = w / jnp.where(total > 0, total, 1)
    epsilon = jnp.finfo(dist2.dtype).eps
    # The distance that z moves is known to about sqrt(eps) of the spread: squared differences of a sum in D.
    spread2 = start @ dist2 @ start
    tolerance = jnp.square(16 * epsilon) * spread2

    def unfinished(carry: tuple[Array, Array, Array]) -> Array:
        step, _, moved2 = carry
        return (step < 2000) & (moved2 > tolerance)

    def advance(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        step, a, _ = carry
        after = _weiszfeld(dist2, w, nu, a, smoothing)
        change = after - a
        # An upper bound that rounding cannot make negative: the largest distance times the change of the shares.
        return step + 1, after, jnp.square(jnp.abs(change).sum()) * spread2

    steps = jnp.zeros((), jnp.int32)
    _, a, _ = jax.lax.while_loop(unfinished, advance, (steps, start, jnp.full((), jnp.inf, dist2.dtype)))
    fixed = jnp.zeros((), bool)
    if smoothing == "none":
        fixed, row = _at_row(dist2, w)
        a = jnp.where(fixed, (jnp.arange(w.shape[0]) == row).astype(a.dtype), a)
    return jnp.where(total > 0, a, 0), fixed


def _forward(dist2: Array, w: Array, nu: Array, smoothing: Smoothing) -> tuple[Array, Any]:
    a, fixed = _solve(dist2, w, nu, smoothing)
    return a, (dist2, w, nu, a, fixed)


def _backward(smoothing: Smoothing, saved: Any, cotangent: Array) -> tuple[Array, Array, Array]:
    # At the fixed point a = T(a, D, w): (I - T_a)^T lam = cotangent, then the derivatives of T at lam. Away from a row
    # T contracts, so lam is a convergent sum; a median that is a row stays there and has no derivative in w.
    dist2, w, nu, a, fixed = saved
    _, pull = jax.vjp(lambda a, d, w, nu: _weiszfeld(d, w, nu, a, smoothing), a, dist2, w, nu)
    scale = jnp.abs(cotangent).max()

    def unfinished(carry: tuple[Array, Array, Array]) -> Array:
        step, _, term = carry
        return (step < 2000) & (jnp.abs(term).max() > jnp.finfo(a.dtype).eps * scale)

    def advance(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        step, lam, term = carry
        term = pull(term)[0]
        return step + 1, lam + term, term

    _, lam, _ = jax.lax.while_loop(unfinished, advance, (jnp.zeros((), jnp.int32), cotangent, cotangent))
    _, d_dist2, d_w, d_nu = pull(lam)
    return jnp.where(fixed, 0, d_dist2), jnp.where(fixed, 0, d_w), jnp.where(fixed, 0, d_nu)


median_coefficients.defvjp(_forward, _backward)
