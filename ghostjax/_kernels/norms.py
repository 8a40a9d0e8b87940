"""Row norms over the whole float range."""

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

from ghostjax._kernels.precision import at_least_float32
from ghostjax._kernels.row_sums import row_sums, squared_distances_to
from ghostjax._kernels.span import near_one, ORDINARY, when


Measured = tuple[Float[Array, " n"], Float[Array, " n"]]


def row_norms(x: Float[Array, "n d"], centre: Float[Array, " d"] | None = None) -> Float[Array, " n"]:
    """`||x_i - centre||` per row, between the smallest normal and the largest finite number; one read of x.

    A row whose squares leave the float range (norms below 1e-15 or above 1e15) is scaled by the power of two near its
    largest entry, at the cost of one more read. The lower bound keeps the derivative of a row at the centre zero.
    """
    return lengths(measured(x, centre), x.dtype)


def measured(x: Float[Array, "n d"], centre: Float[Array, " d"] | None = None) -> Measured:
    """`s_i ||x_i - centre||`, in float32 at least, and s_i: 1, or 2^-50 where the norm may leave the float range."""
    return _norms(at_least_float32(x), None if centre is None else at_least_float32(centre))


def lengths(found: Measured, dtype: jnp.dtype) -> Float[Array, " n"]:
    """Norms, with the largest finite number for every larger one."""
    norms, scale = found
    return jnp.minimum(norms / scale, jnp.asarray(jnp.finfo(dtype).max, norms.dtype)).astype(dtype)


def capped(x: Float[Array, "n d"], found: Measured, limit: Float[Array, ""]) -> Float[Array, "n d"]:
    """Rows whose norms are `found`, scaled down to norm `limit` at most."""
    # In two factors: the single factor limit / norm would be rounded to 0 for the longest rows.
    norms, scale = found
    # A short row is not divided: its norm may be so small that the derivative of the quotient overflows.
    long = at_least_float32(limit) / jax.lax.stop_gradient(norms) < 1 / scale
    share = jnp.where(long, at_least_float32(limit) / jnp.where(long, norms, 1), 1 / scale)
    return x * scale.astype(x.dtype)[:, None] * share.astype(x.dtype)[:, None]


@jax.custom_jvp
def _norms(x: Array, centre: Array | None) -> tuple[Array, Array]:
    # XLA sums terms of one array fast for every shape.
    squares = jnp.square(x).sum(1) if centre is None else squared_distances_to(x, centre)
    info = jnp.finfo(x.dtype)
    # Each of d squares may lose as much as the smallest normal number.
    ordinary = (squares >= x.shape[1] * (float(info.tiny) / float(info.eps))) & (squares <= info.max)
    plain = jnp.sqrt(jnp.maximum(squares, info.tiny)), jnp.ones_like(squares)

    def again() -> tuple[Array, Array]:
        norms, scale = _scaled(x, centre)
        return jnp.where(ordinary, plain[0], norms), jnp.where(ordinary, 1, scale)

    return when(~ordinary.all(), again, plain)


def _scaled(x: Array, centre: Array | None) -> tuple[Array, Array]:
    rows, factor = near_one(x, centre)
    norms = jnp.sqrt(jnp.square(rows).sum(1))
    scale = jnp.where(factor < 2.0**-ORDINARY, jnp.asarray(2.0**-ORDINARY, x.dtype), 1)
    return jnp.maximum(norms * (scale / factor), jnp.finfo(x.dtype).tiny), scale


def _tangent(primals: tuple, tangents: tuple) -> tuple[tuple, tuple]:
    x, centre = primals
    dx, dcentre = tangents
    norms, scale = _norms(x, centre)
    moved = jnp.zeros_like(norms)
    if not isinstance(dx, SymbolicZero):
        moved = moved + ((x if centre is None else x - centre[None, :]) * dx).sum(1)
    if centre is not None and not isinstance(dcentre, SymbolicZero):
        moved = moved - row_sums(lambda row, centre, d_centre: (row - centre) * d_centre, x, centre, dcentre)
    return (norms, scale), (scale * scale * moved / norms, jnp.zeros_like(scale))


_norms.defjvp(_tangent, symbolic_zeros=True)
