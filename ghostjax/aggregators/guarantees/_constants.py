"""Robustness coefficients as functions of the assumed mass F and the mass W present, with `r = F / (W - 2 F)`.

Source: Allouah et al., Fixing by Mixing, arXiv:2302.01772.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def trimmed_mean_kappa(mass: Float[Array, ""], total: Float[Array, ""]) -> Float[Array, ""]:
    """`6 r (1 + r)`."""
    free = total - 2 * mass
    r = mass / jnp.where(free > 0, free, 1)
    return jnp.where(free > 0, 6 * r * (1 + r), jnp.inf)


def median_kappa(mass: Float[Array, ""], total: Float[Array, ""]) -> Float[Array, ""]:
    """`4 (1 + r)^2`, for a minimiser of distances, in space or per coordinate.

    Its sum of distances is at most that of the mean m of S, so `(W - 2 F) ||y - m|| <= 2 (W - F) mean_S ||x_i - m||`.
    """
    free = total - 2 * mass
    return jnp.where(free > 0, 4 * jnp.square((total - mass) / jnp.where(free > 0, free, 1)), jnp.inf)


def krum_kappa(mass: Float[Array, ""], total: Float[Array, ""]) -> Float[Array, ""]:
    """`6 (1 + r)`, for scores over n - f - 1 neighbours."""
    free = total - 2 * mass
    r = mass / jnp.where(free > 0, free, 1)
    return jnp.where(free > 0, 6 * (1 + r), jnp.inf)
