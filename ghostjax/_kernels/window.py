"""Mean of the values inside a window of mass, per coordinate: the trimmed mean and the median."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def window_mean(x: Float[Array, "n d"], w: Float[Array, " n"], trim: Float[Array, ""]) -> Float[Array, " d"]:
    """Per coordinate, drops mass `trim` at both ends and averages the rest; the median where nothing is left."""
    order = jnp.argsort(x, axis=0)
    values = jnp.take_along_axis(x, order, axis=0)
    weights = w[order]
    total = w.sum()
    upper = jnp.cumsum(weights, axis=0)
    trim = jnp.minimum(trim, total / 2)
    kept = jnp.clip(upper, trim, total - trim) - jnp.clip(upper - weights, trim, total - trim)
    mass = total - 2 * trim
    mean = (kept * values).sum(0) / jnp.where(mass > 0, mass, 1)
    low = jnp.take_along_axis(values, jnp.argmax(upper >= total / 2, axis=0)[None], axis=0)[0]
    high = jnp.take_along_axis(values, jnp.argmax(upper > total / 2, axis=0)[None], axis=0)[0]
    return jnp.where(mass > 0, mean, jnp.where(total > 0, (low + high) / 2, 0))
