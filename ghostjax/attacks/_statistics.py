"""Honest statistics as an adversary computes them, with derivatives that stay finite."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ghostjax._kernels import weighted_mean, weighted_variance
from ghostjax.attacks._base import View


def honest_mean(view: View) -> Float[Array, " d"]:
    """The weighted mean of honest messages; zero where no honest identity is present."""
    return weighted_mean(view.messages, view.honest)


def honest_std(view: View, mean: Float[Array, " d"], ddof: int) -> Float[Array, " d"]:
    """The weighted standard deviation per coordinate; zero where the honest weight is at most `ddof`."""
    return safe_sqrt(weighted_variance(view.messages, view.honest, mean, ddof))


def safe_sqrt(square: Float[Array, "..."]) -> Float[Array, "..."]:
    """`sqrt`, with derivative 0 instead of inf at 0: a coordinate that no node ever moves is ordinary."""
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)


def normalise(vector: Float[Array, " d"]) -> Float[Array, " d"]:
    """The unit vector; zero for zero. Scaled by the largest entry first, so that squares do not overflow."""
    top = jnp.abs(vector).max()
    scaled = vector / jnp.where(top > 0, top, 1)
    norm = safe_sqrt(jnp.square(scaled).sum())
    return scaled / jnp.where(norm > 0, norm, 1)
