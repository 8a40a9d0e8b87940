"""The norm to which adaptive clipping clips."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def adaptive_limit(
    norms: Float[Array, " n"],
    rows: Float[Array, " n"],
    w: Float[Array, " n"],
    mass: Float[Array, ""],
    beside: Float[Array, ""] | float = 0.0,
) -> Float[Array, ""]:
    """The smallest norm with mass at most `floor(2 F (W - F) / W)` above it, F = `mass` and W the sum of `w`.

    `rows` are the weights of `norms`. The mass `beside` belongs to further rows, longer than all of these.
    """
    total = w.sum()
    # A mass that is a whole number up to rounding counts as that number.
    clipped = jnp.floor(2 * mass * (total - mass) / jnp.where(total > 0, total, 1) + 1e-4)
    above = jnp.where(norms[None, :] > norms[:, None], rows[None, :], 0).sum(1) + beside
    # Masses that differ by rounding count as equal: ten times 0.1 is 1.
    rounding = 4 * max(1, w.shape[0] / 64) * jnp.finfo(w.dtype).eps * total
    return jnp.where((rows > 0) & (above <= clipped + rounding), norms, jnp.inf).min()
