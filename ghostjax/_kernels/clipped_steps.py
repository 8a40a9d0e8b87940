"""Repeated means of differences clipped around a moving centre, with the derivative of all steps at once."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._kernels.norms import lengths, measured
from ghostjax._kernels.precision import at_least_float32
from ghostjax._kernels.row_sums import row_sums
from ghostjax._kernels.span import within


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def clipped_steps(
    x: Float[Array, "n d"], share: Float[Array, " n"], tau: Float[Array, ""], start: Float[Array, " d"], steps: int
) -> Float[Array, " d"]:
    """`v` after `steps` times `v <- v + sum_i s_i (x_i - v)`, `s_i = share_i min(1, tau / ||x_i - v||)`, from `start`.

    A step reads x twice. The derivative (reverse mode only) keeps the centres `[steps, d]` and the distances
    `[steps, n]`, never a difference `[n, d]`. It reads x twice a step, and once more to write the cotangent of x.
    """
    return jax.lax.fori_loop(0, steps, lambda _, v: _step(x, share, tau, v)[0], start)


def _step(x: Array, share: Array, tau: Array, v: Array) -> tuple[Array, Array]:
    norms, unit = found = measured(x, v)
    radius = lengths(found, x.dtype)
    scale = share * jnp.minimum(1, unit * (at_least_float32(tau) / norms)).astype(x.dtype)
    # sum_i s_i (x_i - v) without the differences: one product and one multiple of v.
    moved, kept = scale @ x, scale.sum() * v
    after = v + moved - kept
    # Sums of the largest numbers can overflow on the way to a number that does not. XLA would undo a constant factor.
    small = jnp.where(tau >= 0, jnp.asarray(0.25, x.dtype), 1)
    return jnp.where(jnp.isfinite(after), after, within((small * v + small * moved - small * kept) / small)), radius


def _forward(x: Array, share: Array, tau: Array, start: Array, steps: int) -> tuple[Array, Any]:
    def advance(v: Array, _: None) -> tuple[Array, tuple[Array, Array]]:
        after, radius = _step(x, share, tau, v)
        return after, (v, radius)

    v, (centres, radii) = jax.lax.scan(advance, start, None, length=steps)
    return v, (x, share, tau, centres, radii)


def _backward(steps: int, saved: Any, cotangent: Array) -> tuple[Array, Array, Array, Array]:
    # With g the cotangent of a step's result, u_i = x_i - v and h_i = u_i . g: s_i has the cotangent h_i, and where
    # row i is clipped, s_i changes by e_i = h_i s_i / r_i^2 along u_i as v moves and against it as x_i does:
    # g <- (1 - sum s) g + sum e_i u_i,  dx_i = sum over steps of s_i g - e_i u_i.
    x, share, tau, centres, radii = saved

    def advance(carry: tuple[Array, Array, Array], step: tuple[Array, Array]) -> tuple[Any, Any]:
        g, d_share, d_tau = carry
        v, radius = step
        h = row_sums(lambda row, v, g: (row - v) * g, x, v, g)
        clipped = radius > tau
        kept = jnp.where(clipped, tau / radius, 1)
        scale = share * kept
        bend = jnp.where(clipped, h / radius * (scale / radius), 0)
        before = (1 - scale.sum()) * g + bend @ x - bend.sum() * v
        d_tau = d_tau + jnp.where(clipped, h * (share / radius), 0).sum()
        return (before, d_share + h * kept, d_tau), (scale, bend, g)

    start = cotangent, jnp.zeros_like(share), jnp.zeros_like(tau)
    (d_start, d_share, d_tau), (scale, bend, g) = jax.lax.scan(advance, start, (centres, radii), reverse=True)
    rows = jnp.concatenate([scale, bend]).T @ jnp.concatenate([g, centres])
    return rows - bend.sum(0)[:, None] * x, d_share, d_tau, d_start


clipped_steps.defvjp(_forward, _backward)
