"""Row norms that neither overflow nor divide by zero in the derivative."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._kernels.precision import widened
from ghostjax._kernels.row_sums import squares_from


def row_norms(x: Float[Array, "n d"], centre: Float[Array, " d"] | None = None) -> Float[Array, " n"]:
    """`||x_i - centre||` per row, at least the smallest positive number, one read of x.

    Squares of entries beyond 1e19 overflow in float32; where any does, rows are scaled by their largest entry first.
    The lower bound keeps the derivative finite (zero) where a row equals the centre.
    """

    wide = widened(x)
    # Sums of terms of one array alone are fast in XLA whatever the shape.
    squares = jnp.square(wide).sum(1) if centre is None else squares_from(wide, widened(centre))

    def scaled() -> Array:
        differences = wide if centre is None else wide - widened(centre)[None, :]
        largest = jnp.maximum(jnp.abs(differences).max(1), jnp.finfo(wide.dtype).tiny)
        return largest * jnp.sqrt(jnp.square(differences / largest[:, None]).sum(1))

    def plain() -> Array:
        return jnp.sqrt(jnp.maximum(squares, jnp.finfo(wide.dtype).tiny))

    return jax.lax.cond(jnp.isfinite(squares).all(), plain, scaled).astype(x.dtype)
